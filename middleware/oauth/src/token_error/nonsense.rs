//! What no authorization server may answer.

use std::fmt;

use http::StatusCode;
use tower_identity_core::Scopes;

use crate::MAX_ISSUED_TOKEN_BYTES;

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
    /// A token of this many bytes, more than [`MAX_ISSUED_TOKEN_BYTES`]: no service can be set to read it.
    TokenTooLong(usize),
    /// A token that is not to be used as a bearer token: `token_type` is this.
    TokenType(String),
    /// A token of another type than the requested one: `issued_token_type` is this.
    IssuedTokenType(String),
    /// A token that may be used as an access token in the place of an assertion, which is for another authorization server
    /// alone: `token_type` is this, and not `N_A`.
    NotForAssertions(String),
    /// A token that may be used as an access token in the place of a transaction token, which never is one: `token_type` is
    /// this, and not `N_A`.
    NotForTransactions(String),
    /// What does not say that it is a transaction token: an opaque token, or a JWT that says it is something else.
    NotATransactionToken,
    /// What is no assertion, or none of the requested kind: an opaque token, or a JWT that says it is something else.
    NotAnAssertion,
    /// A token that is no longer good: `expires_in` is zero or negative.
    NoLifetime,
    /// A token that allows more than was asked for.
    WiderScope {
        /// What it may allow: what was asked for, and what the target tolerates unasked.
        accepted: Scopes,
        /// What it allows.
        granted: Scopes,
    },
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
                write!(f, "the access token has {bytes} bytes, at most {MAX_ISSUED_TOKEN_BYTES} are read anywhere")
            }
            Self::TokenType(found) => write!(f, "token_type is {found:?}, not bearer"),
            Self::IssuedTokenType(found) => write!(f, "issued_token_type is {found:?}, not the requested one"),
            Self::NotForAssertions(found) => write!(f, "token_type is {found:?}, not N_A as of an assertion"),
            Self::NotForTransactions(found) => write!(f, "token_type is {found:?}, not N_A as of a transaction token"),
            Self::NotATransactionToken => f.write_str("the issued token does not say that it is a transaction token"),
            Self::NotAnAssertion => f.write_str("the issued token is no assertion of the requested kind"),
            Self::NoLifetime => f.write_str("expires_in is zero or negative"),
            Self::WiderScope { accepted, granted } => write!(
                f,
                "the scope is wider than asked: \"{granted}\" is granted and \"{accepted}\" accepted; where the rest may \
                 come unasked, name it in the target's tolerate_scope"
            ),
            Self::MediaType(asked) => write!(f, "the answer is not {asked}"),
            Self::NotAJwt => f.write_str("the answer is not a JWT"),
            Self::Metadata => f.write_str("its metadata is not usable"),
        }
    }
}
