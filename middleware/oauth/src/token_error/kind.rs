//! The kinds of failure, and which answer is which.

use std::{fmt, time::Duration};

use http::StatusCode;
use tower_identity_core::{RefusalKind, Scopes, bearer::MAX_TOKEN_BYTES};

use crate::{GrantKind, http::is_transient};

/// When it is worth another try, where the server does not say.
pub const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(2);

/// The longest error code that is kept, in bytes.
const MAX_CODE_BYTES: usize = 64;

/// An error code of a token endpoint (RFC 6749 §5.2, RFC 8693 §2.2.2), in the characters that the RFC allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorCode(Box<str>);

impl ErrorCode {
    /// The code, or nothing for what cannot be one.
    pub(crate) fn read(value: &str) -> Option<Self> {
        let allowed = |b: u8| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        let usable = (1..=MAX_CODE_BYTES).contains(&value.len()) && value.bytes().all(allowed);
        usable.then(|| Self(value.into()))
    }

    /// The code, for example `invalid_grant`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What of our configuration an authorization server does not go along with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigurationProblem {
    /// The server says so by this code.
    Code(ErrorCode),
    /// The server says so by the status alone: it does not know us, or this is not its token endpoint.
    Status(StatusCode),
    /// The server has no metadata at the configured issuer, or the metadata of another issuer.
    Discovery,
    /// The client assertion could not be signed.
    Assertion,
}

impl fmt::Display for ConfigurationProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "it answers {code}"),
            Self::Status(status) => write!(f, "it answers {status} without an error code"),
            Self::Discovery => f.write_str("it has no metadata at the configured issuer"),
            Self::Assertion => f.write_str("the client assertion cannot be signed"),
        }
    }
}

/// What an authorization server answered and must not.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Nonsense {
    /// A redirect from its token endpoint.
    Redirect(StatusCode),
    /// More than the [cap](crate::MAX_BODY_BYTES).
    TooLarge,
    /// A status that says neither that there is a token nor why there is none.
    Status(StatusCode),
    /// A success that is not a JSON object without duplicate names.
    NotJson,
    /// A success that lacks this member, or has it in a form that is not allowed.
    Member(&'static str),
    /// A token of this many bytes, more than [`MAX_TOKEN_BYTES`]: no service that we could send it to reads it.
    TokenTooLong(usize),
    /// A token that is not to be used as a bearer token: `token_type` is this.
    TokenType(String),
    /// A token of another type than the requested one: `issued_token_type` is this.
    IssuedTokenType(String),
    /// A token that allows more than was asked for: these scopes beyond.
    WiderScope(Scopes),
    /// Another media type than this one, which was asked for: of an answer that has to be signed, a plain one.
    MediaType(&'static str),
    /// What is said to be a JWT, and has other characters.
    NotAJwt,
    /// Metadata that cannot be used.
    Metadata,
}

impl fmt::Display for Nonsense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redirect(status) => write!(f, "it redirects ({status})"),
            Self::TooLarge => f.write_str("the answer is too large"),
            Self::Status(status) => write!(f, "the status is {status}"),
            Self::NotJson => f.write_str("the answer is not a JSON object without duplicate names"),
            Self::Member(member) => write!(f, "{member} is missing or malformed"),
            Self::TokenTooLong(bytes) => {
                write!(f, "the access token has {bytes} bytes, at most {MAX_TOKEN_BYTES} are read anywhere")
            }
            Self::TokenType(found) => write!(f, "token_type is {found:?}, not bearer"),
            Self::IssuedTokenType(found) => write!(f, "issued_token_type is {found:?}, not the requested one"),
            Self::WiderScope(extra) => write!(f, "the scope is wider than asked, by {extra}"),
            Self::MediaType(asked) => write!(f, "the answer is not {asked}"),
            Self::NotAJwt => f.write_str("the answer is not a JWT"),
            Self::Metadata => f.write_str("its metadata is not usable"),
        }
    }
}

/// Why there is no token, and whose fault that is.
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
        /// `interaction_required`, `login_required`, `consent_required` or `insufficient_user_authentication`.
        code: ErrorCode,
        /// The acceptable authentication context classes, where the server names them.
        acr_values: Vec<String>,
        /// The oldest acceptable sign-in, where the server names it.
        max_age: Option<Duration>,
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
                GrantKind::TokenExchange,
            ) => Self::StepUp { code, acr_values: failure.acr_values.clone(), max_age: failure.max_age },
            // `invalid_scope` too: which scopes there are to give depends on whose token it is.
            (_, GrantKind::TokenExchange) => Self::Rejected { code },
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
            Self::Rejected { code } => write!(f, "the token is not accepted there: {code}"),
            Self::StepUp { code, .. } => write!(f, "the user has to sign in again: {code}"),
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
    pub(crate) acr_values: Vec<String>,
    pub(crate) max_age: Option<Duration>,
}
