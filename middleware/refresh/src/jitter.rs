//! Chance, so that what began together does not come back together.

use std::hash::{BuildHasher, RandomState};

/// A random number for the length of a pause or of a life. Not for secrets: whoever sees some may guess others.
///
/// ```
/// use tower_identity_refresh::jitter;
///
/// let numbers: std::collections::HashSet<u32> = (0..8).map(|_| jitter()).collect();
/// assert!(numbers.len() > 1, "eight of them are not all the same");
/// ```
#[must_use]
pub fn jitter() -> u32 {
    // The keys of each `RandomState` differ, so the hash of nothing is a random number.
    (RandomState::new().hash_one(()) >> 32) as u32
}
