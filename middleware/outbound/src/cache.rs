//! The tokens that are remembered, and those that are being asked for.
//!
//! Two maps of one key. What is *kept* are tokens, bounded by their number and by their bytes; a hit reads there, or the
//! few of them that are *near*, in its own thread. What is *asked* are slots: of the keys whose token is on its way, or could not be had a moment ago. A
//! slot that somebody waits at is never forgotten, so there is one flight for a key, however many come; a token that
//! arrives goes to those that are kept, and the slot, which holds none, is forgotten when its place is needed.

use std::sync::Arc;

use tower_identity_core::{Clock, Refusal, Timestamp};
use tower_identity_refresh::{Slot, Slots};

use crate::{
    entry::Entry,
    kept::Kept,
    key::{CacheKey, Looked},
    load::{self, Landed},
    near::Near,
    source::Ask,
};

pub(crate) use crate::kept::Bounds;

/// How many slots there are that nobody waits at: of keys that failed a moment ago, most of all.
const FAILURES: usize = 16_384;

/// All tokens of an [`Outbound`](crate::Outbound).
pub(crate) struct TokenCache {
    near: Near,
    kept: Kept,
    asked: Slots<CacheKey, Landed, Refusal>,
    clock: Clock,
}

/// How a request came by its token, or by none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// It was remembered.
    Hit,
    /// It was asked for.
    Miss,
    /// Another request had asked for it.
    Coalesced,
    /// It was remembered that there is none at the moment.
    Negative,
}

impl TokenCache {
    pub(crate) fn new(bounds: Bounds, clock: Clock) -> Arc<Self> {
        let asked = Slots::new(FAILURES, clock.clone());
        Arc::new(Self { near: Near::default(), kept: Kept::new(bounds), asked, clock })
    }

    /// The token of a key, if it may be sent now.
    #[inline]
    pub(crate) fn find(&self, key: &Looked<'_>, now: Timestamp) -> Option<Arc<Entry>> {
        let place = self.near.place(key);
        if let found @ Some(_) = place.find(key, now) {
            return found;
        }
        self.find_kept(key, now).inspect(|entry| place.offer(entry))
    }

    fn find_kept(&self, key: &Looked<'_>, now: Timestamp) -> Option<Arc<Entry>> {
        self.kept.get(key).filter(|entry| entry.is_usable(now))
    }

    /// The token that is not there: from a flight, this one's or another's.
    pub(crate) async fn ask(self: &Arc<Self>, ask: &Ask) -> (Came, Result<Landed, Refusal>) {
        if let Some(entry) = self.meanwhile(ask) {
            return (Came::Hit, Ok(Landed::of(entry)));
        }
        let slot = self.slot(ask);
        if let Some(refusal) = slot.failure() {
            return (Came::Negative, Err(refusal));
        }
        let (came, result) = self.wait(&slot, ask).await;
        // A flight that began before anybody waited gave way to others and gave up early. Its failure says nothing, and
        // is not remembered. (Nor is that somebody was revoked, which stays so.)
        let is_of_refresh = came == Came::Coalesced && result.is_err() && slot.failure().is_none();
        if is_of_refresh && !ask.subject.as_ref().is_some_and(|subject| subject.is_revoked()) {
            return self.wait(&slot, ask).await;
        }
        (came, result)
    }

    async fn wait(self: &Arc<Self>, slot: &Slot<Landed, Refusal>, ask: &Ask) -> (Came, Result<Landed, Refusal>) {
        let mut came = Came::Coalesced;
        let got = slot.get(|| {
            came = Came::Miss;
            load::load(Arc::downgrade(self), ask.clone())
        });
        let result = got.await;
        (came, result)
    }

    /// Has a token fetched that will be needed, and does not wait for it.
    pub(crate) fn refresh(self: &Arc<Self>, ask: Ask) {
        self.slot(&ask).refresh(|| load::load(Arc::downgrade(self), ask));
    }

    /// The slot of a key: the same one for all who hold it at one time.
    fn slot(&self, ask: &Ask) -> Slot<Landed, Refusal> {
        self.asked.slot(&ask.key().to_key())
    }

    /// A token that will do, and came after it was looked for. Asked by each flight before it asks anybody else: flights
    /// of a slot follow one another, so whatever one of them brought the next one finds.
    pub(crate) fn meanwhile(&self, ask: &Ask) -> Option<Arc<Entry>> {
        let now = self.clock.wall();
        self.find_kept(&ask.key(), now).filter(|entry| !ask.ahead || !entry.is_stale(now))
    }

    /// Keeps what a flight brought.
    pub(crate) fn keep(&self, entry: &Arc<Entry>, now: Timestamp) {
        self.kept.add(entry, now);
    }

    /// The token in whose place another comes, whatever became of it.
    pub(crate) fn before(&self, key: &Looked<'_>) -> Option<Arc<Entry>> {
        self.kept.peek(key)
    }
}

#[cfg(test)]
mod mixing;
#[cfg(test)]
mod tests;
