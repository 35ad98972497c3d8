//! Signing access tokens, and the token endpoint's answer (RFC 6749 §5.1, RFC 8693 §2.2.1).

use serde::Serialize;
use tower_identity::{Audience, ClientId, Scopes, SecretToken, Subject, Timestamp, TransactionId};
use tower_identity_jose::{MediaType, random_id};

use crate::{
    authority::Authority,
    claims::{ActClaim, AuthenticationClaims, IssuedClaims},
    error::TokenError,
};

/// What an access token is to say.
pub(crate) struct AccessToken<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) audience: &'a Audience,
    pub(crate) client: &'a ClientId,
    pub(crate) scopes: &'a Scopes,
    pub(crate) expires_at: Timestamp,
    pub(crate) actors: Option<ActClaim>,
    pub(crate) transaction: Option<&'a TransactionId>,
    pub(crate) authentication: &'a AuthenticationClaims,
}

/// The token endpoint's answer. Always says the scope and the lifetime.
#[derive(Debug, Serialize)]
pub(crate) struct TokenResponse {
    #[serde(serialize_with = "expose")]
    pub(crate) access_token: SecretToken,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) issued_token_type: Option<&'static str>,
    pub(crate) token_type: &'static str,
    pub(crate) expires_in: u64,
    pub(crate) scope: String,
}

impl Authority {
    /// Signs an access token.
    pub(crate) fn issue(&self, token: AccessToken<'_>) -> Result<TokenResponse, TokenError> {
        let issued_at = self.clock.wall();
        let scope = token.scopes.to_string();
        let claims = IssuedClaims {
            iss: &self.issuer,
            sub: token.subject,
            aud: token.audience,
            client_id: token.client,
            scope: scope.clone(),
            iat: issued_at,
            exp: token.expires_at,
            jti: random_id(),
            act: token.actors,
            txn: token.transaction,
            authentication: token.authentication,
        };
        let access_token = self.key.sign(&MediaType::ACCESS_TOKEN, &claims).map_err(TokenError::not_signed)?;
        let expires_in = token.expires_at.since(issued_at).as_secs();
        Ok(TokenResponse { access_token, issued_token_type: None, token_type: "Bearer", expires_in, scope })
    }
}

fn expose<S: serde::Serializer>(token: &SecretToken, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token.expose())
}
