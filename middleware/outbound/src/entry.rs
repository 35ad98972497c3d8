//! One token that is remembered.

mod span;

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use http::{HeaderMap, HeaderName, header::CONNECTION};
use tower_identity_core::{Fingerprint, Timestamp};
use tower_identity_oauth::Standing;
use tower_identity_refresh::Lifetime;

use self::span::{Millis, Span, millis};
use crate::{
    bearer::Bearer,
    key::{AskedFor, CacheKey, Looked},
    strip::Strip,
};

/// How long after the target's refusal made us forget a token another refusal is ignored. A target that refuses
/// every token must not turn each request into one to the authorization server.
const DROP_PAUSE: Millis = 5_000;

/// How long after one refresh was begun, or could not be, the next one is.
const REFRESH_PAUSE: Millis = 1_000;

/// What an entry takes besides its token, in bytes: itself, its places in the map, and what the allocator adds.
const OVERHEAD: usize = 272;

/// The target refused this token, and it is not sent again.
const DROPPED: Millis = 1;

/// Another is there in its place.
const REPLACED: Millis = 2;

/// It was made from a user's. Said when it is made, and never after.
const USERS: Millis = 4;

/// How many bits those are.
const BITS: u32 = 3;

/// A refresh was begun.
const BEGUN: Millis = 1;

/// A token and its time, as the wall clock tells it: its own end and its subject's are such times. The entry does not
/// change, but for what its target says of it: who refreshes it puts another in its place.
///
/// There may be a million: so it is as small as what an allocator hands out in one piece of 128 bytes.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The user's verified token that it was made from, where it [was](USERS).
    subject: Fingerprint,
    asked: Arc<AskedFor>,
    bearer: Bearer,
    span: Span,
    /// When a refresh may be begun next, above the bit of whether one was.
    next_refresh: AtomicU32,
    /// From when on a target's refusal is heeded, above the bits of what became of this token.
    refused: AtomicU32,
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
    /// None where the request has nothing that it takes out.
    strip: Option<Strip>,
    /// When the request was made.
    at: Timestamp,
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
        let CacheKey { subject, asked } = key;
        let span = Span::new(began, lifetime.usable());
        // The pause after a refusal goes on.
        let heeded_from = before.map_or(0, |before| {
            let heeded_from = before.refused.load(Ordering::Relaxed) >> BITS;
            (before.span.began() + u64::from(heeded_from)).saturating_sub(span.began())
        });
        let users = if subject.is_some() { USERS } else { 0 };
        let heeded_from = above(BITS, heeded_from.try_into().unwrap_or(Millis::MAX));
        Self {
            // Of no user's, nobody asks whose it is.
            subject: subject.unwrap_or(asked.us),
            asked,
            bearer,
            span,
            next_refresh: AtomicU32::new(above(1, millis(lifetime.fresh()))),
            refused: AtomicU32::new(heeded_from | users),
            standing: None,
        }
    }

    /// Obtained with a credential of this standing: it is used no longer than that is ours.
    pub(crate) fn by(self, standing: Option<Standing>) -> Self {
        Self { standing, ..self }
    }

    #[inline]
    pub(crate) fn key(&self) -> Looked<'_> {
        Looked { subject: self.is_users().then_some(self.subject), asked: &self.asked }
    }

    /// Whether it was made from a user's.
    #[inline]
    fn is_users(&self) -> bool {
        self.refused.load(Ordering::Relaxed) & USERS != 0
    }

    /// Whether this is its key: compared where it lies.
    #[inline]
    pub(crate) fn is_under(&self, key: &Looked<'_>) -> bool {
        let is_subject = match &key.subject {
            Some(subject) => self.is_users() && self.subject == *subject,
            None => !self.is_users(),
        };
        is_subject && (Arc::ptr_eq(&self.asked, key.asked) || self.asked == *key.asked)
    }

    /// Whether it was asked for by this very recipe's terms, and not by equal ones of another.
    #[inline]
    pub(crate) fn is_of(&self, asked: &Arc<AskedFor>) -> bool {
        Arc::ptr_eq(&self.asked, asked)
    }

    /// What it is taken to weigh, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        (self.bearer.bytes() + OVERHEAD) as u64
    }

    /// Whether it may be sent now.
    #[inline]
    pub(crate) fn is_usable(&self, now: Timestamp) -> bool {
        self.span.covers(now)
            && self.refused.load(Ordering::Relaxed) & DROPPED == 0
            && self.standing.as_ref().is_none_or(|standing| !standing.is_gone())
    }

    /// When it ends.
    pub(crate) fn ends_at(&self) -> Timestamp {
        self.span.end()
    }

    /// Says that another is there in its place. Those who found it before may send it still.
    pub(crate) fn replaced(&self) {
        self.refused.fetch_or(REPLACED, Ordering::Relaxed);
    }

    /// Whether another is.
    #[inline]
    pub(crate) fn is_replaced(&self) -> bool {
        self.refused.load(Ordering::Relaxed) & REPLACED != 0
    }

    /// Whether another should be there before it ends.
    #[inline]
    pub(crate) fn is_stale(&self, now: Timestamp) -> bool {
        let next = self.next_refresh.load(Ordering::Relaxed);
        self.span.age(now).is_some_and(|age| next & BEGUN != 0 || next >> 1 <= age)
    }

    /// Whether it is the asker's to begin a refresh: one asker's at a time, and not for a while after that.
    pub(crate) fn begins_refresh(&self, now: Timestamp) -> bool {
        let Some(age) = self.span.age(now) else { return false };
        let due = |next: Millis| (next >> 1 <= age).then(|| above(1, age.saturating_add(REFRESH_PAUSE)) | BEGUN);
        self.next_refresh.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok()
    }

    /// The target refused it, which was sent with a request of that time: see [`Credential::drop_token`].
    fn refused(&self, at: Timestamp) -> bool {
        let age = self.span.age(at).unwrap_or(0);
        let refuse = |state: Millis| {
            let is_heeded = state >> BITS <= age;
            let dropped = || above(BITS, age.saturating_add(DROP_PAUSE)) | (state & USERS) | DROPPED;
            (state & (DROPPED | REPLACED) == 0 && is_heeded).then(dropped)
        };
        match self.refused.fetch_update(Ordering::Relaxed, Ordering::Relaxed, refuse) {
            Ok(_) => true,
            Err(state) => state & (DROPPED | REPLACED) != 0,
        }
    }
}

