//! The lock of a slot. Under `cfg(loom)` it is the model checker's, so that what is checked is what is shipped.

use std::sync::PoisonError;

#[cfg(loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
pub(crate) use std::sync::{Mutex, MutexGuard};

/// Takes the lock, also after a panic under it. Only a `Clone` or `Drop` of the value itself can panic there, and what
/// the lock guards is ordered so that it stays whole then.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
