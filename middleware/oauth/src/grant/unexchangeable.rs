//! What no token is asked for with.

use tower_identity_core::{Refusal, RefusalKind, SecretToken, bearer::MAX_TOKEN_BYTES};

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
    /// The target is named by its address, and the server knows targets by their names alone.
    #[error("the server knows no resource; name the target by its audience")]
    Resource,
    /// No trust domain is named, which a transaction token is always of.
    #[error("a transaction token is asked for a trust domain, which is the audience")]
    TrustDomain,
    /// No scope is named, without which no transaction token is issued.
    #[error("a transaction token is asked for with the scopes of the transaction")]
    Scope,
}

impl Unexchangeable {
    pub(super) fn check(token: &SecretToken) -> Result<(), Self> {
        match token.expose() {
            token if token.trim().is_empty() => Err(Self::Empty),
            token if token.len() > MAX_TOKEN_BYTES => Err(Self::TooLong),
            _ => Ok(()),
        }
    }

    /// What the peer learns of it: verification accepts no such token, and a target's row is checked when it is built, so
    /// the wiring of this service is wrong.
    #[must_use]
    pub fn refusal(self) -> Refusal {
        Refusal::new(RefusalKind::Misconfigured, "token_request").caused_by(self)
    }
}
