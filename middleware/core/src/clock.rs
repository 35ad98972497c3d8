//! The only source of time: wall time, monotonic time, and sleeping.
//!
//! Everything that depends on time takes a [`Clock`], so that a test moves time by hand. The clock for production is
//! in the room `refresh`, because sleeping needs a runtime.

use std::{
    fmt,
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use crate::BoxFuture;

/// Wall time: how long after 1970-01-01T00:00:00Z. What `exp`, `nbf` and `iat` are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(Duration);

impl Timestamp {
    /// From whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// From the time since the epoch.
    #[must_use]
    pub const fn from_unix(since_epoch: Duration) -> Self {
        Self(since_epoch)
    }

    /// From the system's representation; times before 1970 become 1970.
    #[must_use]
    pub fn from_system(time: SystemTime) -> Self {
        Self(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0.as_secs()
    }

    /// The time since the epoch.
    #[must_use]
    pub const fn since_epoch(self) -> Duration {
        self.0
    }

    /// Later by this much; the end of time rather than an overflow.
    #[must_use]
    pub const fn saturating_add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }

    /// Earlier by this much; 1970 rather than an overflow.
    #[must_use]
    pub const fn saturating_sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(by))
    }

    /// How long after the other time this is; zero when it is not after.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.as_secs())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Self::from_secs)
    }
}

/// Monotonic time: how long after an arbitrary origin of this process. What lifetimes and back-offs are measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(Duration);

impl Moment {
    /// From the time since the process's origin.
    #[must_use]
    pub const fn from_origin(since_origin: Duration) -> Self {
        Self(since_origin)
    }

    /// The time since the process's origin.
    #[must_use]
    pub const fn since_origin(self) -> Duration {
        self.0
    }

    /// Later by this much; the end of time rather than an overflow.
    #[must_use]
    pub const fn saturating_add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }

    /// How long after the other moment this is; zero when it is not after.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Where a [`Clock`] gets its time from.
pub trait TimeSource: Send + Sync + 'static {
    /// The wall time now.
    fn wall(&self) -> Timestamp;

    /// The monotonic time now.
    fn monotonic(&self) -> Moment;

    /// The wall time as [coarsely](Clock::coarse_wall) as the source can tell it for less. Exact, unless it says otherwise.
    fn coarse_wall(&self) -> Timestamp {
        self.wall()
    }

    /// [Both](Clock::both) at once. Exact, unless the source says otherwise.
    fn both(&self) -> (Timestamp, Moment) {
        (self.coarse_wall(), self.monotonic())
    }

    /// Resolves when monotonic time has reached the moment.
    fn sleep_until(&self, moment: Moment) -> BoxFuture<'static, ()>;
}

/// A handle to a source of time, cheap to clone.
#[derive(Clone)]
pub struct Clock(Arc<dyn TimeSource>);

impl Clock {
    /// A clock over this source.
    #[must_use]
    pub fn new(source: impl TimeSource) -> Self {
        Self(Arc::new(source))
    }

    /// The wall time now.
    #[must_use]
    #[inline]
    pub fn wall(&self) -> Timestamp {
        self.0.wall()
    }

    /// The monotonic time now.
    #[must_use]
    pub fn monotonic(&self) -> Moment {
        self.0.monotonic()
    }

    /// The wall time rounded up by some milliseconds, which is read for a small part of what the exact one costs: for
    /// what each request asks.
    ///
    /// What has ended by the exact time has ended by this one, unless the machine was held up for longer than that.
    #[must_use]
    #[inline]
    pub fn coarse_wall(&self) -> Timestamp {
        self.0.coarse_wall()
    }

    /// The [coarse](Self::coarse_wall) wall time, and a monotonic time that is some milliseconds behind at most.
    #[must_use]
    #[inline]
    pub fn both(&self) -> (Timestamp, Moment) {
        self.0.both()
    }

