//! Token exchange (RFC 8693).

use form_urlencoded::Serializer;
use tower_identity_core::SecretToken;

use super::{TargetService, TokenType, Unexchangeable};

pub(super) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// A token that proves who acts for the subject, with its type: never one without the other (RFC 8693 §2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActorToken {
    token: SecretToken,
    token_type: TokenType,
}

impl ActorToken {
    /// An actor token of this type.
    ///
    /// # Errors
    ///
    /// [`Unexchangeable`] when the token is empty or too long.
    pub fn new(token: SecretToken, token_type: TokenType) -> Result<Self, Unexchangeable> {
        Unexchangeable::check(&token)?;
        Ok(Self { token, token_type })
    }
}

/// A token for the subject of another (RFC 8693 §2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenExchange {
    subject_token: SecretToken,
    subject_token_type: TokenType,
    actor: Option<ActorToken>,
    pub(super) requested: TokenType,
    pub(super) target: TargetService,
}

impl TokenExchange {
    /// An access token for this service, in exchange for an access token.
    ///
    /// # Errors
    ///
    /// [`Unexchangeable`] when the subject token is empty or too long.
    pub fn new(subject_token: SecretToken, target: TargetService) -> Result<Self, Unexchangeable> {
        Unexchangeable::check(&subject_token)?;
        let [subject_token_type, requested] = [TokenType::AccessToken; 2];
        Ok(Self { subject_token, subject_token_type, actor: None, requested, target })
    }

    /// Declares the subject token as one of another type. The server judges it by the rules of that type.
    #[must_use]
    pub fn subject_token_type(mut self, token_type: TokenType) -> Self {
        self.subject_token_type = token_type;
        self
    }

    /// Sends an actor token along. Without one, the server takes the client for the actor.
    #[must_use]
    pub fn actor(mut self, actor: ActorToken) -> Self {
        self.actor = Some(actor);
        self
    }

    /// Asks for a token of this type. Default: an access token.
    #[must_use]
    pub fn requested_token_type(mut self, token_type: TokenType) -> Self {
        self.requested = token_type;
        self
    }

    pub(super) fn append_to(&self, form: &mut Serializer<'_, String>) {
        form.append_pair("grant_type", TOKEN_EXCHANGE)
            .append_pair("subject_token", self.subject_token.expose())
            .append_pair("subject_token_type", self.subject_token_type.as_str())
            .append_pair("requested_token_type", self.requested.as_str());
        if let Some(actor) = &self.actor {
            form.append_pair("actor_token", actor.token.expose())
                .append_pair("actor_token_type", actor.token_type.as_str());
        }
        self.target.append_to(form);
    }
}
