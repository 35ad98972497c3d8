//! The rules of a slot, without I/O and without a clock: each call says what time it is.

use std::time::Duration;

use tower_identity_core::Moment;

use crate::{Failed, Loaded};

/// How long a refresh in the background pauses at least after it failed, so that a loader that fails at once is not
/// asked by every request.
pub(crate) const REFRESH_PAUSE: Duration = Duration::from_secs(1);

/// What a slot knows. `F` stands for a flight; the machine only hands it on.
///
/// At most one flight is in the air, whatever is asked: an ask that the flight cannot serve waits for its end. Flights
/// and values that are put in are numbered together, in the order in which they began.
#[derive(Debug)]
pub(crate) struct State<T, E, F> {
    held: Option<Held<T>>,
    failure: Option<Failure<E>>,
    in_the_air: Option<InTheAir<F>>,
    latest: Number,
    /// What a flight up to this number brings is not kept.
    discarded: Number,
}

type Number = u64;

#[derive(Debug)]
struct Held<T> {
    value: T,
    number: Number,
    began: Moment,
    refresh_at: Moment,
    ends_at: Moment,
}

#[derive(Debug)]
struct Failure<E> {
    error: E,
    until: Moment,
}

#[derive(Debug)]
struct InTheAir<F> {
    flight: F,
    number: Number,
    began: Moment,
}

/// What an ask accepts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Need {
    /// Whatever is usable.
    Usable,
    /// Only what was loaded later than a moment, by the clock or by [number](State::newer_than).
    Newer { since: Moment, number: Number },
}

/// What becomes of an ask.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer<T, E, F> {
    /// Here is the value.
    Ready(T),
    /// Here is the value, and a flight that is the asker's to start: its result is for later asks.
    Refresh(T, F),
    /// The last flight failed, and it is not time for another.
    Failed(E),
    /// Wait for the end of this flight; its result is the answer.
    Join(F),
    /// Wait for the end of this flight, then ask again: it began too early.
    Behind(F),
    /// This flight is the asker's to start; its result is the answer.
    Depart(F),
}

impl<T, E, F> State<T, E, F> {
    pub(crate) const fn new() -> Self {
        Self { held: None, failure: None, in_the_air: None, latest: 0, discarded: 0 }
    }

    /// What is newer than the moment, for an ask that is made now.
    pub(crate) fn newer_than(&self, since: Moment) -> Need {
        Need::Newer { since, number: self.latest }
    }

    pub(crate) fn flight(&self) -> Option<&F> {
        self.in_the_air.as_ref().map(|air| &air.flight)
    }

    /// Takes a value in as if a flight that began and landed now had brought it.
    pub(crate) fn put(&mut self, now: Moment, loaded: Loaded<T>) {
        self.latest += 1;
        self.discarded = self.latest;
        self.failure = None;
        self.held = Held::new(self.latest, now, now, loaded);
    }

    /// Forgets the value if it is the one that is meant.
    pub(crate) fn evict(&mut self, which: impl FnOnce(&T) -> bool) {
        self.held.take_if(|held| which(&held.value));
    }

    /// Forgets the value and the failure, and whatever the flight in the air will bring.
    pub(crate) fn clear(&mut self) {
        self.discarded = self.latest;
        self.failure = None;
        self.held = None;
    }

    /// The flight in the air died without a result.
    pub(crate) fn lose(&mut self, now: Moment) {
        self.in_the_air = None;
        self.pause_refresh(now, REFRESH_PAUSE);
    }

    fn pause_refresh(&mut self, now: Moment, pause: Duration) {
        if let Some(held) = &mut self.held {
            held.refresh_at = held.refresh_at.max(now.saturating_add(pause));
        }
    }
}

impl<T: Clone, E: Clone, F: Clone> State<T, E, F> {
    /// The value, if it is usable.
    pub(crate) fn usable(&self, now: Moment) -> Option<T> {
        let held = self.held.as_ref().filter(|held| now < held.ends_at)?;
        Some(held.value.clone())
    }

