//! The `[inbound.events]` table: whose security events end tokens here.

use std::path::Path;

use serde::Deserialize;
use tower_identity_core::InvalidSetting;
use tower_identity_inbound::SecurityEvents;
use tower_identity_verify::{EventReceiver, IssuerSettings, Verifier};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsTable {
    audience: String,
    path: Option<String>,
    #[serde(default)]
    transmitter: Vec<TransmitterTable>,
}

/// One that is no issuer of callers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TransmitterTable {
    issuer: IssuerSettings,
    #[serde(default)]
    revokes: Vec<String>,
}

impl EventsTable {
    /// The endpoint. Files that the table names are looked for in this folder.
    pub(super) fn build(self, verifier: &Verifier, folder: &Path) -> Result<SecurityEvents, InvalidSetting> {
        let mut receiver = EventReceiver::builder(verifier, self.audience);
        for (at, row) in self.transmitter.into_iter().enumerate() {
            let transmitter = row.issuer.trusted_issuer(folder).map_err(|invalid| {
                let invalid = invalid.within("issuer");
                invalid.within(at).within("transmitter")
            })?;
            receiver = receiver.transmitter(transmitter, row.revokes);
        }
        let events = SecurityEvents::new(receiver.build()?);
        match self.path {
            Some(path) => events.at(&path),
            None => Ok(events),
        }
    }
}
