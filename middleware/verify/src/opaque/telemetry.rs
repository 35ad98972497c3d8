//! What the operator is told of lookups.

use metrics::{Unit, counter, describe_counter};
use tower_identity_core::Issuer;

/// The counter of lookups, by issuer and [`LookupOutcome`].
const LOOKUPS: &str = "tower_identity_introspections_total";

/// How a lookup ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LookupOutcome {
    /// The token is acceptable.
    Good,
    /// The token is not.
    Refused,
    /// Nothing is known of the token.
    Failed,
}

impl LookupOutcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// Counts a lookup. The handle is looked up each time, which a call to the issuer outweighs: a recorder may be installed
/// at any time.
pub(super) fn looked_up(issuer: &Issuer, outcome: LookupOutcome) {
    describe_counter!(LOOKUPS, Unit::Count, "tokens that an issuer was asked about, by what came of it");
    counter!(LOOKUPS, "issuer" => issuer.as_str().to_owned(), "outcome" => outcome.as_str()).increment(1);
}
