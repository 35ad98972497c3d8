//! Keys in files.

use std::{future::ready, io, path::PathBuf, sync::Arc};

use tower_identity_core::{Clock, InvalidSetting};
use tower_identity_jose::SigningKey;
use tower_identity_refresh::WatchedFile;

use super::{Shared, rule};
use crate::telemetry;

/// The largest file that is read, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// The file of the newest key.
pub(super) struct Followed(Arc<WatchedFile>);

impl Followed {
    /// Reads all the files, and follows the first.
    pub(super) fn read(files: Vec<PathBuf>, clock: &Clock) -> Result<(Self, Vec<SigningKey>), InvalidSetting> {
        let files: Vec<_> =
            files.into_iter().map(|file| Arc::new(WatchedFile::new(file, MAX_BYTES, clock.clone()))).collect();
        let Some(first) = files.first().cloned() else {
            return Err(InvalidSetting::new("key_files", "names no file"));
        };
        let read = |(at, file): (usize, &Arc<WatchedFile>)| {
            let wrong = |rule| InvalidSetting::new(at, format!("{} {rule}", file.path().display())).within("key_files");
            parse(file.read().text).map_err(wrong)
        };
        let keys = files.iter().enumerate().map(read).collect::<Result<_, _>>()?;
        Ok((Self(first), keys))
    }

    /// Adds every other key that is put there.
    pub(super) fn follow(&self, ring: Arc<Shared>) -> impl Future<Output = ()> + Send + use<> {
        let file = Arc::clone(&self.0);
        async move {
            Arc::clone(&file)
                .watch(|found| {
                    match parse(found.text) {
                        Ok(key) => ring.add(key),
                        Err(rule) => telemetry::key_refused(file.path(), &rule),
                    }
                    ready(())
                })
                .await;
        }
    }
}

fn parse(text: Result<Vec<u8>, io::ErrorKind>) -> Result<SigningKey, String> {
    let text = text.map_err(|error| format!("cannot be read: {error}"))?;
    if text.len() > MAX_BYTES {
        return Err(format!("is larger than {MAX_BYTES} bytes"));
    }
    let text = String::from_utf8(text).map_err(|_| "is no text".to_owned())?;
    SigningKey::from_pem(&text).map_err(|why| rule(&why))
}
