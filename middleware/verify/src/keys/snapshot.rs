//! The keys at hand, and their times.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tower_identity_core::Moment;
use tower_identity_jose::{KeySet, Thumbprint, VerifyingKey};
use tower_identity_refresh::Lifetime;

use super::USABLE;
use crate::source::{Document, Known};

/// A key set, and its times. Never changed: the next one takes its place.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Those that verify: the issuer's, and those that it took away within the grace.
    pub(crate) keys: KeySet,
    /// The issuer's.
    current: KeySet,
    /// Those that it took away, each with the moment at which it stops verifying.
    removed: Vec<(VerifyingKey, Moment)>,
    origin: Origin,
    known: Option<Known>,
    refresh_at: Moment,
    gone_at: Moment,
    /// Until then nothing is to be done about any of this.
    settled_until: Moment,
    /// Whether somebody has said that they are gone.
    told_gone: AtomicBool,
}

/// Where the keys are from.
#[derive(Debug, Clone, Copy)]
enum Origin {
    /// They are configured, and all there are.
    Given,
    /// They are from a file: the issuer had them this long before that moment. It says nothing of other keys.
    Seed { at: Moment, age: Duration },
    /// The issuer had these and no others, when it was asked at that moment or later.
    Fetched(Fetch),
}

/// One fetch among all of an issuer's keys in this process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fetch {
    /// Counted from 1 in the order in which they began, which a clock cannot always tell.
    pub(super) number: u64,
    pub(super) begun: Moment,
}

/// What is left to keys of the same issuer, found at the same place, that are kept in another way.
#[derive(Debug)]
pub(super) enum Bequest {
    /// The issuer's, to be refreshed at first use.
    Keys(Box<Snapshot>),
    /// That the issuer withdrew them all: no seed may bring them back.
    Withdrawn,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// A key's grace is over.
    Removal,
    /// The keys are usable, and newer ones are to be fetched.
    Refresh,
    /// The keys are too old to be used.
    Gone,
}

/// Which keys an issuer has now and had not, and the other way round.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) added: Vec<Thumbprint>,
    pub(super) removed: Vec<Thumbprint>,
}

impl Snapshot {
    /// Keys that never change.
    pub(super) fn given(keys: KeySet) -> Self {
        let never = Moment::from_origin(Duration::MAX);
        Self::new(keys, Vec::new(), Origin::Given, None, (never, never))
    }

    /// Keys that the issuer had `age` ago, to be refreshed at first use.
    pub(super) fn seed(keys: KeySet, age: Duration, now: Moment) -> Self {
        let gone_at = now.saturating_add(USABLE.saturating_sub(age));
        Self::new(keys, Vec::new(), Origin::Seed { at: now, age }, None, (now, gone_at))
    }

    /// What a fetch brought, in the place of what was at hand.
    pub(super) fn fetched(
        before: Option<&Self>,
        document: Document,
        grace: Duration,
        fetch: Fetch,
        now: Moment,
    ) -> (Self, Change) {
        let Document { keys, max_age, known, .. } = document;
        // Keys that were too old to be used are not brought back by having been taken away.
        let usable = before.filter(|before| before.is_usable(now));
        let removed = usable.map(|before| before.removed_by(&keys, now.saturating_add(grace))).unwrap_or_default();
        let change = Change::between(before.map(|before| &before.current), &keys);
        let alive = removed.into_iter().filter(|(_, until)| now < *until).collect();
        let times = times(max_age, fetch.begun);
        (Self::new(keys, alive, Origin::Fetched(fetch), known, times), change)
    }

    /// The same keys, which the issuer still had when it was asked by this fetch.
    pub(super) fn renewed(&self, max_age: Duration, fetch: Fetch) -> Self {
        let (current, removed, known) = (self.current.clone(), self.removed.clone(), self.known.clone());
        Self::new(current, removed, Origin::Fetched(fetch), known, times(max_age, fetch.begun))
    }

    /// The same keys, of no use any more: not for their age, of which there is nothing to be said.
    pub(super) fn withdrawn(&self, now: Moment) -> Self {
        let withdrawn = Self::new(self.current.clone(), Vec::new(), self.origin, None, (now, now));
        Self { told_gone: AtomicBool::new(true), ..withdrawn }
    }

    /// The same, without keys whose grace is over.
    pub(super) fn without_lapsed(&self, now: Moment) -> Self {
        let alive = self.removed.iter().filter(|(_, until)| now < *until).cloned().collect();
        let times = (self.refresh_at, self.gone_at);
        Self::new(self.current.clone(), alive, self.origin, self.known.clone(), times)
    }

