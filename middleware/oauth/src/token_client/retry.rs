//! When a call is made once more: seldom, and never past its deadline.
//!
//! Most grants may be repeated. What is lost of an answer is a token that nobody has, which ends by itself; and every
//! attempt is composed anew, so that a client's assertion, which is good for one use, is never sent twice. An assertion
//! that is the grant itself has one attempt (RFC 7523 §3).

use std::time::Duration;

use http::StatusCode;
use tower_identity_core::Moment;

use super::Urgency;
use crate::{
    DEADLINE, FetchError,
    http::{Answer, is_transient},
};

/// How often a call is made again at most.
const RETRIES: u32 = 2;

/// The longest pause before the first attempt that follows; twice that before the next.
const PAUSE: Duration = Duration::from_millis(100);

/// What an attempt says of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// It answers. What it answers stands, a refusal too.
    Answers,
    /// It answers that we ask too often (429).
    Throttles { retry_after: Option<Duration> },
    /// There was no connection, or it broke off.
    Unreachable,
    /// What stands before it, or it, says that it cannot now (502, 503, 504).
    Down { retry_after: Option<Duration> },
    /// It was too slow, or fails in a way that does not pass (500 and others). Asking again would add to its load.
    Ails,
}

impl Health {
    pub(super) fn of(attempt: &Result<Answer, FetchError>) -> Self {
        match attempt {
            Ok(Answer { status, retry_after, .. }) => match *status {
                StatusCode::TOO_MANY_REQUESTS => Self::Throttles { retry_after: *retry_after },
                StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                    Self::Down { retry_after: *retry_after }
                }
                status if is_transient(status) => Self::Ails,
                _ => Self::Answers,
            },
            Err(FetchError::Unreachable(_)) => Self::Unreachable,
            Err(FetchError::Timeout { .. }) => Self::Ails,
            Err(_) => Self::Answers,
        }
    }

    /// Whether the breaker counts it.
    pub(super) fn is_outage(self) -> bool {
        match self {
            Self::Unreachable | Self::Down { .. } | Self::Ails => true,
            Self::Answers | Self::Throttles { .. } => false,
        }
    }

    pub(super) fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Throttles { retry_after } | Self::Down { retry_after } => retry_after,
            Self::Answers | Self::Unreachable | Self::Ails => None,
        }
    }
}

/// What comes after an attempt that brought no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The failure stands.
    GiveUp,
    /// Another endpoint, at once.
    Elsewhere,
    /// Another attempt, after this pause.
    After(Duration),
}

/// The attempts of one call.
#[derive(Debug)]
pub(super) struct Attempts {
    left: u32,
    pause: Duration,
    ends_at: Moment,
}

impl Attempts {
    /// Those of a call whose turn has come: [`DEADLINE`] is for all of them.
    pub(super) fn new(urgency: Urgency, now: Moment) -> Self {
        let left = match urgency {
            Urgency::Waiting => RETRIES,
            Urgency::Refresh => 0,
        };
        Self { left, pause: PAUSE, ends_at: now.saturating_add(DEADLINE) }
    }

    /// The only attempt of a call that cannot be made again.
    pub(super) fn one(now: Moment) -> Self {
        Self { left: 0, pause: PAUSE, ends_at: now.saturating_add(DEADLINE) }
    }

    /// How long the call may take yet.
    pub(super) fn time_left(&self, now: Moment) -> Duration {
        self.ends_at.since(now)
    }

    /// What comes now. A server that says when to come back is taken at its word, on whatever way it was asked; where it
    /// says nothing, another endpoint costs it nothing. The pause is random, from nothing on (*full jitter*), so that
    /// calls which failed together do not come back together; `random` is how much of it, of [`u32::MAX`].
    pub(super) fn after(&mut self, health: Health, elsewhere: bool, now: Moment, random: u32) -> Next {
        let Some(left) = self.left.checked_sub(1) else { return Next::GiveUp };
        let jitter = self.pause.mul_f64(f64::from(random) / f64::from(u32::MAX));
        let next = match health {
            Health::Answers | Health::Ails | Health::Throttles { retry_after: None } => return Next::GiveUp,
            Health::Throttles { retry_after: Some(wish) } | Health::Down { retry_after: Some(wish) } => {
                Next::After(wish + jitter)
            }
            Health::Unreachable | Health::Down { retry_after: None } if elsewhere => Next::Elsewhere,
            Health::Unreachable | Health::Down { retry_after: None } => Next::After(jitter),
        };
        let pause = if let Next::After(pause) = next { pause } else { Duration::ZERO };
        if pause >= self.time_left(now) {
            return Next::GiveUp;
        }
        self.left = left;
        self.pause *= 2;
        next
    }
}

#[cfg(test)]
mod tests;
