//! Private keys in files.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use tower_identity_core::InvalidSetting;
use tower_identity_jose::SigningKey;
use tower_identity_refresh::open_regular;

/// The longest file that holds a key, in bytes.
const LONGEST: u64 = 64 * 1024;

/// The files of the setting `key_file`: one, or a list of which the first signs.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "a path or a list of paths")]
pub(crate) enum KeyFiles {
    One(PathBuf),
    Many(Vec<PathBuf>),
}

impl From<KeyFiles> for Vec<PathBuf> {
    fn from(files: KeyFiles) -> Self {
        match files {
            KeyFiles::One(file) => vec![file],
            KeyFiles::Many(files) => files,
        }
    }
}

/// The keys in these files.
pub(crate) fn read(files: &[PathBuf]) -> Result<Vec<SigningKey>, InvalidSetting> {
    let named = |(at, file): (usize, &PathBuf)| {
        key(file).map_err(|rule| match files.len() {
            1 => InvalidSetting::new("key_file", rule),
            _ => InvalidSetting::new(at, rule).within("key_file"),
        })
    };
    files.iter().enumerate().map(named).collect()
}

/// The private key in a file, or why there is none: the path, never what is in it.
fn key(file: &Path) -> Result<SigningKey, String> {
    let unusable = |why: &dyn std::fmt::Display| format!("no key in {}: {why}", file.display());
    let mut text = String::new();
    let read = open_regular(file).and_then(|file| file.take(LONGEST).read_to_string(&mut text));
    read.map_err(|why| unusable(&why))?;
    SigningKey::from_pem(&text).map_err(|why| unusable(&why))
}
