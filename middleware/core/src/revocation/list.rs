//! One list of what is revoked, for all who share it.

use std::{
    collections::HashMap,
    fmt,
    pin::Pin,
    sync::{
        Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use event_listener::{Event, EventListener};

use super::{
    Change, MAX_SKEW, Mark, Of, Revocation,
    change::Told,
    entries::{Bounds, Entries},
    marks::{Marks, Times},
};
use crate::{Clock, Issuer, Moment, SessionId, Subject, Tenant, Timestamp, VerifiedToken};

/// What is revoked. Cheap to clone; the clones are one list.
///
/// Bounded, and nothing is ever forgotten: an entry that has to leave, because there are too many of its issuer, raises that
/// issuer's *mark* to its own time, and every token of the issuer that was issued by then is refused; and where the entry
/// ended sign-ins, every token of a sign-in from before. The earliest leave first. So the list may refuse too much, and only
/// of issuers of which that much was revoked; it never accepts again what it refused. Whoever is refused by a mark signs in
/// again, or presents a certificate that was issued since, and is let in.
///
/// A token that does not say when it was issued (`iat`) counts as issued when the longest-lived token could have been that
/// ends when it does: the retention before its end. After a revocation it is refused for about as long.
///
/// | bound | default |
/// |---|---|
/// | entries of an issuer | [65 536](Self::DEFAULT_CAPACITY), some 250 bytes each |
/// | retention | [24 h](Self::DEFAULT_RETENTION): at least as long as the longest-lived token |
/// | issuers | [1 024](Self::MAX_ISSUERS); all others share one mark |
///
/// ```
/// use tower_identity_core::{Issuer, Revocation, Revocations, Subject};
///
/// fn sign_out_everywhere(list: &Revocations, issuer: &Issuer, user: Subject) {
///     list.revoke(Revocation::subject(issuer.clone(), user));
/// }
/// ```
#[derive(Clone)]
pub struct Revocations(Arc<List>);

struct List {
    /// Changes under the lock, and is read without.
    epoch: AtomicU64,
    issuers: RwLock<Issuers>,
    bounds: Bounds,
    changed: Event,
    /// Who tells the operator.
    tell: OnceLock<fn(Change<'_>)>,
    clock: Clock,
}

#[derive(Default)]
struct Issuers {
    entries: HashMap<Issuer, Entries>,
    /// For those that found no place.
    others: Marks,
    others_told: Told,
}

impl Revocations {
    /// How many entries of an issuer are kept unless stated.
    pub const DEFAULT_CAPACITY: usize = 65_536;

    /// How long the longest-lived token lives, at most, unless stated.
    pub const DEFAULT_RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

    /// Of how many issuers entries are kept.
    pub const MAX_ISSUERS: usize = 1_024;

    /// An empty list.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self::bounded(Self::DEFAULT_CAPACITY, Self::DEFAULT_RETENTION, clock)
    }

    /// An empty list that keeps so many entries of an issuer, for tokens that live no longer than this.
    #[must_use]
    pub fn bounded(capacity: usize, retention: Duration, clock: Clock) -> Self {
        Self(Arc::new(List {
            epoch: AtomicU64::new(0),
            issuers: RwLock::default(),
            bounds: Bounds { capacity, retention },
            changed: Event::new(),
            tell: OnceLock::new(),
            clock,
        }))
    }

    /// Revokes, at once, for all who share the list. Whether that is new: what is revoked already changes nothing.
    pub fn revoke(&self, what: Revocation) -> bool {
        let kind = what.kind();
        let Revocation { issuer, of, issued_before } = what;
        let until = issued_before.unwrap_or_else(|| self.0.clock.wall().saturating_add(MAX_SKEW));
        let (mark, entries) = {
            let mut issuers = self.0.issuers.write().unwrap_or_else(PoisonError::into_inner);
            let now = self.0.clock.monotonic();
            let Some(mark) = issuers.enter(issuer.clone(), of, until, self.0.bounds, now) else { return false };
            self.0.epoch.fetch_add(1, Ordering::Release);
            (mark, issuers.len())
        };
        self.0.changed.notify(usize::MAX);
        if let Some(tell) = self.0.tell.get() {
            tell(Change { issuer: &issuer, kind, entries, mark });
        }
        true
    }

    /// Has this told of every change from now on, whoever makes it. The first one that is given stays: a verifier gives
    /// one that counts.
    pub fn tell(&self, tell: fn(Change<'_>)) {
        self.0.tell.get_or_init(|| tell);
    }

    /// The number of changes so far: as long as it stays, so does what the list says of any token. One atomic load.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.0.epoch.load(Ordering::Acquire)
    }

    /// Resolves when something is revoked after this call, awaited or not. So: call it, look at what was revoked so far,
    /// then await it.
    pub fn changed(&self) -> Changed {
        Changed(self.0.changed.listen())
    }

    /// How many entries are kept now, of all issuers.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.read().len()
    }

    /// Where the list gets its time from.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Whether the token is revoked. What is, stays so.
    pub(crate) fn cover(&self, token: &VerifiedToken) -> bool {
        let bounds = self.0.bounds;
        let (identity, authentication) = (token.identity(), token.authentication());
        // One that does not say when it was issued cannot be older than the longest-lived token; where that would be in the
        // future it lives longer than that, and may be of any age.
        let issued_at = token.issued_at().unwrap_or_else(|| {
            let earliest = token.expires_at().saturating_sub(bounds.retention);
            if earliest <= self.0.clock.wall() { earliest } else { Timestamp::default() }
        });
        let times = Times { issued_at, auth_time: authentication.auth_time };
        let issuers = self.read();

        let user = identity.user.as_ref();
        let by_issuer = issuers.cover(token.issuer(), times, bounds, |cover| {
            token.token_id().is_some_and(|id| cover(&Of::Token(id.clone())))
        });
        // Whose session it is, the user's issuer says, whoever has signed for the user.
        let of_session = user.map_or(token.issuer(), |user| &user.issuer);
        let by_session = |session: &SessionId| {
            issuers.cover(of_session, times, bounds, |cover| {
                cover(&Of::Session(session.clone(), None))
                    || user.is_some_and(|user| cover(&Of::Session(session.clone(), Some(user.id.clone()))))
            })
        };
        let by_name = |issuer: &Issuer, subject: &Subject, tenant: Option<&Tenant>| {
            issuers.cover(issuer, times, bounds, |cover| {
                cover(&Of::Subject(subject.clone(), None))
                    || tenant.is_some_and(|tenant| {
                        cover(&Of::Subject(subject.clone(), Some(tenant.clone()))) || cover(&Of::Tenant(tenant.clone()))
                    })
            })
        };
        by_issuer
            || authentication.session.as_ref().is_some_and(by_session)
            || by_name(&identity.workload.issuer, &identity.workload.id, None)
            || user.is_some_and(|user| by_name(&user.issuer, &user.id, user.tenant.as_ref()))
    }

    fn read(&self) -> RwLockReadGuard<'_, Issuers> {
        self.0.issuers.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Issuers {
    /// Nothing where that changes nothing.
    fn enter(&mut self, issuer: Issuer, of: Option<Of>, until: Timestamp, bounds: Bounds, now: Moment) -> Option<Mark> {
        if self.entries.len() < Revocations::MAX_ISSUERS || self.entries.contains_key(&issuer) {
            return self.entries.entry(issuer).or_default().enter(of, until, bounds, now);
        }
        let is_of_sign_in = of.is_some_and(|of| of.is_of_sign_in());
        if self.others.include(until, is_of_sign_in) {
            return None;
        }
        self.others.raise(until, is_of_sign_in);
        Some(self.others_told.raised(now))
    }

    fn len(&self) -> usize {
        self.entries.values().map(Entries::len).sum()
    }

    /// Whether the issuer's marks cover the token, or an entry of a name that it has.
    fn cover(
        &self,
        issuer: &Issuer,
        token: Times,
        bounds: Bounds,
        names: impl FnOnce(&dyn Fn(&Of) -> bool) -> bool,
    ) -> bool {
        match self.entries.get(issuer) {
            None => self.others.cover(token, bounds.reach()),
            Some(entries) => {
                entries.marks_cover(token, bounds)
                    || (entries.len() > 0 && names(&|of| entries.cover(of, token, bounds)))
            }
        }
    }
}

/// How much there is, and nobody's name.
impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocations").field("epoch", &self.epoch()).field("entries", &self.entries()).finish()
    }
}

/// The future of [`Revocations::changed`].
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub struct Changed(EventListener);

impl Future for Changed {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}
