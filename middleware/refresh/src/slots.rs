//! Slots by key, so many of them.

use std::{convert::Infallible, fmt, hash::Hash};

use quick_cache::{DefaultHashBuilder, Equivalent, Lifecycle, OptionsBuilder, UnitWeighter, sync::Cache};
use tower_identity_core::Clock;

use crate::Slot;

/// A bounded map of [slots](Slot), for values that many ask for by many keys. What is used least makes room; but a slot that
/// somebody waits at, or whose flight is in the air, is never forgotten: so there is one flight for a key, however many come.
///
/// ```
/// use std::{convert::Infallible, time::Duration};
/// use tower_identity_refresh::{Lifetime, Loaded, Slots, system_clock};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let lengths: Slots<String, usize, Infallible> = Slots::new(1_000, system_clock());
/// assert!(lengths.find("four").is_none());
///
/// let hour = Lifetime::of(Duration::from_secs(3600));
/// let four = lengths.slot("four").get(|| async move { Ok(Loaded { value: 4, lifetime: hour }) });
/// assert_eq!(four.await, Ok(4));
/// assert_eq!(lengths.find("four").and_then(|slot| slot.peek()), Some(4));
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Slots<K, T, E> {
    all: Cache<K, Slot<T, E>, UnitWeighter, DefaultHashBuilder, Busy>,
    clock: Clock,
}

impl<K: Hash + Eq + Clone, T, E> Slots<K, T, E> {
    /// No slot, and room for so many that nobody waits at. Their times are this clock's.
    #[must_use]
    pub fn new(many: usize, clock: Clock) -> Self {
        let options = OptionsBuilder::new()
            .weight_capacity(many as u64)
            .estimated_items_capacity(many)
            .build()
            .expect("a capacity is all that options need");
        Self { all: Cache::with_options(options, UnitWeighter, DefaultHashBuilder::default(), Busy), clock }
    }

    /// How many slots there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The slot of a key, if there is one.
    #[inline]
    pub fn find<Q>(&self, key: &Q) -> Option<Slot<T, E>>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.all.get(key)
    }

    /// The slot of a key: the same one for all who hold it at one time.
    pub fn slot<Q>(&self, key: &Q) -> Slot<T, E>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let new = || Ok::<_, Infallible>(Slot::new(self.clock.clone()));
        self.all.get_or_insert_with(key, new).unwrap_or_else(|never| match never {})
    }
}

impl<K, T, E> fmt::Debug for Slots<K, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").finish_non_exhaustive()
    }
}

/// A slot at which somebody waits, or may, stays.
#[derive(Clone)]
struct Busy;

impl<K, T, E> Lifecycle<K, Slot<T, E>> for Busy {
    type RequestState = Vec<Slot<T, E>>;

    fn is_pinned(&self, _: &K, slot: &Slot<T, E>) -> bool {
        !slot.is_idle()
    }

    /// Gathered, to be dropped without the map's lock.
    fn on_evict(&self, gone: &mut Self::RequestState, _: K, slot: Slot<T, E>) {
        gone.push(slot);
    }
}
