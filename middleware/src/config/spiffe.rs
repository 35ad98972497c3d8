//! The table `[spiffe]`: the Workload API that tells of this service's certificate, and of the authorities of trust domains.

use serde::Deserialize;
use tower_identity_core::InvalidSetting;
use tower_identity_refresh::Posted;
#[cfg(feature = "spiffe")]
use {std::path::Path, std::time::Duration, tower_identity_spiffe::WorkloadApi};

#[cfg(feature = "spiffe")]
use super::{LiveSettings, Settings};
use super::{SettingsError, document::Document};

const TABLE: &str = "spiffe";

/// The field by which the table is ours.
const FIELD: &str = "workload_api";

/// The Workload API that a file names: none, where the table is the service's own.
#[derive(Debug, Clone, Default)]
pub(super) struct Workload {
    #[cfg(feature = "spiffe")]
    api: Option<(String, WorkloadApi)>,
}

impl Workload {
    /// That the file names this one, and no other.
    pub(super) fn is_of(&self, document: &Document) -> Result<(), SettingsError> {
        if named(document)?.as_deref() == self.endpoint() {
            return Ok(());
        }
        let rule = match cfg!(feature = "spiffe") {
            true => "is awaited before the rest is read: read the file by ready_from_path",
            false => "needs the feature `spiffe` of tower-identity, which is off",
        };
        Err(refuse(document, rule))
    }

    /// The one that the file names, once it has told of a certificate.
    #[cfg(feature = "spiffe")]
    async fn ready(document: &Document, within: Duration) -> Result<Self, SettingsError> {
        let Some(endpoint) = named(document)? else { return Ok(Self::default()) };
        let api = WorkloadApi::at(&endpoint).map_err(|invalid| refuse(document, invalid.rule()))?;
        api.ready(within).await.map_err(|none| refuse(document, &none.to_string()))?;
        Ok(Self { api: Some((endpoint, api)) })
    }
}

#[cfg(feature = "spiffe")]
impl Workload {
    fn endpoint(&self) -> Option<&str> {
        self.api.as_ref().map(|(endpoint, _)| &**endpoint)
    }

    /// The authorities of this trust domain, where somebody tells of them.
    pub(super) fn bundle(&self, trust_domain: &str) -> Option<Result<Posted, InvalidSetting>> {
        self.api.as_ref().map(|(_, api)| api.bundle(trust_domain))
    }

    /// This service's certificate and its key, where somebody tells of them.
    pub(super) fn svid(&self) -> Option<&Posted> {
        self.api.as_ref().map(|(_, api)| api.svid())
    }
}

/// Nobody tells of anything.
#[cfg(not(feature = "spiffe"))]
impl Workload {
    fn endpoint(&self) -> Option<&str> {
        let Self {} = self;
        None
    }

    pub(super) fn bundle(&self, _: &str) -> Option<Result<Posted, InvalidSetting>> {
        let Self {} = self;
        None
    }

    pub(super) fn svid(&self) -> Option<&Posted> {
        let Self {} = self;
        None
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    workload_api: String,
}

/// The endpoint that the file names.
fn named(document: &Document) -> Result<Option<String>, SettingsError> {
    if !document.has(TABLE, FIELD) {
        return Ok(None);
    }
    Ok(document.table::<Table>(TABLE)?.map(|table| table.workload_api))
}

fn refuse(document: &Document, rule: &str) -> SettingsError {
    document.locate(&InvalidSetting::new(FIELD, rule).within(TABLE))
}

#[cfg(feature = "spiffe")]
impl Settings {
    /// Reads a file as [`from_path`](Self::from_path) does, where it may say that certificates come from the Workload API of
    /// SPIFFE, and waits this long for the first of them:
    ///
    /// ```toml
    /// [spiffe]
    /// workload_api = "unix:/run/spire/sockets/agent.sock"
    ///
    /// [inbound]
    /// client_certificate = "required"
    ///
    /// [[inbound.certificates]]
    /// trust_domain = "example.org"           # no roots: the Workload API tells of its authorities
    ///
    /// [outbound.server.login]
    /// issuer = "https://login.example.com"
    /// client_id = "orders"
    /// client_certificate = "workload_api"    # this service's own, as it shows it to the server
    /// ```
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use tower_identity::Settings;
    ///
    /// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
    /// let settings = Settings::ready_from_path("orders.toml", Duration::from_secs(30)).await?;
    /// let svid = settings.workload_api().map(|workload| workload.svid().clone()); // what a listener shows
    /// # let _ = svid;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`from_path`](Self::from_path), and of `spiffe.workload_api`, when it is no endpoint, or has told of no certificate in
    /// this time.
    pub async fn ready_from_path(path: impl AsRef<Path>, within: Duration) -> Result<Self, SettingsError> {
        let document = Document::read(path.as_ref())?;
        let workload = Workload::ready(&document, within).await?;
        Self::of(document, workload)
    }

    /// The Workload API that the file names: for what this service shows where it listens, by `ServerTls::posted` of its
    /// [`svid`](WorkloadApi::svid).
    #[must_use]
    pub fn workload_api(&self) -> Option<&WorkloadApi> {
        self.workload.api.as_ref().map(|(_, api)| api)
    }
}

#[cfg(feature = "spiffe")]
impl LiveSettings {
    /// As [`from_path`](Self::from_path), of a file that may name a Workload API: see [`Settings::ready_from_path`]. Which one
    /// it names waits for a restart.
    ///
    /// # Errors
    ///
    /// As [`Settings::ready_from_path`].
    pub async fn ready_from_path(path: impl AsRef<Path>, within: Duration) -> Result<Self, SettingsError> {
        let workload = Workload::ready(&Document::read(path.as_ref())?, within).await?;
        Self::following(path.as_ref(), tower_identity_refresh::system_clock(), workload)
    }
}
