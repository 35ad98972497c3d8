//! What the operator is told of a listener: of its files, and of connections that it refuses.

use std::{error::Error, fmt::Display};

use metrics::{Unit, counter, describe_counter};
use tower_identity_core::InvalidSetting;

use crate::HandshakeError;

/// The target of every event.
const TARGET: &str = "tower_identity::tls";

/// The counter of connections that were closed before any request, by why.
const REFUSED: &str = "tower_identity_tls_refused_total";

/// Tells of a connection that was closed before any request. Nobody is named: peers choose how many there are.
///
/// The handle is looked up each time, which a handshake outweighs: a recorder may be installed at any time.
pub(crate) fn refused(error: &HandshakeError) {
    let reason = error.reason();
    describe_counter!(REFUSED, Unit::Count, "connections that were closed in their handshake");
    counter!(REFUSED, "reason" => reason).increment(1);
    let error: &dyn Error = error;
    tracing::debug!(target: TARGET, reason, error, "connection refused");
}

/// What the files say counts from the next handshake on.
pub(crate) fn taken(file: impl Display) {
    tracing::info!(target: TARGET, %file, "certificate read");
}

/// What they say cannot be used.
pub(crate) fn kept(file: impl Display, wrong: &InvalidSetting) {
    tracing::warn!(target: TARGET, %file, error = %wrong, "certificate refused: that before it stays");
}
