//! A list of callers in a file, which is read again while it is in use.
//!
//! ```text
//! read_files ──▶ the list at hand ◀── the watcher: is it another text, and a good list?
//!                 ▲ every check, without a lock      yes: it is the list at hand     no: told once, the old list stays
//! ```
//!
//! A check does no I/O. The watcher, a task that ends with the last clone of the rule, begins when the file is read; where
//! there is no runtime yet, with the first check, and then it looks at once.

use std::{
    future::ready,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use tower_identity_core::{CallerContext, Clock, InvalidSetting};
use tower_identity_refresh::{Upkeep, WatchedFile};

use self::list::{InvalidList, MAX_FILE_BYTES};
use super::{CallerName, node::Node};

mod list;

/// A list of callers by the name of its file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "PathBuf", into = "PathBuf")]
pub(super) struct CallersFile {
    /// As it is named in the rule.
    name: PathBuf,
    /// None until the file was read.
    list: Option<Arc<Watched>>,
}

#[derive(Debug)]
struct Watched {
    list: Arc<List>,
    watcher: Upkeep,
}

#[derive(Debug)]
struct List {
    file: Arc<WatchedFile>,
    at_hand: ArcSwap<Vec<CallerName>>,
}

impl CallersFile {
    pub(super) fn name(&self) -> &Path {
        &self.name
    }

    pub(super) fn is_read(&self) -> bool {
        self.list.is_some()
    }

    /// Whether the caller is on the list at hand.
    pub(super) fn names(&self, context: &CallerContext) -> bool {
        self.list.as_ref().is_some_and(|watched| {
            watched.watcher.keep();
            watched.list.at_hand.load().iter().any(|name| name.is(context))
        })
    }

    fn read(&mut self, folder: &Path, clock: &Clock) -> Result<(), InvalidSetting> {
        let file = WatchedFile::new(folder.join(&self.name), MAX_FILE_BYTES, clock.clone());
        let names = parse(file.read().text).map_err(|wrong| {
            InvalidSetting::new("callers_file", format!("{}: {}", file.path().display(), wrong.with_its_cause()))
        })?;
        let list = Arc::new(List { file: Arc::new(file), at_hand: ArcSwap::from_pointee(names) });
        let watcher = Upkeep::new({
            let list = Arc::clone(&list);
            move || Arc::clone(&list).watch()
        });
        watcher.keep();
        self.list = Some(Arc::new(Watched { list, watcher }));
        Ok(())
    }
}

impl Node {
    /// Reads every file that is named here, those in a relative path from this folder.
    pub(super) fn read_files(&mut self, folder: &Path, clock: &Clock) -> Result<(), InvalidSetting> {
        let word = self.word();
        match self {
            Self::CallersFile(file) => file.read(folder, clock),
            Self::All(nodes) | Self::Any(nodes) => nodes.iter_mut().enumerate().try_for_each(|(at, node)| {
                node.read_files(folder, clock).map_err(|invalid| invalid.within(at).within(word))
            }),
            _ => Ok(()),
        }
    }

    /// The first file that is named here and was not read.
    pub(super) fn unread(&self) -> Option<InvalidSetting> {
        match self {
            Self::CallersFile(file) if !file.is_read() => {
                Some(InvalidSetting::new("callers_file", "was not read: Rule::read_files does"))
            }
            Self::All(nodes) | Self::Any(nodes) => {
                let mut unread = nodes.iter().enumerate().filter_map(|(at, node)| Some(node.unread()?.within(at)));
                unread.next().map(|unread| unread.within(self.word()))
            }
            _ => None,
        }
    }
}

impl List {
    /// Keeps the list up to date for ever. Whoever owns the task owns the list.
    async fn watch(self: Arc<Self>) {
        let file = Arc::clone(&self.file);
        file.watch(|found| {
            self.take(found.text);
            ready(())
        })
        .await;
    }

    /// Takes what a file says now, whole or not at all.
    fn take(&self, text: Result<Vec<u8>, io::ErrorKind>) {
        let file = self.file.path().display();
        match parse(text) {
            Ok(names) => {
                let callers = names.len();
                self.at_hand.store(Arc::new(names));
                tracing::info!(target: "tower_identity::rule", %file, callers, "callers read");
            }
            Err(wrong) => {
                let error = wrong.with_its_cause();
                tracing::warn!(target: "tower_identity::rule", %file, error, "callers refused: those before them stay");
            }
        }
    }
}

fn parse(text: Result<Vec<u8>, io::ErrorKind>) -> Result<Vec<CallerName>, InvalidList> {
    list::parse(&text.map_err(InvalidList::Unreadable)?)
}

/// By the name, as everything that a rule says.
impl PartialEq for CallersFile {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for CallersFile {}

impl From<PathBuf> for CallersFile {
    fn from(name: PathBuf) -> Self {
        Self { name, list: None }
    }
}

impl From<CallersFile> for PathBuf {
    fn from(file: CallersFile) -> Self {
        file.name
    }
}
