//! What a revocation changed, for whoever tells the operator.

use std::time::Duration;

use crate::{Issuer, Moment};

/// What one revocation has changed. Names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change<'a> {
    /// Whose tokens.
    pub issuer: &'a Issuer,
    /// Which of them, in a word: [`Revocation::kind`](crate::Revocation::kind).
    pub kind: &'static str,
    /// How many entries are kept now, of all issuers.
    pub entries: usize,
    /// What became of the issuer's mark.
    pub mark: Mark,
}

/// Whether an entry had to leave, so that its issuer's mark covers it from now on, and many a token that nobody revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// There was room.
    Kept,
    /// It was raised, for the first time in a minute.
    Raised,
    /// It was raised again within a minute of that.
    RaisedAgain,
}

/// When it was last told that a mark was raised.
#[derive(Debug, Default)]
pub(super) struct Told(Option<Moment>);

impl Told {
    const PERIOD: Duration = Duration::from_secs(60);

    pub(super) fn raised(&mut self, now: Moment) -> Mark {
        if self.0.is_some_and(|then| now.since(then) < Self::PERIOD) {
            return Mark::RaisedAgain;
        }
        self.0 = Some(now);
        Mark::Raised
    }
}
