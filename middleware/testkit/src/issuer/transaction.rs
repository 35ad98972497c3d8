//! Transaction tokens of a test issuer (draft-ietf-oauth-transaction-tokens-11).

use serde_json::{Map, Value, json};
use tower_identity_core::{
    Scopes, Timestamp,
    transaction_tokens::{NOT_APPLICABLE, REQUEST_CONTEXT, REQUEST_DETAILS, REQUESTER_CONTEXT, TRANSACTION_CONTEXT},
};

pub(super) use tower_identity_core::transaction_tokens::TOKEN_TYPE;

use super::{
    Failure, TestIssuer, TokenCall,
    grant::{INVALID_REQUEST, INVALID_TARGET, Refused},
    state::Shared,
};
use crate::TokenBuilder;

impl TestIssuer {
    /// A valid [transaction token](TokenBuilder::transaction_token) of this trust domain, signed with this issuer's key for a
    /// request of this workload, to be changed at will.
    pub fn transaction_token(&self, trust_domain: impl AsRef<str>, requested_by: impl AsRef<str>) -> TokenBuilder {
        TokenBuilder::transaction_token(trust_domain, requested_by, &self.key(), self.shared.clock.wall())
    }
}

/// The answer to an exchange for one (§7.2): of the subject, in the trust domain that was asked for, with the scopes that were
/// asked for and whatever was said of the transaction. It ends with the subject's token, if not before.
pub(super) fn issue(
    shared: &Shared,
    call: &TokenCall,
    (subject, client): (&Map<String, Value>, &str),
    failure: Option<&Failure>,
) -> Result<Map<String, Value>, Refused> {
    let trust_domain = call.field("audience").ok_or(INVALID_TARGET)?;
    let asked = call.field("scope").ok_or(INVALID_REQUEST)?;
    let asked = Scopes::parse(asked).map_err(|_| Refused("invalid_scope"))?;
    let granted = match failure {
        Some(Failure::WiderScope(wider)) => asked.union(wider),
        _ => asked,
    };
    let (now, key) = (shared.clock.wall(), shared.state().signing.clone());
    let mut token = TokenBuilder::transaction_token(trust_domain, client, &key, now).scope(granted.to_string());
    if let Some(sub) = subject.get("sub") {
        token = token.claim("sub", sub.clone());
    }
    for (said, claim) in [(REQUEST_CONTEXT, REQUESTER_CONTEXT), (REQUEST_DETAILS, TRANSACTION_CONTEXT)] {
        if let Some(said) = call.field(said) {
            let object: Map<String, Value> = serde_json::from_str(said).map_err(|_| INVALID_REQUEST)?;
            token = token.claim(claim, object);
        }
    }
    let ends = |claims: &Map<String, Value>| claims.get("exp").and_then(Value::as_u64);
    let end = ends(subject).into_iter().chain(ends(token.claims())).min().unwrap_or_default();
    token = token.expires_at(Timestamp::from_secs(end));
    let edit = shared.state().edit.clone();
    let token = edit.map_or_else(|| token.clone(), |edit| edit(token.clone()));
    Ok(Map::from_iter([
        ("access_token".to_owned(), json!(token.build().expose())),
        ("issued_token_type".to_owned(), json!(TOKEN_TYPE)),
        ("token_type".to_owned(), json!(NOT_APPLICABLE)),
        ("expires_in".to_owned(), json!(Timestamp::from_secs(end).since(now).as_secs())),
        ("scope".to_owned(), json!(granted.to_string())),
    ]))
}
