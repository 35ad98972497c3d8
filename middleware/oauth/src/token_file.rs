//! A token in a file, which somebody else replaces.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tower_identity_core::{
    Clock, SecretToken,
    bearer::{MAX_TOKEN_BYTES, is_token68},
};
use tower_identity_refresh::OneAtATime;

use crate::{
    DEADLINE,
    secret_file::{self, SecretFileError},
};

/// A file with a bearer token of ours that somebody else puts there, and replaces before it ends: as Kubernetes does with
/// a pod's service account token. Cheap to clone.
///
/// It is read anew for each request, and what is read is kept nowhere. There is never more than one read under way: where
/// the file is on a mount that does not answer, that takes one thread, and requests fail until the read has ended.
#[derive(Debug, Clone)]
pub struct TokenFile {
    path: Arc<Path>,
    reads: OneAtATime,
}

/// The token that was in a [`TokenFile`]. Prints no secret.
#[derive(Debug)]
pub struct FileToken(SecretToken);

impl TokenFile {
    /// The file at this path. Not read yet, and not there yet perhaps.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into().into(), reads: OneAtATime::new() }
    }

    /// Reads the token, without white space around it, on a thread that may block, within [`DEADLINE`].
    ///
    /// # Errors
    ///
    /// [`SecretFileError`], also for what is no bearer token (RFC 6750 §2.1), or longer than any server takes.
    pub async fn read(&self, clock: &Clock) -> Result<FileToken, SecretFileError> {
        let path = Arc::clone(&self.path);
        let read = clock.within(DEADLINE, self.reads.blocking(move || secret_file::text(&path)));
        let cut_short = |why: io::ErrorKind| {
            let source = Arc::new(why.into());
            SecretFileError::Unreadable { path: Arc::clone(&self.path), source }
        };
        let read = read.await.ok_or_else(|| cut_short(io::ErrorKind::TimedOut))?;
        let token = read.ok_or_else(|| cut_short(io::ErrorKind::Interrupted))??;
        if token.expose().len() <= MAX_TOKEN_BYTES && is_token68(token.expose()) {
            Ok(FileToken(token))
        } else {
            Err(SecretFileError::NoToken { path: Arc::clone(&self.path) })
        }
    }
}

impl FileToken {
    /// The token.
    #[must_use]
    pub fn token(&self) -> &SecretToken {
        &self.0
    }
}