    /// The failure that an ask would get.
    pub(crate) fn failure(&self, now: Moment) -> Option<E> {
        if self.held.as_ref().is_some_and(|held| now < held.ends_at) {
            return None;
        }
        self.failure.as_ref().filter(|failure| now < failure.until).map(|failure| failure.error.clone())
    }

    /// The value, if it is usable and nothing is to be done about its age.
    pub(crate) fn settled(&self, now: Moment) -> Option<T> {
        let held = self.held.as_ref().filter(|held| now < held.ends_at)?;
        (!self.wants_refresh(held, now)).then(|| held.value.clone())
    }

    fn wants_refresh(&self, held: &Held<T>, now: Moment) -> bool {
        held.refresh_at <= now && self.in_the_air.is_none()
    }

    /// An ask. `begin` makes the flight, where the answer has one to start.
    pub(crate) fn ask(&mut self, now: Moment, need: Need, begin: impl FnOnce() -> F) -> Answer<T, E, F> {
        self.held.take_if(|held| held.ends_at <= now);
        self.failure.take_if(|failure| failure.until <= now);
        if let Some(held) = self.held.as_ref().filter(|held| need.is_met_by(held)) {
            let value = held.value.clone();
            return if self.wants_refresh(held, now) {
                Answer::Refresh(value, self.depart(now, begin))
            } else {
                Answer::Ready(value)
            };
        }
        if let Some(failure) = &self.failure {
            return Answer::Failed(failure.error.clone());
        }
        match &self.in_the_air {
            Some(air) if air.number > self.discarded && need.may_join(air) => Answer::Join(air.flight.clone()),
            Some(air) => Answer::Behind(air.flight.clone()),
            None => Answer::Depart(self.depart(now, begin)),
        }
    }

    fn depart(&mut self, now: Moment, begin: impl FnOnce() -> F) -> F {
        let flight = begin();
        self.latest += 1;
        self.in_the_air = Some(InTheAir { flight: flight.clone(), number: self.latest, began: now });
        flight
    }

    /// The flight in the air landed. Keeps what it brought, unless that was discarded meanwhile, and gives back the
    /// result for those who wait.
    pub(crate) fn land(&mut self, now: Moment, outcome: Result<Loaded<T>, Failed<E>>) -> Result<T, E> {
        let (number, began) = self.in_the_air.as_ref().map_or((0, now), |air| (air.number, air.began));
        let kept = number > self.discarded;
        let result = match outcome {
            Ok(loaded) => {
                let value = loaded.value.clone();
                if kept {
                    self.failure = None;
                    self.held = Held::new(number, began, now, loaded);
                }
                Ok(value)
            }
            Err(Failed { error, retry_after }) => {
                if kept {
                    self.pause_refresh(now, retry_after.max(REFRESH_PAUSE));
                    self.failure = Some(Failure { error: error.clone(), until: now.saturating_add(retry_after) });
                }
                Err(error)
            }
        };
        // Last, so that a panic above leaves the flight where `lose` finds it.
        self.in_the_air = None;
        result
    }
}

impl<T> Held<T> {
    fn new(number: Number, began: Moment, now: Moment, Loaded { value, lifetime }: Loaded<T>) -> Option<Self> {
        let refresh_at = began.saturating_add(lifetime.fresh());
        let ends_at = began.saturating_add(lifetime.usable());
        (now < ends_at).then_some(Self { value, number, began, refresh_at, ends_at })
    }
}

impl Need {
    fn is_met_by<T>(self, held: &Held<T>) -> bool {
        match self {
            Self::Usable => true,
            Self::Newer { since, number } => held.number > number || held.began > since,
        }
    }

    /// A flight that began at that very moment counts: it is still in the air, and the clock cannot tell the order.
    fn may_join<F>(self, air: &InTheAir<F>) -> bool {
        match self {
            Self::Usable => true,
            Self::Newer { since, number } => air.number > number || air.began >= since,
        }
    }
}

#[cfg(test)]
mod tests;
