//! A service that signs for itself, as a table of a file names it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use tower_identity_core::InvalidSetting;
use tower_identity_jose::{Algorithm, KeySet};

use crate::{KeySettings, TrustedIssuer};

/// What is said of it in each of the tables that name one.
pub(crate) struct ServiceSettings {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) keys: KeySettings,
    pub(crate) keys_file: Option<PathBuf>,
    pub(crate) algorithms: Option<Vec<Algorithm>>,
    pub(crate) leeway_seconds: Option<u64>,
}

impl ServiceSettings {
    /// The service. Relative paths start at `folder`.
    pub(crate) fn read(self, folder: &Path) -> Result<TrustedIssuer, InvalidSetting> {
        let service = match (self.keys.url.clone(), self.keys_file) {
            (Some(url), None) => TrustedIssuer::keys_at(self.issuer, url),
            (None, Some(file)) => TrustedIssuer::keys(self.issuer, key_set(&folder.join(file))?),
            (Some(_), Some(_)) => return Err(InvalidSetting::new("keys_file", "stands beside keys.url")),
            (None, None) => {
                let rule = "is missing, and keys_file too: where the service's key set is";
                return Err(InvalidSetting::new("url", rule).within("keys"));
            }
        };
        let mut service = service.audience(self.audience);
        if let Some(algorithms) = self.algorithms {
            service = service.algorithms(algorithms);
        }
        if let Some(seconds) = self.leeway_seconds {
            service = service.leeway(Duration::from_secs(seconds));
        }
        self.keys.tell(service, folder).map_err(|invalid| invalid.within("keys"))
    }
}

fn key_set(file: &Path) -> Result<KeySet, InvalidSetting> {
    let unusable = |why: &dyn std::fmt::Display| {
        InvalidSetting::new("keys_file", format!("{} holds no key set: {why}", file.display()))
    };
    let text = fs::read(file).map_err(|why| unusable(&why))?;
    KeySet::parse(&text).map_err(|why| unusable(&why))
}
