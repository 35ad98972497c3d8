//! An issuer's keys, kept fresh.
//!
//! The keys at hand are a snapshot that every verification reads without waiting and without a lock. Two slots bring
//! newer ones: `load` for want of any keys, and in the background ahead of their age; `reload` for a key id that they
//! lack, whose one success or failure stands for the whole window of [`RELOAD_WINDOW`], however many ask.
//!
//! A refresh begins with a request, like all work of a verifier. A key that its issuer withdraws is refused from the
//! first refresh on; a service that nobody called for longer than its keys are fresh answers the first callers with the
//! keys that it has, and from then on with the new ones.

mod options;
mod settings;

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use arc_swap::{ArcSwapOption, Guard};
use tower_identity_core::{Clock, InvalidSetting, Issuer, Moment};
use tower_identity_jose::KeySet;
use tower_identity_oauth::{Discovery, Http};
use tower_identity_refresh::{Failed, Lifetime, Loaded, Slot};

use self::options::KeysFrom;
pub(crate) use self::options::{KeyLocation, KeyOptions, KeyPlan};
pub use self::settings::KeySettings;
use crate::source::{Source, SourceError};

/// How long the last good keys verify while the issuer is down.
const USABLE: Duration = Duration::from_secs(24 * 60 * 60);

/// How often key ids that nobody has may cost a fetch.
const RELOAD_WINDOW: Duration = Duration::from_secs(30);

/// How long a failure stands while there are no keys at all: every request waits for the next attempt.
const PAUSE_COLD: Duration = Duration::from_secs(2);

/// How long a failure stands while there are keys: nobody waits for the next attempt.
const PAUSE_WARM: Duration = Duration::from_secs(30);

/// The keys of one issuer.
#[derive(Debug)]
pub(crate) struct Keys {
    at_hand: Arc<ArcSwapOption<Snapshot>>,
    /// `None` for keys that are given and never change.
    fetching: Option<Fetching>,
}

/// A key set, and its times.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) keys: KeySet,
    refresh_at: Moment,
    gone_at: Moment,
}

#[derive(Debug)]
struct Fetching {
    issuer: Issuer,
    source: Arc<Source>,
    clock: Clock,
    /// When the load of the keys at hand began.
    load: Slot<Moment, NoKeys>,
    /// That the keys were loaded for a key id that they lacked, within the window.
    reload: Slot<(), NoKeys>,
}

/// There are no keys, and none could be fetched. Cheap to clone, so that equal waiters share one.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no keys of issuer {issuer}")]
pub(crate) struct NoKeys {
    issuer: Issuer,
    #[source]
    cause: Arc<SourceError>,
    again_at: Moment,
}

impl KeyPlan {
    /// The keys, not fetched yet, of the issuer that goes by this name. Its metadata may be `found_at` another issuer's
    /// URL, and must have this name in it all the same.
    pub(crate) fn connect(self, name: &Issuer, _found_at: Option<Issuer>, http: &Http) -> Result<Keys, InvalidSetting> {
        let fetched = |source| Keys::fetched(name.clone(), source, http.clock().clone());
        Ok(match self.from {
            KeysFrom::Given(keys) => Keys::given(keys),
            KeysFrom::At { url, .. } | KeysFrom::TrustBundle { url } => {
                fetched(Source::At { jwks_uri: url, http: http.clone() })
            }
            KeysFrom::Metadata { order, .. } => {
                let options = tower_identity_oauth::DiscoveryOptions::default().order(order);
                let discovery = Discovery::with(&options, name.clone(), http.clone())?;
                fetched(Source::Metadata { discovery, http: http.clone() })
            }
        })
    }
}

impl Keys {
    /// Keys that never change.
    pub(crate) fn given(keys: KeySet) -> Self {
        let never = Moment::from_origin(Duration::MAX);
        let snapshot = Snapshot { keys, refresh_at: never, gone_at: never };
        Self { at_hand: Arc::new(ArcSwapOption::from_pointee(snapshot)), fetching: None }
    }

    /// Keys that are fetched at first use.
    pub(crate) fn fetched(issuer: Issuer, source: Source, clock: Clock) -> Self {
        let (load, reload) = (Slot::new(clock.clone()), Slot::new(clock.clone()));
        let fetching = Fetching { issuer, source: Arc::new(source), clock, load, reload };
        Self { at_hand: Arc::default(), fetching: Some(fetching) }
    }

