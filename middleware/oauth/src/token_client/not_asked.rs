//! Why an authorization server was not asked at all.

use std::time::Duration;

use super::{breaker::OUTAGES, line::IN_FLIGHT};
use crate::{DEADLINE, DEFAULT_RETRY_AFTER};

/// Why an authorization server was not asked at all: the source of a [`TokenError`](crate::TokenError) whose kind is
/// [`Unavailable`](crate::TokenErrorKind::Unavailable).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAsked {
    /// As many calls as may be are under way, and as many as may wait do.
    #[error(
        "{IN_FLIGHT} calls are under way there and {room} wait; raise the server's line, or find out why it is slow"
    )]
    LineFull {
        /// How many may wait.
        room: usize,
    },
    /// The turn did not come in time.
    #[error("{IN_FLIGHT} calls are under way there, and no turn came within {} s", DEADLINE.as_secs())]
    NoTurn,
    /// A [refresh](crate::Urgency::Refresh) gives way to those who wait. The token that it was to replace is good.
    #[error("a refresh gives way to those who wait")]
    GaveWay,
    /// None of the server's endpoints has answered of late.
    #[error("it was out of reach {OUTAGES} times in a row, and is left alone for {} ms", .left.as_millis())]
    BreakerOpen {
        /// When the first of them is tried again.
        left: Duration,
    },
}

impl NotAsked {
    /// A stable word for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LineFull { .. } => "line_full",
            Self::NoTurn => "no_turn",
            Self::GaveWay => "gave_way",
            Self::BreakerOpen { .. } => "breaker_open",
        }
    }

    /// When it is worth another try.
    #[must_use]
    pub const fn retry_after(self) -> Duration {
        match self {
            Self::BreakerOpen { left } => left,
            Self::LineFull { .. } | Self::NoTurn | Self::GaveWay => DEFAULT_RETRY_AFTER,
        }
    }
}
