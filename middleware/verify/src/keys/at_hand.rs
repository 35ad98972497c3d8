//! The snapshot at hand, and whether it is still the one that somebody saw.
//!
//! A remembered token asks of its issuer's keys only whether they are what they were when its own was found among them. So
//! every change of them is numbered, and that question is two loads, where reading the snapshot takes a guard.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::{ArcSwapOption, Guard};
use tower_identity_core::Moment;

use super::snapshot::Snapshot;

/// The keys of one issuer as they stand.
#[derive(Debug, Default)]
pub(super) struct AtHand {
    snapshot: ArcSwapOption<Snapshot>,
    /// How many changes there were. Counted after each, so that whoever has this number has seen no later one.
    changes: AtomicU64,
    /// Until when nothing is to be done about the snapshot, in nanoseconds from the clock's origin. Said after the change is
    /// counted, so that nobody takes it for the time of a former snapshot.
    settled_until: AtomicU64,
    changing: Mutex<()>,
}

/// What somebody who looked at the keys knows of them, for as long as they [stand](AtHand::stand_since).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen(pub(crate) u64);

impl AtHand {
    pub(super) fn new(snapshot: Option<Arc<Snapshot>>) -> Self {
        let this = Self::default();
        this.change(|_| Some(snapshot));
        this
    }

    pub(super) fn load(&self) -> Guard<Option<Arc<Snapshot>>> {
        self.snapshot.load()
    }

    pub(super) fn load_full(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.load_full()
    }

    pub(super) fn store(&self, next: Arc<Snapshot>) {
        self.change(|_| Some(Some(next)));
    }

    /// Unless another has taken the place of the former.
    pub(super) fn replace(&self, former: &Arc<Snapshot>, next: Arc<Snapshot>) {
        self.change(|now| now.is_some_and(|now| Arc::ptr_eq(now, former)).then_some(Some(next)));
    }

    /// To be asked before the snapshot is loaded that is looked at.
    pub(super) fn seen(&self) -> Seen {
        Seen(self.changes.load(Ordering::Acquire))
    }

    /// Whether the keys that were seen then are those at hand, and nothing is to be done about them now.
    pub(super) fn stand_since(&self, then: Seen, now: Moment) -> bool {
        // In this order: a time of later keys is read with their number, or not at all.
        nanoseconds(now) < self.settled_until.load(Ordering::Acquire) && self.seen() == then
    }

    /// One change at a time, so that the last number and the last time are those of the last snapshot. Who reads waits for
    /// none of them.
    fn change(&self, next: impl FnOnce(Option<&Arc<Snapshot>>) -> Option<Option<Arc<Snapshot>>>) {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(next) = next(self.snapshot.load().as_ref()) else { return };
        let settled_until = next.as_ref().map_or(0, |next| nanoseconds(next.settled_until()));
        self.snapshot.store(next);
        self.changes.fetch_add(1, Ordering::Release);
        self.settled_until.store(settled_until, Ordering::Release);
    }
}

/// 584 years of them.
fn nanoseconds(moment: Moment) -> u64 {
    u64::try_from(moment.since_origin().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tower_identity_jose::{Algorithm, KeySet, SigningKey};

    use super::*;

    fn seed(now: Moment) -> Arc<Snapshot> {
        let key = SigningKey::generate(Algorithm::EdDsa).expect("generated");
        Arc::new(Snapshot::seed(KeySet::from_keys([key.verifying_key()]).expect("a key"), Duration::ZERO, now))
    }

    fn given() -> Arc<Snapshot> {
        let key = SigningKey::generate(Algorithm::EdDsa).expect("generated");
        Arc::new(Snapshot::given(KeySet::from_keys([key.verifying_key()]).expect("a key")))
    }

    #[test]
    fn warm_a4_keys_stand_until_others_take_their_place() {
        let now = Moment::from_origin(Duration::from_secs(60));
        let (first, second) = (given(), given());
        let keys = AtHand::new(Some(Arc::clone(&first)));
        let seen = keys.seen();
        assert!(keys.stand_since(seen, now) && keys.stand_since(seen, now));

        // Whoever comes too late replaces nothing.
        keys.replace(&second, given());
        assert!(keys.stand_since(seen, now));

        keys.replace(&first, Arc::clone(&second));
        assert!(!keys.stand_since(seen, now));
        let seen = keys.seen();
        assert!(keys.stand_since(seen, now));
        // Those that were there before are others, too.
        keys.store(first);
        assert!(!keys.stand_since(seen, now));
    }

    #[test]
    fn warm_a4_keys_about_which_something_is_due_do_not_stand() {
        let due = Moment::from_origin(Duration::from_secs(60));
        let before = Moment::from_origin(Duration::from_nanos(59_999_999_999));
        let keys = AtHand::new(Some(seed(due)));
        assert!(keys.stand_since(keys.seen(), before));
        assert!(!keys.stand_since(keys.seen(), due));
        // Nor do none, at any time.
        let none = AtHand::new(None);
        assert!(!none.stand_since(none.seen(), Moment::default()));
    }
}
