//! One fetch of an issuer's keys, and what follows from it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tower_identity_core::{Clock, Issuer, Moment, Timestamp};
use tower_identity_refresh::{Failed, Lifetime, Loaded};

use super::{
    USABLE,
    at_hand::AtHand,
    save::Saver,
    snapshot::{Fetch, Snapshot},
    telemetry::{self, RefreshOutcome},
};
use crate::source::{Brought, Source, SourceError};

/// How long a failure stands while there are no keys at all: every request waits for the next attempt.
const PAUSE_COLD: Duration = Duration::from_secs(2);

/// How long a failure stands while there are keys: nobody waits for the next attempt.
const PAUSE_WARM: Duration = Duration::from_secs(30);

/// What it takes to fetch an issuer's keys.
#[derive(Debug)]
pub(super) struct Loader {
    pub(super) issuer: Issuer,
    pub(super) source: Source,
    pub(super) clock: Clock,
    pub(super) at_hand: Arc<AtHand>,
    pub(super) removal_grace: Duration,
    /// How far the clocks of issuer and service may differ.
    pub(super) leeway: Duration,
    pub(super) saver: Option<Arc<Saver>>,
    /// How many fetches have begun.
    pub(super) fetches: AtomicU64,
}

/// There are no keys, and none could be fetched. Cheap to clone, so that equal waiters share one.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no keys of issuer {issuer}")]
pub(crate) struct NoKeys {
    issuer: Issuer,
    #[source]
    cause: Arc<SourceError>,
    pub(super) again_at: Moment,
}

impl NoKeys {
    /// When it is worth another try.
    pub(crate) fn again_at(&self) -> Moment {
        self.again_at
    }
}

impl Loader {
    pub(super) fn fetches(&self) -> u64 {
        self.fetches.load(Ordering::SeqCst)
    }

    /// One fetch. Holds no handle of a slot, so that it keeps none alive.
    pub(super) fn load(
        self: &Arc<Self>,
    ) -> impl Future<Output = Result<Loaded<Moment>, Failed<NoKeys>>> + Send + use<> {
        let loader = Arc::clone(self);
        async move {
            let number = loader.fetches.fetch_add(1, Ordering::SeqCst) + 1;
            let begun = loader.clock.monotonic();
            let fetch = Fetch { number, begun };
            let fetched_at = loader.clock.wall();
            let before = loader.at_hand.load_full();
            let brought = loader.source.fetch(before.as_ref().and_then(|keys| keys.known())).await;
            let now = loader.clock.monotonic();
            match (brought, before) {
                (Ok(Brought::Document(document)), before) => {
                    if let Some(saver) = &loader.saver {
                        saver.remember(&loader.source.reading, &document.body);
                    }
                    let skipped = document.keys.skipped().len();
                    let (next, change) =
                        Snapshot::fetched(before.as_deref(), *document, loader.removal_grace, fetch, now);
                    telemetry::changed(&loader.issuer, &change, skipped);
                    telemetry::refreshed(&loader.issuer, RefreshOutcome::Fetched);
                    loader.take_over(next);
                }
                (Ok(Brought::Renewed { max_age }), Some(before)) => {
                    telemetry::refreshed(&loader.issuer, RefreshOutcome::NotModified);
                    loader.take_over(before.renewed(max_age, fetch));
                }
                (Ok(Brought::Renewed { .. }), None) => unreachable!("only keys at hand can be found unchanged"),
                (Err(error), before) => {
                    telemetry::refreshed(&loader.issuer, RefreshOutcome::Failed);
                    let before = match before {
                        Some(keys) if error.withdraws_every_key() => Some(loader.withdraw(&keys, fetched_at, now)),
                        before => before,
                    };
                    let warm = before.is_some_and(|keys| keys.is_usable(now));
                    return Err(loader.failed(error, warm, now));
                }
            }
            if let Some(saver) = &loader.saver {
                saver.save(fetched_at);
            }
            Ok(Loaded { value: begun, lifetime: Lifetime::new(loader.fresh(begun), USABLE) })
        }
    }

    /// Uses the keys at hand no more, in this process and after it.
    fn withdraw(&self, keys: &Snapshot, fetched_at: Timestamp, now: Moment) -> Arc<Snapshot> {
        let withdrawn = Arc::new(keys.withdrawn(now));
        self.at_hand.store(Arc::clone(&withdrawn));
        if let Some(saver) = &self.saver {
            saver.forget();
            saver.save(fetched_at);
        }
        withdrawn
    }

    fn take_over(&self, next: Snapshot) {
        self.at_hand.store(Arc::new(next));
        telemetry::age(&self.issuer, Duration::ZERO);
    }

    /// Tells, once, that these keys are too old to be used.
    pub(super) fn tell_gone(&self, keys: &Snapshot, now: Moment) {
        if keys.is_newly_gone(now) {
            telemetry::gone(&self.issuer, keys.age(now).unwrap_or_default());
        }
    }

    /// For how long after `begun` the slot need not refresh: as long as the keys at hand need not.
    fn fresh(&self, begun: Moment) -> Duration {
        self.at_hand.load().as_ref().map_or(Duration::ZERO, |keys| keys.refresh_at().since(begun))
    }

    fn failed(&self, error: SourceError, warm: bool, now: Moment) -> Failed<NoKeys> {
        let issuer = self.issuer.clone();
        tracing::warn!(target: telemetry::TARGET, %issuer, error = &error as &dyn std::error::Error, "no usable keys");
        let pause = if warm { PAUSE_WARM } else { PAUSE_COLD }.max(error.retry_after().unwrap_or_default());
        let error = NoKeys { issuer, cause: Arc::new(error), again_at: now.saturating_add(pause) };
        Failed { error, retry_after: pause }
    }
}
