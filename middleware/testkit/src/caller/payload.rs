//! What the token of a test caller says, for whoever reads its claims.

use serde_json::{Map, Value, json};
use tower_identity_core::{Groups, SecretToken};

use super::TestCaller;

impl TestCaller {
    pub(super) fn payload(&self) -> Map<String, Value> {
        let (signed_in, said) = (&self.authentication, &self.attributes);
        let listed = |all: &[Box<str>]| if all.is_empty() { Value::Null } else { json!(all) };
        let act = self.actors().rev().fold(Value::Null, |inner, actor| match inner {
            Value::Null => json!({"iss": self.issuer, "sub": actor}),
            inner => json!({"iss": self.issuer, "sub": actor, "act": inner}),
        });
        let claims = [
            ("iss", json!(self.issuer)),
            ("sub", json!(self.user.as_ref().unwrap_or(&self.workload))),
            ("client_id", json!(self.workload)),
            ("aud", json!(self.audience)),
            ("scope", json!(self.scopes.to_string())),
            ("exp", json!(self.expires_at)),
            ("jti", json!(self.token_id)),
            ("act", act),
            ("txn", json!(self.transaction)),
            ("auth_time", json!(signed_in.auth_time)),
            ("acr", json!(signed_in.acr)),
            ("amr", if signed_in.amr.is_empty() { Value::Null } else { json!(signed_in.amr) }),
            ("sid", json!(signed_in.session)),
            ("name", json!(said.display_name)),
            ("email", json!(said.email.as_ref().map(|email| &email.address))),
            ("email_verified", json!(said.email.as_ref().map(|email| email.verified))),
            (
                "groups",
                match &said.groups {
                    Groups::Known(groups) => listed(groups),
                    Groups::Unknown => Value::Null,
                },
            ),
            ("roles", listed(&said.roles)),
        ];
        let mut payload: Map<_, _> = claims
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.into(), value))
            .collect();
        payload.extend(self.claims.clone());
        payload
    }
}

/// What no verifier accepts, should it ever reach one: `alg` is `none`, and the signature is empty.
pub(super) fn unsigned(payload: &[u8]) -> SecretToken {
    let encode = |part: &[u8]| base64_simd::URL_SAFE_NO_PAD.encode_to_string(part);
    SecretToken::from(format!("{}.{}.", encode(br#"{"alg":"none","typ":"at+jwt"}"#), encode(payload)))
}
