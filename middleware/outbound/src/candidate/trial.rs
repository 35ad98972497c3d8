//! A row's candidate at work.

use std::sync::Arc;

use tower_identity_core::{CallerContext, Clock, Scopes, Timestamp};

use super::{
    budget::Budget,
    pick::is_picked,
    shadow::{Shadow, Shadows},
};
use crate::{
    acting::{Acting, Whom},
    row::Row,
};

/// Whose tokens are counted: those of a row, or those of its candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Current,
    Candidate,
}

impl Which {
    /// A stable word for metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Candidate => "candidate",
        }
    }
}

/// For whom a candidate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// For nobody yet.
    Shadow { in_flight: u16, per_second: u16 },
    /// For so many of a hundred callers.
    Percent(u8),
}

/// A row's candidate, compiled.
#[derive(Debug, Clone)]
pub(crate) enum Trial {
    Shadow(Arc<Shadows>),
    Percent { percent: u8, row: Box<Row> },
}

impl Trial {
    /// The candidate of a row that asks for these scopes. `row` is the candidate's own.
    pub(crate) fn new(mode: Mode, asked: &Scopes, row: Row, clock: &Clock) -> Self {
        match mode {
            Mode::Shadow { in_flight, per_second } => {
                let budget = Budget::new(in_flight, per_second, clock.clone());
                Self::Shadow(Arc::new(Shadows::new(row, asked.clone(), budget, clock.clone())))
            }
            Mode::Percent(percent) => Self::Percent { percent, row: Box::new(row) },
        }
    }

    /// The candidate's row, if this caller gets it: from then on it is the only one for this request.
    pub(crate) fn picks(&self, acting: Option<&Acting>, scope: Option<&CallerContext>) -> Option<&Row> {
        match self {
            Self::Percent { percent, row } if is_picked(&row.name, caller(acting, scope), *percent) => Some(row),
            Self::Percent { .. } | Self::Shadow(_) => None,
        }
    }

    /// What is to be tried beside the row's own token, once that was obtained.
    pub(crate) fn shadow(
        &self,
        acting: Option<&Acting>,
        scope: Option<&CallerContext>,
        now: Timestamp,
    ) -> Option<Box<Shadow>> {
        match self {
            Self::Shadow(shadows) => Some(Box::new(Shadow::of(shadows, acting, scope, now))),
            Self::Percent { .. } => None,
        }
    }
}

/// For whom a request is made.
fn caller<'c>(acting: Option<&'c Acting>, scope: Option<&'c CallerContext>) -> Option<&'c CallerContext> {
    match Acting::whom(acting) {
        Whom::Caller(caller) => Some(caller),
        Whom::Service => None,
        Whom::InScope => scope,
    }
}
