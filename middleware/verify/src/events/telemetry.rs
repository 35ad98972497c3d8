//! What the operator is told of events, and of what is revoked.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use tower_identity_core::{Issuer, Refusal, RefusalKind, Revocation};

use super::Received;

/// The counter of events, by transmitter and outcome.
const EVENTS: &str = "tower_identity_security_events_total";

/// The gauge of entries.
const ENTRIES: &str = "tower_identity_revocations";

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
            error = %tower_identity_core::WithCauses(refusal),
            "event refused"
        );
    }
}

/// Whom it names is in no log.
pub(super) fn revoked(transmitter: &Issuer, what: &Revocation) {
    tracing::info!(
        target: "tower_identity::revocation",
        transmitter = transmitter.as_str(),
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

pub(crate) fn entries(entries: usize) {
    describe_gauge!(ENTRIES, Unit::Count, "what is revoked and not yet forgotten");
    gauge!(ENTRIES).set(u32::try_from(entries).map_or(f64::MAX, f64::from));
}
