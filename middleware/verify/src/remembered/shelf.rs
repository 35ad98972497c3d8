//! All tokens that are remembered, for all threads.

use std::{
    hash::{BuildHasher, Hash, Hasher},
    sync::Arc,
};

use quick_cache::{DefaultHashBuilder, Equivalent, Lifecycle, OptionsBuilder, Weighter, sync::Cache};

use super::{
    Remember,
    entry::Entry,
    telemetry::{Telemetry, Whose},
};

/// What a token is taken to weigh on average, in bytes, to guess how many there will be.
const USUAL: u64 = 2048;

/// The share of the room that tokens have which were used again. Those of a flood make do with the rest.
const USED_AGAIN: f64 = 0.97;

/// A bounded map from whole tokens. What is used least makes room, and what is used again does not make room for what is
/// used once (CLOCK-Pro).
pub(super) struct Shelf<B = DefaultHashBuilder> {
    cache: Cache<Whole, Arc<Entry>, Weight, B, Evicted>,
    pub(super) told: Telemetry,
}

/// An entry as its own key: its whole token, byte for byte. Not in constant time: to come to a comparison at all takes a
/// hash of the same beginning, under a seed that nobody knows.
struct Whole(Arc<Entry>);

/// A token that is looked for.
#[derive(PartialEq, Eq)]
struct Looked<'t>(&'t [u8]);

/// By its bytes, and never below what makes as many as there may be as heavy as all of them may be: so that one bound on
/// weight is both.
#[derive(Clone)]
struct Weight {
    least: u64,
}

/// Gathers what made room, to be dropped, and wiped, without a lock.
#[derive(Clone)]
struct Evicted;

impl<B: BuildHasher + Clone> Shelf<B> {
    pub(super) fn new(remember: Remember, whose: Whose, hash: B) -> Self {
        let (tokens, bytes) = (u64::from(remember.max_tokens()), remember.max_bytes());
        // What is heavier than the share of those that are used again is never admitted, not even alone.
        let admitted = (bytes as f64 * USED_AGAIN) as u64;
        let weight = Weight { least: bytes.div_ceil(tokens).min(admitted) };
        let guessed = tokens.min(bytes / USUAL).max(1);
        let options = OptionsBuilder::new()
            .weight_capacity(bytes)
            .estimated_items_capacity(usize::try_from(guessed).unwrap_or(usize::MAX))
            .hot_allocation(USED_AGAIN)
            .build()
            .expect("a capacity is all that options need");
        Self { cache: Cache::with_options(options, weight, hash, Evicted), told: Telemetry::new(whose) }
    }

    pub(super) fn get(&self, token: &[u8]) -> Option<Arc<Entry>> {
        self.cache.get(&Looked(token))
    }

    pub(super) fn add(&self, entry: Entry) {
        let entry = Arc::new(entry);
        let mut gone = Vec::new();
        self.cache.insert_with_lifecycle(Whole(Arc::clone(&entry)), Arc::clone(&entry), &mut gone);
        // One of this token was not evicted, but is there anew, or is too heavy to be.
        let evicted = gone.iter().filter(|gone| gone.text() != entry.text()).count();
        self.told.added(1, gone.len(), evicted);
    }

    /// Forgets this entry, and not one that took its place since.
    pub(super) fn remove(&self, entry: &Arc<Entry>) {
        let removed = self.cache.remove_if(&Looked(entry.text()), |found| Arc::ptr_eq(found, entry));
        self.told.added(0, usize::from(removed.is_some()), 0);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.cache.len()
    }
}

impl<B> Drop for Shelf<B> {
    fn drop(&mut self) {
        self.told.dropped();
    }
}

impl Hash for Whole {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Looked(self.0.text()).hash(state);
    }
}

impl PartialEq for Whole {
    fn eq(&self, other: &Self) -> bool {
        self.0.text() == other.0.text()
    }
}

impl Eq for Whole {}

impl Hash for Looked<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.0);
    }
}

impl Equivalent<Whole> for Looked<'_> {
    fn equivalent(&self, key: &Whole) -> bool {
        self.0 == key.0.text()
    }
}

impl Weighter<Whole, Arc<Entry>> for Weight {
    fn weight(&self, _: &Whole, entry: &Arc<Entry>) -> u64 {
        entry.bytes().max(self.least)
    }
}

impl Lifecycle<Whole, Arc<Entry>> for Evicted {
    type RequestState = Vec<Arc<Entry>>;

    fn on_evict(&self, gone: &mut Self::RequestState, _: Whole, entry: Arc<Entry>) {
        gone.push(entry);
    }
}
