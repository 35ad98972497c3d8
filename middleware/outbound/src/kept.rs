//! The tokens that are kept, for all threads.

use std::{
    hash::{Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use quick_cache::{DefaultHashBuilder, Equivalent, Lifecycle, OptionsBuilder, Weighter, sync::Cache};
use tower_identity_core::Timestamp;

use crate::{entry::Entry, key::Looked, telemetry::Entries};

/// What an entry is taken to weigh on average, in bytes, to guess how many there will be.
const USUAL: u64 = 1536;

/// The share of the room that tokens have which were used again. Those of a flood of users make do with the rest.
const USED_AGAIN: f64 = 0.97;

/// How often those that have ended make room before others do, in milliseconds: all of them are looked at for it.
const SWEEP_PAUSE: u64 = 30_000;

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) entries: usize,
    pub(crate) bytes: u64,
}

/// A bounded map of tokens. What is used least makes room, and what is used again does not make room for what is used
/// once (CLOCK-Pro).
pub(crate) struct Kept {
    cache: Cache<Own, Arc<Entry>, Weight, DefaultHashBuilder, Evicted>,
    told: Entries,
    /// When those that have ended are forgotten next, at the earliest.
    next_sweep: AtomicU64,
}

/// An entry as its own key.
struct Own(Arc<Entry>);

/// By its bytes, and never below what makes as many as there may be as heavy as all of them may be: so that one bound on
/// weight is both.
#[derive(Clone)]
struct Weight {
    least: u64,
}

/// Gathers what made room, to be dropped without a lock.
#[derive(Clone)]
struct Evicted;

impl Kept {
    pub(crate) fn new(Bounds { entries, bytes }: Bounds) -> Self {
        let entries = u64::try_from(entries).unwrap_or(u64::MAX);
        // What is heavier than the share of those that are used again is never admitted, not even alone.
        let admitted = (bytes as f64 * USED_AGAIN) as u64;
        let weight = Weight { least: bytes.div_ceil(entries).min(admitted) };
        let guessed = entries.min(bytes / USUAL).max(1);
        let options = OptionsBuilder::new()
            .weight_capacity(bytes)
            .estimated_items_capacity(usize::try_from(guessed).unwrap_or(usize::MAX))
            .hot_allocation(USED_AGAIN)
            .build()
            .expect("a capacity is all that options need");
        let cache = Cache::with_options(options, weight, DefaultHashBuilder::default(), Evicted);
        Self { cache, told: Entries::default(), next_sweep: AtomicU64::new(0) }
    }

    pub(crate) fn get(&self, key: &Looked<'_>) -> Option<Arc<Entry>> {
        self.cache.get(key)
    }

    /// The same, which does not count as a use.
    pub(crate) fn peek(&self, key: &Looked<'_>) -> Option<Arc<Entry>> {
        self.cache.peek(key)
    }

    /// Puts an entry in the place of the one of its key.
    pub(crate) fn add(&self, entry: &Arc<Entry>, now: Timestamp) {
        let mut gone = Vec::new();
        self.cache.insert_with_lifecycle(Own(Arc::clone(entry)), Arc::clone(entry), &mut gone);
        let evicted = gone.iter().filter(|gone| gone.key() != entry.key()).count();
        if evicted > 0 {
            self.forget_ended(now);
        }
        self.told.are(self.cache.len(), evicted);
    }

    /// Nobody asks again for a token that was made from a user's last one. It would keep its place until it is the one
    /// that was used least.
    fn forget_ended(&self, now: Timestamp) {
        let millis = u64::try_from(now.since_epoch().as_millis()).unwrap_or(u64::MAX);
        let due = |next: u64| (next <= millis).then(|| millis.saturating_add(SWEEP_PAUSE));
        if self.next_sweep.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok() {
            self.cache.retain(|_, entry| now < entry.ends_at());
        }
    }
}

impl PartialEq for Own {
    fn eq(&self, other: &Self) -> bool {
        self.0.is_under(&other.0.key())
    }
}

impl Eq for Own {}

impl Hash for Own {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key().hash(state);
    }
}

impl Equivalent<Own> for Looked<'_> {
    fn equivalent(&self, own: &Own) -> bool {
        own.0.is_under(self)
    }
}

impl Weighter<Own, Arc<Entry>> for Weight {
    fn weight(&self, _: &Own, entry: &Arc<Entry>) -> u64 {
        entry.bytes().max(self.least)
    }
}

impl Lifecycle<Own, Arc<Entry>> for Evicted {
    type RequestState = Vec<Arc<Entry>>;

    fn on_evict(&self, gone: &mut Self::RequestState, _: Own, entry: Arc<Entry>) {
        gone.push(entry);
    }
}

#[cfg(test)]
mod tests;
