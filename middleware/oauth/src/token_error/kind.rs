//! The kinds of failure, and which answer is which.

use std::{fmt, time::Duration};

use http::StatusCode;
use tower_identity_core::{DemandedClaims, RefusalKind, Scopes};

use super::{ConfigurationProblem, ErrorCode, Nonsense, dialect};
use crate::{GrantKind, http::is_transient};

/// When it is worth another try, where the server does not say.
pub const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(2);

/// Why there is no token, and whose fault that is: one of three families, which [`TokenError::fault`] tells apart.
///
/// | family | kinds | what to do |
/// |---|---|---|
/// | the caller's credential was rejected, or has expired since | `Rejected`, `StepUp` | hand the [refusal](crate::TokenError::refusal) on: the caller signs in again, or may not |
/// | our configuration is wrong | `OurConfiguration` | an operator looks; its text says where |
/// | the server is unavailable, or answers nonsense | `Unavailable`, `Nonsense` | come back after [`retry_after`](crate::TokenError::retry_after); of nonsense, whoever runs the server looks |
///
/// [`TokenError::fault`]: crate::TokenError::fault
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenErrorKind {
    /// The server does not accept the subject or actor token, or what is asked for it. The caller's fault: another
    /// token may do. Not retried.
    Rejected {
        /// `invalid_grant`, `invalid_request`, `invalid_scope`, `access_denied` or a code of the server's own.
        code: ErrorCode,
    },
    /// The server wants the user to sign in again, or more strongly (RFC 9470). The caller's fault. Not retried.
    StepUp {
        /// `interaction_required`, `login_required`, `consent_required` or `insufficient_user_authentication`; at Entra ID
        /// `invalid_grant`, too.
        code: ErrorCode,
        /// The acceptable authentication context classes, where the server names them.
        acr_values: Vec<String>,
        /// The oldest acceptable sign-in, where the server names it.
        max_age: Option<Duration>,
        /// The claims that the next token has to have, in the server's words, where it names them.
        claims: Option<DemandedClaims>,
    },
    /// The server does not accept us, or what we are configured to ask for. Our fault. Not retried.
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

impl TokenErrorKind {
    /// A stable word for logs and metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Rejected { .. } => "rejected",
            Self::StepUp { .. } => "step_up",
            Self::OurConfiguration { .. } => "our_configuration",
            Self::Unavailable { .. } => "unavailable",
            Self::Nonsense { .. } => "nonsense",
        }
    }

    /// Whether the same may well succeed later, without anybody acting.
    #[must_use]
    pub const fn is_retriable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    pub(crate) fn unavailable(retry_after: Option<Duration>) -> Self {
        Self::Unavailable { retry_after: retry_after.unwrap_or(DEFAULT_RETRY_AFTER) }
    }

    /// What an answer that is no success means. The status decides where it speaks of the server's own state; else
    /// the code does, and where there is none, the status again: servers answer an empty 403, or HTML.
    pub(crate) fn of_failure(grant: GrantKind, failure: &FailureAnswer) -> Self {
        let FailureAnswer { status, retry_after, code, .. } = failure;
        if is_transient(*status) {
            return Self::unavailable(*retry_after);
        }
        let Some(code) = code.clone() else {
            return match *status {
                StatusCode::BAD_REQUEST => Self::Nonsense { what: Nonsense::Status(*status) },
                refused if refused.is_client_error() => {
                    Self::OurConfiguration { problem: ConfigurationProblem::Status(refused) }
                }
                other => Self::Nonsense { what: Nonsense::Status(other) },
            };
        };
        if let Some(kind) = dialect::read(grant, failure, &code) {
            return kind;
        }
        match (code.as_str(), grant) {
            ("temporarily_unavailable" | "server_error", _) => Self::unavailable(*retry_after),
            (
                "invalid_client" | "unauthorized_client" | "unsupported_grant_type" | "invalid_target"
                | "invalid_dpop_proof" | "use_dpop_nonce",
                _,
            )
            // Without a subject token there is nobody else whose fault it could be.
            | (_, GrantKind::ClientCredentials) => {
                Self::OurConfiguration { problem: ConfigurationProblem::Code(code) }
            }
            (
                "interaction_required" | "login_required" | "consent_required" | "insufficient_user_authentication",
                _,
            ) => failure.step_up(code),
            // `invalid_scope` too: which scopes there are to give depends on whose token it is.
            (
                "invalid_grant" | "invalid_token" | "token_revoked" | "invalid_request" | "invalid_scope"
                | "scope_invalid" | "insufficient_scope" | "scope_escalation" | "access_denied",
                _,
            ) => Self::Rejected { code },
            _ => Self::of_unknown_code(*status, code),
        }
    }

    /// A code of the server's own means what the status means: that this exchange is refused, or that we are not known
    /// there, or that nobody is.
    fn of_unknown_code(status: StatusCode, code: ErrorCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED
            | StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_ACCEPTABLE
            | StatusCode::GONE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                Self::OurConfiguration { problem: ConfigurationProblem::Code(code) }
            }
            refused if refused.is_client_error() => Self::Rejected { code },
            other => Self::Nonsense { what: Nonsense::Status(other) },
        }
    }

    /// What the next token has to have, where the server said so in its own words.
    pub(crate) fn demanded(&self) -> Option<&DemandedClaims> {
        match self {
            Self::StepUp { claims, .. } => claims.as_ref(),
            _ => None,
        }
    }

    /// The row of the error map.
    pub(crate) fn refusal_kind(&self) -> RefusalKind {
        match self {
            Self::Rejected { code } => match code.as_str() {
                "invalid_grant" | "invalid_token" | "token_revoked" => RefusalKind::InvalidToken,
                _ => RefusalKind::Denied,
            },
            Self::StepUp { acr_values, max_age, .. } => RefusalKind::InsufficientAuthentication {
                scope: Scopes::default(),
                acr_values: acr_values.clone(),
                max_age: *max_age,
            },
            Self::OurConfiguration { .. } => RefusalKind::Misconfigured,
            Self::Unavailable { retry_after } => RefusalKind::Unavailable { retry_after: *retry_after },
            Self::Nonsense { .. } => RefusalKind::BadUpstream,
        }
    }
}

