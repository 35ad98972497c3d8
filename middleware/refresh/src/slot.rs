//! The slot.

use std::{fmt, sync::Arc};

use tower_identity_core::{Clock, Moment};

use crate::{Failed, Get, Loaded};

/// One value with an expiry, which many ask for and one flight at a time replaces. Cloning makes another handle of
/// the same slot.
///
/// `T` and `E` are cloned for everybody who asks: put what is large into an `Arc`. What is loaded has to be the same
/// for every ask of a slot: whatever it depends on belongs into the key that the slot is found by.
#[derive(Clone)]
pub struct Slot<T, E> {
    pub(crate) shared: Arc<std::marker::PhantomData<fn() -> (T, E)>>,
}

impl<T: Clone, E: Clone> Slot<T, E> {
    /// An empty slot, whose times are this clock's.
    #[must_use]
    pub fn new(_clock: Clock) -> Self {
        unimplemented!()
    }

    /// The value, if it is usable now, fresh or not. Never begins a flight.
    #[must_use]
    pub fn peek(&self) -> Option<T> {
        unimplemented!()
    }

    /// The value: at once while it is usable, from a flight otherwise.
    pub fn get<L, F>(&self, _load: L) -> Get<T, E, L>
    where
        L: FnOnce() -> F,
        F: Future<Output = Result<Loaded<T>, Failed<E>>> + Send + 'static,
    {
        unimplemented!()
    }

    /// A value whose load began after `since`.
    pub fn newer_than<L, F>(&self, _since: Moment, _load: L) -> Get<T, E, L>
    where
        L: FnOnce() -> F,
        F: Future<Output = Result<Loaded<T>, Failed<E>>> + Send + 'static,
    {
        unimplemented!()
    }

    /// Puts a value in, as if a flight that began now had brought it.
    pub fn put(&self, _loaded: Loaded<T>) {
        unimplemented!()
    }

    /// Forgets the value if it is this one.
    pub fn evict(&self, _which: impl FnOnce(&T) -> bool) {
        unimplemented!()
    }

    /// Forgets everything.
    pub fn clear(&self) {
        unimplemented!()
    }
}

impl<T, E> fmt::Debug for Slot<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").finish_non_exhaustive()
    }
}
