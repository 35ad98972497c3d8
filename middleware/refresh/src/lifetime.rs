//! What a loader answers.

use std::time::Duration;

use tower_identity_core::{Refusal, RefusalKind};

use crate::jitter;

/// How long a server that is out of reach is left alone for a value, at most.
const OUTAGE: Duration = Duration::from_secs(2);

/// How long any other failure is the answer for its value: so that a handler which tries in a loop does not have an
/// authorization server refuse as often. Nobody is refused for longer than it takes to read why.
const REFUSED: Duration = Duration::from_secs(1);

/// The two ends of a value's life, counted from when its load began, so that the answer's way here is not added to it.
///
/// Until `fresh` the value is handed out as it is. From then until `usable` it is still handed out, and the next ask
/// begins a refresh in the background. After that it is gone. `fresh` is never the later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    fresh: Duration,
    usable: Duration,
}

impl Lifetime {
    /// A life of this length, refreshed ahead of its end: after 70 to 80 % of it, at random, so that values that were
    /// loaded together are not refreshed together.
    #[must_use]
    pub fn of(usable: Duration) -> Self {
        Self::jittered(usable, jitter())
    }

    /// [`of`](Self::of), with the random number given by the caller: 0 is 70 %, [`u32::MAX`] is 80 %.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_identity_refresh::Lifetime;
    ///
    /// let hour = Duration::from_secs(3600);
    /// assert_eq!(Lifetime::jittered(hour, 0).fresh(), Duration::from_secs(2520));
    /// assert_eq!(Lifetime::jittered(hour, u32::MAX).fresh(), Duration::from_secs(2880));
    /// ```
    #[must_use]
    pub fn jittered(usable: Duration, random: u32) -> Self {
        let tenth = usable / 10;
        Self::new(tenth * 7 + tenth.mul_f64(f64::from(random) / f64::from(u32::MAX)), usable)
    }

    /// Both ends said explicitly. A `fresh` after `usable` is cut to it.
    #[must_use]
    pub fn new(fresh: Duration, usable: Duration) -> Self {
        Self { fresh: fresh.min(usable), usable }
    }

    /// When the next ask refreshes.
    #[must_use]
    pub const fn fresh(self) -> Duration {
        self.fresh
    }

    /// When the value is gone.
    #[must_use]
    pub const fn usable(self) -> Duration {
        self.usable
    }
}

/// What a load brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded<T> {
    /// The value.
    pub value: T,
    /// How long it is good for. With a life of zero, only those who wait for this flight get the value.
    pub lifetime: Lifetime,
}

/// How a load failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed<E> {
    /// Why: what everybody who waits for this flight gets.
    pub error: E,
    /// How long asks get this same failure instead of another flight, counted from when it landed. Zero: no longer
    /// than it takes to tell those who wait; a refresh in the background still pauses for a second.
    pub retry_after: Duration,
}

impl Failed<Refusal> {
    /// A failure of an authorization server or of a caller at one, for everybody who waits for it and whoever asks within a
    /// moment: 1 s, or, of an outage, as long as the server says and 2 s at most. Not quite the same moment for all, so that what
    /// fails together is not tried together.
    #[must_use]
    pub fn for_a_moment(error: Refusal) -> Self {
        let retry_after = match error.kind() {
            RefusalKind::Unavailable { retry_after } => jittered(*retry_after, OUTAGE),
            _ => jittered(REFUSED, REFUSED),
        };
        Self { error, retry_after }
    }
}

/// So long, or up to a quarter longer, and never longer than the limit, below which it differs too.
fn jittered(wanted: Duration, limit: Duration) -> Duration {
    let (least, most) = (wanted.min(limit / 4 * 3), wanted.saturating_add(wanted.min(limit) / 4).min(limit));
    least + (most - least).mul_f64(f64::from(jitter()) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn out_b4_a_failure_is_the_answer_for_a_moment_and_for_no_more_than_two_seconds() {
        let outage = |seconds| RefusalKind::Unavailable { retry_after: Duration::from_secs(seconds) };
        let cases = [
            (outage(0), 0, 0),
            (outage(1), 1000, 1250),
            (outage(2), 1500, 2000),
            (outage(30), 1500, 2000),
            (outage(u64::MAX), 1500, 2000),
            (RefusalKind::InvalidToken, 750, 1000),
            (RefusalKind::BadUpstream, 750, 1000),
        ];
        for (kind, least, most) in cases {
            let failed = || Failed::for_a_moment(Refusal::new(kind.clone(), "test")).retry_after.as_millis();
            let all: HashSet<_> = (0..64).map(|_| failed()).collect();
            assert!(all.iter().all(|millis| (least..=most).contains(millis)), "{kind:?}: {all:?}");
            assert!(least == most || all.len() > 32, "thrown 64 times: {all:?}");
        }
    }

    #[test]
    fn a_life_is_refreshed_after_70_to_80_percent_and_not_always_at_once() {
        let hour = Duration::from_secs(3600);
        let starts: HashSet<_> = (0..64).map(|_| Lifetime::of(hour).fresh()).collect();
        assert!(starts.iter().all(|start| (2520..=2880).contains(&start.as_secs())), "{starts:?}");
        assert!(starts.len() > 32, "thrown 64 times: {starts:?}");
    }

    #[test]
    fn no_length_of_life_is_too_short_or_too_long() {
        for usable in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
            for random in [0, u32::MAX] {
                let life = Lifetime::jittered(usable, random);
                assert!(life.fresh() <= life.usable(), "{life:?}");
                assert_eq!(life.usable(), usable);
            }
        }
    }

    #[test]
    fn fresh_is_never_the_later_end() {
        let (one, two) = (Duration::from_secs(1), Duration::from_secs(2));
        assert_eq!((Lifetime::new(one, two).fresh(), Lifetime::new(one, two).usable()), (one, two));
        assert_eq!(Lifetime::new(two, one), Lifetime::new(one, one));
    }
}
