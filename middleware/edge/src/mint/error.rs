//! Why there is no internal identity.

use std::time::Duration;

use tower_identity_core::{Audience, Refusal, RefusalKind};
use tower_identity_jose::SignError;

use crate::KeyTooOld;

/// When it is worth another try where no key is to come: that of an operator.
const LATER: Duration = Duration::from_secs(60);

/// Why no internal identity was made of a caller. Becomes a [`Refusal`], which says what the caller learns.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum MintError {
    /// Nothing but the caller's own word ties it to its user: 403.
    #[error("nothing ties the caller to the user whom it calls for")]
    Unrelated,
    /// The caller calls for nobody: 403. A workload is no user inside.
    #[error("the caller calls for no user, and only users have an internal identity")]
    NoUser,
    /// The user has no name in the trust domain: 403.
    #[error("the user is nobody in the trust domain")]
    Nobody,
    /// What the caller presented has ended, but for the leeway: 401. What is made of it would have ended, too.
    #[error("what was presented has ended, and nothing that is made of it may be good for longer")]
    Ended,
    /// No key may sign: 503.
    #[error("no key may sign")]
    Key(#[source] KeyTooOld),
    /// The key signs nothing: 500.
    #[error("the key signs nothing")]
    Sign(#[source] SignError),
    /// There is no such trust domain: 500.
    #[error("the trust domain {0} is not one of the mint's")]
    UnknownDomain(Audience),
}

impl MintError {
    /// A stable word for metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Unrelated => "unrelated",
            Self::NoUser => "no_user",
            Self::Nobody => "nobody",
            Self::Ended => "ended",
            Self::Key(_) => "key_too_old",
            Self::Sign(_) => "not_signed",
            Self::UnknownDomain(_) => "unknown_domain",
        }
    }

    fn kind(&self) -> RefusalKind {
        match self {
            Self::Unrelated => RefusalKind::UnrelatedCredentials,
            Self::NoUser | Self::Nobody => RefusalKind::Denied,
            Self::Ended => RefusalKind::InvalidToken,
            Self::Key(old) => RefusalKind::Unavailable { retry_after: old.next_in.unwrap_or(LATER) },
            Self::Sign(_) | Self::UnknownDomain(_) => RefusalKind::Misconfigured,
        }
    }
}

impl From<MintError> for Refusal {
    fn from(error: MintError) -> Self {
        Self::new(error.kind(), "internal_identity").detail(error.to_string()).caused_by(error)
    }
}
