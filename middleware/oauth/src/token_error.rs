//! Why there is no token: whose fault that is, and what the peer learns of it.

mod code;
mod dialect;
mod kind;
mod nonsense;
mod problem;

use std::{error::Error, fmt, sync::Arc, time::Duration};

use tower_identity_core::{Fault, Issuer, Refusal};

pub(crate) use self::kind::FailureAnswer;
pub use self::{
    code::ErrorCode,
    kind::{DEFAULT_RETRY_AFTER, TokenErrorKind},
    nonsense::Nonsense,
    problem::ConfigurationProblem,
};
use crate::{CredentialError, DiscoveryError, FetchError, GrantKind, NotAsked, UnusableEndpoint};

/// There is no token. Cheap to clone, so that equal waiters can share one. Never holds a token, a secret, or what the
/// server said beyond its code.
#[derive(Debug, Clone)]
pub struct TokenError(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kind: TokenErrorKind,
    grant: GrantKind,
    issuer: Issuer,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// A kind with its cause, before it is known of which request.
#[derive(Debug)]
pub(crate) struct Cause {
    pub(crate) kind: TokenErrorKind,
    pub(crate) source: Option<Box<dyn Error + Send + Sync>>,
}

impl From<TokenErrorKind> for Cause {
    fn from(kind: TokenErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl From<Nonsense> for Cause {
    fn from(what: Nonsense) -> Self {
        TokenErrorKind::Nonsense { what }.into()
    }
}

impl From<FetchError> for Cause {
    fn from(error: FetchError) -> Self {
        let kind = match &error {
            FetchError::Redirected { status } => TokenErrorKind::Nonsense { what: Nonsense::Redirect(*status) },
            FetchError::TooLarge { .. } => TokenErrorKind::Nonsense { what: Nonsense::TooLarge },
            FetchError::Private => TokenErrorKind::Nonsense { what: Nonsense::Metadata },
            FetchError::Certificate { .. } => {
                TokenErrorKind::OurConfiguration { problem: ConfigurationProblem::Certificate }
            }
            FetchError::Status { .. } | FetchError::Unreachable(_) | FetchError::Timeout { .. } => {
                TokenErrorKind::unavailable(error.retry_after())
            }
        };
        Self { kind, source: Some(Box::new(error)) }
    }
}

impl From<DiscoveryError> for Cause {
    fn from(error: DiscoveryError) -> Self {
        let kind = if error.is_transient() {
            TokenErrorKind::unavailable(error.retry_after())
        } else {
            TokenErrorKind::OurConfiguration { problem: ConfigurationProblem::Discovery }
        };
        Self { kind, source: Some(Box::new(error)) }
    }
}

impl From<UnusableEndpoint> for Cause {
    fn from(error: UnusableEndpoint) -> Self {
        Self { kind: TokenErrorKind::Nonsense { what: Nonsense::Metadata }, source: Some(Box::new(error)) }
    }
}

impl From<NotAsked> for Cause {
    fn from(why: NotAsked) -> Self {
        let kind = TokenErrorKind::Unavailable { retry_after: why.retry_after() };
        Self { kind, source: Some(Box::new(why)) }
    }
}

/// There is no token to present: whose fault that is stays what it is, but nobody's credential here is a caller's.
impl From<TokenError> for Cause {
    fn from(error: TokenError) -> Self {
        let kind = match error.kind() {
            kind @ (TokenErrorKind::Unavailable { .. } | TokenErrorKind::Nonsense { .. }) => kind.clone(),
            _ => TokenErrorKind::OurConfiguration { problem: ConfigurationProblem::Credential },
        };
        Self { kind, source: Some(Box::new(error)) }
    }
}

impl From<CredentialError> for Cause {
    fn from(error: CredentialError) -> Self {
        let problem = match error {
            CredentialError::Sign(_) => ConfigurationProblem::Assertion,
            _ => ConfigurationProblem::Credential,
        };
        Self { kind: TokenErrorKind::OurConfiguration { problem }, source: Some(Box::new(error)) }
    }
}

impl Cause {
    pub(crate) fn of(self, grant: GrantKind, issuer: Issuer) -> TokenError {
        TokenError(Arc::new(Inner { kind: self.kind, grant, issuer, source: self.source }))
    }
}

impl TokenError {
    /// Why there is no token, and whose fault that is.
    #[must_use]
    pub fn kind(&self) -> &TokenErrorKind {
        &self.0.kind
    }

    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        self.0.kind.refusal_kind().fault()
    }

    /// The grant that was asked for.
    #[must_use]
    pub fn grant(&self) -> GrantKind {
        self.0.grant
    }

    /// The authorization server that was asked.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.0.issuer
    }

    /// Whether the same may well succeed later, without anybody acting.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        self.0.kind.is_retriable()
    }

    /// Why the server was not asked at all, where it was not.
    #[must_use]
    pub fn not_asked(&self) -> Option<&NotAsked> {
        self.source().and_then(<dyn Error + 'static>::downcast_ref)
    }

    /// When it is worth another try; `None` when it is not.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self.0.kind {
            TokenErrorKind::Unavailable { retry_after } => Some(retry_after),
            _ => None,
        }
    }

    /// What the peer learns of it.
    ///
    /// | kind | refusal |
    /// |---|---|
    /// | rejected, by `invalid_grant`, `invalid_token` or `token_revoked` | [`InvalidToken`](tower_identity_core::RefusalKind::InvalidToken) |
    /// | rejected, else | [`Denied`](tower_identity_core::RefusalKind::Denied) |
    /// | step-up | [`InsufficientAuthentication`](tower_identity_core::RefusalKind::InsufficientAuthentication), with the claims that the server [demands](Refusal::demanded_claims) |
    /// | our configuration | [`Misconfigured`](tower_identity_core::RefusalKind::Misconfigured) |
    /// | unavailable | [`Unavailable`](tower_identity_core::RefusalKind::Unavailable) |
    /// | nonsense | [`BadUpstream`](tower_identity_core::RefusalKind::BadUpstream) |
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        let refusal = Refusal::new(self.0.kind.refusal_kind(), "token_request").issuer(self.0.issuer.clone());
        let refusal = match self.0.kind.demanded() {
            Some(claims) => refusal.demanding(claims.clone()),
            None => refusal,
        };
        refusal.caused_by(self.clone())
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no token by {} from {}: {}", self.0.grant, self.0.issuer, self.0.kind)
    }
}

impl Error for TokenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
