//! How much may be asked for beside what the requests need.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tower_identity_core::{Clock, Moment};

/// So many at one time, and so many in any one second. Whoever gets none goes without: nobody waits.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    in_flight: usize,
    per_second: usize,
    clock: Clock,
    /// Never held while anything is awaited.
    spent: Mutex<Spent>,
}

#[derive(Debug, Default)]
struct Spent {
    in_flight: usize,
    /// When the last ones began, as many as may begin in a second: the oldest first.
    began: VecDeque<Moment>,
}

/// One that is under way, over when this is dropped.
#[derive(Debug)]
pub(super) struct Permit(Budget);

impl Budget {
    pub(super) fn new(in_flight: u16, per_second: u16, clock: Clock) -> Self {
        let (in_flight, per_second) = (usize::from(in_flight), usize::from(per_second));
        Self(Arc::new(Inner { in_flight, per_second, clock, spent: Mutex::default() }))
    }

    pub(super) fn take(&self) -> Option<Permit> {
        let now = self.0.clock.monotonic();
        let mut spent = self.spent();
        if spent.in_flight == self.0.in_flight {
            return None;
        }
        if spent.began.len() == self.0.per_second {
            // With the first of so many a second ago, this one makes no more than so many since.
            if spent.began.front().is_some_and(|first| now.since(*first) < Duration::from_secs(1)) {
                return None;
            }
            spent.began.pop_front();
        }
        spent.began.push_back(now);
        spent.in_flight += 1;
        Some(Permit(self.clone()))
    }

    fn spent(&self) -> MutexGuard<'_, Spent> {
        self.0.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.spent().in_flight -= 1;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use tower_identity_core::{BoxFuture, TimeSource, Timestamp};

    use super::*;

    /// Milliseconds that are set by hand.
    pub(in crate::candidate) struct Millis(pub(in crate::candidate) Arc<AtomicU64>);

    impl TimeSource for Millis {
        fn wall(&self) -> Timestamp {
            Timestamp::from_secs(0)
        }

        fn monotonic(&self) -> Moment {
            Moment::from_origin(Duration::from_millis(self.0.load(Ordering::SeqCst)))
        }

        fn sleep_until(&self, _: Moment) -> BoxFuture<'static, ()> {
            Box::pin(std::future::pending())
        }
    }

    #[test]
    fn cand_b1_no_more_are_under_way_at_one_time_than_the_budget_allows() {
        let budget = Budget::new(2, 100, Clock::new(Millis(Arc::default())));
        let (one, two) = (budget.take(), budget.take());
        assert_eq!((one.is_some(), two.is_some(), budget.take().is_some()), (true, true, false));
        drop(one);
        let again = budget.take();
        assert_eq!((again.is_some(), budget.take().is_some()), (true, false));
    }

    #[test]
    fn cand_b1_no_more_begin_in_any_second_than_the_budget_allows() {
        let now = Arc::new(AtomicU64::new(5000));
        let budget = Budget::new(64, 3, Clock::new(Millis(now.clone())));
        let mut began = Vec::new();
        // One try each millisecond, and bursts.
        for millis in 5000..9000 {
            now.store(millis, Ordering::SeqCst);
            let tries = if millis % 700 == 0 { 10 } else { 1 };
            began.extend((0..tries).filter_map(|_| budget.take()).map(|_| millis));
        }
        for (at, first) in began.iter().enumerate() {
            let within = began[at..].iter().take_while(|other| *other - first < 1000).count();
            assert!(within <= 3, "{within} in the second from {first}");
        }
        assert_eq!(began.len(), 12, "and all that it allows: {began:?}");
    }
}
