//! Keys and their times: a state machine without a clock.

use std::time::Duration;

use tower_identity_core::Moment;
use tower_identity_jose::SigningKey;

/// More keys than a ring has in its time: then one that has not signed yet makes room for another.
const MANY: usize = 16;

/// Keys in the order in which they sign. Never empty: the first has signed from the beginning.
#[derive(Debug)]
pub(super) struct Ring(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    key: SigningKey,
    published: Moment,
    /// Never before those of the entries before it.
    signs: Moment,
}

impl Ring {
    /// A ring whose first key signs at once: of no ring does any verifier have an older key set.
    pub(super) fn starting(key: SigningKey, now: Moment) -> Self {
        Self(vec![Entry { key, published: now, signs: now }])
    }

    /// Another key, which is published now and signs after the wait. One that is published already has waited since then.
    pub(super) fn add(&mut self, key: SigningKey, now: Moment, wait: Duration) {
        if same(&key, &self.last().key) {
            return;
        }
        let known = self.0.iter().find(|entry| same(&entry.key, &key)).map(|entry| entry.published);
        let published = known.unwrap_or(now);
        if self.0.len() >= MANY && self.last().signs > now {
            self.0.pop();
        }
        let signs = published.saturating_add(wait).max(now).max(self.last().signs);
        self.0.push(Entry { key, published, signs });
    }

    /// Forgets the keys of which everything that they signed has ended.
    pub(super) fn forget(&mut self, now: Moment, linger: Duration) {
        let gone = self.0.iter().skip(1).take_while(|next| next.signs.saturating_add(linger) <= now).count();
        self.0.drain(..gone);
    }

    /// The key that signs, and since when.
    pub(super) fn signing(&self, now: Moment) -> (SigningKey, Moment) {
        let signs = self.0.iter().rev().find(|entry| entry.signs <= now).unwrap_or(&self.0[0]);
        (signs.key.clone(), signs.signs)
    }

    /// When the next one signs.
    pub(super) fn next_signs(&self, now: Moment) -> Option<Moment> {
        self.0.iter().map(|entry| entry.signs).find(|signs| *signs > now)
    }

    /// When something else is true of it.
    pub(super) fn next_change(&self, now: Moment, linger: Duration) -> Option<Moment> {
        let gone = self.0.iter().skip(1).map(|next| next.signs.saturating_add(linger));
        self.next_signs(now).into_iter().chain(gone.filter(|gone| *gone > now)).min()
    }

    /// Every key of it, each once.
    pub(super) fn published(&self) -> Vec<SigningKey> {
        let mut published: Vec<SigningKey> = Vec::new();
        for entry in &self.0 {
            if !published.iter().any(|key| same(key, &entry.key)) {
                published.push(entry.key.clone());
            }
        }
        published
    }

    /// When the newest was published.
    pub(super) fn newest(&self) -> Moment {
        self.last().published
    }

    /// How long ago that was.
    pub(super) fn newest_since(&self, now: Moment) -> Duration {
        now.since(self.newest())
    }

    fn last(&self) -> &Entry {
        self.0.last().expect("a ring is never empty")
    }
}

/// Whether verifiers would find one by the other.
fn same(one: &SigningKey, other: &SigningKey) -> bool {
    (one.thumbprint(), one.key_id(), one.algorithm()) == (other.thumbprint(), other.key_id(), other.algorithm())
}
