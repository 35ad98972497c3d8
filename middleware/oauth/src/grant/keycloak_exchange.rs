//! Keycloak's standard token exchange (version 2), a dialect of RFC 8693.

use form_urlencoded::Serializer;
use tower_identity_core::SecretToken;

use super::{TargetService, TokenType, Unexchangeable, token_exchange::TOKEN_EXCHANGE};

/// A token for the subject of another, as Keycloak exchanges tokens of its own.
///
/// What comes is the subject's, and says in `azp` that it was issued to this client; no `act` names an actor. The subject
/// token is an access token of the same realm. It has to be for this client, which is in its `aud`, unless it was issued
/// to this client. Of the target the audience is sent, a client id, and the scopes; the audience takes away from what the
/// scopes give, and adds nothing.
///
/// By what it answers, a client that is not in the audience, and an audience that is no client, are our configuration:
/// neither is the caller's fault, and the latter is no failed client authentication, though the code says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeycloakExchange {
    subject_token: SecretToken,
    pub(super) target: TargetService,
}

impl KeycloakExchange {
    /// An access token for this service, in exchange for an access token.
    ///
    /// # Errors
    ///
    /// [`Unexchangeable`] when the subject token is empty or too long, or the target names a resource.
    pub fn new(subject_token: SecretToken, target: TargetService) -> Result<Self, Unexchangeable> {
        Unexchangeable::check(&subject_token)?;
        if target.resource.is_some() {
            return Err(Unexchangeable::Resource);
        }
        Ok(Self { subject_token, target })
    }

    pub(super) fn append_to(&self, form: &mut Serializer<'_, String>) {
        let access_token = TokenType::AccessToken.as_str();
        form.append_pair("grant_type", TOKEN_EXCHANGE)
            .append_pair("subject_token", self.subject_token.expose())
            .append_pair("subject_token_type", access_token)
            .append_pair("requested_token_type", access_token);
        self.target.append_audience(form);
        self.target.append_scope(form);
    }
}
