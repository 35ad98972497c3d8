//! The few tokens that a thread saw last.
//!
//! Threads that ask one map for one token wait for each other at its lock and its counts of references, for longer than
//! anything else here takes. So each thread has a few entries at hand. They are asked again as all others are: a thread
//! keeps no verdict, only the way to it, and the words of the last one, for a verdict of the same time says the same.

use std::{
    cell::{RefCell, RefMut},
    sync::Arc,
};

use thread_local::ThreadLocal;
use tower_identity_core::{CallerContext, Timestamp};

use super::entry::Entry;

/// How many tokens a thread has at hand.
const PLACES: usize = 8;

/// How often in a row a token is found near before it is looked for on the shelf again: so that it counts as used there.
const USES: u32 = 64;

/// Of each thread its own, and all of them gone with the verifier.
#[derive(Default)]
pub(super) struct Near(ThreadLocal<[Place; PLACES]>);

/// Where one entry is near, if there is one. Nothing is moved to be asked again.
#[derive(Default)]
pub(super) struct Place(RefCell<Option<Kept>>);

/// An entry that is near.
pub(super) struct Kept {
    entry: Arc<Entry>,
    uses: u32,
    caller: Option<CallerContext>,
}

impl Near {
    /// The place of this token, in this thread.
    pub(super) fn place(&self, token: &[u8]) -> &Place {
        // By the end of the signature, which is as good as random.
        let end = token.last_chunk::<8>().map_or(0, |end| u64::from_le_bytes(*end));
        // Fibonacci hashing: the upper bits of the product hold something of every byte.
        let at = end.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - PLACES.ilog2());
        &self.0.get_or_default()[at as usize]
    }
}

impl Place {
    /// What is here. `None` where it is being asked again, further up in this thread: by whatever hears of that, and asks for
    /// a token itself.
    pub(super) fn open(&self) -> Option<RefMut<'_, Option<Kept>>> {
        self.0.try_borrow_mut().ok()
    }
}

impl Kept {
    /// An entry from the shelf.
    pub(super) fn new(entry: Arc<Entry>) -> Self {
        Self { entry, uses: USES, caller: None }
    }

    pub(super) fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }

    /// The caller of a request that was found good at this time: where the clock has not moved on, the one that was made
    /// for the request before.
    pub(super) fn caller(&mut self, now: Timestamp) -> CallerContext {
        let known = self.caller.take().filter(|caller| caller.judged_at() == now);
        self.caller.insert(known.unwrap_or_else(|| self.entry.caller(now))).clone()
    }

    /// Counts a use. Whether it was the last.
    pub(super) fn is_used_up(&mut self) -> bool {
        let left = self.uses.checked_sub(1);
        self.uses = left.unwrap_or(0);
        left.is_none()
    }
}