impl Credential {
    pub(crate) fn new(entry: Arc<Entry>, strip: Option<Strip>, now: Timestamp) -> Self {
        Self { entry: Some(entry), users: None, strip, at: now }
    }

    /// That there is none.
    pub(crate) fn bare(strip: Option<Strip>, now: Timestamp) -> Self {
        Self { entry: None, users: None, strip, at: now }
    }

    /// The user's token besides, in this field.
    pub(crate) fn beside(self, field: HeaderName, users: Arc<Entry>) -> Self {
        Self { users: Some(Box::new((field, users))), ..self }
    }

    /// Makes this the request's only credential, and takes away whatever else speaks of an identity.
    pub(crate) fn attach(&self, headers: &mut HeaderMap) {
        if let Some(strip) = &self.strip {
            strip.remove_from(headers);
        }
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
        self.users.is_some() || self.entry.as_ref().is_some_and(|entry| entry.is_users())
    }

    /// The target refused this token: forgets it. Whether the next request gets another. Of two it does not say which, so
    /// both are forgotten.
    ///
    /// What counts is when requests were made: of those that were on their way together all may get another token, as
    /// where there is another one already, and of those that were made soon after the last refusal none.
    pub(crate) fn drop_token(&self) -> bool {
        let own = self.entry.as_ref().is_some_and(|entry| entry.refused(self.at));
        self.users.as_ref().is_some_and(|users| users.1.refused(self.at)) | own
    }
}

/// A time above so many bits; the latest that there is room for rather than none of it.
fn above(bits: u32, time: Millis) -> Millis {
    time.min(Millis::MAX >> bits) << bits
}

#[cfg(test)]
mod tests;
