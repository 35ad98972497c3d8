//! The system's tick: the wall time that it writes down some hundred times a second.
//!
//! To read it is to read memory. The exact time is asked of the processor, which is among the dearest things that a
//! request does whose token is remembered: 40 ns on a virtual machine, where this is 4.

pub(crate) use self::system::Ticks;

#[cfg(target_os = "linux")]
mod system {
    use std::time::Duration;

    use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};
    use tower_identity_core::Timestamp;

    /// Where ticks are read.
    #[derive(Debug)]
    pub(crate) struct Ticks {
        apart: Duration,
    }

    impl Ticks {
        pub(crate) fn new() -> Self {
            Self { apart: duration(clock_getres(ClockId::RealtimeCoarse)) }
        }

        /// The tick before now.
        #[inline]
        pub(crate) fn last(&self) -> Timestamp {
            Timestamp::from_unix(duration(clock_gettime(ClockId::RealtimeCoarse)))
        }

        /// The one after it.
        #[inline]
        pub(crate) fn after(&self, last: Timestamp) -> Timestamp {
            last.saturating_add(self.apart)
        }
    }

    /// Times before 1970 become 1970.
    fn duration(time: Timespec) -> Duration {
        let (Ok(seconds), Ok(nanos)) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec)) else {
            return Duration::ZERO;
        };
        Duration::new(seconds, nanos)
    }

    #[cfg(all(test, not(loom)))]
    mod tests {
        use super::*;

        #[test]
        fn a_tick_before_1970_is_1970() {
            let at = |tv_sec, tv_nsec| duration(Timespec { tv_sec, tv_nsec });
            for (got, expected) in [
                (at(1, 999_999_999), Duration::new(1, 999_999_999)),
                (at(0, 0), Duration::ZERO),
                (at(-1, 999_999_999), Duration::ZERO),
                (at(i64::MIN, 0), Duration::ZERO),
            ] {
                assert_eq!(got, expected);
            }
        }

        #[test]
        fn the_next_tick_is_the_resolution_after_the_last_one() {
            let ticks = Ticks::new();
            let last = Timestamp::from_secs(10);
            let apart = ticks.after(last).since(last);
            assert!(Duration::from_millis(1) <= apart && apart <= Duration::from_millis(10), "{apart:?}");
        }
    }
}

/// Elsewhere there are none, and each look is at a tick.
#[cfg(not(target_os = "linux"))]
mod system {
    use std::time::SystemTime;

    use tower_identity_core::Timestamp;

    #[derive(Debug)]
    pub(crate) struct Ticks;

    impl Ticks {
        pub(crate) fn new() -> Self {
            Self
        }

        #[expect(clippy::disallowed_methods, reason = "it is read for the clock that the ban points to")]
        pub(crate) fn last(&self) -> Timestamp {
            Timestamp::from_system(SystemTime::now())
        }

        pub(crate) fn after(&self, last: Timestamp) -> Timestamp {
            last
        }
    }
}
