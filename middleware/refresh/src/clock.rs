//! Time for production.

use std::{
    cell::Cell,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;
use tower_identity_core::{BoxFuture, Clock, Moment, TimeSource, Timestamp};

use crate::tick::Ticks;

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
    CLOCK.get_or_init(|| Clock::new(TokioTime { origin: now(), ticks: Ticks::new() })).clone()
}

struct TokioTime {
    origin: Instant,
    ticks: Ticks,
}

thread_local! {
    /// The last tick that this thread saw, and the two times by which it goes until the next one: the tick after it, and
    /// when it first looked after it.
    static SEEN: Cell<(Timestamp, (Timestamp, Moment))> = const {
        let none = Timestamp::from_secs(u64::MAX);
        Cell::new((none, (none, Moment::from_origin(Duration::ZERO))))
    };
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

    fn coarse_wall(&self) -> Timestamp {
        self.ticks.after(self.ticks.last())
    }

    fn both(&self) -> (Timestamp, Moment) {
        let tick = self.ticks.last();
        let (seen, both) = SEEN.get();
        if seen == tick {
            return both;
        }
        let both = (self.ticks.after(tick), self.monotonic());
        SEEN.set((tick, both));
        both
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

    #[test]
    fn the_coarse_time_is_ahead_of_the_exact_one_and_not_by_much() {
        const TICKS: usize = 20;
        let clock = system_clock();
        // Looked at as a tick comes: one that is late leaves the time behind until it comes.
        let is_ahead = |_: &usize| {
            let last = clock.coarse_wall();
            std::iter::repeat_with(|| clock.coarse_wall()).find(|next| *next != last).expect("a next tick");
            let (before, coarse, both) = (clock.wall(), clock.coarse_wall(), clock.both().0);
            let most = clock.wall().saturating_add(Duration::from_millis(10));
            assert!(coarse <= most && both <= most, "{coarse:?} and {both:?}, by {before:?} to {most:?}");
            before <= coarse && before <= both
        };
        let ahead = (0..TICKS).filter(is_ahead).count();
        assert!(ahead > TICKS / 2, "{ahead}: the machine may be held up at some of them");
    }

    #[tokio::test(start_paused = true)]
    async fn of_both_times_at_once_the_monotonic_one_is_a_tick_behind_at_most() {
        let clock = system_clock();
        // Past the origin, which another thread may have set after this runtime's time was paused.
        tokio::time::advance(Duration::from_secs(3600)).await;
        let (wall, at) = clock.both();
        assert_eq!(at, clock.monotonic());
        tokio::time::advance(Duration::from_secs(3600)).await;
        let next = std::iter::repeat_with(|| clock.both()).find(|both| *both != (wall, at));
        let (next, then) = next.expect("a next tick");
        assert!(wall <= next);
        assert_eq!(then, clock.monotonic());
        let elsewhere = clock.clone();
        let (other, _) = std::thread::spawn(move || elsewhere.both()).join().expect("read");
        assert!(next <= other, "each thread looks for itself");
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
