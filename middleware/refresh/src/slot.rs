//! The slot: the state machine, a clock, and handles that share them.

use std::{fmt, sync::Arc};

use tower_identity_core::{Clock, Moment};

use crate::{
    Failed, Get, Loaded,
    flight::Flight,
    get::begin,
    state::{Answer, Need, State},
    sync::{Mutex, lock},
};

/// One value with an expiry, which many ask for and one flight at a time replaces. Cloning makes another handle of
/// the same slot; dropping the last one calls off a flight that is still in the air.
///
/// `T` and `E` are cloned for everybody who asks: put what is large into an `Arc`. What is loaded has to be the same
/// for every ask of a slot: whatever it depends on belongs in the key that the slot is found by. A load has to end
/// on its own: the slot sets it no deadline, and begins no other flight until it has ended.
///
/// ```
/// use std::{convert::Infallible, time::Duration};
/// use tower_identity_refresh::{Failed, Lifetime, Loaded, Slot, system_clock};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let keys: Slot<&str, Infallible> = Slot::new(system_clock());
/// assert_eq!(keys.peek(), None);
///
/// let hour = Lifetime::of(Duration::from_secs(3600));
/// assert_eq!(keys.get(|| async move { Ok(Loaded { value: "k1", lifetime: hour }) }).await, Ok("k1"));
/// assert_eq!(keys.get(|| async { unreachable!("a fresh value needs no flight") }).await, Ok("k1"));
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Slot<T, E> {
    shared: Arc<Shared<T, E>>,
}

pub(crate) struct Shared<T, E> {
    pub(crate) clock: Clock,
    /// Never held while anything is awaited, loaded, or woken.
    pub(crate) state: Mutex<Machine<T, E>>,
}

type Machine<T, E> = State<T, E, Arc<Flight<T, E>>>;

impl<T, E> Slot<T, E> {
    /// An empty slot, whose times are this clock's.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { shared: Arc::new(Shared { clock, state: Mutex::new(State::new()) }) }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared<T, E>> {
        &self.shared
    }

    /// Puts a value in, as if a flight that began now had brought it. What a flight in the air brings is for those
    /// who wait for it already, and is not kept.
    pub fn put(&self, loaded: Loaded<T>) {
        let now = self.shared.clock.monotonic();
        lock(&self.shared.state).put(now, loaded);
    }

    /// Forgets the value if it is the one that is meant: one that its target refused, say. A value that replaced it
    /// meanwhile stays, and so does what a flight in the air brings. `which` runs under the slot's lock.
    pub fn evict(&self, which: impl FnOnce(&T) -> bool) {
        lock(&self.shared.state).evict(which);
    }

    /// Whether it is nobody's business now: no flight is in the air, and this is the only handle. What is kept in a
    /// bounded map may be forgotten then without a second flight beside the first.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        // Whoever begins a flight holds a handle until it is in the air: so the handles are looked at first.
        Arc::strong_count(&self.shared) == 1 && lock(&self.shared.state).flight().is_none()
    }

    /// Forgets the value, and the last failure with its back-off. What a flight in the air brings is for those who
    /// wait for it already, and is not kept: who asks from now on gets what is loaded from now on.
    pub fn clear(&self) {
        lock(&self.shared.state).clear();
    }
}

impl<T: Clone, E: Clone> Slot<T, E> {
    /// The value, if it is usable now, fresh or not. Never begins a flight.
    #[must_use]
    pub fn peek(&self) -> Option<T> {
        self.shared.usable()
    }

    /// The last failure, while it is [remembered](Failed::retry_after) and there is no value: what an ask would get.
    #[must_use]
    pub fn failure(&self) -> Option<E> {
        let now = self.shared.clock.monotonic();
        lock(&self.shared.state).failure(now)
    }

    /// The value: at once while it is usable, else from a flight.
    ///
    /// - Fresh: ready, and decided here, without an allocation.
    /// - Usable but no longer fresh: ready; one flight begins in the background.
    /// - Otherwise: joins the flight in the air or begins it, and gets its result.
    /// - After a failure that is [remembered](Failed::retry_after): that failure, without a flight.
    ///
    /// `load` is called at most once, in the poll that begins the flight, and may borrow; the future that it makes
    /// runs in a task of its own, without the ambient scope of whoever asked.
    ///
    /// # Panics
    ///
    /// The future panics when it has to begin a flight that it waits for and no tokio runtime is there. A load that
    /// panics does so in the ask that brought it; others who wait begin another flight.
    pub fn get<L, F>(&self, load: L) -> Get<T, E, L>
    where
        L: FnOnce() -> F,
        F: Future<Output = Result<Loaded<T>, Failed<E>>> + Send + 'static,
    {
        match self.shared.settled() {
            Some(value) => Get::settled(value),
            None => Get::asking(self.clone(), Need::Usable, load),
        }
    }

    /// A value whose load began after `since`: one that is there already, or else from a flight that began after
    /// this call or after `since`. For a key id that the set at hand lacks: `since` is when that set was read.
    ///
    /// A flight that began earlier is waited for before the next begins: there is never a second in the air. While a
    /// failure is remembered it is the answer here too.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get).
    pub fn newer_than<L, F>(&self, since: Moment, load: L) -> Get<T, E, L>
    where
        L: FnOnce() -> F,
        F: Future<Output = Result<Loaded<T>, Failed<E>>> + Send + 'static,
    {
        let need = lock(&self.shared.state).newer_than(since);
        Get::asking(self.clone(), need, load)
    }
}

impl<T, E> Slot<T, E>
where
    T: Clone + Send + 'static,
    E: Clone + Send + 'static,
{
    /// Begins a flight and does not wait for it, unless the value is fresh, a flight is in the air, or a
    /// [failure](Failed::retry_after) stands. Outside a tokio runtime it does nothing.
    pub fn refresh<L, F>(&self, load: L)
    where
        L: FnOnce() -> F,
        F: Future<Output = Result<Loaded<T>, Failed<E>>> + Send + 'static,
    {
        if let Answer::Refresh(_, flight) | Answer::Depart(flight) = self.shared.ask(Need::Usable) {
            // Without a runtime the flight is lost at once, and the next ask may begin another.
            begin(&self.shared, &flight, load);
        }
    }
}

impl<T: Clone, E: Clone> Shared<T, E> {
    fn usable(&self) -> Option<T> {
        let now = self.clock.monotonic();
        lock(&self.state).usable(now)
    }

    fn settled(&self) -> Option<T> {
        let now = self.clock.monotonic();
        lock(&self.state).settled(now)
    }

    pub(crate) fn ask(&self, need: Need) -> Answer<T, E, Arc<Flight<T, E>>> {
        let now = self.clock.monotonic();
        lock(&self.state).ask(now, need, Flight::new)
    }
}

impl<T, E> Drop for Shared<T, E> {
    fn drop(&mut self) {
        if let Some(flight) = lock(&self.state).flight() {
            flight.call_off();
        }
    }
}

impl<T, E> Clone for Slot<T, E> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T, E> fmt::Debug for Slot<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").finish_non_exhaustive()
    }
}
