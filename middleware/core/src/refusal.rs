//! Why a request is refused or failed, as data: rendered for the peer in one place, explained to the operator in full.

use std::{borrow::Cow, error::Error, fmt, sync::Arc, time::Duration};

use crate::{DemandedClaims, Issuer, Scopes};

/// Whose fault a refusal is, which says who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The caller's: its request or its rights.
    Caller,
    /// Ours: the configuration or wiring of this service.
    Configuration,
    /// Ours: something in this service went wrong that has nothing to do with identity.
    Service,
    /// The authorization server's: it is down, or answers what it must not.
    AuthorizationServer,
}

impl Fault {
    /// A stable word for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Configuration => "configuration",
            Self::Service => "service",
            Self::AuthorizationServer => "authorization_server",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is wrong, as far as the peer may learn it. Each kind is one row of the error map.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusalKind {
    /// No credential was presented, or one of a scheme that is not accepted: 401 without an error code (RFC 6750 §3.1).
    NoCredential,
    /// The request is malformed: a repeated header, two ways of sending a token, a value outside the grammar: 400.
    MalformedRequest,
    /// The token is not acceptable, for whatever reason: 401 `invalid_token`.
    InvalidToken,
    /// The transaction token beside the caller's credential is not acceptable, for whatever reason: 400. No other access
    /// token would help, so there is no challenge.
    InvalidTransactionToken,
    /// The token lacks a scope: 403 `insufficient_scope`.
    InsufficientScope {
        /// What the route needs.
        required: Scopes,
    },
    /// The user's sign-in is too weak or too old: 401 `insufficient_user_authentication` (RFC 9470 §3).
    InsufficientAuthentication {
        /// What the route needs besides, where the token lacks that too: one challenge asks for both. Else empty.
        scope: Scopes,
        /// The acceptable authentication context classes, preferred first.
        acr_values: Vec<String>,
        /// The oldest acceptable sign-in.
        max_age: Option<Duration>,
    },
    /// Several credentials, each valid, that nothing ties together: 403.
    UnrelatedCredentials,
    /// It cannot be decided now: keys, introspection or a token endpoint are out of reach: 503.
    Unavailable {
        /// When it is worth another try.
        retry_after: Duration,
    },
    /// The rules of this service say no: 403.
    Denied,
    /// This service is wired or configured wrongly: 500.
    Misconfigured,
    /// A handler failed for a reason of its own: 500.
    Internal,
    /// The authorization server answered nonsense: 502.
    BadUpstream,
}

impl RefusalKind {
    /// Whose fault this kind of refusal is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::NoCredential
            | Self::MalformedRequest
            | Self::InvalidToken
            | Self::InvalidTransactionToken
            | Self::InsufficientScope { .. }
            | Self::InsufficientAuthentication { .. }
            | Self::UnrelatedCredentials
            | Self::Denied => Fault::Caller,
            Self::Misconfigured => Fault::Configuration,
            Self::Internal => Fault::Service,
            Self::Unavailable { .. } | Self::BadUpstream => Fault::AuthorizationServer,
        }
    }

    /// A stable word for logs and metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NoCredential => "no_credential",
            Self::MalformedRequest => "malformed_request",
            Self::InvalidToken => "invalid_token",
            Self::InvalidTransactionToken => "invalid_transaction_token",
            Self::InsufficientScope { .. } => "insufficient_scope",
            Self::InsufficientAuthentication { .. } => "insufficient_user_authentication",
            Self::UnrelatedCredentials => "unrelated_credentials",
            Self::Unavailable { .. } => "unavailable",
            Self::Denied => "denied",
            Self::Misconfigured => "misconfigured",
            Self::Internal => "internal",
            Self::BadUpstream => "bad_upstream",
        }
    }
}

/// A refusal or failure: its [kind](RefusalKind), which the peer learns, and the failing check with its cause, which
/// the operator learns. Cheap to clone, so that equal waiters can share one. Never holds a secret.
#[derive(Clone)]
pub struct Refusal(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: RefusalKind,
    check: &'static str,
    detail: Option<Cow<'static, str>>,
    issuer: Option<Issuer>,
    demanded: Option<DemandedClaims>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl Refusal {
    /// A refusal of this kind, naming the check that failed by a stable word such as `aud` or `signature`.
    #[must_use]
    pub fn new(kind: RefusalKind, check: &'static str) -> Self {
        Self(Arc::new(Inner { kind, check, detail: None, issuer: None, demanded: None, source: None }))
    }

    /// Adds what was expected and what was found, for the operator. Must not hold a secret.
    #[must_use]
    pub fn detail(self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.with(|inner| inner.detail = Some(detail.into()))
    }

    /// The same, of another kind: for whoever knows better what a check means for the request.
    #[must_use]
    pub fn of_kind(self, kind: RefusalKind) -> Self {
        self.with(|inner| inner.kind = kind)
    }

    /// Adds the issuer whose rules were applied.
    #[must_use]
    pub fn issuer(self, issuer: Issuer) -> Self {
        self.with(|inner| inner.issuer = Some(issuer))
    }

    /// Adds the claims that an authorization server demands of the caller's next token. Where the kind is
    /// [`InsufficientAuthentication`](RefusalKind::InsufficientAuthentication), the peer learns them, too: 401
    /// `insufficient_claims`, as Entra ID's clients expect it.
    #[must_use]
    pub fn demanding(self, claims: DemandedClaims) -> Self {
        self.with(|inner| inner.demanded = Some(claims))
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(self, source: impl Error + Send + Sync + 'static) -> Self {
        self.with(|inner| inner.source = Some(Arc::new(source)))
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// What is wrong, as far as the peer may learn it.
    #[must_use]
    pub fn kind(&self) -> &RefusalKind {
        &self.0.kind
    }

    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        self.0.kind.fault()
    }

    /// The check that failed, as a stable word.
    #[must_use]
    pub fn check(&self) -> &'static str {
        self.0.check
    }

    /// What was expected and what was found.
    #[must_use]
    pub fn explanation(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// The issuer whose rules were applied, once it was known.
    #[must_use]
    pub fn named_issuer(&self) -> Option<&Issuer> {
        self.0.issuer.as_ref()
    }

    /// The claims that an authorization server demands of the caller's next token.
    #[must_use]
    pub fn demanded_claims(&self) -> Option<&DemandedClaims> {
        self.0.demanded.as_ref()
    }

    /// The first refusal among an error and its causes.
    #[must_use]
    pub fn find<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(refusal) = error.downcast_ref() {
                return Some(refusal);
            }
            next = error.source();
        }
        None
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0.kind.as_str(), self.0.check)?;
        match &self.0.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal")
            .field("kind", &self.0.kind)
            .field("check", &self.0.check)
            .field("detail", &self.0.detail)
            .field("issuer", &self.0.issuer)
            .field("demanded", &self.0.demanded)
            .field("source", &self.0.source)
            .finish()
    }
}

impl Error for Refusal {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
