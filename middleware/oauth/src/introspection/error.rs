//! Why nothing is known of a token: never the caller's fault.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use tower_identity_core::{Issuer, Refusal, RefusalKind};

use crate::{
    ConfigurationProblem, CredentialError, DEFAULT_RETRY_AFTER, DiscoveryError, FetchError, Nonsense, TokenErrorKind,
    UnusableEndpoint,
    http::is_transient,
    token_error::{self, FailureAnswer},
};

/// When whoever presents a token is to come back while the server does not accept us: somebody has to act first.
const REFUSED_RETRY_AFTER: Duration = Duration::from_secs(30);

/// A token could not be looked up. Cheap to clone, so that equal waiters can share one. Never holds the token, a
/// secret, or what the server said beyond its code.
#[derive(Debug, Clone)]
pub struct IntrospectionError(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kind: IntrospectionErrorKind,
    issuer: Issuer,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// Why a token could not be looked up, and whose fault that is. Never the token's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum IntrospectionErrorKind {
    /// The server does not accept us, or how we ask. Our fault.
    OurConfiguration {
        /// What it does not go along with.
        problem: ConfigurationProblem,
    },
    /// The server is out of reach, slow, overloaded or broken. Its fault; worth another try.
    Unavailable {
        /// When: the server's own word, at most [a minute](crate::MAX_RETRY_AFTER), or [`DEFAULT_RETRY_AFTER`].
        retry_after: Duration,
    },
    /// The server answered what it must not. Its fault; nothing of the answer is used.
    Nonsense {
        /// What it answered.
        what: Nonsense,
    },
}

impl IntrospectionErrorKind {
    /// A stable word for logs and metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::OurConfiguration { .. } => "our_configuration",
            Self::Unavailable { .. } => "unavailable",
            Self::Nonsense { .. } => "nonsense",
        }
    }
}

/// A kind with its cause, before it is known of which server.
#[derive(Debug)]
pub(super) struct Cause {
    kind: IntrospectionErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Cause {
    /// What an answer means that is no success. The status decides where it speaks of the server's own state. All else is
    /// about us: RFC 7662 §2.3 has no error for the token.
    pub(super) fn of_failure(failure: &FailureAnswer) -> Self {
        let FailureAnswer { status, retry_after, code, .. } = failure;
        let unavailable =
            || IntrospectionErrorKind::Unavailable { retry_after: retry_after.unwrap_or(DEFAULT_RETRY_AFTER) };
        let ours = |problem| IntrospectionErrorKind::OurConfiguration { problem };
        let kind = match code {
            _ if is_transient(*status) => unavailable(),
            Some(code) if matches!(code.as_str(), "temporarily_unavailable" | "server_error") => unavailable(),
            Some(code) if status.is_client_error() => ours(ConfigurationProblem::Code(code.clone())),
            None if status.is_client_error() => ours(ConfigurationProblem::Status(*status)),
            Some(_) | None => IntrospectionErrorKind::Nonsense { what: Nonsense::Status(*status) },
        };
        Self { kind, source: None }
    }

    /// What of our configuration it is.
    pub(super) fn problem(&self) -> Option<&ConfigurationProblem> {
        match &self.kind {
            IntrospectionErrorKind::OurConfiguration { problem } => Some(problem),
            IntrospectionErrorKind::Unavailable { .. } | IntrospectionErrorKind::Nonsense { .. } => None,
        }
    }

    pub(super) fn of(self, issuer: Issuer) -> IntrospectionError {
        IntrospectionError(Arc::new(Inner { kind: self.kind, issuer, source: self.source }))
    }
}

impl From<Nonsense> for Cause {
    fn from(what: Nonsense) -> Self {
        Self { kind: IntrospectionErrorKind::Nonsense { what }, source: None }
    }
}

/// On the way to an endpoint, whatever goes wrong is the same as on the way to a token.
impl From<token_error::Cause> for Cause {
    fn from(cause: token_error::Cause) -> Self {
        let kind = match cause.kind {
            TokenErrorKind::OurConfiguration { problem } => IntrospectionErrorKind::OurConfiguration { problem },
            TokenErrorKind::Nonsense { what } => IntrospectionErrorKind::Nonsense { what },
            TokenErrorKind::Unavailable { retry_after } => IntrospectionErrorKind::Unavailable { retry_after },
            TokenErrorKind::Rejected { .. } | TokenErrorKind::StepUp { .. } => {
                unreachable!("there is no token to reject before anything is sent")
            }
        };
        Self { kind, source: cause.source }
    }
}

impl From<FetchError> for Cause {
    fn from(error: FetchError) -> Self {
        token_error::Cause::from(error).into()
    }
}

impl From<DiscoveryError> for Cause {
    fn from(error: DiscoveryError) -> Self {
        token_error::Cause::from(error).into()
    }
}

impl From<UnusableEndpoint> for Cause {
    fn from(error: UnusableEndpoint) -> Self {
        token_error::Cause::from(error).into()
    }
}

impl From<CredentialError> for Cause {
    fn from(error: CredentialError) -> Self {
        token_error::Cause::from(error).into()
    }
}

impl IntrospectionError {
    /// Why, and whose fault it is.
    #[must_use]
    pub fn kind(&self) -> &IntrospectionErrorKind {
        &self.0.kind
    }

    /// The server that was asked.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.0.issuer
    }

    /// What the peer learns of it: that nothing can be said of its token now. Also where the fault is ours: a server that
    /// does not accept us says nothing of the token either.
    ///
    /// | kind | refusal |
    /// |---|---|
    /// | our configuration, unavailable | [`Unavailable`](RefusalKind::Unavailable) |
    /// | nonsense | [`BadUpstream`](RefusalKind::BadUpstream) |
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        let kind = match self.0.kind {
            IntrospectionErrorKind::OurConfiguration { .. } => {
                RefusalKind::Unavailable { retry_after: REFUSED_RETRY_AFTER }
            }
            IntrospectionErrorKind::Unavailable { retry_after } => RefusalKind::Unavailable { retry_after },
            IntrospectionErrorKind::Nonsense { .. } => RefusalKind::BadUpstream,
        };
        Refusal::new(kind, "introspection").issuer(self.0.issuer.clone()).caused_by(self.clone())
    }
}

impl fmt::Display for IntrospectionErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OurConfiguration { problem } => write!(f, "our configuration is not accepted there: {problem}"),
            Self::Unavailable { retry_after } => {
                write!(f, "the server is unavailable, to be asked again after {} s", retry_after.as_secs())
            }
            Self::Nonsense { what } => write!(f, "the server's answer cannot be used: {what}"),
        }
    }
}

impl fmt::Display for IntrospectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing is known of the token from {}: {}", self.0.issuer, self.0.kind)
    }
}

impl Error for IntrospectionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
