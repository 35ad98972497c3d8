//! Signing access tokens, and the token endpoint's answer (RFC 6749 §5.1, RFC 8693 §2.2.1).

use std::collections::BTreeMap;

use serde::Serialize;
use tower_identity::{Audience, ClientId, Scopes, SecretToken, Subject, Timestamp, TransactionId};
use tower_identity_jose::AudienceClaim;

use crate::{
    authority::Authority,
    claims::{ActClaim, AuthenticationClaims, IssuedClaims},
    dialect::About,
    error::TokenError,
};

/// What an access token is to say.
pub(crate) struct AccessToken<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) audience: &'a AudienceClaim,
    pub(crate) client: &'a ClientId,
    pub(crate) scopes: &'a Scopes,
    pub(crate) expires_at: Timestamp,
    pub(crate) actors: Option<ActClaim>,
    pub(crate) transaction: Option<&'a TransactionId>,
    pub(crate) authentication: &'a AuthenticationClaims,
    /// What lies in it, by whom it is for.
    pub(crate) tokens: BTreeMap<&'a Audience, SecretToken>,
}

/// The token endpoint's answer. Always says the lifetime, and the scope where the [dialect](crate::dialect) does.
#[derive(Debug, Serialize)]
pub(crate) struct TokenResponse {
    #[serde(serialize_with = "expose")]
    pub(crate) access_token: SecretToken,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) issued_token_type: Option<&'static str>,
    pub(crate) token_type: &'static str,
    pub(crate) expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<String>,
    #[serde(flatten)]
    pub(crate) more: BTreeMap<&'static str, u64>,
}

impl Authority {
    /// Signs an access token.
    pub(crate) fn issue(&self, token: AccessToken<'_>) -> Result<TokenResponse, TokenError> {
        let issued_at = self.clock.wall();
        let unasked = Scopes::parse(self.dialect.unasked).expect("tables name scopes");
        let scope = token.scopes.union(&unasked).to_string();
        let about = About {
            subject: token.subject.as_str(),
            client: token.client.as_str(),
            scopes: &scope,
            tenant: &self.places.tenant,
            issued_at,
        };
        let audience = token.audience.as_slice();
        let claims = IssuedClaims {
            iss: &self.issuer,
            sub: &self.dialect.subject(about, audience),
            aud: token.audience,
            iat: issued_at,
            exp: token.expires_at,
            act: token.actors,
            txn: token.transaction,
            authentication: token.authentication,
            tokens: token.tokens.iter().map(|(audience, token)| (audience.as_str(), token.expose())).collect(),
            dialect: self.dialect.claims(about),
        };
        let access_token = self.key.sign(&self.dialect.typ, &claims).map_err(TokenError::not_signed)?;
        let expires_in = token.expires_at.since(issued_at).as_secs();
        let more = self.dialect.more(expires_in).collect();
        let scope = self.dialect.told_scopes(about, audience);
        Ok(TokenResponse { access_token, issued_token_type: None, token_type: "Bearer", expires_in, scope, more })
    }
}

fn expose<S: serde::Serializer>(token: &SecretToken, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token.expose())
}
