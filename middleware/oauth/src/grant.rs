//! What a token is asked for: the grants, as forms.

mod client_credentials;
mod custom;
mod entra_on_behalf_of;
mod jwt_bearer;
mod keycloak_exchange;
mod target_service;
mod token_exchange;
mod token_type;
#[cfg(feature = "transaction-tokens")]
mod transaction;
#[cfg(feature = "transaction-tokens")]
mod transaction_token;
mod unexchangeable;

use std::fmt;

use form_urlencoded::Serializer;

pub(crate) use self::jwt_bearer::AssertionKind;
#[cfg(feature = "transaction-tokens")]
pub(crate) use self::transaction_token::is_transaction_token;
pub use self::{
    client_credentials::ClientCredentials,
    custom::{CustomGrant, CustomGrantType},
    entra_on_behalf_of::EntraOnBehalfOf,
    jwt_bearer::{InvalidAssertion, JwtBearer},
    keycloak_exchange::KeycloakExchange,
    target_service::{InvalidResource, Resource, TargetService},
    token_exchange::{ActorToken, TokenExchange},
    token_type::TokenType,
    unexchangeable::Unexchangeable,
};
#[cfg(feature = "transaction-tokens")]
pub use self::{transaction::Transaction, transaction_token::TransactionTokenExchange};

/// What a token is asked for.
///
/// ```
/// use tower_identity_core::{Scopes, SecretToken};
/// use tower_identity_oauth::{Grant, TargetService, TokenExchange, Unexchangeable};
///
/// let payments = TargetService {
///     audience: Some("payments".parse()?),
///     scopes: Scopes::parse("payments:charge")?,
///     ..TargetService::default()
/// };
/// let users_token = SecretToken::new("eyJhbGciOi");
/// let grant = Grant::from(TokenExchange::new(users_token, payments.clone())?);
/// assert_eq!(grant.kind().as_str(), "token_exchange");
///
/// // A user's strategy cannot become a service's by losing the user on the way.
/// assert_eq!(TokenExchange::new(SecretToken::new(""), payments), Err(Unexchangeable::Empty));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Grant {
    /// A token of our own.
    ClientCredentials(ClientCredentials),
    /// A token for the subject of another.
    TokenExchange(TokenExchange),
    /// A token for the subject of another, as Keycloak does it.
    KeycloakExchange(KeycloakExchange),
    /// A token for the user of another, as Entra ID does it.
    EntraOnBehalfOf(EntraOnBehalfOf),
    /// A token for the subject of an assertion.
    JwtBearer(JwtBearer),
    /// A token for the subject of another, by a grant of the server's own.
    Custom(CustomGrant),
    /// A transaction token for the subject of another token.
    #[cfg(feature = "transaction-tokens")]
    TransactionToken(TransactionTokenExchange),
}

impl From<ClientCredentials> for Grant {
    fn from(grant: ClientCredentials) -> Self {
        Self::ClientCredentials(grant)
    }
}

impl From<TokenExchange> for Grant {
    fn from(grant: TokenExchange) -> Self {
        Self::TokenExchange(grant)
    }
}

impl From<KeycloakExchange> for Grant {
    fn from(grant: KeycloakExchange) -> Self {
        Self::KeycloakExchange(grant)
    }
}

impl From<EntraOnBehalfOf> for Grant {
    fn from(grant: EntraOnBehalfOf) -> Self {
        Self::EntraOnBehalfOf(grant)
    }
}

impl From<JwtBearer> for Grant {
    fn from(grant: JwtBearer) -> Self {
        Self::JwtBearer(grant)
    }
}

impl From<CustomGrant> for Grant {
    fn from(grant: CustomGrant) -> Self {
        Self::Custom(grant)
    }
}

#[cfg(feature = "transaction-tokens")]
impl From<TransactionTokenExchange> for Grant {
    fn from(grant: TransactionTokenExchange) -> Self {
        Self::TransactionToken(grant)
    }
}

