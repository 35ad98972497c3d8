//! A settings file that a program follows while it runs.

use std::{fs, io, path::PathBuf};

use demo_kit::StartError;
use tempfile::TempDir;
use tower_identity::{LiveSettings, Settings};

/// A copy of a program's file, in a folder of its own, which goes with this.
#[derive(Debug)]
pub(crate) struct Rollout {
    _directory: TempDir,
    path: PathBuf,
    text: String,
    live: LiveSettings,
}

impl Rollout {
    /// A copy of this text, which names files beside itself by their whole paths.
    pub(crate) fn of(name: &str, text: String) -> Result<Self, StartError> {
        let directory = TempDir::new()?;
        let path = directory.path().join(name).with_extension("toml");
        fs::write(&path, &text)?;
        let live = LiveSettings::from_path(&path)?;
        Ok(Self { _directory: directory, path, text, live })
    }

    /// What the program is started from.
    pub(crate) fn settings(&self) -> &Settings {
        self.live.settings()
    }

    /// What the file is called in metrics.
    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Puts in its place the file as it was in the beginning, but with these changes; at once, as whoever rolls out a
    /// file should, so that nobody reads half of it.
    pub(crate) fn roll_out(&self, changes: &[(&str, &str)]) -> io::Result<()> {
        let text = changes.iter().fold(self.text.clone(), |text, (from, to)| text.replace(from, to));
        let new = self.path.with_extension("new");
        fs::write(&new, text)?;
        fs::rename(new, &self.path)
    }
}
