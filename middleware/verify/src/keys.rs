//! An issuer's keys, kept fresh.
//!
//! The keys at hand are a snapshot that every verification reads without waiting and without a lock. Two slots bring
//! newer ones: `load` for want of any keys, and in the background ahead of their age; `reload` for a key id that they
//! lack, whose one success or failure stands for the whole window of [`RELOAD_WINDOW`], however many ask.
//!
//! ```text
//!             first use                         a fetch                       70 to 80 % of max-age
//! (nothing) ────────────▶ waits for the load ───────────▶ fresh ◀───────────┐──────────────────────▶ due
//!     │ a seed, at build                                                    │  keeper, or a request  │ verifies
//!     └───────────────────────────────────────────────────────────────────▶ └────────────────────────┤ meanwhile
//!                                  gone: 503 until a fetch ◀─────────────────────────────────────────┘ 24 h after
//!                                                                                         the fetch that brought it
//! ```
//!
//! A key that its issuer withdraws is refused from the next fetch on. The first use begins a [keeper](keeper), which
//! refreshes from then on also when nobody asks. A request that finds keys due begins the same refresh, should the
//! keeper have gone with the runtime that it ran in; there is never a second fetch in the air.
//!
//! | module | what it holds |
//! |---|---|
//! | `options`, `settings` | what is said of them, in code and from a file |
//! | `plan` | the same, checked, and how it begins |
//! | `row` | the same, to be compared with what was said before |
//! | `snapshot` | the keys at hand, and their times |
//! | `at_hand` | the one that verifies, and whether it has changed |
//! | `loader` | one fetch, and what follows from it |
//! | `keeper` | the task that fetches while nobody asks |
//! | `unknown` | tokens whose key is not among them |
//! | `seed`, `save` | files that outlive the process |
//! | `telemetry` | what the operator is told |

mod at_hand;
mod keeper;
mod loader;
mod options;
mod plan;
mod row;
mod save;
mod seed;
mod settings;
mod snapshot;
mod telemetry;
mod unknown;

use std::{sync::Arc, time::Duration};

use arc_swap::Guard;
use tower_identity_core::{Moment, Timestamp};
use tower_identity_jose::KeySet;
use tower_identity_refresh::{Failed, Lifetime, Loaded, Slot, Upkeep};

pub use self::settings::KeySettings;
use self::{
    at_hand::AtHand,
    loader::Loader,
    snapshot::{Bequest, Due, Fetch},
    unknown::Lacked,
};
pub(crate) use self::{
    at_hand::Seen,
    keeper::pause,
    loader::NoKeys,
    options::{KeyLocation, KeyOptions},
    plan::KeyPlan,
    row::Row,
    snapshot::Snapshot,
    unknown::{Asked, NotYet, RELOAD_WINDOW},
};

/// How long the last good keys verify while the issuer is down.
const USABLE: Duration = Duration::from_secs(24 * 60 * 60);

/// The keys of one issuer.
#[derive(Debug)]
pub(crate) struct Keys {
    row: Row,
    at_hand: Arc<AtHand>,
    /// `None` for keys that are given and never change.
    fetching: Option<Fetching>,
}

#[derive(Debug)]
struct Fetching {
    loader: Arc<Loader>,
    /// When the load of the keys at hand began.
    load: Slot<Moment, NoKeys>,
    /// That the keys were loaded for a key id that they lacked, and until when that stands.
    reload: Slot<Moment, NoKeys>,
    lacked: Lacked,
    keeper: Upkeep,
}

impl Keys {
    /// Keys that never change.
    fn given(keys: KeySet) -> Self {
        let at_hand = Arc::new(AtHand::new(Some(Arc::new(Snapshot::given(keys)))));
        Self { row: Row::unlike_any(), at_hand, fetching: None }
    }

    /// No keys, where nothing is signed.
    fn none(row: Row) -> Self {
        Self { row, at_hand: Arc::default(), fetching: None }
    }

    /// Keys that are fetched at first use.
    fn fetched(row: Row, loader: Loader) -> Self {
        let loader = Arc::new(loader);
        let load = Slot::new(loader.clock.clone());
        let keeper = {
            let (loader, load) = (Arc::clone(&loader), load.clone());
            Upkeep::new(move || keeper::keep(Arc::clone(&loader), load.clone()))
        };
        let reload = Slot::new(loader.clock.clone());
        let fetching = Fetching { loader, load, reload, lacked: Lacked::default(), keeper };
        Self { row, at_hand: Arc::clone(&fetching.loader.at_hand), fetching: Some(fetching) }
    }

    /// What was said of them.
    pub(crate) fn row(&self) -> &Row {
        &self.row
    }

    /// What is left to others of the same issuer, found at the same place.
    fn bequeathed(&self, now: Moment) -> Option<Bequest> {
        self.at_hand.load().as_ref()?.bequest(now)
    }

    /// What is known of the keys by whoever looks at them [at hand](Self::at_hand) next.
    pub(crate) fn seen(&self) -> Seen {
        self.at_hand.seen()
    }

