//! Whether an endpoint is left alone, because it was out of reach again and again.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tower_identity_core::{Clock, Issuer, Moment};

use super::telemetry;

/// How many outages in a row open the breaker. Any answer in between begins the count anew, so that one user whose
/// token the server cannot cope with does not take it from the others.
pub(super) const OUTAGES: u32 = 5;

/// How long it stays open before one call tries the endpoint again, where the server names no longer time.
pub(super) const OPEN: Duration = Duration::from_secs(5);

/// What the others are told while that one call is under way.
const PROBING: Duration = Duration::from_secs(1);

/// The breaker of one endpoint.
pub(super) struct Breaker {
    issuer: Issuer,
    /// The endpoint, as operators are told of it.
    endpoint: Box<str>,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed {
        /// In a row.
        outages: u32,
    },
    Open {
        until: Moment,
    },
    /// One call finds out whether the endpoint is back.
    Probing,
}

/// The right to call an endpoint once, and the duty to say what came of it. Dropped without a word it says nothing:
/// another call may probe.
#[must_use]
pub(super) struct Pass {
    breaker: Arc<Breaker>,
    probes: bool,
}

impl Breaker {
    pub(super) fn new(issuer: Issuer, endpoint: impl Into<Box<str>>, clock: Clock) -> Self {
        let state = Mutex::new(State::Closed { outages: 0 });
        Self { issuer, endpoint: endpoint.into(), clock, state }
    }

    /// How long the endpoint is left alone yet. `None` where a call may be made now.
    pub(super) fn left(&self) -> Option<Duration> {
        self.state().left(self.clock.monotonic())
    }

    /// Lets one call through, or tells how long the endpoint is left alone.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Pass, Duration> {
        let now = self.clock.monotonic();
        let mut state = self.state();
        match state.left(now) {
            Some(left) => Err(left),
            None => {
                let probes = matches!(*state, State::Open { .. });
                if probes {
                    *state = State::Probing;
                }
                Ok(Pass { breaker: Arc::clone(self), probes })
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn left(self, now: Moment) -> Option<Duration> {
        match self {
            Self::Open { until } if now < until => Some(until.since(now)),
            Self::Probing => Some(PROBING),
            Self::Open { .. } | Self::Closed { .. } => None,
        }
    }
}

impl Pass {
    /// The server answers, whatever it says: it is there. Also when the call was begun before the breaker opened.
    pub(super) fn answered(mut self) {
        self.probes = false;
        let Breaker { issuer, endpoint, .. } = &*self.breaker;
        let before = std::mem::replace(&mut *self.breaker.state(), State::Closed { outages: 0 });
        if !matches!(before, State::Closed { .. }) {
            telemetry::closed(issuer, endpoint);
        }
    }

    /// The server does not answer, or says that it cannot. Of the calls that were begun before the breaker opened, this
    /// is no news.
    pub(super) fn outage(mut self, retry_after: Option<Duration>) {
        let probes = std::mem::take(&mut self.probes);
        let Breaker { issuer, endpoint, clock, .. } = &*self.breaker;
        let open_for = retry_after.unwrap_or_default().max(OPEN);
        let open = State::Open { until: clock.monotonic().saturating_add(open_for) };
        let mut state = self.breaker.state();
        match *state {
            State::Closed { outages } if outages + 1 < OUTAGES => *state = State::Closed { outages: outages + 1 },
            State::Closed { .. } => {
                *state = open;
                drop(state);
                telemetry::opened(issuer, endpoint, open_for);
            }
            State::Probing if probes => *state = open,
            State::Probing | State::Open { .. } => {}
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.probes {
            let now = self.breaker.clock.monotonic();
            let mut state = self.breaker.state();
            if *state == State::Probing {
                *state = State::Open { until: now };
            }
        }
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("endpoint", &self.endpoint)
            .field("state", &*self.state())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
