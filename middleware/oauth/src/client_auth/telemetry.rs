//! What the operator is told of credentials in files. Never what is in them.

use std::path::Path;

/// The target of every event about one.
const TARGET: &str = "tower_identity::client_credential";

/// Another text is there, and presented from now on.
pub(super) fn taken(file: &Path) {
    tracing::info!(target: TARGET, file = %file.display(), "client credential taken");
}

/// What is there cannot be used, and what was there before stays in use.
pub(super) fn kept(file: &Path, why: &str) {
    tracing::warn!(target: TARGET, file = %file.display(), error = why, "client credential kept");
}

/// The server refuses one and accepts another.
pub(super) fn passed_over(refused: &Path, accepted: &Path) {
    let (file, accepted) = (refused.display(), accepted.display());
    tracing::warn!(target: TARGET, %file, %accepted, "client credential refused");
}
