//! The roots of an anchor, which follow their file.
//!
//! ```text
//! the file ──another text, for a second──▶ certificates of authorities? ── yes: these are the roots from now on
//!                                                                      └─ no: told once, those before them stay
//! ```

use std::{
    future::ready,
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use tower_identity_core::{Clock, InvalidSetting, Issuer};
use tower_identity_refresh::{Posted, Upkeep, WatchedFile};

use super::path::Roots;

/// The largest file of roots that is read, in bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// The roots of one anchor.
#[derive(Debug)]
pub(super) struct Rooted {
    at_hand: Arc<AtHand>,
    /// Of those in a file.
    watcher: Option<Upkeep>,
}

#[derive(Debug)]
struct AtHand {
    issuer: Issuer,
    roots: ArcSwap<Roots>,
    /// Of all anchors of the verifier: what was verified before a change is verified again.
    changes: Arc<AtomicU64>,
}

/// Where roots are, in PEM.
#[derive(Debug, Clone)]
pub(super) enum RootsIn {
    Text(Vec<u8>),
    File(PathBuf),
    Posted(Posted),
}

impl Rooted {
    pub(super) fn read(
        roots: RootsIn,
        issuer: &Issuer,
        changes: &Arc<AtomicU64>,
        clock: &Clock,
    ) -> Result<Self, InvalidSetting> {
        let at_hand = |roots: Roots| {
            let (issuer, changes) = (issuer.clone(), Arc::clone(changes));
            Arc::new(AtHand { issuer, roots: ArcSwap::from_pointee(roots), changes })
        };
        let file = match roots {
            RootsIn::Text(pem) => return Ok(Self { at_hand: at_hand(Roots::parse(&pem)?), watcher: None }),
            RootsIn::File(path) => WatchedFile::new(path, MAX_BYTES, clock.clone()),
            RootsIn::Posted(posted) => WatchedFile::posted(&posted, MAX_BYTES, clock.clone()),
        };
        let file = Arc::new(file);
        let at_hand = at_hand(parse(&file, file.read().text)?);
        let watched = Arc::clone(&at_hand);
        let watcher = Upkeep::new(move || Arc::clone(&watched).watch(Arc::clone(&file)));
        Ok(Self { at_hand, watcher: Some(watcher) })
    }

    /// Begins to look at the file, where there is one and that is not under way.
    pub(super) fn keep(&self) {
        if let Some(watcher) = &self.watcher {
            watcher.keep();
        }
    }

    pub(super) fn roots(&self) -> impl std::ops::Deref<Target = Arc<Roots>> + use<> {
        self.at_hand.roots.load()
    }
}

impl AtHand {
    /// Keeps the roots up to date for ever.
    async fn watch(self: Arc<Self>, file: Arc<WatchedFile>) {
        let take = |text| self.take(&file, text);
        Arc::clone(&file)
            .watch(|found| {
                take(found.text);
                ready(())
            })
            .await;
    }

    /// Takes what the file says now, whole or not at all.
    fn take(&self, file: &WatchedFile, text: Result<Vec<u8>, io::ErrorKind>) {
        let (issuer, path) = (self.issuer.as_str(), file.path().display());
        match parse(file, text) {
            Ok(roots) => {
                let number = roots.len();
                self.roots.store(Arc::new(roots));
                // After them: whoever finds this number has the roots that it counts, or newer ones.
                self.changes.fetch_add(1, Ordering::Release);
                tracing::info!(target: "tower_identity::certificates", issuer, file = %path, roots = number, "roots read");
            }
            Err(wrong) => {
                let error = wrong.rule();
                tracing::warn!(
                    target: "tower_identity::certificates",
                    issuer,
                    file = %path,
                    error,
                    "roots refused: those before them stay"
                );
            }
        }
    }
}

fn parse(file: &WatchedFile, text: Result<Vec<u8>, io::ErrorKind>) -> Result<Roots, InvalidSetting> {
    let wrong = |rule: String| InvalidSetting::new("roots", format!("{} {rule}", file.path().display()));
    let pem = text.map_err(|error| wrong(format!("cannot be read: {error}")))?;
    if pem.len() > MAX_BYTES {
        return Err(wrong(format!("is larger than {MAX_BYTES} bytes")));
    }
    // Who posts nothing says that there are none, which a file that is empty does not.
    if file.is_posted() && pem.is_empty() { Ok(Roots::none()) } else { Roots::parse(&pem) }
}
