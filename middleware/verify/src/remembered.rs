//! Tokens that were verified, and need not be verified again.
//!
//! A hit means: *these very bytes were found good, by this verifier, and everything that can have changed since was asked
//! again*. Only what was accepted is remembered, whole tokens are compared and no digest of them, and nothing of a request
//! is kept: how its caller stands, with which user, and when it was judged is decided for each.
//!
//! ```text
//! token ──near, in this thread──▶ shared ──▶ its time? ──▶ key still in the set? ──▶ revoked? ──▶ CallerContext
//!              │                    │            │                  │                   │
//!              └────────────────────┴────────────┴──────────────────┴───────────────────┴ else verified, as if never seen
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | `bounds` | [`Remember`], how much is remembered |
//! | `entry` | one token, and what a hit asks again |
//! | `period` | its time, as the verdict had it |
//! | `shelf` | all of them, for all threads |
//! | `near` | the few that a thread saw last |
//! | `telemetry` | what the operator is told |

mod bounds;
mod entry;
mod near;
mod period;
mod shelf;
mod telemetry;

use std::{fmt, sync::Arc};

use quick_cache::DefaultHashBuilder;
use tower_identity_core::CallerContext;

pub use self::bounds::Remember;
pub(crate) use self::{entry::Grounds, period::Period, telemetry::Whose};
use self::{
    entry::{Again, Entry},
    near::{Kept, Near},
    shelf::Shelf,
};
use crate::trusted::{Trusted, Vouched};

/// The verified tokens of one list of issuers. The callers' and the users' are apart, as their rules are.
pub(crate) struct Memory<B = DefaultHashBuilder> {
    /// `None` where nothing is remembered.
    shelf: Option<Shelf<B>>,
    near: Near,
}

impl Memory {
    pub(crate) fn new(remember: Remember, whose: Whose) -> Self {
        Self::hashing(remember, whose, DefaultHashBuilder::default())
    }
}

impl<B: std::hash::BuildHasher + Clone> Memory<B> {
    /// By this hash, which chooses a place and proves nothing.
    fn hashing(remember: Remember, whose: Whose, hash: B) -> Self {
        Self { shelf: remember.is_something().then(|| Shelf::new(remember, whose, hash)), near: Near::default() }
    }

    /// The caller that this token names, where it was verified before and all that can have changed since is as it was.
    pub(crate) fn recall(&self, token: &[u8]) -> Option<CallerContext> {
        let shelf = self.shelf.as_ref()?;
        let mut place = self.near.place(token).open()?;
        let kept = match &mut *place {
            Some(kept) if kept.entry().text() == token => kept,
            place => place.insert(Kept::new(shelf.get(token)?)),
        };
        match kept.entry().ask_again() {
            Again::Good(now) => {
                let caller = kept.caller(now);
                if kept.is_used_up() {
                    *place = None;
                }
                drop(place);
                shelf.told.hit();
                Some(caller)
            }
            Again::NotNow => None,
            Again::Over => {
                let over = place.take();
                drop(place);
                over.iter().for_each(|kept| shelf.remove(kept.entry()));
                None
            }
        }
    }

    /// That a token has to be verified, though it is one that could have been remembered.
    pub(crate) fn missed(&self) {
        if let Some(shelf) = &self.shelf {
            shelf.told.miss();
        }
    }

    /// Remembers a token that was just found good, and gives its caller.
    pub(crate) fn keep(&self, trusted: &Arc<Trusted>, found: Vouched) -> CallerContext {
        let Vouched { caller, grounds } = found;
        if let Some(shelf) = &self.shelf
            && let Some(entry) = Entry::new(caller.caller_token(), trusted, grounds)
        {
            shelf.add(entry);
        }
        caller
    }
}

/// Nothing of what is remembered: not even that there is any.
impl<B> fmt::Debug for Memory<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("remembers", &self.shelf.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
