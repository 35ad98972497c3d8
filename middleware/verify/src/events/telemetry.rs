//! What the operator is told of events, and of what is revoked.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use tower_identity_core::{
    Issuer, Refusal, RefusalKind, Revocation, WithCauses,
    revocation::{Change, Mark},
};

use super::Received;
use crate::FeedError;

/// The counter of events, by outcome.
const EVENTS: &str = "tower_identity_security_events_total";

/// The counter of pulls, by outcome.
const PULLS: &str = "tower_identity_revocation_pulls_total";

/// The gauge of a feed's age.
const AGE: &str = "tower_identity_revocation_feed_age_seconds";

/// The gauge of entries.
const ENTRIES: &str = "tower_identity_revocations";

/// The counter of what was revoked, by kind.
const REVOKED: &str = "tower_identity_revocations_total";

/// The counter of entries that made room for others.
const FORGOTTEN: &str = "tower_identity_revocations_forgotten_total";

/// Counts an event, and says so where it was refused.
pub(super) fn received(received: &Result<Received, Refusal>) {
    describe_counter!(EVENTS, Unit::Count, "security events that were received, by what came of them");
    let outcome = match received {
        Ok(Received::Applied) => "applied",
        Ok(Received::Known) => "known",
        Ok(Received::NotOurs) => "ignored",
        Err(refusal) if matches!(refusal.kind(), RefusalKind::Unavailable { .. }) => "undecided",
        Err(_) => "refused",
    };
    counter!(EVENTS, "outcome" => outcome).increment(1);
    if let Err(refusal) = received {
        tracing::warn!(
            target: "tower_identity::revocation",
            issuer = refusal.named_issuer().map(Issuer::as_str),
            check = refusal.check(),
            error = %WithCauses(refusal),
            "event refused"
        );
    }
}

/// Whom it names is in no log. Without a transmitter it was pulled.
pub(crate) fn revoked(transmitter: Option<&Issuer>, what: &Revocation) {
    tracing::info!(
        target: "tower_identity::revocation",
        transmitter = transmitter.map(Issuer::as_str),
        issuer = what.issuer().as_str(),
        of = what.kind(),
        "tokens revoked"
    );
}

/// An event that should have revoked something, and names nobody whom tokens name.
pub(super) fn unsupported(transmitter: &Issuer) {
    tracing::warn!(
        target: "tower_identity::revocation",
        transmitter = transmitter.as_str(),
        "the event names nobody whom tokens name: nothing is revoked"
    );
}

/// What came of asking a feed: how many entries there are now, or why it does not answer and how often that was so before;
/// and how long ago it answered last.
pub(crate) fn pulled(pulled: Result<usize, (&FeedError, u32)>, age: Duration) {
    describe_counter!(PULLS, Unit::Count, "questions to the feed of revocations, by what came of them");
    describe_gauge!(AGE, Unit::Seconds, "how long ago the feed of revocations answered");
    let outcome = if pulled.is_ok() { "pulled" } else { "failed" };
    counter!(PULLS, "outcome" => outcome).increment(1);
    gauge!(AGE).set(age.as_secs_f64());
    match pulled {
        Ok(kept) => entries(kept),
        // Once each time that it begins to fail.
        Err((error, 0)) => {
            tracing::warn!(target: "tower_identity::revocation", error = %WithCauses(error), "revocations cannot be pulled");
        }
        Err(_) => {}
    }
}

/// Counts what was revoked, by whoever it was; and says so where there was no room for it.
pub(crate) fn changed(change: Change<'_>) {
    describe_counter!(REVOKED, Unit::Count, "revocations that were new, by what they name");
    counter!(REVOKED, "of" => change.kind).increment(1);
    entries(change.entries);
    if change.mark == Mark::Kept {
        return;
    }
    describe_counter!(FORGOTTEN, Unit::Count, "revocations that made room for others");
    counter!(FORGOTTEN).increment(1);
    if change.mark == Mark::Raised {
        tracing::warn!(
            target: "tower_identity::revocation",
            issuer = change.issuer.as_str(),
            "revocations forgotten: all tokens of the issuer from before them are refused"
        );
    }
}

fn entries(entries: usize) {
    describe_gauge!(ENTRIES, Unit::Count, "what is revoked and not yet forgotten");
    gauge!(ENTRIES).set(u32::try_from(entries).map_or(f64::MAX, f64::from));
}
