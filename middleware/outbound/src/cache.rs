//! The tokens that are remembered: one slot for each user, service identity and target row.

use std::{
    convert::Infallible,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use quick_cache::sync::Cache;
use tower_identity_core::{Clock, Refusal};
use tower_identity_refresh::Slot;

use crate::{bearer::Bearer, key::CacheKey, load, source::Ask};

/// How long after the target's refusal made us forget a token another refusal is ignored. A target that refuses
/// every token must not turn each request into one to the authorization server.
const DROP_PAUSE: Duration = Duration::from_secs(5);

/// A bounded map of slots. Above its capacity the entries that are asked for least are forgotten.
#[derive(Debug)]
pub(crate) struct TokenCache {
    entries: Cache<CacheKey, Arc<Entry>>,
    clock: Clock,
}

/// The token of one key, or the place for it.
#[derive(Debug)]
pub(crate) struct Entry {
    slot: Slot<Bearer, Refusal>,
    clock: Clock,
    /// When the target last made us forget the token: milliseconds since the clock's origin, 0 for never.
    dropped: AtomicU64,
}

/// A token for one request, and the entry that it came from.
#[derive(Debug)]
pub(crate) struct Credential {
    pub(crate) bearer: Bearer,
    entry: Arc<Entry>,
}

impl TokenCache {
    pub(crate) fn new(capacity: usize, clock: Clock) -> Self {
        Self { entries: Cache::new(capacity), clock }
    }

    pub(crate) fn entry(&self, key: &CacheKey) -> Arc<Entry> {
        let new = || Ok::<_, Infallible>(Arc::new(Entry::new(self.clock.clone())));
        self.entries.get_or_insert_with(key, new).unwrap_or_else(|never| match never {})
    }
}

impl Entry {
    fn new(clock: Clock) -> Self {
        Self { slot: Slot::new(clock.clone()), clock, dropped: AtomicU64::new(0) }
    }

    /// Whether there is a token that can be used now, so that [`token`](Self::token) is ready.
    pub(crate) fn has_token(&self) -> bool {
        self.slot.peek().is_some()
    }

    /// The token: remembered, or from the source.
    pub(crate) fn token(&self, ask: Ask) -> impl Future<Output = Result<Bearer, Refusal>> + Unpin + Send + use<> {
        self.slot.get(|| load::load(ask))
    }
}

impl Credential {
    pub(crate) fn new(bearer: Bearer, entry: Arc<Entry>) -> Self {
        Self { bearer, entry }
    }

    /// The target refused this token: forgets it, if it is still the one that is remembered. Whether the next request
    /// gets another.
    pub(crate) fn drop_token(&self) -> bool {
        let Entry { slot, clock, dropped } = &*self.entry;
        let now = u64::try_from(clock.monotonic().since_origin().as_millis()).unwrap_or(u64::MAX).max(1);
        let heard = |last: u64| last == 0 || u128::from(now.saturating_sub(last)) >= DROP_PAUSE.as_millis();
        if dropped.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| heard(last).then_some(now)).is_err() {
            return false;
        }
        slot.evict(|remembered| *remembered == self.bearer);
        true
    }
}
