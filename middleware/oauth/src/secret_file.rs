//! Secrets and keys that are kept in files of their own.

use std::{
    error::Error,
    io::{self, Read},
    path::Path,
    sync::Arc,
};

use tower_identity_core::{InvalidSetting, SecretToken};
use tower_identity_refresh::{Posted, open_regular};

/// The largest file that is read, in bytes: far beyond any secret or key.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Why there is no secret in a file. Names the path, never what is in the file.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SecretFileError {
    /// There is no such file, it may not be read, it is no regular file, or it is no text.
    #[error("cannot read {}", .path.display())]
    Unreadable {
        /// The file.
        path: Arc<Path>,
        /// Why.
        source: Arc<io::Error>,
    },
    /// The file is larger than any secret or key.
    #[error("{} is larger than {MAX_FILE_BYTES} bytes", .path.display())]
    TooLarge {
        /// The file.
        path: Arc<Path>,
    },
    /// There is nothing in the file but white space.
    #[error("{} is empty", .path.display())]
    Empty {
        /// The file.
        path: Arc<Path>,
    },
    /// What is in the file cannot be presented as a bearer token (RFC 6750 §2.1).
    #[error("{} holds no bearer token", .path.display())]
    NoToken {
        /// The file.
        path: Arc<Path>,
    },
}

/// The file's text without white space around it, which editors and templates leave.
pub(crate) fn text(path: &Path) -> Result<SecretToken, SecretFileError> {
    let named = || Arc::from(path);
    let mut text = String::new();
    open_regular(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| SecretFileError::Unreadable { path: named(), source: Arc::new(error) })?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(SecretFileError::TooLarge { path: named() });
    }
    match text.trim() {
        "" => Err(SecretFileError::Empty { path: named() }),
        secret => Ok(SecretToken::new(secret)),
    }
}

/// The same of what is posted in the place of a file.
pub(crate) fn posted(posted: &Posted) -> Result<SecretToken, SecretFileError> {
    let named = || Arc::from(Path::new(posted.name()));
    let unreadable = |error: io::Error| SecretFileError::Unreadable { path: named(), source: Arc::new(error) };
    let text = posted.text().map_err(unreadable)?;
    let text = String::from_utf8(text).map_err(|_| unreadable(io::ErrorKind::InvalidData.into()))?;
    match text.trim() {
        "" => Err(SecretFileError::Empty { path: named() }),
        secret => Ok(SecretToken::new(secret)),
    }
}

/// [`text`], of a file that is named in a field.
pub(crate) fn read(field: &'static str, path: &Path) -> Result<SecretToken, InvalidSetting> {
    text(path).map_err(|error| {
        let rule = match error.source() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
        InvalidSetting::new(field, rule)
    })
}
