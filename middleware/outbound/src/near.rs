//! The few tokens that a thread sent last.
//!
//! Threads that ask one map for one token wait for each other at its lock and at what it counts, and one thread alone
//! pays for both. So each has a few entries at hand. Nothing is decided by that: keys are compared whole, and an entry is
//! asked what all are asked. A thread keeps no verdict, only the way to it.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use thread_local::ThreadLocal;
use tower_identity_core::Timestamp;

use crate::{entry::Entry, key::Looked};

/// How many entries a thread has at hand: beyond those that are kept, should they make room there.
const PLACES: usize = 8;

/// How often in a row an entry is found near before it is looked for among those that are kept: so that it counts as used
/// there, and one that made room there makes room here.
const USES: u32 = 64;

/// Of each thread its own, and all of them gone with the cache.
#[derive(Default)]
pub(crate) struct Near(ThreadLocal<[Place; PLACES]>);

/// Where one entry is near, if there is one.
#[derive(Default)]
pub(crate) struct Place {
    entry: RefCell<Option<Arc<Entry>>>,
    uses: Cell<u32>,
    /// Something of the key that was looked for here last. One that comes twice in a row is put near: where many take turns,
    /// nobody's is put in and out again.
    last: Cell<u64>,
}

impl Near {
    /// The place of a key, in this thread.
    #[inline]
    pub(crate) fn place(&self, key: &Looked<'_>) -> &Place {
        &self.0.get_or_default()[key.bits() as usize % PLACES]
    }
}

impl Place {
    /// The entry of this very key, if it is here, may be sent now, and no other is there in its place.
    #[inline]
    pub(crate) fn find(&self, key: &Looked<'_>, now: Timestamp) -> Option<Arc<Entry>> {
        let here = self.entry.borrow();
        let entry = here.as_ref().filter(|entry| entry.is_under(key))?;
        let uses = self.uses.get();
        if uses == 0 || entry.is_replaced() || !entry.is_usable(now) {
            drop(here);
            self.entry.take();
            return None;
        }
        self.uses.set(uses - 1);
        Some(Arc::clone(entry))
    }

    /// Puts an entry here that was found elsewhere, whoever is here, if it is the second time in a row.
    pub(crate) fn offer(&self, entry: &Arc<Entry>) {
        let bits = entry.key().bits();
        if self.last.replace(bits) == bits {
            self.uses.set(USES);
            self.entry.replace(Some(Arc::clone(entry)));
        }
    }
}

#[cfg(test)]
mod tests;
