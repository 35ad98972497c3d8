//! What files say together, kept up to date.

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use tower_identity_core::{Fingerprint, InvalidSetting};
use tower_identity_refresh::{OneAtATime, Upkeep, WatchedFile};

use crate::telemetry;

/// Files that say something together, or nothing.
pub(crate) trait Files: Send + Sync + 'static {
    /// What is made of them.
    type Made: Send + Sync + 'static;

    /// All of them.
    fn all(&self) -> Vec<&Arc<WatchedFile>>;

    /// The one that they are known by.
    fn name(&self) -> &Path;

    /// Reads them, here and now: what they say, and what is made of it.
    fn read(&self) -> (Fingerprint, Result<Self::Made, InvalidSetting>);
}

/// What was made of files last. They are looked at once it is asked for, until this is gone.
pub(crate) struct Followed<T> {
    now: Arc<ArcSwap<T>>,
    upkeep: Upkeep,
}

impl<T: Send + Sync + 'static> Followed<T> {
    /// Reads the files, now, and what they say from then on.
    pub(crate) fn new<F: Files<Made = T>>(files: F) -> Result<Self, InvalidSetting> {
        let (said, first) = files.read();
        let now = Arc::new(ArcSwap::from_pointee(first?));
        let following = Arc::new(Following { files, said: Mutex::new(said), now: Arc::clone(&now) });
        let turns = OneAtATime::new();
        let upkeep = Upkeep::new(move || watch(Arc::clone(&following), turns.clone()));
        Ok(Self { now, upkeep })
    }

    /// What counts now.
    pub(crate) fn now(&self) -> Arc<T> {
        self.upkeep.keep();
        self.now.load_full()
    }
}

struct Following<F: Files> {
    files: F,
    /// What they said together when they were read last.
    said: Mutex<Fingerprint>,
    now: Arc<ArcSwap<F::Made>>,
}

impl<F: Files> Following<F> {
    /// Takes what they say now, whole or not at all. Nothing, where they say what they said the last time: of several that
    /// change together, each is news.
    fn reload(&self) -> Option<Result<(), InvalidSetting>> {
        let (said, made) = self.files.read();
        let before = std::mem::replace(&mut *self.said.lock().unwrap_or_else(PoisonError::into_inner), said);
        (before != said).then(|| made.map(|made| self.now.store(Arc::new(made))))
    }
}

/// Looks at all of them for ever. What they say is taken one after the other, so that the newest stays.
async fn watch<F: Files>(following: Arc<Following<F>>, turns: OneAtATime) {
    let reload = || {
        let (reading, turns, following) = (Arc::clone(&following), turns.clone(), Arc::clone(&following));
        async move {
            match turns.blocking(move || reading.reload()).await.flatten() {
                None => {}
                Some(Ok(())) => telemetry::taken(following.files.name().display()),
                Some(Err(wrong)) => telemetry::kept(following.files.name().display(), &wrong),
            }
        }
    };
    join_all(following.files.all().into_iter().map(|file| Arc::clone(file).watch(|_| reload()))).await;
}

/// Nothing of certificates and keys.
impl<T> fmt::Debug for Followed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Followed").field("upkeep", &self.upkeep).finish_non_exhaustive()
    }
}
