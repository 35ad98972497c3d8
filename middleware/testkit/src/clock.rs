//! A clock that a test moves by hand.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tower_identity_core::{BoxFuture, Clock, Moment, TimeSource, Timestamp};

/// Wall and monotonic time that stand still until the test moves them. Clones are handles of the same clock.
///
/// Starts at 2026-01-01T00:00:00Z. Needs no particular runtime.
///
/// ```
/// use std::time::Duration;
/// use tower_identity_testkit::ManualClock;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let manual = ManualClock::new();
/// let clock = manual.clock();
/// let sleeper = tokio::spawn(clock.sleep(Duration::from_secs(60)));
///
/// manual.sleepers(1).await;
/// manual.advance(Duration::from_secs(60));
/// sleeper.await.expect("the sleeper wakes");
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    now: watch::Sender<Now>,
    /// When each sleeper wakes.
    asleep: watch::Sender<Vec<Moment>>,
}

#[derive(Debug, Clone, Copy)]
struct Now {
    wall: Timestamp,
    monotonic: Moment,
}

impl ManualClock {
    /// A clock that stands at 2026-01-01T00:00:00Z.
    #[must_use]
    pub fn new() -> Self {
        Self::at(Timestamp::from_secs(1_767_225_600))
    }

    /// A clock that stands at this wall time.
    #[must_use]
    pub fn at(wall: Timestamp) -> Self {
        // Not zero, so that a default `Moment` is a moment of the past, as in a process that has run for a while.
        let monotonic = Moment::from_origin(Duration::from_secs(1_000));
        Self(Arc::new(Shared { now: watch::Sender::new(Now { wall, monotonic }), asleep: watch::Sender::default() }))
    }

    /// The handle that the code under test takes.
    #[must_use]
    pub fn clock(&self) -> Clock {
        Clock::new(self.clone())
    }

    /// Moves wall and monotonic time on, and wakes the sleepers whose moment has come.
    pub fn advance(&self, by: Duration) {
        self.0.now.send_modify(|now| {
            now.wall = now.wall.saturating_add(by);
            now.monotonic = now.monotonic.saturating_add(by);
        });
    }

    /// Sets the wall clock, forward or back, as an operator or a time server does. Monotonic time stands still, so
    /// nobody wakes.
    pub fn set_wall(&self, wall: Timestamp) {
        self.0.now.send_modify(|now| now.wall = wall);
    }

    /// Resolves when at least this many sleepers are asleep at one time: what to await before [`advance`].
    ///
    /// A sleeper counts from its first poll until it wakes or is dropped.
    ///
    /// [`advance`]: Self::advance
    pub async fn sleepers(&self, at_least: usize) {
        let mut asleep = self.0.asleep.subscribe();
        let reached = asleep.wait_for(|asleep| asleep.len() >= at_least).await;
        reached.expect("the clock, which is borrowed here, holds the sender");
    }

    /// How many sleepers are asleep now.
    #[must_use]
    pub fn asleep(&self) -> usize {
        self.0.asleep.borrow().len()
    }

    /// How long it is until the first of the sleepers wakes.
    #[must_use]
    pub fn next_wake(&self) -> Option<Duration> {
        let now = self.monotonic();
        self.0.asleep.borrow().iter().map(|moment| moment.since(now)).min()
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl TimeSource for ManualClock {
    fn wall(&self) -> Timestamp {
        self.0.now.borrow().wall
    }

    fn monotonic(&self) -> Moment {
        self.0.now.borrow().monotonic
    }

    fn sleep_until(&self, moment: Moment) -> BoxFuture<'static, ()> {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let _asleep = Asleep::new(&shared.asleep, moment);
            let woken = shared.now.subscribe().wait_for(|now| now.monotonic >= moment).await.map(drop);
            woken.expect("the sleeper itself holds the sender");
        })
    }
}

/// Counts a sleeper for as long as it sleeps.
struct Asleep<'a> {
    all: &'a watch::Sender<Vec<Moment>>,
    until: Moment,
}

impl<'a> Asleep<'a> {
    fn new(all: &'a watch::Sender<Vec<Moment>>, until: Moment) -> Self {
        all.send_modify(|all| all.push(until));
        Self { all, until }
    }
}

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        self.all.send_modify(|all| {
            if let Some(at) = all.iter().position(|until| *until == self.until) {
                all.swap_remove(at);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn poll(future: &mut BoxFuture<'static, ()>) -> Poll<()> {
        future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_sleeper_wakes_at_its_moment_and_not_before() {
        let manual = ManualClock::new();
        let mut sleep = manual.clock().sleep(2 * SECOND);
        assert_eq!(poll(&mut sleep), Poll::Pending);
        manual.advance(2 * SECOND - Duration::from_nanos(1));
        assert_eq!(poll(&mut sleep), Poll::Pending);
        manual.advance(Duration::from_nanos(1));
        assert_eq!(poll(&mut sleep), Poll::Ready(()));
    }

    #[test]
    fn setting_the_wall_clock_wakes_nobody() {
        let manual = ManualClock::new();
        let (clock, moment) = (manual.clock(), manual.monotonic());
        let mut sleep = clock.sleep(SECOND);
        manual.set_wall(Timestamp::from_secs(4_000_000_000));
        assert_eq!(clock.wall(), Timestamp::from_secs(4_000_000_000));
        assert_eq!(clock.monotonic(), moment);
        assert_eq!(poll(&mut sleep), Poll::Pending);
    }

    #[test]
    fn a_dropped_sleeper_no_longer_counts() {
        let manual = ManualClock::new();
        let mut sleep = manual.clock().sleep(SECOND);
        assert_eq!(poll(&mut sleep), Poll::Pending);
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(pin!(manual.sleepers(1)).poll(&mut context), Poll::Ready(()));
        let mut later = manual.clock().sleep(3 * SECOND);
        assert_eq!(poll(&mut later), Poll::Pending);
        assert_eq!((manual.asleep(), manual.next_wake()), (2, Some(SECOND)));
        drop(sleep);
        assert_eq!((manual.asleep(), manual.next_wake()), (1, Some(3 * SECOND)));
        drop(later);
        assert_eq!((manual.asleep(), manual.next_wake()), (0, None));
        assert_eq!(pin!(manual.sleepers(1)).poll(&mut context), Poll::Pending);
    }

    #[test]
    fn a_sleeper_outlives_the_handles_and_does_not_wake_by_it() {
        let mut sleep = ManualClock::new().clock().sleep(SECOND);
        assert_eq!(poll(&mut sleep), Poll::Pending);
        assert_eq!(poll(&mut sleep), Poll::Pending);
    }
}
