//! A file that keeps an issuer's keys across restarts.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower_identity_core::{Issuer, Timestamp};
use tower_identity_jose::{json, random_id};
use tower_identity_refresh::blocking;

use super::telemetry::TARGET;
use crate::source::Reading;

/// Writes an issuer's keys to a file after each fetch.
///
/// The file is written on a thread that may block, and the fetch does not wait for it: a disk that hangs keeps no
/// request waiting, nor the next fetch. While one write hangs, none is begun beside it; what is asked for meanwhile is
/// written after it, so that in the end the file has what is remembered, and no key that was forgotten.
#[derive(Debug)]
pub(super) struct Saver {
    issuer: Issuer,
    file: PathBuf,
    /// Held for moments only.
    state: Mutex<State>,
    /// Whether the last write failed, which is told once.
    failing: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// The entries of the issuer's key set that are accepted.
    keys: Arc<[Value]>,
    /// Since when they are to be written: the time of their fetch.
    wanted: Option<Timestamp>,
    /// Whoever writes holds on to it, and lets go of it also where the runtime ends before it could begin.
    writer: Weak<Writer>,
}

#[derive(Debug)]
struct Writer;

/// A key set as it is saved (RFC 7517 §5), with two members of our own.
#[derive(Serialize)]
struct Saved<'a> {
    issuer: &'a Issuer,
    fetched_at: Timestamp,
    keys: &'a [Value],
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl Saver {
    pub(super) fn new(issuer: Issuer, file: PathBuf) -> Self {
        Self { issuer, file, state: Mutex::default(), failing: AtomicBool::new(false) }
    }

    /// Takes the entries of a fetched document that are accepted, each judged as it was when it was fetched: an entry
    /// that is of no use now, because its private part is published for example, must not be of use tomorrow.
    pub(super) fn remember(&self, reading: &Reading, document: &[u8]) {
        let accepted = |entry: &Value| {
            reading.read(Value::from_iter([("keys", vec![entry.clone()])]).to_string().as_bytes()).is_ok()
        };
        let entries = json::from_slice::<Document>(document).map(|document| document.keys).unwrap_or_default();
        let keys = entries.into_iter().filter(accepted).collect();
        self.state().keys = keys;
    }

    /// Remembers no key.
    pub(super) fn forget(&self) {
        self.state().keys = Arc::default();
    }

    /// Begins to write what is remembered, as fetched at this time.
    pub(super) fn save(self: &Arc<Self>, fetched_at: Timestamp) {
        let mut state = self.state();
        state.wanted = Some(fetched_at);
        if state.writer.strong_count() == 0 {
            let writer = Arc::new(Writer);
            state.writer = Arc::downgrade(&writer);
            drop(state);
            let saver = Arc::clone(self);
            drop(blocking(move || saver.write_what_is_wanted(writer)));
        }
    }

    fn write_what_is_wanted(&self, writer: Arc<Writer>) {
        loop {
            let mut state = self.state();
            let Some(fetched_at) = state.wanted.take() else {
                // While nobody can ask for more.
                drop(writer);
                return;
            };
            let keys = Arc::clone(&state.keys);
            drop(state);
            self.write(&keys, fetched_at);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, keys: &[Value], fetched_at: Timestamp) {
        let saved = Saved { issuer: &self.issuer, fetched_at, keys };
        let written = serde_json::to_vec(&saved).map_err(io::Error::from).and_then(|text| replace(&self.file, &text));
        let failed_before = self.failing.swap(written.is_err(), Ordering::Relaxed);
        if let (Err(error), false) = (written, failed_before) {
            let (issuer, file) = (&self.issuer, self.file.display());
            let error = &error as &dyn std::error::Error;
            tracing::warn!(target: TARGET, %issuer, %file, error, "keys cannot be saved");
        }
    }
}

/// Puts a file in the place of another, as a whole or not at all, also when the process or the machine dies meanwhile.
fn replace(file: &Path, content: &[u8]) -> io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    // A name that nobody has and nobody can foresee: two that are given one file take turns in replacing it and never
    // mix, and no link that was put in its place is followed.
    beside.push(format!(".{}.new", random_id()));
    let beside = PathBuf::from(beside);
    let mut new = for_the_owner_alone().write(true).create_new(true).open(&beside)?;
    let written = new.write_all(content).and_then(|()| new.sync_all()).and_then(|()| fs::rename(&beside, file));
    if written.is_err() {
        // What is left is of no use to anybody.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Who may write the file decides which keys verify after the next start.
fn for_the_owner_alone() -> OpenOptions {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(test)]
mod tests;
