//! One token that was verified, and what a hit asks again.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tower_identity_core::{CallerContext, SecretToken, Timestamp, VerifiedToken};
use tower_identity_jose::{KeySet, VerifyingKey};

use super::period::{Period, Phase};
use crate::{keys::Seen, trusted::Trusted};

/// What an entry takes besides its token and its claims, in bytes: itself, the fields of a verified token, the memory
/// that was asked for each text, and its places in the maps. Measured at 903 among a million of them, with the claims
/// counted once (`cargo bench -p mesh-tests --bench remembered`), and rounded up.
const OVERHEAD: usize = 1024;

/// What a verdict rests on that may change after it.
#[derive(Debug)]
pub(crate) struct Grounds {
    /// The key that verified the token.
    pub(crate) key: VerifyingKey,
    /// Its issuer's keys, when it was among them.
    pub(crate) seen: Seen,
    /// `None` for a token without an end.
    pub(crate) period: Option<Period>,
    /// How long the payload is, in bytes.
    pub(crate) payload: usize,
}

/// A token that was found good, by these rules.
#[derive(Debug)]
pub(super) struct Entry {
    text: SecretToken,
    token: Arc<VerifiedToken>,
    trusted: Arc<Trusted>,
    key: VerifyingKey,
    /// The [keys](Seen) among which it was found last.
    seen: AtomicU64,
    period: Period,
    bytes: usize,
}

/// What came of asking again.
pub(super) enum Again {
    /// Good, at this time.
    Good(Timestamp),
    /// It cannot be said here. The token may be good again: the clock stands before its time, or there are no keys at hand.
    NotNow,
    /// The time of the token is over, its key is gone, or it was revoked.
    Over,
}

impl Entry {
    /// `None` where the token has no end, so that there is nothing that a hit could ask, or is none: a certificate.
    pub(super) fn new(token: &Arc<VerifiedToken>, trusted: &Arc<Trusted>, grounds: Grounds) -> Option<Self> {
        let Grounds { key, seen, period, payload } = grounds;
        let text = token.token()?.clone();
        Some(Self {
            period: period?,
            // The claims are there twice: as they were written, and as they were read.
            bytes: text.expose().len() + 2 * payload + OVERHEAD,
            text,
            token: Arc::clone(token),
            trusted: Arc::clone(trusted),
            key,
            seen: AtomicU64::new(seen.0),
        })
    }

    /// The token as it was presented.
    pub(super) fn text(&self) -> &[u8] {
        self.text.expose().as_bytes()
    }

    /// What it is taken to weigh, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes as u64
    }

    /// Asks everything again that a verification of this token by these rules could answer otherwise by now.
    pub(super) fn ask_again(&self) -> Again {
        let (now, moment) = self.trusted.clock.both();
        match self.period.phase(now) {
            Phase::Before => return Again::NotNow,
            Phase::Within => {}
            Phase::After => return Again::Over,
        }
        let keys = &self.trusted.keys;
        if !keys.stand_since(Seen(self.seen.load(Ordering::Relaxed)), moment) {
            let seen = keys.seen();
            let at_hand = keys.at_hand(moment);
            let Some(snapshot) = at_hand.as_deref() else { return Again::NotNow };
            if !is_in(&snapshot.keys, &self.key) {
                return Again::Over;
            }
            // Whoever writes another number here has found the key among those keys: each of them is true.
            self.seen.store(seen.0, Ordering::Relaxed);
        }
        if self.token.is_revoked() {
            return Again::Over;
        }
        Again::Good(now)
    }

    /// The caller that the token names, of a request that was judged then.
    pub(super) fn caller(&self, judged_at: Timestamp) -> CallerContext {
        self.trusted.caller(Arc::clone(&self.token), judged_at)
    }
}

/// Whether a key is in a set, and would verify there what it verified here: under the same `kid`, for the same algorithms,
/// and for the same issuer.
fn is_in(keys: &KeySet, key: &VerifyingKey) -> bool {
    let same = |own: &VerifyingKey| {
        own.thumbprint() == key.thumbprint()
            && own.key_id() == key.key_id()
            && own.issuer() == key.issuer()
            && own.algorithms().eq(key.algorithms())
    };
    keys.keys().any(same)
}
