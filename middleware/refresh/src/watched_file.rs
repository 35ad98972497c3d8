//! A file that is read again while it is in use.
//!
//! ```text
//! read ──▶ what was read last ◀── watch: every 5 s, is it another text? the same a second later? then it is handed on
//! ```

use std::{
    fmt,
    future::ready,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tower_identity_core::Clock;

use crate::{Posted, blocking, open_regular};

/// How often a file is looked at.
const PERIOD: Duration = Duration::from_secs(5);

/// How long another text has to stand before it counts: whoever writes a file in place is done by then.
const SETTLED: Duration = Duration::from_secs(1);

/// What was found in a file.
pub struct FileText {
    /// As it is, up to one byte more than the limit.
    pub text: Result<Vec<u8>, io::ErrorKind>,
    /// How many times the file had been read for somebody, this one included: of two, the newer has the higher number.
    pub number: u64,
}

/// A file that is read again while it is in use, by its content: neither its time nor its inode says whether it changed.
///
/// ```
/// use tower_identity_refresh::{WatchedFile, system_clock};
///
/// let file = std::env::temp_dir().join(format!("tower-identity-watched-{}", std::process::id()));
/// std::fs::write(&file, "orders")?;
/// let watched = WatchedFile::new(&file, 1024, system_clock());
/// assert_eq!(watched.read().text, Ok(b"orders".to_vec()));
/// # std::fs::remove_file(&file)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct WatchedFile {
    path: PathBuf,
    /// What is read in its place.
    posted: Option<Posted>,
    limit: usize,
    clock: Clock,
    /// Held for moments only.
    last: Mutex<Last>,
}

/// What was read last, for somebody.
struct Last {
    /// None before the first time.
    text: Option<Result<Vec<u8>, io::ErrorKind>>,
    number: u64,
}

/// Another text than the one of this number.
#[derive(PartialEq)]
struct News {
    text: Result<Vec<u8>, io::ErrorKind>,
    than: u64,
}

impl WatchedFile {
    /// The file at this path, of which no more is read than shows that it is longer than the limit, in bytes. Not read yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, limit: usize, clock: Clock) -> Self {
        let last = Mutex::new(Last { text: None, number: 0 });
        Self { path: path.into(), posted: None, limit, clock, last }
    }

    /// What is posted in the place of a file, whose path is its name.
    #[must_use]
    pub fn posted(posted: &Posted, limit: usize, clock: Clock) -> Self {
        Self { posted: Some(posted.clone()), ..Self::new(posted.name(), limit, clock) }
    }

    /// Whether it is [posted](Self::posted), and no file.
    #[must_use]
    pub fn is_posted(&self) -> bool {
        self.posted.is_some()
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it here and now.
    #[must_use]
    pub fn read(&self) -> FileText {
        let text = self.text();
        self.last().put(text)
    }

    /// Looks at the file for ever, at once and every five seconds, and hands on what it says when that is another text than
    /// was read last, and has been for a second. So whatever it says is handed on once. It is read where that may block, and
    /// taken where this runs.
    pub async fn watch<F, T>(self: Arc<Self>, take: F)
    where
        F: Fn(FileText) -> T,
        T: Future<Output = ()>,
    {
        self.watch_or(take, || ready(())).await;
    }

    /// The same, and does something else each time that the file says nothing new.
    pub async fn watch_or<F, T, E, O>(self: Arc<Self>, take: F, or_else: E)
    where
        F: Fn(FileText) -> T,
        T: Future<Output = ()>,
        E: Fn() -> O,
        O: Future<Output = ()>,
    {
        loop {
            let mut found = self.look().await;
            if found.is_none() {
                or_else().await;
            }
            while let Some(news) = found {
                self.clock.sleep(SETTLED).await;
                let again = self.look().await;
                if again.as_ref() == Some(&news) {
                    if let Some(text) = self.settled(news) {
                        take(text).await;
                    }
                    break;
                }
                found = again;
            }
            self.clock.sleep(PERIOD).await;
        }
    }

    /// Nothing, too, where nobody reads any more.
    async fn look(self: &Arc<Self>) -> Option<News> {
        let file = Arc::clone(self);
        blocking(move || file.news()).await.flatten()
    }

    fn news(&self) -> Option<News> {
        let text = self.text();
        let last = self.last();
        (last.text.as_ref() != Some(&text)).then_some(News { text, than: last.number })
    }

    /// Nothing where somebody has read the file meanwhile.
    fn settled(&self, news: News) -> Option<FileText> {
        let mut last = self.last();
        (last.number == news.than).then(|| last.put(news.text))
    }

    fn text(&self) -> Result<Vec<u8>, io::ErrorKind> {
        if let Some(posted) = &self.posted {
            return posted.text().map_err(|error| error.kind());
        }
        let mut text = Vec::new();
        let limit = self.limit as u64 + 1;
        let read = open_regular(&self.path).and_then(|file| file.take(limit).read_to_end(&mut text));
        read.map(|_| text).map_err(|error| error.kind())
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Last {
    fn put(&mut self, text: Result<Vec<u8>, io::ErrorKind>) -> FileText {
        self.text = Some(text.clone());
        self.number += 1;
        FileText { text, number: self.number }
    }
}

/// Where it is, not what it says.
impl fmt::Debug for WatchedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchedFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Which reading it was of, not what it says.
impl fmt::Debug for FileText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileText").field("number", &self.number).finish_non_exhaustive()
    }
}
