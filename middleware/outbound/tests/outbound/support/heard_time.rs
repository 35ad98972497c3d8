//! Time that is moved by hand, and that wakes those who sleep.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;
use tower_identity_core::{BoxFuture, Clock, Moment, TimeSource, Timestamp};

use super::START;

/// Milliseconds, which those who sleep hear of.
#[derive(Clone, Default)]
pub(crate) struct HeardTime(Arc<(AtomicU64, Notify)>);

impl HeardTime {
    pub(crate) fn clock(&self) -> Clock {
        Clock::new(self.clone())
    }

    pub(crate) fn advance(&self, millis: u64) {
        self.0.0.fetch_add(millis, Ordering::SeqCst);
        self.0.1.notify_waiters();
    }

    fn gone(&self) -> Duration {
        Duration::from_millis(self.0.0.load(Ordering::SeqCst))
    }
}

impl TimeSource for HeardTime {
    fn wall(&self) -> Timestamp {
        Timestamp::from_secs(START).saturating_add(self.gone())
    }

    fn monotonic(&self) -> Moment {
        Moment::from_origin(Duration::from_secs(1000) + self.gone())
    }

    fn sleep_until(&self, moment: Moment) -> BoxFuture<'static, ()> {
        let time = self.clone();
        Box::pin(async move {
            loop {
                let moved = time.0.1.notified();
                if time.monotonic() >= moment {
                    return;
                }
                moved.await;
            }
        })
    }
}
