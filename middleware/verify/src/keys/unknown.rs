//! Tokens whose key is not among the keys at hand.
//!
//! An issuer publishes a key before it signs with it, so a key that it had not when it was asked, after the token was
//! issued or had arrived, is not its key. Whether it was asked in time decides between "no" and "not yet":
//!
//! | the keys at hand | the window | what happens | answer |
//! |---|---|---|---|
//! | given | - | nothing | 401 |
//! | fetched after the token came | - | nothing | 401 |
//! | fetched after the token, id asked for in vain within [`LACKED_FOR`] | - | nothing: the window stays for others | 401 |
//! | any other | open | one fetch, whose result all who ask share | verified, or as below |
//! | any other | used up, the fetch in the air | waits for it | verified, or as below |
//! | fetched after the token | used up | nothing | 401 |
//! | fetched before the token, or a seed | used up by a success | nothing | 503 until it opens again |
//! | fetched before the token, or a seed | used up by a failure | nothing | 503 until the next try |
//! | none | - | one fetch for want of any keys | as it says in [`keys`](super) |
//!
//! "After the token" is: the fetch began after the token arrived; or after its `iat`, by as much as issuers may
//! [backdate](BACKDATED) it and by the leeway for clocks that differ. Nobody has vouched for `iat`: whoever forges one
//! gains a 401 in the place of a 503, or the other way round. An `iat` that is absent or odd says nothing, and one in the
//! future no more than "now". So a flood of made-up ids uses up windows, and no token of a new key is refused for it: it
//! is told when to come back.
//!
//! Arrival alone would do for that rule. But then the clients whose tokens a withdrawn key signed would be told to come
//! back, window after window, each of which one of them uses up, in the place of being told to get new tokens.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tower_identity_core::{Clock, Issuer, Moment, Timestamp};

use super::snapshot::Fetch;

/// How often key ids that nobody has may cost a fetch.
pub(crate) const RELOAD_WINDOW: Duration = Duration::from_secs(30);

/// For how long an id that was asked for in vain leaves the window to others.
const LACKED_FOR: Duration = Duration::from_secs(5 * 60);

/// How many such ids are kept; the oldest makes room.
const LACKED_IDS: usize = 64;

/// How long before the moment of signing `iat` may lie. Some issuers set it back, so that no verifier whose clock is slow
/// finds it in the future: Entra ID by five minutes. Taken at its word, such an `iat` would have a key that is younger than
/// the last fetch look older than it, and a token of that key refused as nobody's.
const BACKDATED: Duration = Duration::from_secs(5 * 60);

/// A token whose key is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// How many fetches had begun when it came.
    pub(super) fetches: u64,
    arrived: Moment,
    /// How long before its arrival it says that it was issued.
    age: Option<Duration>,
    key: KeyDigest,
}

/// A key id, or that there is none, as long as any other. Random in each process, so that nobody can choose two that
/// are alike; and if two are, the second is decided by the keys at hand, which is where its fetch would lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct KeyDigest(u64);

impl Asked {
    /// Whether it came before the fetch began.
    pub(super) fn came_before(&self, fetch: Fetch) -> bool {
        self.fetches < fetch.number
    }

    /// Whether it came, or was signed, before the fetch began, by clocks that differ by no more than the leeway.
    pub(super) fn precedes(&self, fetch: Fetch, leeway: Duration) -> bool {
        let oldest = self.arrived.since(fetch.begun).saturating_add(leeway).saturating_add(BACKDATED);
        self.came_before(fetch) || self.age.is_some_and(|age| oldest <= age)
    }
}

/// The key ids that the issuer was asked for in vain, lately.
#[derive(Debug, Default)]
pub(super) struct Lacked {
    random: RandomState,
    /// Held for moments only.
    ids: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    ids: Vec<(KeyDigest, Moment)>,
    next: usize,
}

impl Lacked {
    /// The token of this key id that `arrived` then, after so many fetches had begun, and says that it was `issued` at
    /// that time.
    pub(super) fn asked(
        &self,
        key_id: Option<&str>,
        issued: Option<Timestamp>,
        (fetches, arrived): (u64, Moment),
        clock: &Clock,
    ) -> Asked {
        let (wall, waited) = (clock.wall(), clock.monotonic().since(arrived));
        let age = issued.map(|issued| wall.since(issued).saturating_sub(waited));
        Asked { fetches, arrived, age, key: KeyDigest(self.random.hash_one(key_id)) }
    }

    pub(super) fn contains(&self, asked: &Asked, now: Moment) -> bool {
        let ring = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ring.ids.iter().any(|(key, until)| *key == asked.key && now < *until)
    }

    pub(super) fn add(&self, asked: &Asked, now: Moment) {
        let entry = (asked.key, now.saturating_add(LACKED_FOR));
        let ring = &mut *self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = ring.ids.iter_mut().find(|(key, _)| *key == asked.key) {
            *same = entry;
        } else if ring.ids.len() < LACKED_IDS {
            ring.ids.push(entry);
        } else {
            ring.ids[ring.next] = entry;
            ring.next = (ring.next + 1) % LACKED_IDS;
        }
    }
}

/// The keys at hand lack the token's key and may be older than the token, and it is not time to ask for newer ones.
#[derive(Debug, thiserror::Error)]
#[error("no such key in the keys of issuer {issuer}, which may be older than the token")]
pub(crate) struct NotYet {
    pub(crate) issuer: Issuer,
}

#[cfg(test)]
mod tests;
