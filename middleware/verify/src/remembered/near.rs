//! The few tokens that a thread saw last.
//!
//! Threads that ask one map for one token wait for each other at its lock and its counts of references, for longer than
//! anything else here takes. So each thread has a few entries at hand. They are asked again as all others are: a thread
//! keeps no verdict, only the way to it, and the words of the last one, for a verdict of the same time says the same.

use std::{cell::Cell, sync::Arc};

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

/// Where one entry is near, if there is one.
#[derive(Default)]
pub(super) struct Place(Cell<Option<Kept>>);

/// An entry, taken out of its place.
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
    /// Takes the entry of this very token, if it is here. Whoever finds it good puts it back.
    pub(super) fn take(&self, token: &[u8]) -> Option<Kept> {
        let kept = self.0.take()?;
        if kept.entry.text() != token {
            self.0.set(Some(kept));
            return None;
        }
        Some(kept)
    }

    /// Puts an entry here, whoever is here, or nowhere when its uses are over.
    pub(super) fn put(&self, kept: Kept) {
        if let Some(uses) = kept.uses.checked_sub(1) {
            self.0.set(Some(Kept { uses, ..kept }));
        }
    }
}

impl Kept {
    /// An entry from the shelf, which may be put near.
    pub(super) fn new(entry: Arc<Entry>) -> Self {
        Self { entry, uses: USES, caller: None }
    }

    pub(super) fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }

    /// The caller of a request that was found good at this time: where the clock has not moved on, the one that was made
    /// for the request before.
    pub(super) fn caller(&mut self, now: Timestamp) -> CallerContext {
        let caller = self.caller.take().filter(|caller| caller.judged_at() == now);
        self.caller.insert(caller.unwrap_or_else(|| self.entry.caller(now))).clone()
    }
}
