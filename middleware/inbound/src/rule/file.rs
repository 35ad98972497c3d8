//! A list of callers in a file, which is read again while it is in use.
//!
//! ```text
//! read_files ──▶ the list at hand ◀── the watcher: every 5 s, is it another text? the same a second later? a good list?
//!                 ▲ every check, without a lock          yes: it is the list at hand     no: told once, the old list stays
//! ```
//!
//! A check does no I/O. The watcher, a task that ends with the last clone of the rule, begins when the file is read; where
//! there is no runtime yet, with the first check, and then it looks at once.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use serde::{Deserialize, Serialize};
use tower_identity_core::{CallerContext, Clock, InvalidSetting};
use tower_identity_refresh::{Background, blocking};

use self::list::{InvalidList, MAX_FILE_BYTES};
use super::{CallerName, node::Node};

mod list;

/// How often a file is looked at.
const PERIOD: Duration = Duration::from_secs(5);

/// How long another text has to stand before it counts: whoever writes a file in place is done by then.
const SETTLED: Duration = Duration::from_secs(1);

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
    /// Begun as the file is read or by the first check, and again should its runtime have ended.
    watcher: ArcSwapOption<Background>,
}

#[derive(Debug)]
struct List {
    file: PathBuf,
    clock: Clock,
    at_hand: ArcSwap<AtHand>,
}

#[derive(Debug)]
struct AtHand {
    names: Vec<CallerName>,
    /// What they were read from.
    text: Vec<u8>,
}

/// What is in a file, as it is.
type Text = Result<Vec<u8>, io::ErrorKind>;

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
            watched.keep();
            watched.list.at_hand.load().names.iter().any(|name| name.is(context))
        })
    }

    fn read(&mut self, folder: &Path, clock: &Clock) -> Result<(), InvalidSetting> {
        let file = folder.join(&self.name);
        let at_hand = AtHand::of(read(&file)).map_err(|wrong| {
            InvalidSetting::new("callers_file", format!("{}: {}", file.display(), wrong.with_its_cause()))
        })?;
        let list = Arc::new(List { file, clock: clock.clone(), at_hand: ArcSwap::from_pointee(at_hand) });
        let watched = Watched { list, watcher: ArcSwapOption::empty() };
        watched.keep();
        self.list = Some(Arc::new(watched));
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

impl Watched {
    /// Begins the watcher, unless there is one. Of two that are begun at one time the latter stays.
    fn keep(&self) {
        if self.watcher.load().as_ref().is_some_and(|watcher| !watcher.is_over()) {
            return;
        }
        if let Some(watcher) = Background::spawn(watch(Arc::clone(&self.list))) {
            self.watcher.store(Some(Arc::new(watcher)));
        }
    }
}

/// Keeps a list up to date for ever. Whoever owns the task owns the list.
async fn watch(list: Arc<List>) {
    let mut known: Text = Ok(list.at_hand.load().text.clone());
    loop {
        let mut found = list.look().await;
        while found.as_ref().is_some_and(|found| *found != known) {
            list.clock.sleep(SETTLED).await;
            let again = list.look().await;
            if again == found {
                break;
            }
            found = again;
        }
        if let Some(found) = found.filter(|found| *found != known) {
            list.take(found.clone());
            known = found;
        }
        list.clock.sleep(PERIOD).await;
    }
}

impl List {
    /// `None` where nobody reads any more.
    fn look(&self) -> impl Future<Output = Option<Text>> + Send + use<> {
        let file = self.file.clone();
        blocking(move || read(&file))
    }

    /// Takes what a file says now, whole or not at all.
    fn take(&self, text: Text) {
        let file = self.file.display();
        match AtHand::of(text) {
            Ok(at_hand) => {
                let callers = at_hand.names.len();
                self.at_hand.store(Arc::new(at_hand));
                tracing::info!(target: "tower_identity::rule", %file, callers, "callers read");
            }
            Err(wrong) => {
                let error = wrong.with_its_cause();
                tracing::warn!(target: "tower_identity::rule", %file, error, "callers refused: those before them stay");
            }
        }
    }
}

impl AtHand {
    fn of(text: Text) -> Result<Self, InvalidList> {
        let text = text.map_err(InvalidList::Unreadable)?;
        Ok(Self { names: list::parse(&text)?, text })
    }
}

/// No more than is needed to see that it is too much.
fn read(file: &Path) -> Text {
    let mut text = Vec::new();
    let limit = MAX_FILE_BYTES as u64 + 1;
    let read = File::open(file).and_then(|file| file.take(limit).read_to_end(&mut text));
    read.map(|_| text).map_err(|error| error.kind())
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