    /// What is left of them to others. Those that the issuer took away stay away: how long they may verify is not ours to
    /// say any more.
    pub(super) fn bequest(&self, now: Moment) -> Option<Bequest> {
        let age = self.age(now)?;
        if self.is_usable(now) {
            Some(Bequest::Keys(Box::new(Self::seed(self.current.clone(), age, now))))
        } else {
            (age < USABLE).then_some(Bequest::Withdrawn)
        }
    }

    fn new(
        current: KeySet,
        removed: Vec<(VerifyingKey, Moment)>,
        origin: Origin,
        known: Option<Known>,
        (refresh_at, gone_at): (Moment, Moment),
    ) -> Self {
        let keys = current.clone().union(removed.iter().map(|(key, _)| key.clone()));
        let next_removal = removed.iter().map(|(_, until)| *until).min();
        let settled_until = next_removal.into_iter().chain([refresh_at, gone_at]).min().unwrap_or(refresh_at);
        let told_gone = AtomicBool::new(false);
        Self { keys, current, removed, origin, known, refresh_at, gone_at, settled_until, told_gone }
    }

    /// The keys that `new` no longer has: those that it takes away now, which may verify `until` then and no longer than
    /// they would have without having been taken away, and those that were taken away earlier; the newest, up to a bound.
    ///
    /// A key that is still there, but cannot be used, with its private part for example, is not taken away but refused.
    fn removed_by(&self, new: &KeySet, until: Moment) -> Vec<(VerifyingKey, Moment)> {
        let until = until.min(self.gone_at);
        let refused = |key: &VerifyingKey| new.skipped().iter().any(|entry| entry.key_id.as_deref() == key.key_id());
        let earlier = self.removed.iter().filter(|(key, _)| !new.contains(key)).cloned();
        let removed = self.current.difference(new).map(|key| (key.clone(), until)).chain(earlier);
        removed.filter(|(key, _)| !refused(key)).take(KeySet::MAX_ENTRIES).collect()
    }

    /// What is due. One comparison where nothing is.
    pub(super) fn due(&self, now: Moment) -> Due {
        if now < self.settled_until {
            Due::Nothing
        } else if self.gone_at <= now {
            Due::Gone
        } else if self.removed.iter().any(|(_, until)| *until <= now) {
            Due::Removal
        } else {
            Due::Refresh
        }
    }

    pub(super) fn is_usable(&self, now: Moment) -> bool {
        now < self.gone_at
    }

    /// Whether they are too old to be used, and nobody has said so.
    pub(super) fn is_newly_gone(&self, now: Moment) -> bool {
        !self.is_usable(now) && !self.told_gone.swap(true, Ordering::Relaxed)
    }

    /// Before that there is [nothing](Due::Nothing) due.
    pub(super) fn settled_until(&self) -> Moment {
        self.settled_until
    }

    pub(super) fn refresh_at(&self) -> Moment {
        self.refresh_at
    }

    pub(super) fn known(&self) -> Option<&Known> {
        self.known.as_ref()
    }

    /// How long ago the issuer was asked for these keys; nothing for keys that are given.
    pub(super) fn age(&self, now: Moment) -> Option<Duration> {
        match self.origin {
            Origin::Given => None,
            Origin::Seed { at, age } => Some(now.since(at).saturating_add(age)),
            Origin::Fetched(fetch) => Some(now.since(fetch.begun)),
        }
    }

    /// The fetch that brought it; `None` for keys that nobody fetched in this process, which say nothing of others.
    pub(super) fn fetch(&self) -> Option<Fetch> {
        match self.origin {
            Origin::Fetched(fetch) => Some(fetch),
            Origin::Given | Origin::Seed { .. } => None,
        }
    }
}

/// When keys that were asked for at `begun` are to be refreshed, and when they are gone.
fn times(max_age: Duration, begun: Moment) -> (Moment, Moment) {
    let lifetime = Lifetime::new(Lifetime::of(max_age).fresh(), USABLE);
    (begun.saturating_add(lifetime.fresh()), begun.saturating_add(lifetime.usable()))
}

impl Change {
    fn between(before: Option<&KeySet>, now: &KeySet) -> Self {
        let thumbprints = |keys: &mut dyn Iterator<Item = &VerifyingKey>| keys.map(VerifyingKey::thumbprint).collect();
        match before {
            None => Self { added: now.thumbprints().collect(), removed: Vec::new() },
            Some(before) => Self {
                added: thumbprints(&mut now.difference(before)),
                removed: thumbprints(&mut before.difference(now)),
            },
        }
    }

    pub(super) fn is_none(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

#[cfg(test)]
mod tests;