/// Which grant, without its content: for logs, metrics and cache keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GrantKind {
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 8693.
    TokenExchange,
    /// RFC 8693 as Keycloak has it.
    KeycloakExchange,
    /// Entra ID's on-behalf-of flow.
    EntraOnBehalfOf,
    /// RFC 7523 §2.1.
    JwtBearer,
    /// A grant of the server's own.
    Custom,
    /// draft-ietf-oauth-transaction-tokens-11.
    #[cfg(feature = "transaction-tokens")]
    TransactionToken,
}

impl GrantKind {
    /// A stable word for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::TokenExchange => "token_exchange",
            Self::KeycloakExchange => "keycloak_exchange",
            Self::EntraOnBehalfOf => "entra_on_behalf_of",
            Self::JwtBearer => "jwt_bearer",
            Self::Custom => "custom_grant",
            #[cfg(feature = "transaction-tokens")]
            Self::TransactionToken => "transaction_token",
        }
    }
}

impl fmt::Display for GrantKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Grant {
    /// Which grant it is.
    #[must_use]
    pub const fn kind(&self) -> GrantKind {
        match self {
            Self::ClientCredentials(_) => GrantKind::ClientCredentials,
            Self::TokenExchange(_) => GrantKind::TokenExchange,
            Self::KeycloakExchange(_) => GrantKind::KeycloakExchange,
            Self::EntraOnBehalfOf(_) => GrantKind::EntraOnBehalfOf,
            Self::JwtBearer(_) => GrantKind::JwtBearer,
            Self::Custom(_) => GrantKind::Custom,
            #[cfg(feature = "transaction-tokens")]
            Self::TransactionToken(_) => GrantKind::TransactionToken,
        }
    }

    /// Where the token is to be used and for what.
    #[must_use]
    pub const fn target(&self) -> &TargetService {
        match self {
            Self::ClientCredentials(grant) => &grant.target,
            Self::TokenExchange(grant) => &grant.target,
            Self::KeycloakExchange(grant) => &grant.target,
            Self::EntraOnBehalfOf(grant) => &grant.target,
            Self::JwtBearer(grant) => &grant.target,
            Self::Custom(grant) => &grant.target,
            #[cfg(feature = "transaction-tokens")]
            Self::TransactionToken(grant) => &grant.target,
        }
    }

    /// What the answer's `issued_token_type` has to be: an exchange always names it (RFC 8693 §2.2.1).
    pub(crate) const fn requested_token_type(&self) -> Option<TokenType> {
        match self {
            Self::TokenExchange(grant) => Some(grant.requested),
            Self::KeycloakExchange(_) => Some(TokenType::AccessToken),
            #[cfg(feature = "transaction-tokens")]
            Self::TransactionToken(_) => Some(TokenType::TransactionToken),
            Self::ClientCredentials(_) | Self::EntraOnBehalfOf(_) | Self::JwtBearer(_) | Self::Custom(_) => None,
        }
    }

    /// Whether the server, by its own rules, was asked for this scope, though the target names it not.
    pub(crate) fn covers(&self, scope: &str) -> bool {
        matches!(self, Self::EntraOnBehalfOf(grant) if grant.covers(scope))
    }

    /// Whether the request can be made once more: not with what serves once (RFC 7523 §3), unless it is lost for certain.
    pub(crate) const fn is_repeatable(&self) -> bool {
        !matches!(self, Self::JwtBearer(_))
    }

    /// Writes everything but the client's authentication.
    pub(crate) fn append_to(&self, form: &mut Serializer<'_, String>) {
        match self {
            Self::ClientCredentials(grant) => grant.append_to(form),
            Self::TokenExchange(grant) => grant.append_to(form),
            Self::KeycloakExchange(grant) => grant.append_to(form),
            Self::EntraOnBehalfOf(grant) => grant.append_to(form),
            Self::JwtBearer(grant) => grant.append_to(form),
            Self::Custom(grant) => grant.append_to(form),
            #[cfg(feature = "transaction-tokens")]
            Self::TransactionToken(grant) => grant.append_to(form),
        }
    }
}

#[cfg(test)]
mod tests;
