//! Grants for other authorization servers: a user's token, exchanged for a JWT by which the other one issues tokens of its
//! own (draft-ietf-oauth-identity-chaining §2.3, RFC 7523 §2.1).

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use tower_identity::{Audience, Issuer, Subject, Timestamp, transaction_tokens::TOKEN_TYPE};
use tower_identity_jose::{MediaType, random_id};

use crate::{
    authority::Authority,
    client::Client,
    error::TokenError,
    exchange::{BAD_SUBJECT, NO_SUBJECT, NO_TARGET, subject_token},
    form::Form,
    issue::TokenResponse,
    policy::granted_of,
    token::{requested_scopes, target},
    transaction::ForWhom,
};

/// What is asked for, and what comes: a JWT, which is no token to any service.
pub(crate) const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// `authorization-grant+jwt` (draft-ietf-oauth-rfc7523bis): what neither an access token nor a client's assertion is.
pub(crate) fn authorization_grant() -> MediaType {
    MediaType::parse("authorization-grant+jwt").expect("it is a media type")
}

/// How long a grant is good for: it is used at once, and once.
const LIFETIME: Duration = Duration::from_secs(60);

#[derive(Serialize)]
struct GrantClaims<'a> {
    iss: &'a Issuer,
    sub: &'a Subject,
    aud: &'a Audience,
    iat: Timestamp,
    exp: Timestamp,
    jti: String,
    /// What the other server may give of its own at most.
    scope: String,
}

impl Authority {
    /// Exchanges the subject token, a user's access token that was sent to the client or a transaction token, for a grant to the
    /// authorization server that the request names.
    pub(crate) fn grant(&self, client: &Client, form: &Form<'_>) -> Result<TokenResponse, TokenError> {
        let target = target(form)?.ok_or(NO_TARGET)?;
        let requested = requested_scopes(form)?;
        let ForWhom { subject, audience, held, ends } = match form.one("subject_token_type") {
            Some(TOKEN_TYPE) => self.for_whom(form.one("subject_token").ok_or(NO_SUBJECT)?)?,
            _ => {
                let subject = self.subject(client, subject_token(form)?)?;
                let held = subject.scopes().ok_or(BAD_SUBJECT)?;
                let (audience, ends) = (subject.aud.as_slice().to_vec(), subject.exp.timestamp());
                ForWhom { subject: subject.sub, audience, held, ends }
            }
        };
        let scope = granted_of(&self.policy.grants, &client.id, (&audience, &held), &target, requested.as_ref())?;

        let (now, scope) = (self.clock.wall(), scope.to_string());
        let ends = now.saturating_add(LIFETIME).min(ends);
        let claims = GrantClaims {
            iss: &self.issuer,
            sub: &subject,
            aud: &target,
            iat: now,
            exp: ends,
            jti: random_id(),
            scope: scope.clone(),
        };
        Ok(TokenResponse {
            access_token: self.key.sign(&authorization_grant(), &claims).map_err(TokenError::not_signed)?,
            issued_token_type: Some(JWT),
            token_type: "N_A",
            expires_in: ends.since(now).as_secs(),
            scope: Some(scope),
            more: BTreeMap::new(),
        })
    }
}