    /// The keys at hand, while they are usable. Begins a refresh in the background when they are due for one.
    pub(crate) fn at_hand(&self, now: Moment) -> Guard<Option<Arc<Snapshot>>> {
        let at_hand = self.at_hand.load();
        match at_hand.as_deref() {
            Some(snapshot) if now < snapshot.refresh_at => at_hand,
            Some(snapshot) if now < snapshot.gone_at => {
                self.begin_refresh();
                at_hand
            }
            Some(_) | None => Guard::from_inner(None),
        }
    }

    /// One poll is enough: the slot answers at once with what it has, and its flight goes on without us.
    fn begin_refresh(&self) {
        if let Some(fetching) = &self.fetching {
            let mut refresh = pin!(fetching.load.get(|| fetching.load(&self.at_hand)));
            let _ = refresh.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
    }

    /// Waits until there are keys, and says when their load began.
    pub(crate) async fn loaded(&self) -> Result<Moment, NoKeys> {
        match &self.fetching {
            None => Ok(Moment::default()),
            Some(fetching) => fetching.load.get(|| fetching.load(&self.at_hand)).await,
        }
    }

    /// Waits until the keys were loaded again for a key id that they lack: at most once in a window, for all who ask.
    /// That this was done before counts too.
    pub(crate) async fn reloaded(&self) -> Result<(), NoKeys> {
        match &self.fetching {
            None => Ok(()),
            Some(fetching) => fetching.reload.get(|| fetching.reload(&self.at_hand)).await,
        }
    }

    /// States that the keys were just loaded for a key id which they lack all the same.
    pub(crate) fn count_as_reloaded(&self) {
        if let Some(fetching) = &self.fetching {
            fetching.reload.put(for_a_window());
        }
    }
}

/// That the keys were loaded again, for as long as this stands.
fn for_a_window() -> Loaded<()> {
    Loaded { value: (), lifetime: Lifetime::new(RELOAD_WINDOW, RELOAD_WINDOW) }
}

impl Fetching {
    /// Holds no handle of a slot, so that it keeps none alive.
    fn load(
        &self,
        at_hand: &Arc<ArcSwapOption<Snapshot>>,
    ) -> impl Future<Output = Result<Loaded<Moment>, Failed<NoKeys>>> + Send + use<> {
        let (issuer, source, clock) = (self.issuer.clone(), Arc::clone(&self.source), self.clock.clone());
        let at_hand = Arc::clone(at_hand);
        async move {
            let begun = clock.monotonic();
            let (keys, max_age) = match source.fetch().await {
                Ok(document) => (document.keys, document.max_age),
                Err(error) => {
                    tracing::warn!(%issuer, error = &error as &dyn std::error::Error, "no usable keys");
                    let now = clock.monotonic();
                    let warm = at_hand.load().as_ref().is_some_and(|keys| now < keys.gone_at);
                    let pause = if warm { PAUSE_WARM } else { PAUSE_COLD }.max(error.retry_after().unwrap_or_default());
                    let again_at = now.saturating_add(pause);
                    let error = NoKeys { issuer, cause: Arc::new(error), again_at };
                    return Err(Failed { error, retry_after: pause });
                }
            };
            tracing::debug!(%issuer, keys = keys.len(), skipped = keys.skipped().len(), "keys loaded");
            let lifetime = Lifetime::new(Lifetime::of(max_age).fresh(), USABLE);
            at_hand.store(Some(Arc::new(Snapshot {
                keys,
                refresh_at: begun.saturating_add(lifetime.fresh()),
                gone_at: begun.saturating_add(lifetime.usable()),
            })));
            Ok(Loaded { value: begun, lifetime })
        }
    }

    /// A load that began after now, through the slot of loads: there is never a second in the air.
    fn reload(
        &self,
        at_hand: &Arc<ArcSwapOption<Snapshot>>,
    ) -> impl Future<Output = Result<Loaded<()>, Failed<NoKeys>>> + Send + use<> {
        let (slot, clock) = (self.load.clone(), self.clock.clone());
        let load = self.load(at_hand);
        async move {
            match slot.newer_than(clock.monotonic(), || load).await {
                Ok(_) => Ok(for_a_window()),
                Err(error) => {
                    let retry_after = error.again_at.since(clock.monotonic());
                    Err(Failed { error, retry_after })
                }
            }
        }
    }
}

impl NoKeys {
    /// When it is worth another try: a second at least.
    pub(crate) fn retry_after(&self, now: Moment) -> Duration {
        self.again_at.since(now).max(Duration::from_secs(1))
    }
}
