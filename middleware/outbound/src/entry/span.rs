//! From when to when a token is used, in the room of one number.

use std::time::Duration;

use tower_identity_core::Timestamp;

/// How long after the beginning of an entry, which ends long before this does: within an hour, and this is 49 days.
pub(super) type Millis = u32;

/// The bits of the length.
const LENGTH: u32 = 20;

/// What the length is counted in, in milliseconds: with it a length has room for 70 minutes.
const STEP: Millis = 4;

/// When it was asked for, in milliseconds, with room until the year 2527, and above the bits of how long it is used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span(u64);

impl Span {
    /// The length is cut to what there is room for: a token is not used for longer, and most are used for less.
    pub(super) fn new(began: Timestamp, length: Duration) -> Self {
        let began = unix_millis(began).min(u64::MAX >> LENGTH);
        let length = u64::from(millis(length) / STEP).min((1 << LENGTH) - 1);
        Self((began << LENGTH) | length)
    }

    /// When it was asked for, in milliseconds.
    pub(super) fn began(self) -> u64 {
        self.0 >> LENGTH
    }

    fn length(self) -> Millis {
        (self.0 & ((1 << LENGTH) - 1)) as Millis * STEP
    }

    /// How long ago it was asked for. None where the clock stands before that: it was set back, and says nothing of this
    /// token.
    #[inline]
    pub(super) fn age(self, now: Timestamp) -> Option<Millis> {
        let age = unix_millis(now).checked_sub(self.began())?;
        Some(age.try_into().unwrap_or(Millis::MAX))
    }

    /// Whether it has begun, and not ended.
    #[inline]
    pub(super) fn covers(self, now: Timestamp) -> bool {
        self.age(now).is_some_and(|age| age < self.length())
    }

    pub(super) fn end(self) -> Timestamp {
        Timestamp::from_unix(Duration::from_millis(self.began() + u64::from(self.length())))
    }
}

pub(super) fn millis(duration: Duration) -> Millis {
    duration.as_millis().try_into().unwrap_or(Millis::MAX)
}

/// In 64 bits, which hold some 584 million years.
#[inline]
fn unix_millis(time: Timestamp) -> u64 {
    let since = time.since_epoch();
    since.as_secs().saturating_mul(1000).saturating_add(since.subsec_millis().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGAN: u64 = 1_800_000_000_123;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_unix(Duration::from_millis(millis))
    }

    #[test]
    fn out_b3_a_span_is_never_longer_than_it_was_meant_to_be() {
        let hour = 3_600_000;
        for (meant, length) in [
            (0, 0),
            (3, 0),
            (4, 4),
            (999, 996),
            (1000, 1000),
            (hour, hour),
            (2 * hour, 4_194_300),
            (u64::from(u32::MAX) * 2, 4_194_300),
        ] {
            let span = Span::new(at(BEGAN), Duration::from_millis(meant));
            assert_eq!((span.began(), span.end()), (BEGAN, at(BEGAN + length)), "{meant}");
            for (now, covered) in [(BEGAN - 1, false), (BEGAN, length > 0), (BEGAN + length, false), (u64::MAX, false)]
            {
                assert_eq!(span.covers(at(now)), covered, "{meant} {now}");
            }
            assert!(length == 0 || span.covers(at(BEGAN + length - 1)), "{meant}");
        }
    }

    #[test]
    fn out_b3_what_begins_when_there_is_no_room_for_is_of_no_use() {
        let span = Span::new(Timestamp::from_unix(Duration::MAX), Duration::from_secs(3600));
        assert!(!span.covers(Timestamp::from_unix(Duration::MAX)));
        assert_eq!(span.age(at(BEGAN)), None);
    }
}
