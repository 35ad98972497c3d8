//! Why there is no internal identity of an authority's.

use std::time::Duration;

use tower_identity_core::{Issuer, Refusal, RefusalKind, Scopes};

use crate::MintError;

/// When it is worth another try for what did not come in time.
const AFTER_LATE: Duration = Duration::from_secs(1);

/// What stands in the way, beside what the authority says itself.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Reason {
    /// The same as where it is made here.
    #[error(transparent)]
    Caller(MintError),
    #[error("the credential that speaks for the user has no text that could be exchanged")]
    NoText,
    #[error("nothing of what the caller may outside crosses into the trust domain")]
    NothingCrosses,
    #[error("the caller's credential was revoked while it was exchanged")]
    Revoked,
    #[error("{server} is not known to take tokens of {subject}; name it with accepts_issuer(..) if it does")]
    ForeignIssuer { server: Issuer, subject: Issuer },
    #[error("the authority gave {given}, and {asked} was asked for")]
    Wider { asked: Scopes, given: Scopes },
    #[error("the authority gave a transaction token that its trust domain does not take")]
    NotOfTheDomain(#[source] Refusal),
    #[error("it did not come within {} s; raise the deadline if the authority is slow", .0.as_secs_f64())]
    Late(Duration),
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        let kind = match reason {
            Reason::Caller(error) => return error.into(),
            Reason::NoText | Reason::NothingCrosses => RefusalKind::Denied,
            Reason::Revoked => RefusalKind::InvalidToken,
            Reason::ForeignIssuer { .. } => RefusalKind::Misconfigured,
            Reason::Wider { .. } | Reason::NotOfTheDomain(_) => RefusalKind::BadUpstream,
            Reason::Late(_) => RefusalKind::Unavailable { retry_after: AFTER_LATE },
        };
        Self::new(kind, "internal_identity").detail(reason.to_string()).caused_by(reason)
    }
}
