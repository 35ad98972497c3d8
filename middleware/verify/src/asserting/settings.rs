//! A service that is taken at its word, from a file.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use tower_identity_core::InvalidSetting;
use tower_identity_jose::{Algorithm, KeySet};

use crate::{KeySettings, TrustedIssuer, VerifierBuilder, danger};

/// A service that is [taken at its word](danger::self_asserted) for whom it calls, as a table of a file.
///
/// | field | meaning | default |
/// |---|---|---|
/// | `issuer` | what the service calls itself in `iss`, byte for byte: a URL, or its SPIFFE ID | required |
/// | `audience` | what this service is called by it | required |
/// | `users_of` | the issuers whose users it may say that it calls for | required |
/// | `keys` | where its keys are (`url`), and how they are kept: [`KeySettings`] | this or `keys_file` |
/// | `keys_file` | its key set (RFC 7517 §5), read at the start | this or `keys` |
/// | `algorithms` | a list of the signature algorithms that it may use | as [`TrustedIssuer::algorithms`] |
/// | `leeway_seconds` | how far the clocks may differ, 120 at most | 30 |
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelfAssertedSettings {
    issuer: String,
    audience: String,
    users_of: Vec<String>,
    #[serde(default)]
    keys: KeySettings,
    keys_file: Option<PathBuf>,
    algorithms: Option<Vec<Algorithm>>,
    leeway_seconds: Option<u64>,
}

impl SelfAssertedSettings {
    /// Takes the service at its word, by a verifier of this builder. Relative paths start at `folder`: the one that the file
    /// is in.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] names the field and the rule: of a key set that cannot be read, or is nowhere.
    pub fn add_to(self, builder: VerifierBuilder, folder: &Path) -> Result<VerifierBuilder, InvalidSetting> {
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
        let service = self.keys.tell(service, folder).map_err(|invalid| invalid.within("keys"))?;
        Ok(danger::self_asserted(builder, service, self.users_of))
    }
}

fn key_set(file: &Path) -> Result<KeySet, InvalidSetting> {
    let unusable = |why: &dyn std::fmt::Display| {
        InvalidSetting::new("keys_file", format!("{} holds no key set: {why}", file.display()))
    };
    let text = fs::read(file).map_err(|why| unusable(&why))?;
    KeySet::parse(&text).map_err(|why| unusable(&why))
}
