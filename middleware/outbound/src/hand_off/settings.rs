//! What hands work over, from a file.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use tower_identity_core::InvalidSetting;

use super::HandOffs;
use crate::key_file::{self, KeyFiles};

/// What signs the records of work that is handed over to one consumer, or to one queue, as a table of a file: [`HandOffs`].
///
/// | field | meaning | default |
/// |---|---|---|
/// | `issuer` | what this service is called in them: the URL that its keys are published under, or its SPIFFE ID | required |
/// | `audience` | what the consumer, or the queue, is called | required |
/// | `key_file` | the private key that signs (PEM), or a list whose others are published too | required |
/// | `valid_for_seconds` | for how long a record is good, from 60 to 604800 | 86400, a day |
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandOffSettings {
    issuer: String,
    audience: String,
    key_file: KeyFiles,
    valid_for_seconds: Option<u64>,
}

impl HandOffSettings {
    /// Reads the keys. Relative paths start at `folder`: the one that the file is in.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] names the field and the rule: of a key that cannot be read, or is nowhere.
    pub fn read(self, folder: &Path) -> Result<HandOffs, InvalidSetting> {
        let files: Vec<PathBuf> = self.key_file.into();
        let files: Vec<_> = files.iter().map(|file| folder.join(file)).collect();
        let mut keys = key_file::read(&files)?.into_iter();
        let first = keys.next().ok_or_else(|| InvalidSetting::new("key_file", "names no key"))?;
        let made = keys.fold(HandOffs::new(self.issuer, first, self.audience)?, HandOffs::also_published);
        match self.valid_for_seconds {
            Some(seconds) => made.valid_for(Duration::from_secs(seconds)),
            None => Ok(made),
        }
    }
}
