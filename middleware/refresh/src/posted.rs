//! A text that somebody in this process keeps up to date, in the place of a file.

use std::{
    fmt, io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// A text in the place of a file: who learns of certificates or keys by other means than files posts them here, and whoever
/// would [read a file again](crate::WatchedFile::posted) while it is in use reads this. Cheap to clone; the clones share the
/// text, and are equal. Prints its name alone.
///
/// ```
/// use tower_identity_refresh::{Posted, WatchedFile, system_clock};
///
/// let posted = Posted::new("certificate of orders");
/// let watched = WatchedFile::posted(&posted, 1024, system_clock());
/// assert_eq!(watched.read().text, Err(std::io::ErrorKind::NotFound));
/// posted.post("orders");
/// assert_eq!(watched.read().text, Ok(b"orders".to_vec()));
/// ```
#[derive(Clone)]
pub struct Posted(Arc<Inner>);

struct Inner {
    name: Box<str>,
    /// Which of all.
    number: u64,
    /// Held for moments only.
    text: Mutex<Option<Vec<u8>>>,
}

impl Posted {
    /// With nothing in it yet. The name is for logs.
    #[must_use]
    pub fn new(name: impl Into<Box<str>>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(Arc::new(Inner { name: name.into(), number, text: Mutex::default() }))
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Which of all that this process has made.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.0.number
    }

    /// Takes the place of what was there.
    pub fn post(&self, text: impl Into<Vec<u8>>) {
        *self.0.text.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.into());
    }

    /// What is there.
    ///
    /// # Errors
    ///
    /// [`NotFound`](io::ErrorKind::NotFound), where nothing was posted yet.
    pub fn text(&self) -> io::Result<Vec<u8>> {
        let text = self.0.text.lock().unwrap_or_else(PoisonError::into_inner).clone();
        text.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl PartialEq for Posted {
    fn eq(&self, other: &Self) -> bool {
        self.0.number == other.0.number
    }
}

impl Eq for Posted {}

/// What it is called, not what is in it.
impl fmt::Debug for Posted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Posted").field(&self.0.name).finish()
    }
}
