//! A service that is taken at its word, from a file.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tower_identity_core::InvalidSetting;
use tower_identity_jose::Algorithm;

use super::ServiceSettings;
use crate::{KeySettings, VerifierBuilder, danger};

/// A service that is [taken at its word](danger::self_asserted) for whom it calls, as a table of a file.
///
/// | field | meaning | default |
/// |---|---|---|
/// | `issuer` | what the service calls itself in `iss`, byte for byte: a URL, or its SPIFFE ID | required |
/// | `audience` | what this service is called by it | required |
/// | `users_of` | the issuers whose users it may say that it calls for | required |
/// | `keys` | where its keys are (`url`), and how they are kept: [`KeySettings`] | this or `keys_file` |
/// | `keys_file` | its key set (RFC 7517 §5), read at the start | this or `keys` |
/// | `algorithms` | a list of the signature algorithms that it may use | as [`TrustedIssuer::algorithms`](crate::TrustedIssuer::algorithms) |
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
        let Self { issuer, audience, users_of, keys, keys_file, algorithms, leeway_seconds } = self;
        let service = ServiceSettings { issuer, audience, keys, keys_file, algorithms, leeway_seconds }.read(folder)?;
        Ok(danger::self_asserted(builder, service, users_of))
    }
}
