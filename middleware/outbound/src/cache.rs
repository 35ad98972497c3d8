//! The tokens that are remembered: one slot for each user, service identity and target row.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use quick_cache::sync::Cache;
use tower_identity_core::{BoxFuture, Clock, Fingerprint, Refusal};
use tower_identity_refresh::Slot;

use crate::{bearer::Bearer, load, source::Ask};

/// How long after the target's refusal made us forget a token another refusal is not heard. A target that refuses
/// every token must not turn each request into one to the authorization server.
const DROP_PAUSE: Duration = Duration::from_secs(5);

/// Which token: three digests, compared whole. Nobody outside this crate can make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CacheKey {
    /// The user's verified token. A service's own token has none, and no user's token is like none.
    pub(crate) subject: Option<Fingerprint>,
    /// The authorization server's endpoint and who we are there.
    pub(crate) us: Fingerprint,
    /// What the target's row asks for, and how.
    pub(crate) row: Fingerprint,
}

/// A bounded map of slots. Above its capacity the entries that are asked for least are forgotten.
#[derive(Debug)]
pub(crate) struct TokenCache {
    entries: Cache<CacheKey, Arc<Entry>>,
    clock: Clock,
}

#[derive(Debug)]
struct Entry {
    slot: Slot<Bearer, Refusal>,
    /// When the target last made us forget the token: milliseconds since the clock's origin, 0 for never.
    dropped: AtomicU64,
}

/// A token for one request, and the entry that it came from.
#[derive(Debug)]
pub(crate) struct Credential {
    pub(crate) bearer: Bearer,
    entry: Arc<Entry>,
    clock: Clock,
}

/// A token that is at hand, or on its way.
pub(crate) enum Obtained {
    Now(Result<Credential, Refusal>),
    Later(BoxFuture<'static, Result<Credential, Refusal>>),
}

impl TokenCache {
    pub(crate) fn new(capacity: usize, clock: Clock) -> Self {
        Self { entries: Cache::new(capacity), clock }
    }

    /// The token for an ask. At once, without a box, while one is usable.
    pub(crate) fn obtain(&self, ask: Ask) -> Obtained {
        let entry = self.entry(&ask.key());
        let clock = self.clock.clone();
        let mut get = entry.slot.get({
            let clock = clock.clone();
            move || load::load(ask, clock)
        });
        // A first look; whoever polls next leaves the waker that counts.
        match Pin::new(&mut get).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => Obtained::Now(result.map(|bearer| Credential { bearer, entry, clock })),
            Poll::Pending => {
                Obtained::Later(Box::pin(async move { get.await.map(|bearer| Credential { bearer, entry, clock }) }))
            }
        }
    }

    fn entry(&self, key: &CacheKey) -> Arc<Entry> {
        let new = || Entry { slot: Slot::new(self.clock.clone()), dropped: AtomicU64::new(0) };
        self.entries
            .get_or_insert_with(key, || Ok::<_, Infallible>(Arc::new(new())))
            .unwrap_or_else(|never| match never {})
    }
}

impl Credential {
    /// The target refused this token: forgets it, if it is still the one that is remembered. Whether it did.
    pub(crate) fn drop_token(&self) -> bool {
        let now = u64::try_from(self.clock.monotonic().since_origin().as_millis()).unwrap_or(u64::MAX).max(1);
        let heard = self.entry.dropped.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
            (last == 0 || now.saturating_sub(last) >= DROP_PAUSE.as_millis() as u64).then_some(now)
        });
        if heard.is_ok() {
            self.entry.slot.evict(|bearer| *bearer == self.bearer);
        }
        heard.is_ok()
    }
}
