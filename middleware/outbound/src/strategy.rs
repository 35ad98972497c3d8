//! How a target's token is obtained, as a row says it. What does it is in [`source`](crate::source).

use serde::Deserialize;
use tower_identity_core::InvalidSetting;

use crate::Target;

/// How a target's token is obtained: by its plain name, such as `"token_exchange"`, or, where it has settings of its
/// own, as a table of one entry.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Strategy {
    /// The caller's token is exchanged for one to the target (RFC 8693): its user's, unless the row says
    /// [otherwise](crate::OnBehalfOf).
    TokenExchange,
    /// This service's own token (RFC 6749 §4.4), whoever is calling.
    ClientCredentials,
}

impl Strategy {
    /// Whether it makes the token from one of the caller's. Without, it is this service's own.
    pub(crate) fn is_callers(&self) -> bool {
        match self {
            Self::TokenExchange => true,
            Self::ClientCredentials => false,
        }
    }

    /// Checks what the row says for this strategy, and the strategy's own settings.
    pub(crate) fn check(&self, row: &Target) -> Result<(), InvalidSetting> {
        if row.audience.is_none() && row.resource.is_none() && row.scopes.is_empty() {
            return Err(InvalidSetting::new("audience", "is missing, as are resource and scope: a token for what?"));
        }
        match self {
            Self::ClientCredentials if row.actor_token => {
                Err(InvalidSetting::new("actor_token", "belongs to an exchange; with client_credentials nobody acts"))
            }
            Self::ClientCredentials if row.on_behalf_of.is_some() => Err(InvalidSetting::new(
                "on_behalf_of",
                "belongs to an exchange; client_credentials is this service itself, so leave it out",
            )),
            Self::TokenExchange | Self::ClientCredentials => Ok(()),
        }
    }
}
