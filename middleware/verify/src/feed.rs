//! Revocations that are pulled: from a database, a stream, whatever a program has.
//!
//! ```text
//! first verification ─▶ pull ──since(cursor)──▶ the feed ──▶ Revocations, cursor
//!                        ▲  5 s; after failures up to 30 s     │
//!                        └─────────────────────────────────────┘ ends with the last clone of the verifier
//! ```

use std::{
    error::Error,
    fmt,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use futures_util::FutureExt;
use tower_identity_core::{BoxFuture, Clock, Refusal, RefusalKind, Revocation, Revocations};
use tower_identity_refresh::Background;

use crate::{check, events::telemetry, keys::pause};

/// How often the feed is asked.
const PERIOD: Duration = Duration::from_secs(5);

/// How long it may take to answer.
const DEADLINE: Duration = Duration::from_secs(10);

/// A source of revocations that others write: what was revoked before this process began, and what is revoked elsewhere.
///
/// It is asked every five seconds for what came since it was asked last. So it is caught up with wherever it was down,
/// and what was missed meanwhile is revoked as of its own time. What is told again changes nothing.
///
/// ```
/// use tower_identity_core::{BoxFuture, Revocation};
/// use tower_identity_verify::{FeedError, Pulled, RevocationFeed};
///
/// /// A table whose rows have ascending numbers.
/// #[derive(Debug)]
/// struct Table(Vec<(u64, Revocation)>);
///
/// impl RevocationFeed for Table {
///     fn since<'a>(&'a self, cursor: Option<&'a str>) -> BoxFuture<'a, Result<Pulled, FeedError>> {
///         Box::pin(async move {
///             let after: u64 = cursor.map_or(Ok(0), str::parse).map_err(FeedError::new)?;
///             let new: Vec<_> = self.0.iter().filter(|(number, _)| *number > after).cloned().collect();
///             let cursor = new.last().map(|(number, _)| number.to_string());
///             Ok(Pulled { revocations: new.into_iter().map(|(_, what)| what).collect(), cursor, more: false })
///         })
///     }
/// }
/// ```
pub trait RevocationFeed: fmt::Debug + Send + Sync + 'static {
    /// What was revoked after this cursor; without one, all that may concern a token which has not ended.
    ///
    /// A revocation should say [when](Revocation::issued_before) it was: without a time it is as of the pull.
    fn since<'a>(&'a self, cursor: Option<&'a str>) -> BoxFuture<'a, Result<Pulled, FeedError>>;
}

/// What a feed has since it was asked last.
#[derive(Debug, Clone, Default)]
pub struct Pulled {
    /// What was revoked, the earliest first.
    pub revocations: Vec<Revocation>,
    /// Where the next pull begins; none where it begins where this one did.
    pub cursor: Option<String>,
    /// Whether there is more already, so that it is asked again at once.
    pub more: bool,
}

/// A feed does not answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the feed of revocations does not answer")]
pub struct FeedError(#[source] Arc<dyn Error + Send + Sync>);

impl FeedError {
    /// For this reason.
    pub fn new(cause: impl Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(cause))
    }
}

/// The feed did not answer in time.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", DEADLINE.as_secs())]
struct Silent;

/// The feed panicked.
#[derive(Debug, thiserror::Error)]
#[error("it panicked")]
struct Panicked;

/// A feed at work.
#[derive(Debug)]
pub(crate) struct Pulls {
    feed: Arc<dyn RevocationFeed>,
    list: Revocations,
    /// Whether tokens wait for the first pull.
    comes_first: bool,
    has_answered: Arc<AtomicBool>,
    /// Begun at first use, and again should its runtime have ended.
    puller: ArcSwapOption<Background>,
}

impl Pulls {
    pub(crate) fn new(feed: Arc<dyn RevocationFeed>, list: Revocations, comes_first: bool) -> Self {
        Self { feed, list, comes_first, has_answered: Arc::default(), puller: ArcSwapOption::empty() }
    }

    /// Begins to pull, unless it has begun. Refuses what cannot be decided before the first answer, where that is asked for.
    pub(crate) fn admit(&self) -> Result<(), Refusal> {
        if self.puller.load().as_ref().is_none_or(|puller| puller.is_over()) {
            let work = pull(Arc::clone(&self.feed), self.list.clone(), Arc::clone(&self.has_answered));
            if let Some(puller) = Background::spawn(work) {
                self.puller.store(Some(Arc::new(puller)));
            }
        }
        if self.comes_first && !self.has_answered.load(Ordering::Acquire) {
            let kind = RefusalKind::Unavailable { retry_after: Duration::from_secs(1) };
            return Err(Refusal::new(kind, check::REVOKED).detail("it is not known yet what is revoked"));
        }
        Ok(())
    }
}

/// Pulls for ever. Whoever owns the task owns the feed.
async fn pull(feed: Arc<dyn RevocationFeed>, list: Revocations, has_answered: Arc<AtomicBool>) {
    let clock: Clock = list.clock().clone();
    let mut cursor: Option<String> = None;
    let (mut failures, mut last) = (0, clock.monotonic());
    loop {
        // A feed that panics is one that does not answer: asked again, and not by every request.
        let asked = AssertUnwindSafe(async { feed.since(cursor.as_deref()).await }).catch_unwind();
        let pulled =
            clock.within(DEADLINE, asked).await.map(|pulled| pulled.unwrap_or_else(|_| Err(FeedError::new(Panicked))));
        match pulled.unwrap_or_else(|| Err(FeedError::new(Silent))) {
            Ok(pulled) => {
                for what in pulled.revocations {
                    let kind = what.clone();
                    if list.revoke(what) {
                        telemetry::revoked(None, &kind);
                    }
                }
                (failures, last) = (0, clock.monotonic());
                telemetry::pulled(Ok(list.entries()), Duration::ZERO);
                // A feed that has more and does not move on has nothing new.
                let moved = pulled.cursor.is_some() && pulled.cursor != cursor;
                cursor = pulled.cursor.or(cursor);
                if pulled.more && moved {
                    continue;
                }
                has_answered.store(true, Ordering::Release);
                clock.sleep(PERIOD).await;
            }
            Err(error) => {
                telemetry::pulled(Err((&error, failures)), clock.monotonic().since(last));
                clock.sleep(pause(PERIOD, failures)).await;
                failures += 1;
            }
        }
    }
}
