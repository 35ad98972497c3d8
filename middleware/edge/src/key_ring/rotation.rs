//! How long each state of a key lasts.

use std::time::Duration;

use tower_identity_core::InvalidSetting;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// For how long a verifier goes by a key set at least, whatever it was told.
const SHORTEST_MAX_AGE: Duration = Duration::from_secs(60);

/// A fetch may have begun before a key was published, and have ended after.
const FETCH: Duration = Duration::from_secs(30);

/// The longest that an internal identity lives.
pub(crate) const LONGEST_LIFE: Duration = Duration::from_secs(300);

/// How far a verifier's clock may be behind.
const LEEWAY: Duration = Duration::from_secs(120);

/// How keys take each other's place.
///
/// ```
/// use std::time::Duration;
///
/// use tower_identity_edge::Rotation;
///
/// let rotation = Rotation::default().every(Duration::from_secs(3_600)).max_age(Duration::from_secs(120));
/// assert_eq!(rotation.wait(), Duration::from_secs(150));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "it does nothing until a ring has it"]
pub struct Rotation {
    pub(super) every: Duration,
    pub(super) max_age: Duration,
    pub(super) oldest: Option<Duration>,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { every: DAY, max_age: Duration::from_secs(300), oldest: None }
    }
}

impl Rotation {
    /// How often a key is generated: once in 24 h by default. What is in files is rotated by whoever writes them.
    pub fn every(self, every: Duration) -> Self {
        Self { every, ..self }
    }

    /// For how long a verifier may go by the key set that it has fetched: 5 min by default, 1 min at least. It is told so
    /// (`Cache-Control: max-age`), and a key [waits](Self::wait) for longer than that before it signs.
    pub fn max_age(self, max_age: Duration) -> Self {
        Self { max_age, ..self }
    }

    /// For how long a key may sign. One that is older, because nothing has taken its place, signs nothing more
    /// ([`KeyTooOld`](crate::KeyTooOld)).
    ///
    /// By default twice the time after which another is generated; for keys in files, as long as they are there.
    pub fn oldest(self, oldest: Duration) -> Self {
        Self { oldest: Some(oldest), ..self }
    }

    /// For how long a key is published before it signs.
    #[must_use]
    pub fn wait(&self) -> Duration {
        self.max_age.saturating_add(FETCH)
    }

    /// For how long a key is published after it has signed for the last time.
    #[must_use]
    pub fn linger(&self) -> Duration {
        LONGEST_LIFE + LEEWAY
    }

    pub(super) fn check(self, generates: bool) -> Result<Self, InvalidSetting> {
        let refused = |field, rule| Err(InvalidSetting::new(field, rule));
        if self.max_age < SHORTEST_MAX_AGE {
            return refused("max_age", "is under a minute, for which a verifier may go by a key set in any case");
        }
        let shortest = self.wait().saturating_add(self.linger());
        if generates && self.every < shortest {
            return refused("every", "is so short that keys would be there of three rotations");
        }
        let every = if generates { self.every.saturating_add(self.wait()) } else { self.wait() };
        match self.oldest {
            Some(oldest) if oldest < every => refused("oldest", "is before another key can have taken its place"),
            None if generates => Ok(self.oldest(self.every.saturating_mul(2))),
            _ => Ok(self),
        }
    }
}
