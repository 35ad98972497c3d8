//! What a token is asked for: the grants, as forms.

use std::{fmt, str::FromStr};

use form_urlencoded::Serializer;
use tower_identity_core::{Audience, Refusal, RefusalKind, Scopes, SecretToken, bearer::MAX_TOKEN_BYTES};
use url::Url;

/// What kind of token is sent or asked for (RFC 8693 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TokenType {
    /// An access token of the authorization server that is asked; opaque to everybody else. The default.
    #[default]
    AccessToken,
    /// A JWT, whoever issued it.
    Jwt,
    /// An OpenID Connect ID token.
    IdToken,
}

impl TokenType {
    /// The identifier on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "urn:ietf:params:oauth:token-type:access_token",
            Self::Jwt => "urn:ietf:params:oauth:token-type:jwt",
            Self::IdToken => "urn:ietf:params:oauth:token-type:id_token",
        }
    }
}

impl fmt::Display for TokenType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a string is not a resource indicator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a resource is an absolute URI without fragment")]
pub struct InvalidResource(());

/// The service that a token is for, by its URI: absolute and without fragment (RFC 8707 §2). Sent as it was written.
///
/// ```
/// use tower_identity_oauth::Resource;
///
/// assert_eq!(Resource::parse("https://payments.internal/v1")?.as_str(), "https://payments.internal/v1");
/// assert!(Resource::parse("/v1").is_err());
/// # Ok::<(), tower_identity_oauth::InvalidResource>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resource(Box<str>);

impl Resource {
    /// Reads a resource indicator.
    ///
    /// # Errors
    ///
    /// [`InvalidResource`] when it is relative or has a fragment.
    pub fn parse(value: &str) -> Result<Self, InvalidResource> {
        match Url::parse(value) {
            Ok(uri) if uri.fragment().is_none() => Ok(Self(value.into())),
            _ => Err(InvalidResource(())),
        }
    }

    /// The URI as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Resource {
    type Err = InvalidResource;

    fn from_str(value: &str) -> Result<Self, InvalidResource> {
        Self::parse(value)
    }
}

/// Where a token is to be used and for what. One audience and one resource at most: several would multiply the scopes
/// (RFC 8693 §2.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetService {
    /// The service's logical name at the authorization server (RFC 8693 §2.1).
    pub audience: Option<Audience>,
    /// The service's URI (RFC 8707 §2).
    pub resource: Option<Resource>,
    /// What the token is to allow. Empty asks for whatever the server grants by default, of which only
    /// [tolerated](Self::tolerated) scopes are accepted.
    pub scopes: Scopes,
    /// What the server may grant unasked. Anything else beyond [scopes](Self::scopes) is refused.
    pub tolerated: Scopes,
}

impl TargetService {
    fn append_to(&self, form: &mut Serializer<'_, String>) {
        if let Some(audience) = &self.audience {
            form.append_pair("audience", audience.as_str());
        }
        if let Some(resource) = &self.resource {
            form.append_pair("resource", resource.as_str());
        }
        if !self.scopes.is_empty() {
            form.append_pair("scope", &self.scopes.to_string());
        }
    }
}

/// Why a token cannot be exchanged. Known before anything is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unexchangeable {
    /// There is no token. An exchange without a subject would be a grant to us.
    #[error("the token to exchange is empty")]
    Empty,
    /// The token is longer than [`MAX_TOKEN_BYTES`].
    #[error("the token to exchange is longer than {MAX_TOKEN_BYTES} bytes")]
    TooLong,
}

impl Unexchangeable {
    fn check(token: &SecretToken) -> Result<(), Self> {
        match token.expose() {
            token if token.trim().is_empty() => Err(Self::Empty),
            token if token.len() > MAX_TOKEN_BYTES => Err(Self::TooLong),
            _ => Ok(()),
        }
    }

    /// What the peer learns of it: verification accepts no such token, so the wiring of this service is wrong.
    #[must_use]
    pub fn refusal(self) -> Refusal {
        Refusal::new(RefusalKind::Misconfigured, "token_request").caused_by(self)
    }
}

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

/// A token of our own (RFC 6749 §4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCredentials {
    target: TargetService,
}

impl ClientCredentials {
    /// A token of our own for this service.
    #[must_use]
    pub fn new(target: TargetService) -> Self {
        Self { target }
    }
}

/// A token for the subject of another (RFC 8693 §2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenExchange {
    subject_token: SecretToken,
    subject_token_type: TokenType,
    actor: Option<ActorToken>,
    requested: TokenType,
    target: TargetService,
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
}

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

/// Which grant, without its content: for logs, metrics and cache keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GrantKind {
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 8693.
    TokenExchange,
}

impl GrantKind {
    /// A stable word for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::TokenExchange => "token_exchange",
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
        }
    }

    /// Where the token is to be used and for what.
    #[must_use]
    pub const fn target(&self) -> &TargetService {
        match self {
            Self::ClientCredentials(grant) => &grant.target,
            Self::TokenExchange(grant) => &grant.target,
        }
    }

    /// What the answer's `issued_token_type` has to be: an exchange always names it (RFC 8693 §2.2.1).
    pub(crate) const fn requested_token_type(&self) -> Option<TokenType> {
        match self {
            Self::ClientCredentials(_) => None,
            Self::TokenExchange(grant) => Some(grant.requested),
        }
    }

    /// Writes everything but the client's authentication.
    pub(crate) fn append_to(&self, form: &mut Serializer<'_, String>) {
        match self {
            Self::ClientCredentials(_) => {
                form.append_pair("grant_type", "client_credentials");
            }
            Self::TokenExchange(exchange) => {
                form.append_pair("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange")
                    .append_pair("subject_token", exchange.subject_token.expose())
                    .append_pair("subject_token_type", exchange.subject_token_type.as_str())
                    .append_pair("requested_token_type", exchange.requested.as_str());
                if let Some(actor) = &exchange.actor {
                    form.append_pair("actor_token", actor.token.expose())
                        .append_pair("actor_token_type", actor.token_type.as_str());
                }
            }
        }
        self.target().append_to(form);
    }
}

#[cfg(test)]
mod tests;
