//! The keys that sign internal identities, each in its time.
//!
//! ```text
//! published ──wait──▶ signs ──the next one signs──▶ retired ──whatever it signed has ended──▶ gone
//!     └────────────────────────── in the key set ─────────────────────────────────┘
//! ```
//!
//! A key waits, published, for as long as a verifier may go by a key set that it has fetched. So at no time is a token
//! signed by a key that a verifier does not have, and a rotation loses no request.
//!
//! | module | what it holds |
//! |---|---|
//! | `ring` | the keys and their times, as a state machine without a clock |
//! | `rotation` | [`Rotation`], how long each state lasts |
//! | `files` | keys in files, one of which is followed |

mod files;
mod ring;
mod rotation;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::{ArcSwap, Guard};
use tower_identity_core::{Clock, InvalidSetting, Moment};
use tower_identity_jose::{Algorithm, KeySet, SigningKey, SigningKeyError};
use tower_identity_refresh::Upkeep;

pub(crate) use self::rotation::LONGEST_LIFE;
pub use self::rotation::Rotation;
use self::{files::Followed, ring::Ring};
use crate::telemetry;

/// A key that signs, those that are to come and those that are retired. Cheap to clone; the clones are one ring.
///
/// Keys that are [generated](Self::generated) are of one process: each replica would sign by keys of its own, and a trust
/// domain has one issuer (draft-ietf-oauth-transaction-tokens-11 §3). Where there are several replicas, or verifiers that
/// must not notice a restart, keep them in [files](Self::files).
///
/// ```
/// use tower_identity_edge::{KeyRing, Rotation};
/// use tower_identity_jose::{Algorithm, KeySet};
/// use tower_identity_refresh::system_clock;
///
/// let keys = KeyRing::generated(Algorithm::Es256, Rotation::default(), system_clock())?;
/// assert_eq!(KeySet::parse(keys.document().as_bytes())?.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct KeyRing {
    shared: Arc<Shared>,
    upkeep: Arc<Upkeep>,
}

/// The key that signs is older than it may be: no other has taken its place, and so nothing is signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the key {key_id} has signed for {}, and may for {}", Seconds(*.age), Seconds(*.oldest))]
pub struct KeyTooOld {
    /// Its `kid`.
    pub key_id: Box<str>,
    /// For how long it has signed.
    pub age: Duration,
    /// For how long it may.
    pub oldest: Duration,
    /// When the next one signs, where there is one.
    pub next_in: Option<Duration>,
}

struct Seconds(Duration);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} s", self.0.as_secs())
    }
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    rotation: Rotation,
    /// Of which algorithm keys are generated; none where they are in files.
    generates: Option<Algorithm>,
    /// Held for moments, and for the generation of a key.
    ring: Mutex<Ring>,
    now: ArcSwap<Snapshot>,
}

/// How the ring stands until its next change.
#[derive(Debug)]
struct Snapshot {
    signs: SigningKey,
    /// Since when.
    since: Moment,
    next: Option<Moment>,
    published: Vec<SigningKey>,
    document: Arc<str>,
    until: Moment,
    generation: u64,
}

/// The end of time.
const NEVER: Moment = Moment::from_origin(Duration::MAX);

/// When a key that could not be generated is tried again.
const AGAIN: Duration = Duration::from_secs(60);

impl KeyRing {
    /// Keys that this process makes and keeps to itself: the first one signs at once, the next ones in their time.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] for a field of the [rotation](Rotation), or for `algorithm`: keys of it are not generated here.
    pub fn generated(algorithm: Algorithm, rotation: Rotation, clock: Clock) -> Result<Self, InvalidSetting> {
        let first = SigningKey::generate(algorithm).map_err(|why| InvalidSetting::new("algorithm", why.to_string()))?;
        let rotation = rotation.check(true)?;
        let shared = Shared::new(Ring::starting(first, clock.monotonic()), rotation, Some(algorithm), clock);
        let kept = Arc::clone(&shared);
        Ok(Self { upkeep: Arc::new(Upkeep::new(move || Arc::clone(&kept).turn())), shared })
    }

    /// Keys in files, in PEM: the newest first, and behind it those that it takes the place of, which verifiers know already.
    ///
    /// At the start the last one signs, and the first one from when a verifier may be expected to have it. From then on the
    /// first file is followed: a key that is put in the place of another is published, waits, and signs, without a restart.
    /// One that cannot be read changes nothing, and is told of.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] for a field of the [rotation](Rotation); for `key_files`: there is none, or one is not a private
    /// key.
    pub fn files<I>(files: I, rotation: Rotation, clock: Clock) -> Result<Self, InvalidSetting>
    where
        I: IntoIterator<Item: Into<PathBuf>>,
    {
        let rotation = rotation.check(false)?;
        let (followed, keys) = Followed::read(files.into_iter().map(Into::into).collect(), &clock)?;
        let now = clock.monotonic();
        let mut newest_last = keys.into_iter().rev();
        let first = newest_last.next().expect("one file at least was read");
        let mut ring = Ring::starting(first, now);
        newest_last.for_each(|key| ring.add(key, now, rotation.wait()));
        let shared = Shared::new(ring, rotation, None, clock);
        let kept = Arc::clone(&shared);
        Ok(Self { upkeep: Arc::new(Upkeep::new(move || followed.follow(Arc::clone(&kept)))), shared })
    }