    /// Whether the keys at hand are those that were seen then, and [at hand](Self::at_hand) has nothing to do about them.
    pub(crate) fn stand_since(&self, then: Seen, now: Moment) -> bool {
        self.at_hand.stand_since(then, now)
    }

    /// The keys at hand, while they are usable. Begins a refresh in the background when they are due for one.
    pub(crate) fn at_hand(&self, now: Moment) -> Guard<Option<Arc<Snapshot>>> {
        loop {
            let at_hand = self.at_hand.load();
            let Some(snapshot) = at_hand.as_ref() else { return at_hand };
            match snapshot.due(now) {
                Due::Nothing => return at_hand,
                Due::Removal => {
                    let without = Arc::new(snapshot.without_lapsed(now));
                    // Whoever was faster did this too, or brought newer keys.
                    self.at_hand.replace(snapshot, without);
                }
                Due::Refresh => {
                    self.begin_refresh();
                    return at_hand;
                }
                Due::Gone => {
                    // Whoever is first to see it, the keeper or a request.
                    if let Some(fetching) = &self.fetching {
                        fetching.loader.tell_gone(snapshot, now);
                    }
                    return Guard::from_inner(None);
                }
            }
        }
    }

    /// The keeper does this too, and at the same time. But whether the runtime that it lives in runs is not ours to know.
    fn begin_refresh(&self) {
        if let Some(fetching) = &self.fetching {
            fetching.load.refresh(|| fetching.loader.load());
            fetching.keeper.keep();
        }
    }

    /// Waits until there are keys.
    pub(crate) async fn loaded(&self) -> Result<(), NoKeys> {
        let Some(fetching) = &self.fetching else { return Ok(()) };
        fetching.keeper.keep();
        fetching.load.get(|| fetching.loader.load()).await.map(drop)
    }

    /// How many fetches have begun: a token that comes now came before all others.
    pub(crate) fn fetches(&self) -> u64 {
        self.fetching.as_ref().map_or(0, |fetching| fetching.loader.fetches())
    }

    /// Waits until the keys were loaded again for a key id that they lack: at most once in a window, for all who ask.
    /// That this was done before counts too. Says when the window ends.
    pub(crate) async fn reloaded(&self) -> Result<Moment, NoKeys> {
        match &self.fetching {
            None => Ok(Moment::default()),
            Some(fetching) => {
                fetching.keeper.keep();
                fetching.reload.get(|| fetching.reload()).await
            }
        }
    }

    /// The token of this key id that came then, after so many fetches, and says that it was `issued` at that time;
    /// `None` where there is nothing to ask for.
    pub(crate) fn asked(&self, key_id: Option<&str>, issued: Option<Timestamp>, came: (u64, Moment)) -> Option<Asked> {
        self.fetching.as_ref().map(|fetching| fetching.lacked.asked(key_id, issued, came, &fetching.loader.clock))
    }

    /// Whether no fetch is needed to say that the token's key, which is not among those at hand, is not the issuer's.
    pub(crate) fn already_lack(&self, asked: &Asked) -> bool {
        let Some((fetching, fetch)) = self.last_fetch() else { return false };
        let now = fetching.loader.clock.monotonic();
        if asked.came_before(fetch) {
            // The first fetch of all may have been made for this token: it is the window's too.
            fetching.reload.put(for_a_window(now));
            fetching.lacked.add(asked, now);
            return true;
        }
        asked.precedes(fetch, fetching.loader.leeway) && fetching.lacked.contains(asked, now)
    }

    /// Whether the token's key, which is not among those at hand, is not the issuer's. If so, remembers its id.
    pub(crate) fn lack(&self, asked: &Asked) -> bool {
        let Some((fetching, fetch)) = self.last_fetch() else { return false };
        let ruled_out = asked.precedes(fetch, fetching.loader.leeway);
        if ruled_out {
            fetching.lacked.add(asked, fetching.loader.clock.monotonic());
        }
        ruled_out
    }

    fn last_fetch(&self) -> Option<(&Fetching, Fetch)> {
        Some((self.fetching.as_ref()?, self.at_hand.load().as_ref()?.fetch()?))
    }
}

/// That the keys were loaded again, and for how long this stands.
fn for_a_window(now: Moment) -> Loaded<Moment> {
    Loaded { value: now.saturating_add(RELOAD_WINDOW), lifetime: Lifetime::new(RELOAD_WINDOW, RELOAD_WINDOW) }
}

impl Fetching {
    /// A load that began after now, through the slot of loads: there is never a second in the air. The window counts
    /// from here, however long the load takes.
    fn reload(&self) -> impl Future<Output = Result<Loaded<Moment>, Failed<NoKeys>>> + Send + use<> {
        let (slot, clock, load) = (self.load.clone(), self.loader.clock.clone(), self.loader.load());
        async move {
            let begun = clock.monotonic();
            match slot.newer_than(begun, || load).await {
                Ok(_) => Ok(for_a_window(begun)),
                Err(error) => {
                    let retry_after = error.again_at.since(clock.monotonic());
                    Err(Failed { error, retry_after })
                }
            }
        }
    }
}
