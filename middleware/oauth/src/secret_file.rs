//! Secrets and keys that are kept in files of their own.

use std::{fs::File, io::Read, path::Path};

use tower_identity_core::{InvalidSetting, SecretToken};

/// The largest file that is read, in bytes: far beyond any secret or key.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// The file's text without white space around it, which editors and templates leave. Errors name the field and the
/// path, never what is in the file.
pub(crate) fn read(field: &'static str, path: &Path) -> Result<SecretToken, InvalidSetting> {
    let invalid = |rule: String| InvalidSetting::new(field, rule);
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| invalid(format!("cannot read {}: {error}", path.display())))?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(invalid(format!("{} is larger than {MAX_FILE_BYTES} bytes", path.display())));
    }
    match text.trim() {
        "" => Err(invalid(format!("{} is empty", path.display()))),
        secret => Ok(SecretToken::new(secret)),
    }
}
