//! Time that a test moves by hand.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tower_identity_core::{BoxFuture, Clock, Moment, TimeSource, Timestamp};

/// Seconds since the test began.
#[derive(Clone, Default)]
pub(crate) struct ManualTime(Arc<AtomicU64>);

impl ManualTime {
    pub(crate) fn clock(&self) -> Clock {
        Clock::new(self.clone())
    }

    pub(crate) fn set(&self, second: u64) {
        self.0.store(second, Ordering::SeqCst);
    }
}

impl TimeSource for ManualTime {
    fn wall(&self) -> Timestamp {
        Timestamp::from_secs(self.0.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Moment {
        Moment::from_origin(Duration::from_secs(self.0.load(Ordering::SeqCst)))
    }

    fn sleep_until(&self, _: Moment) -> BoxFuture<'static, ()> {
        unreachable!("a slot reads the clock and never sleeps")
    }
}
