use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tower_identity_core::{BoxFuture, Clock, Moment, TimeSource, Timestamp};

/// Wall and monotonic time that stand still until the test moves them.
#[derive(Clone)]
pub(crate) struct ManualClock(Arc<watch::Sender<Duration>>);

const WALL: Timestamp = Timestamp::from_secs(1_800_000_000);
const ORIGIN: Moment = Moment::from_origin(Duration::from_secs(1000));

impl ManualClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Duration::ZERO)))
    }

    pub(crate) fn clock(&self) -> Clock {
        Clock::new(self.clone())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.wall()
    }

    /// Moves time on to this wall time.
    pub(crate) fn set(&self, wall: Timestamp) {
        self.0.send_replace(wall.since(WALL));
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.send_modify(|passed| *passed += by);
    }
}

impl TimeSource for ManualClock {
    fn wall(&self) -> Timestamp {
        WALL.saturating_add(*self.0.borrow())
    }

    fn monotonic(&self) -> Moment {
        ORIGIN.saturating_add(*self.0.borrow())
    }

    fn sleep_until(&self, moment: Moment) -> BoxFuture<'static, ()> {
        let mut passed = self.0.subscribe();
        Box::pin(async move {
            let reached = passed.wait_for(|passed| ORIGIN.saturating_add(*passed) >= moment).await.is_ok();
            if !reached {
                std::future::pending::<()>().await;
            }
        })
    }
}
