//! The few tokens that a thread saw last.
//!
//! Threads that ask one map for one token wait for each other at its lock and its counts of references, for longer than
//! anything else here takes. So each thread has a few entries at hand. They are asked again as all others are, and know
//! nothing of their own: a thread keeps no verdict, only the way to it.

use std::{cell::Cell, sync::Arc};

use thread_local::ThreadLocal;

use super::entry::Entry;

/// How many tokens a thread has at hand.
const PLACES: usize = 8;

/// How often in a row a token is found near before it is looked for on the shelf again: so that it counts as used there.
const USES: u32 = 64;

/// Of each thread its own, and all of them gone with the verifier.
#[derive(Default)]
pub(super) struct Near(ThreadLocal<[Cell<Option<Kept>>; PLACES]>);

/// An entry, taken out of its place.
pub(super) struct Kept {
    entry: Arc<Entry>,
    uses: u32,
}

impl Near {
    /// Takes the entry of this very token, if it is near. Whoever finds it good puts it back.
    pub(super) fn take(&self, token: &[u8]) -> Option<Kept> {
        let place = &self.0.get()?[place(token)];
        let kept = place.take()?;
        if kept.entry.text() != token {
            place.set(Some(kept));
            return None;
        }
        Some(kept)
    }

    /// An entry from the shelf, which may be put near.
    pub(super) fn of(&self, entry: Arc<Entry>) -> Kept {
        Kept { entry, uses: USES }
    }

    /// Puts an entry in its place, whoever is there, or nowhere when its uses are over.
    pub(super) fn put(&self, kept: Kept) {
        if let Some(uses) = kept.uses.checked_sub(1) {
            self.0.get_or_default()[place(kept.entry.text())].set(Some(Kept { uses, ..kept }));
        }
    }
}

impl Kept {
    pub(super) fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }
}

/// By the end of the signature, which is as good as random.
fn place(token: &[u8]) -> usize {
    let end = token.last_chunk::<8>().map_or(0, |end| u64::from_le_bytes(*end));
    // Fibonacci hashing: the upper bits of the product hold something of every byte.
    (end.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - PLACES.ilog2())) as usize
}