    /// The public keys of the ring now, as a document to be published (RFC 7517 §5).
    #[must_use]
    pub fn document(&self) -> Arc<str> {
        self.at(self.shared.clock.monotonic()).document.clone()
    }

    /// The same keys, for a verifier in this process.
    #[must_use]
    pub fn keys(&self) -> KeySet {
        let now = self.at(self.shared.clock.monotonic());
        KeySet::from_keys(now.published.iter().map(SigningKey::verifying_key)).expect("a ring is never empty")
    }

    /// How many times the ring has changed: whoever has the [keys](Self::keys) of this one has those that are published.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.at(self.shared.clock.monotonic()).generation
    }

    /// For how long a verifier may go by what is published.
    #[must_use]
    pub fn max_age(&self) -> Duration {
        self.shared.rotation.max_age
    }

    /// The clock of the ring.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// The key that signs now.
    ///
    /// # Errors
    ///
    /// [`KeyTooOld`] where no other has taken the place of one that is.
    pub fn signing_key(&self) -> Result<SigningKey, KeyTooOld> {
        let moment = self.shared.clock.monotonic();
        let now = self.at(moment);
        let age = moment.since(now.since);
        match self.shared.rotation.oldest {
            Some(oldest) if age >= oldest => {
                let next_in = now.next.map(|next| next.since(moment));
                Err(KeyTooOld { key_id: now.signs.key_id().into(), age, oldest, next_in })
            }
            _ => Ok(now.signs.clone()),
        }
    }

    fn at(&self, moment: Moment) -> Guard<Arc<Snapshot>> {
        self.upkeep.keep();
        self.shared.at(moment)
    }
}

impl Shared {
    fn new(mut ring: Ring, rotation: Rotation, generates: Option<Algorithm>, clock: Clock) -> Arc<Self> {
        let now = clock.monotonic();
        let turns = generates.map_or(NEVER, |_| ring.newest().saturating_add(rotation.every));
        let snapshot = Snapshot::of(&mut ring, &rotation, turns, now, 1);
        Arc::new(Self { clock, rotation, generates, ring: Mutex::new(ring), now: ArcSwap::from_pointee(snapshot) })
    }

    fn at(&self, moment: Moment) -> Guard<Arc<Snapshot>> {
        let now = self.now.load();
        if moment < now.until {
            return now;
        }
        drop(now);
        self.change(moment, |_| ());
        self.now.load()
    }

    /// Brings the ring up to date, and changes it besides.
    fn change(&self, moment: Moment, change: impl FnOnce(&mut Ring)) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut ring);
        let turns = self.generate(&mut ring, moment);
        let before = self.now.load();
        let next = Snapshot::of(&mut ring, &self.rotation, turns, moment, before.generation + 1);
        telemetry::keys_changed(&before.signs, &next.signs, &before.published, &next.published);
        self.now.store(Arc::new(next));
    }

    /// Generates the next key in its time, and gives when it is time again. Where there is none, those before it stay: a key
    /// that cannot be had is no reason to sign by none, as long as the other may.
    fn generate(&self, ring: &mut Ring, moment: Moment) -> Moment {
        let Some(algorithm) = self.generates else { return NEVER };
        if ring.newest_since(moment) >= self.rotation.every {
            match SigningKey::generate(algorithm) {
                Ok(key) => ring.add(key, moment, self.rotation.wait()),
                Err(why) => {
                    telemetry::key_not_generated(&why);
                    return moment.saturating_add(AGAIN);
                }
            }
        }
        ring.newest().saturating_add(self.rotation.every)
    }

    /// Another key that is to sign in its time.
    fn add(&self, key: SigningKey) {
        let moment = self.clock.monotonic();
        self.change(moment, |ring| ring.add(key, moment, self.rotation.wait()));
    }

    /// Makes every change in its time, though nobody asks.
    async fn turn(self: Arc<Self>) {
        loop {
            let until = self.at(self.clock.monotonic()).until;
            self.clock.sleep_until(until).await;
        }
    }
}

impl Snapshot {
    /// As it stands now: until the next change in its own time, or until the ring turns.
    fn of(ring: &mut Ring, rotation: &Rotation, turns: Moment, now: Moment, generation: u64) -> Self {
        ring.forget(now, rotation.linger());
        let published = ring.published();
        let document = tower_identity_jose::public_key_set(&published).into();
        let (signs, since) = ring.signing(now);
        let until = ring.next_change(now, rotation.linger()).unwrap_or(NEVER).min(turns);
        Self { signs, since, next: ring.next_signs(now), published, document, until, generation }
    }
}

/// What [`SigningKeyError`] says of a file's text.
fn rule(why: &SigningKeyError) -> String {
    format!("holds no key that signs: {why}")
}

#[cfg(test)]
mod tests;
