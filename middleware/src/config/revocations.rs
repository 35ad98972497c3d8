//! The `[inbound.revocations]` table: how much the list of what is revoked holds.

use std::time::Duration;

use serde::Deserialize;
use tower_identity_core::{InvalidSetting, Revocations};
use tower_identity_refresh::system_clock;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RevocationsTable {
    /// Of an issuer.
    entries: usize,
    retention_seconds: u64,
}

impl Default for RevocationsTable {
    fn default() -> Self {
        Self { entries: Revocations::DEFAULT_CAPACITY, retention_seconds: Revocations::DEFAULT_RETENTION.as_secs() }
    }
}

impl RevocationsTable {
    /// The list, which is empty.
    pub(super) fn build(&self) -> Result<Revocations, InvalidSetting> {
        if self.entries == 0 {
            return Err(InvalidSetting::new("entries", "has room for none: 1 or more"));
        }
        if self.retention_seconds == 0 {
            return Err(InvalidSetting::new("retention_seconds", "is shorter than any token's life"));
        }
        Ok(Revocations::bounded(self.entries, Duration::from_secs(self.retention_seconds), system_clock()))
    }
}
