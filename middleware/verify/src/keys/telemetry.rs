//! What the operator is told of an issuer's keys.

use std::{fmt, time::Duration};

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use tower_identity_core::Issuer;
use tower_identity_jose::Thumbprint;

use super::snapshot::Change;

/// The target of every event about keys.
pub(super) const TARGET: &str = "tower_identity::keys";

/// The counter of refreshes, by issuer and [`RefreshOutcome`].
const REFRESHES: &str = "tower_identity_keys_refreshes_total";

/// The gauge of how long ago an issuer was asked for the keys at hand.
const AGE: &str = "tower_identity_keys_age_seconds";

/// How a refresh ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefreshOutcome {
    /// With a key set.
    Fetched,
    /// With the word that the key set has not changed.
    NotModified,
    Failed,
}

impl RefreshOutcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Fetched => "fetched",
            Self::NotModified => "not_modified",
            Self::Failed => "failed",
        }
    }
}

/// Tells that the issuer has other keys than before, and how many entries of its set are of no use: one event a change,
/// none for a set that is the same.
pub(super) fn changed(issuer: &Issuer, change: &Change, skipped: usize) {
    if !change.is_none() {
        let (added, removed) = (Listed(&change.added), Listed(&change.removed));
        tracing::info!(target: TARGET, %issuer, %added, %removed, skipped, "keys changed");
    }
}

/// Tells that the keys are used no more, because the issuer has been out of reach for too long.
pub(super) fn gone(issuer: &Issuer, age: Duration) {
    tracing::warn!(target: TARGET, %issuer, age_seconds = age.as_secs(), "keys gone");
}

/// Counts a refresh.
///
/// The handle is looked up each time, which is once a minute or so: a recorder may be installed at any time.
pub(super) fn refreshed(issuer: &Issuer, outcome: RefreshOutcome) {
    describe_counter!(REFRESHES, Unit::Count, "fetches of an issuer's keys, by how they ended");
    counter!(REFRESHES, "issuer" => issuer.as_str().to_owned(), "outcome" => outcome.as_str()).increment(1);
}

/// Tells how long ago the issuer was asked for the keys at hand. Told at every fetch, and by the keeper once a minute, so
/// that an age which grows is seen to grow.
pub(super) fn age(issuer: &Issuer, age: Duration) {
    describe_gauge!(AGE, Unit::Seconds, "how long ago the issuer was asked for the keys at hand");
    gauge!(AGE, "issuer" => issuer.as_str().to_owned()).set(age.as_secs_f64());
}

/// Thumbprints, separated by spaces.
struct Listed<'a>(&'a [Thumbprint]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, thumbprint) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            fmt::Display::fmt(thumbprint, f)?;
        }
        Ok(())
    }
}
