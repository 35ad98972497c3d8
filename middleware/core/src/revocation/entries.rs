//! What is revoked of one issuer, and forgetting it.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use super::{
    Mark, Of,
    change::Told,
    marks::{Marks, Times},
};
use crate::{Moment, Timestamp};

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Entries of an issuer.
    pub(super) capacity: usize,
    /// How long the longest-lived token lives.
    pub(super) retention: Duration,
}

impl Bounds {
    /// For how long after it was revoked a sign-in is refused in tokens that are issued on it all the same: half of the
    /// retention, so that a mark which is old holds up nobody.
    pub(super) fn reach(self) -> Duration {
        self.retention / 2
    }
}

/// The entries of one issuer, by what they name and by their times.
#[derive(Debug, Default)]
pub(super) struct Entries {
    until: HashMap<Of, Timestamp>,
    by_time: BTreeSet<(Timestamp, Of)>,
    marks: Marks,
    told: Told,
}

impl Entries {
    /// Enters it, and forgets what is too much. Nothing where that covers no more than before.
    pub(super) fn enter(&mut self, of: Option<Of>, until: Timestamp, bounds: Bounds, now: Moment) -> Option<Mark> {
        let is_of_sign_in = of.as_ref().is_some_and(Of::is_of_sign_in);
        if self.marks.include(until, is_of_sign_in) {
            return None;
        }
        let Some(of) = of else {
            self.marks.raise(until, false);
            return Some(Mark::Kept);
        };
        match self.until.get(&of) {
            Some(known) if *known >= until => return None,
            Some(known) => self.by_time.remove(&(*known, of.clone())),
            None => false,
        };
        self.until.insert(of.clone(), until);
        self.by_time.insert((until, of));
        Some(if self.forget(bounds) { self.told.raised(now) } else { Mark::Kept })
    }

    /// The earliest go first: the marks are raised by as little as can be. Whether any had to go.
    fn forget(&mut self, bounds: Bounds) -> bool {
        let is_full = self.until.len() > bounds.capacity;
        while self.until.len() > bounds.capacity
            && let Some((until, of)) = self.by_time.pop_first()
        {
            self.until.remove(&of);
            self.marks.raise(until, of.is_of_sign_in());
        }
        is_full
    }

    pub(super) fn len(&self) -> usize {
        self.until.len()
    }

    /// Whether the marks cover the token, whatever it names.
    pub(super) fn marks_cover(&self, token: Times, bounds: Bounds) -> bool {
        self.marks.cover(token, bounds.reach())
    }

    /// Whether an entry covers a token that has this name.
    pub(super) fn cover(&self, of: &Of, token: Times, bounds: Bounds) -> bool {
        self.until.get(of).is_some_and(|until| {
            token.issued_by(*until) || (of.is_of_sign_in() && token.signed_in_by(*until, bounds.reach()))
        })
    }
}
