//! The table `keys` of an issuer, from a file.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use tower_identity_core::{InvalidSetting, Scopes};
use tower_identity_jose::Thumbprint;
use tower_identity_oauth::{DiscoveryOrder, ServerSettings, TargetService};

use crate::TrustedIssuer;

/// A table `[inbound.issuer.keys]`: where an issuer's keys are, and how they are kept.
///
/// | field | meaning | default |
/// |---|---|---|
/// | `url` | where the key set is | where the issuer's metadata says |
/// | `discovery` | where metadata is looked for: a name of [`DiscoveryOrder`] | `oauth_first` |
/// | `allow_private` | whether metadata may name a key set at a [private address](TrustedIssuer::keys_allow_private) | `false` |
/// | `seed` | a key set in a file, for a [cold start](TrustedIssuer::keys_seed) | none |
/// | `save` | a file that keeps the keys [across restarts](TrustedIssuer::keys_save) | none |
/// | `removal_grace_seconds` | how long a [removed key](TrustedIssuer::keys_removal_grace) still verifies, 86400 at most | 0 |
/// | `pin` | the thumbprints (RFC 7638, SHA-256, base64url) of the [only keys](TrustedIssuer::keys_pin) that are accepted | all |
/// | `server` | a table of the authorization server whose token the key set at `url` [demands](TrustedIssuer::keys_server), as [`ServerSettings`] | none |
/// | `scope` | the scope of that token: a list, or one string with spaces | none |
/// | `token_file` | a file with the bearer token that the key set at `url` [demands](TrustedIssuer::keys_token_file), read for each fetch | none |
/// | `ca_file` | the [only authorities](TrustedIssuer::keys_ca_file) (PEM) whose certificates the issuer's servers may have: those of metadata, key set and introspection, and `server` | the system's |
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySettings {
    pub(crate) url: Option<String>,
    discovery: Option<DiscoveryOrder>,
    #[serde(default)]
    allow_private: bool,
    seed: Option<PathBuf>,
    save: Option<PathBuf>,
    #[serde(default)]
    removal_grace_seconds: u64,
    pin: Option<Vec<String>>,
    server: Option<ServerSettings>,
    #[serde(default)]
    scope: Scopes,
    token_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
}

impl KeySettings {
    /// Tells the issuer all but the URL, which it has. Relative paths start at `folder`.
    pub(crate) fn tell(self, mut issuer: TrustedIssuer, folder: &Path) -> Result<TrustedIssuer, InvalidSetting> {
        if let Some(order) = self.discovery {
            issuer = issuer.keys_discovery(order);
        }
        if self.allow_private {
            issuer = issuer.keys_allow_private();
        }
        if let Some(file) = self.seed {
            issuer = issuer.keys_seed(folder.join(file));
        }
        if let Some(file) = self.save {
            issuer = issuer.keys_save(folder.join(file));
        }
        if let Some(file) = self.token_file {
            issuer = issuer.keys_token_file(folder.join(file));
        }
        if let Some(file) = self.ca_file {
            issuer = issuer.keys_ca_file(folder.join(file));
        }
        if let Some(pins) = self.pin {
            issuer = issuer.keys_pin(thumbprints(&pins)?);
        }
        match self.server {
            Some(server) => {
                let endpoint = server.token_endpoint(folder).map_err(|invalid| invalid.within("server"))?;
                issuer = issuer.keys_server(endpoint, TargetService { scopes: self.scope, ..TargetService::default() });
            }
            None if !self.scope.is_empty() => return Err(InvalidSetting::new("scope", "goes with server")),
            None => {}
        }
        Ok(issuer.keys_removal_grace(Duration::from_secs(self.removal_grace_seconds)))
    }
}

fn thumbprints(pins: &[String]) -> Result<Vec<Thumbprint>, InvalidSetting> {
    let read = |(at, pin): (usize, &String)| {
        pin.parse().map_err(|wrong| InvalidSetting::new(at, format!("{wrong}")).within("pin"))
    };
    pins.iter().enumerate().map(read).collect()
}