impl fmt::Display for TokenErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected { code } if self.refusal_kind() == RefusalKind::InvalidToken => {
                write!(f, "the caller's token is not accepted there, or no longer: {code}; the caller needs a new one")
            }
            Self::Rejected { code } => {
                write!(f, "what is asked for the caller is refused there: {code}; the server's policy has to allow it")
            }
            Self::StepUp { code, .. } => {
                write!(f, "the user has to sign in again: {code}; the caller is told what will do")
            }
            Self::OurConfiguration { problem } => write!(f, "our configuration is not accepted there: {problem}"),
            Self::Unavailable { retry_after } => {
                write!(f, "the server is unavailable, to be asked again after {} s", retry_after.as_secs())
            }
            Self::Nonsense { what } => write!(f, "the server's answer cannot be used: {what}"),
        }
    }
}

/// What can be read of an answer that is no success.
#[derive(Debug)]
pub(crate) struct FailureAnswer {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) code: Option<ErrorCode>,
    /// What Entra ID says more exactly.
    pub(crate) suberror: Option<ErrorCode>,
    /// Whether the server names claims that a token has to have.
    pub(crate) demands_claims: bool,
    pub(crate) acr_values: Vec<String>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) claims: Option<DemandedClaims>,
}

impl FailureAnswer {
    /// That the user has to sign in again, as the answer has it.
    pub(super) fn step_up(&self, code: ErrorCode) -> TokenErrorKind {
        let Self { acr_values, max_age, claims, .. } = self;
        TokenErrorKind::StepUp { code, acr_values: acr_values.clone(), max_age: *max_age, claims: claims.clone() }
    }
}