    /// Resolves when monotonic time has reached the moment.
    #[must_use]
    pub fn sleep_until(&self, moment: Moment) -> BoxFuture<'static, ()> {
        self.0.sleep_until(moment)
    }

    /// Resolves after this much monotonic time.
    #[must_use]
    pub fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.sleep_until(self.monotonic().saturating_add(duration))
    }

    /// The future's output, or `None` when it is not ready after this much monotonic time.
    pub async fn within<T>(&self, duration: Duration, work: impl Future<Output = T>) -> Option<T> {
        let (mut end, mut work) = (self.sleep(duration), pin!(work));
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => end.as_mut().poll(cx).map(|()| None),
        })
        .await
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn wall_time_saturates_at_both_ends() {
        let end = Timestamp::from_unix(Duration::MAX);
        for (got, expected) in [
            (Timestamp::from_secs(10).saturating_add(SECOND), Timestamp::from_secs(11)),
            (Timestamp::from_secs(10).saturating_sub(SECOND), Timestamp::from_secs(9)),
            (end.saturating_add(SECOND), end),
            (Timestamp::default().saturating_sub(SECOND), Timestamp::from_secs(0)),
        ] {
            assert_eq!(got, expected);
        }
        assert_eq!(Timestamp::from_secs(10).since(Timestamp::from_secs(7)), 3 * SECOND);
        assert_eq!(Timestamp::from_secs(7).since(Timestamp::from_secs(10)), Duration::ZERO);
    }

    #[test]
    fn wall_time_is_written_in_whole_seconds_rounded_down() {
        let late = Timestamp::from_unix(Duration::from_millis(1_999));
        assert_eq!((late.as_secs(), serde_json::to_string(&late).expect("json")), (1, "1".to_owned()));
        assert_eq!(serde_json::from_str::<Timestamp>("1").expect("seconds"), Timestamp::from_secs(1));
        assert_eq!(late.since_epoch(), Duration::from_millis(1_999));
    }

    #[test]
    fn the_systems_time_before_1970_is_1970() {
        assert_eq!(Timestamp::from_system(SystemTime::UNIX_EPOCH + SECOND), Timestamp::from_secs(1));
        assert_eq!(Timestamp::from_system(SystemTime::UNIX_EPOCH - SECOND), Timestamp::from_secs(0));
    }

    #[test]
    fn monotonic_time_saturates_at_both_ends() {
        let (seven, ten) = (Moment::from_origin(7 * SECOND), Moment::from_origin(10 * SECOND));
        let end = Moment::from_origin(Duration::MAX);
        assert_eq!(seven.saturating_add(3 * SECOND), ten);
        assert_eq!(end.saturating_add(SECOND), end);
        assert_eq!((ten.since(seven), seven.since(ten)), (3 * SECOND, Duration::ZERO));
    }

    /// Stands at 5 s, and is ready for no other moment than 7 s.
    struct Standing;

    impl TimeSource for Standing {
        fn wall(&self) -> Timestamp {
            Timestamp::from_secs(1_000)
        }

        fn monotonic(&self) -> Moment {
            Moment::from_origin(5 * SECOND)
        }

        fn sleep_until(&self, moment: Moment) -> BoxFuture<'static, ()> {
            assert_eq!(moment, Moment::from_origin(7 * SECOND));
            Box::pin(std::future::ready(()))
        }
    }

    #[test]
    fn a_sleep_counts_from_now_and_a_clone_is_the_same_clock() {
        use futures_util::FutureExt;

        let clock = Clock::new(Standing).clone();
        assert_eq!((clock.wall(), clock.monotonic()), (Timestamp::from_secs(1_000), Moment::from_origin(5 * SECOND)));
        let exactly = (clock.wall(), clock.monotonic());
        assert_eq!((clock.coarse_wall(), clock.both()), (exactly.0, exactly), "a source that says nothing of it");
        assert_eq!(clock.sleep(2 * SECOND).now_or_never(), Some(()));
        assert_eq!(clock.sleep_until(Moment::from_origin(7 * SECOND)).now_or_never(), Some(()));
    }

    #[test]
    fn what_is_ready_comes_before_the_end_of_its_time() {
        use futures_util::FutureExt;

        let clock = Clock::new(Standing);
        assert_eq!(clock.within(2 * SECOND, std::future::ready(1)).now_or_never(), Some(Some(1)));
        assert_eq!(clock.within(2 * SECOND, std::future::pending::<()>()).now_or_never(), Some(None));
    }
}
