//! Time for production.

use std::{
    cell::Cell,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;
use tower_identity_core::{BoxFuture, Clock, Moment, TimeSource, Timestamp};

/// The clock for production: the system's wall time, and tokio's monotonic time and timer.
///
/// Every call gives a handle of the same clock, so moments of any two are comparable. Reading it needs no runtime;
/// sleeping needs tokio's timer when the sleep is first polled.
///
/// ```
/// use std::time::Duration;
/// use tower_identity_refresh::system_clock;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let clock = system_clock();
/// let before = clock.monotonic();
/// clock.sleep(Duration::from_millis(5)).await;
/// assert!(clock.monotonic().since(before) >= Duration::from_millis(5));
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn system_clock() -> Clock {
    static CLOCK: OnceLock<Clock> = OnceLock::new();
    CLOCK.get_or_init(|| Clock::new(TokioTime { origin: now() })).clone()
}

struct TokioTime {
    origin: Instant,
}

/// For how long a thread goes on from the last wall time that it read, by monotonic time: so much later it sees that wall
/// time was set. Reading a clock is among the dearest things that a request with a remembered token does.
const GOES_ON: Duration = Duration::from_millis(1);

thread_local! {
    /// The last wall time that this thread read in [`TokioTime::both`], and when.
    static READ: Cell<Option<(Timestamp, Moment)>> = const { Cell::new(None) };
}

#[expect(clippy::disallowed_methods, reason = "this is the clock that the ban points to")]
fn now() -> Instant {
    Instant::now()
}

impl TimeSource for TokioTime {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that the ban points to")]
    fn wall(&self) -> Timestamp {
        Timestamp::from_system(SystemTime::now())
    }

    fn monotonic(&self) -> Moment {
        // A runtime whose time is paused may stand before the origin, which then counts as the origin.
        Moment::from_origin(now().saturating_duration_since(self.origin))
    }

    fn both(&self) -> (Timestamp, Moment) {
        let now = self.monotonic();
        if let Some((wall, at)) = READ.get()
            && let Some(since) = now.since_origin().checked_sub(at.since_origin())
            && since < GOES_ON
        {
            return (wall.saturating_add(since), now);
        }
        let wall = self.wall();
        READ.set(Some((wall, now)));
        (wall, now)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock that the ban points to")]
    fn sleep_until(&self, moment: Moment) -> BoxFuture<'static, ()> {
        let until = self.origin.checked_add(moment.since_origin());
        Box::pin(async move {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                // Beyond what the system can name: the end of time, which does not come.
                None => std::future::pending().await,
            }
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Waker},
        time::Duration,
    };

    use super::*;

    #[test]
    fn it_can_be_read_without_a_runtime_and_every_handle_has_one_origin() {
        let first = system_clock().monotonic();
        let second = system_clock().monotonic();
        assert!(first <= second);
        assert!(system_clock().wall() > Timestamp::from_secs(1_750_000_000), "some time after 2025");
    }

    #[tokio::test(start_paused = true)]
    async fn both_times_at_once_are_those_of_each_within_a_millisecond() {
        let clock = system_clock();
        // Past the origin, which another thread may have set after this runtime's time was paused.
        tokio::time::advance(Duration::from_secs(3600)).await;
        let (wall, at) = clock.both();
        assert_eq!(at, clock.monotonic());
        // Here monotonic time moves by hand alone, and wall time goes on by it.
        for (step, since) in [(0, 0), (400, 400), (599, 999)] {
            tokio::time::advance(Duration::from_micros(step)).await;
            let both = (wall.saturating_add(Duration::from_micros(since)), clock.monotonic());
            assert_eq!(clock.both(), both, "{since}");
        }
        // It is read again, and is what it is however far monotonic time was moved.
        tokio::time::advance(Duration::from_secs(3600)).await;
        let (before, (read, at), after) = (clock.wall(), clock.both(), clock.wall());
        assert!(before <= read && read <= after);
        assert_eq!(at, clock.monotonic());
        let (other, _) = std::thread::spawn(|| system_clock().both()).join().expect("read");
        assert!(read <= other, "each thread reads for itself");
    }

    #[tokio::test(start_paused = true)]
    async fn it_sleeps_by_tokios_time() {
        let clock = system_clock();
        let before = clock.monotonic();
        clock.sleep(Duration::from_secs(3600)).await;
        assert!(clock.monotonic().since(before) >= Duration::from_secs(3600));
        clock.sleep_until(before).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_time_does_not_come() {
        let mut sleep = pin!(system_clock().sleep(Duration::MAX));
        assert!(sleep.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
}
