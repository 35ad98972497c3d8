//! A service that hands work over, from a file.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tower_identity_core::InvalidSetting;
use tower_identity_jose::Algorithm;

use super::Producer;
use crate::{KeySettings, VerifierBuilder, asserting::ServiceSettings};

/// A service that [hands work over](VerifierBuilder::handed_off_by) to this one, as a table of a file.
///
/// | field | meaning | default |
/// |---|---|---|
/// | `issuer` | what the service calls itself in `iss`, byte for byte: a URL, or its SPIFFE ID | required |
/// | `audience` | what this service, or the queue, is called by it | required |
/// | `topics` | what it may hand over | required |
/// | `users_of` | the issuers of the users for whom it may | required |
/// | `keys` | where its keys are (`url`), and how they are kept: [`KeySettings`] | this or `keys_file` |
/// | `keys_file` | its key set (RFC 7517 §5), read at the start | this or `keys` |
/// | `algorithms` | a list of the signature algorithms that it may use | as [`TrustedIssuer::algorithms`](crate::TrustedIssuer::algorithms) |
/// | `leeway_seconds` | how far the clocks may differ, 120 at most | 30 |
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProducerSettings {
    issuer: String,
    audience: String,
    topics: Vec<String>,
    users_of: Vec<String>,
    #[serde(default)]
    keys: KeySettings,
    keys_file: Option<PathBuf>,
    algorithms: Option<Vec<Algorithm>>,
    leeway_seconds: Option<u64>,
}

impl ProducerSettings {
    /// Has a verifier of this builder take work from the service. Relative paths start at `folder`: the one that the file is
    /// in.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] names the field and the rule: of a key set that cannot be read, or is nowhere.
    pub fn add_to(self, builder: VerifierBuilder, folder: &Path) -> Result<VerifierBuilder, InvalidSetting> {
        let Self { issuer, audience, topics, users_of, keys, keys_file, algorithms, leeway_seconds } = self;
        let service = ServiceSettings { issuer, audience, keys, keys_file, algorithms, leeway_seconds }.read(folder)?;
        Ok(builder.handed_off_by(Producer::new(service).topics(topics).users_of(users_of)))
    }
}
