//! One token that is remembered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, HeaderName, header::CONNECTION};
use tower_identity_core::Timestamp;
use tower_identity_oauth::Standing;
use tower_identity_refresh::Lifetime;

use crate::{
    bearer::Bearer,
    key::{CacheKey, Looked},
    strip::Strip,
};

/// How long after the target's refusal made us forget a token another refusal is ignored. A target that refuses
/// every token must not turn each request into one to the authorization server.
const DROP_PAUSE: Millis = 5_000;

/// How long after one refresh was begun, or could not be, the next one is.
const REFRESH_PAUSE: Millis = 1_000;

/// What an entry takes besides its token, in bytes: itself, its places in the map, and what the allocator adds.
const OVERHEAD: usize = 288;

/// The target refused this token, and it is not sent again.
const DROPPED: u64 = 1;

/// Another is there in its place.
const REPLACED: u64 = 2;

/// How many bits those are.
const BITS: u32 = 2;

/// Since the epoch: what a [`Timestamp`] is, in half the room.
type Millis = u64;

/// A token and its time, as the wall clock tells it: its own end and its subject's are such times. The entry does not
/// change, but for what its target says of it: who refreshes it puts another in its place.
#[derive(Debug)]
pub(crate) struct Entry {
    key: CacheKey,
    bearer: Bearer,
    /// When it was asked for. A clock that stands before that was set back, and says nothing of this token.
    began: Millis,
    /// When the next request begins a refresh.
    refresh_at: Millis,
    ends_at: Millis,
    /// When a refresh may be begun next.
    next_refresh: AtomicU64,
    /// When a target last made us forget a token of this key, above the bits of what became of this one.
    refused: AtomicU64,
    /// Of the credential that it was obtained with, where that may be withdrawn.
    standing: Option<Standing>,
}

/// A token for one request.
#[derive(Debug)]
pub(crate) struct Credential {
    /// None of a request that goes without one.
    entry: Option<Arc<Entry>>,
    /// The user's, where that goes beside this service's own, and the field that it goes in.
    users: Option<Box<(HeaderName, Arc<Entry>)>>,
    strip: Strip,
    /// When the request was made.
    at: Millis,
}

impl Entry {
    /// Of a token that was asked for then. `before` is the entry in whose place it comes.
    pub(crate) fn new(
        key: CacheKey,
        bearer: Bearer,
        began: Timestamp,
        lifetime: Lifetime,
        before: Option<&Self>,
    ) -> Self {
        let refresh_at = millis(began.saturating_add(lifetime.fresh()));
        Self {
            key,
            bearer,
            began: millis(began),
            refresh_at,
            ends_at: millis(began.saturating_add(lifetime.usable())),
            next_refresh: AtomicU64::new(refresh_at),
            refused: AtomicU64::new(
                before.map_or(0, |before| before.refused.load(Ordering::Relaxed) & !(DROPPED | REPLACED)),
            ),
            standing: None,
        }
    }

    /// Obtained with a credential of this standing: it is used no longer than that is ours.
    pub(crate) fn by(self, standing: Option<Standing>) -> Self {
        Self { standing, ..self }
    }

    pub(crate) fn key(&self) -> Looked<'_> {
        self.key.looked()
    }

    /// What it is taken to weigh, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        (self.bearer.bytes() + OVERHEAD) as u64
    }

    /// Whether it may be sent now.
    pub(crate) fn is_usable(&self, now: Timestamp) -> bool {
        let now = millis(now);
        self.began <= now
            && now < self.ends_at
            && self.refused.load(Ordering::Relaxed) & DROPPED == 0
            && self.standing.as_ref().is_none_or(|standing| !standing.is_gone())
    }

    /// When it ends.
    pub(crate) fn ends_at(&self) -> Timestamp {
        Timestamp::from_unix(Duration::from_millis(self.ends_at))
    }

    /// Says that another is there in its place. Those who found it before may send it still.
    pub(crate) fn replaced(&self) {
        self.refused.fetch_or(REPLACED, Ordering::Relaxed);
    }

    /// Whether another should be there before it ends.
    pub(crate) fn is_stale(&self, now: Timestamp) -> bool {
        self.refresh_at <= millis(now)
    }

    /// Whether it is the asker's to begin a refresh: one asker's at a time, and not for a while after that.
    pub(crate) fn begins_refresh(&self, now: Timestamp) -> bool {
        let now = millis(now);
        let due = |next: Millis| (next <= now).then(|| now.saturating_add(REFRESH_PAUSE));
        self.next_refresh.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok()
    }
}

impl Credential {
    pub(crate) fn new(entry: Arc<Entry>, strip: Strip, now: Timestamp) -> Self {
        Self { entry: Some(entry), users: None, strip, at: millis(now) }
    }

    /// That there is none.
    pub(crate) fn bare(strip: Strip, now: Timestamp) -> Self {
        Self { entry: None, users: None, strip, at: millis(now) }
    }

    /// The user's token besides, in this field.
    pub(crate) fn beside(self, field: HeaderName, users: Arc<Entry>) -> Self {
        Self { users: Some(Box::new((field, users))), ..self }
    }

    /// Makes this the request's only credential, and takes away whatever else speaks of an identity.
    pub(crate) fn attach(&self, headers: &mut HeaderMap) {
        self.strip.remove_from(headers);
        if let Some(entry) = &self.entry {
            entry.bearer.attach(headers);
        }
        if let Some((field, users)) = self.users.as_deref() {
            // Nobody on the way is told to take one of them out.
            headers.remove(CONNECTION);
            users.bearer.attach_in(field, headers);
        }
    }

    /// Whether the token was made from a user's.
    pub(crate) fn is_users(&self) -> bool {
        self.users.is_some() || self.entry.as_ref().is_some_and(|entry| entry.key().subject.is_some())
    }

    /// The target refused this token: forgets it. Whether the next request gets another. Of two it does not say which, so
    /// both are forgotten.
    ///
    /// What counts is when requests were made: of those that were on their way together all may get another token, as
    /// where there is another one already, and of those that were made soon after the last refusal none.
    pub(crate) fn drop_token(&self) -> bool {
        let drop = |entry: &Arc<Entry>| self.drop_one(entry);
        let own = self.entry.as_ref().is_some_and(drop);
        self.users.as_ref().is_some_and(|users| drop(&users.1)) | own
    }

    fn drop_one(&self, entry: &Entry) -> bool {
        let refuse = |state: u64| {
            let last = state >> BITS;
            let is_heard = last == 0 || self.at.saturating_sub(last) >= DROP_PAUSE;
            (state & (DROPPED | REPLACED) == 0 && is_heard).then_some(self.at << BITS | DROPPED)
        };
        let Err(state) = entry.refused.fetch_update(Ordering::Relaxed, Ordering::Relaxed, refuse) else {
            return true;
        };
        state & (DROPPED | REPLACED) != 0
    }
}

fn millis(time: Timestamp) -> Millis {
    // Of a range that can be shifted: some 146 million years.
    u64::try_from(time.since_epoch().as_millis()).unwrap_or(u64::MAX).min(u64::MAX >> BITS)
}

#[cfg(test)]
mod tests;
