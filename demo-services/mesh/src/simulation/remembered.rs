//! What one replica remembers: the rules of the outbound cache, with the time and the chance of the simulation.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, DefaultHasher},
};

use fastrand::Rng;
use quick_cache::{OptionsBuilder, UnitWeighter, unsync::Cache};

use super::{Arrival, Fleet};

/// How long before its end a token is no longer used, in milliseconds.
const SKEW: u64 = 10_000;

/// How long a token is used at most, in milliseconds.
const LONGEST: u64 = 3_600_000;

/// How long a refusal is the answer for its key, in milliseconds: at least, and how much longer by chance.
const REFUSED: (u64, u64) = (750, 250);

/// How long after one refresh was begun the next one is, in milliseconds.
const REFRESH_PAUSE: u64 = 1_000;

/// How often those that have ended make room before others do, in milliseconds.
const SWEEP_PAUSE: u64 = 30_000;

/// What an entry takes beside the text of its token, in bytes.
const ENTRY_BYTES: u64 = 295;

/// The share of the room that tokens have which were used again.
const USED_AGAIN: f64 = 0.97;

/// What becomes of a request that needs a token, by the names of the counter of such requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The token is there.
    Hit,
    /// It is there, and the server is asked for the next behind the request's back.
    Stale,
    /// The server is asked, and the request waits.
    Miss,
    /// The server was asked already, and the request waits with the one that asked.
    Coalesced,
    /// The server has just refused.
    Negative,
}

impl Outcome {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Hit, Self::Stale, Self::Miss, Self::Coalesced, Self::Negative];

    /// What the counter calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Miss => "miss",
            Self::Coalesced => "coalesced",
            Self::Negative => "negative",
        }
    }
}

/// Which token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    user: u32,
    caller: u32,
    presented: u32,
    target: u32,
}

impl Key {
    pub(super) const fn of(arrival: &Arrival) -> Self {
        let Arrival { user, caller, presented, target, .. } = *arrival;
        Self { user, caller, presented, target }
    }
}

/// A token that is there. Times are milliseconds since the simulation began.
#[derive(Debug, Clone, Copy)]
struct Token {
    next_refresh: u64,
    refresh_at: u64,
    ends_at: u64,
}

/// A token that is not.
#[derive(Debug, Clone, Copy)]
enum Asked {
    InTheAir,
    Refused { until: u64 },
}

/// The same hash each time.
type Hash = BuildHasherDefault<DefaultHasher>;

/// The cache of one replica. What it forgets when there is no more room is decided by the same code as in the real one.
#[derive(Debug)]
pub(super) struct Remembered {
    kept: Cache<Key, Token, UnitWeighter, Hash>,
    asked: HashMap<Key, Asked, Hash>,
    next_sweep: u64,
}

impl Remembered {
    /// Nothing yet, with this share of the fleet's room.
    pub(super) fn new(fleet: &Fleet, share: f64) -> Self {
        let room = (f64::from(room(fleet)) * share).round().max(1.0);
        let options = OptionsBuilder::new()
            .weight_capacity(room as u64)
            .estimated_items_capacity(room as usize)
            .hot_allocation(USED_AGAIN)
            .build()
            .expect("a capacity is all that options need");
        let kept = Cache::with_options(options, UnitWeighter, Hash::default(), Default::default());
        Self { kept, asked: HashMap::default(), next_sweep: 0 }
    }

    /// A request that needs a token now, and whether the server is asked for one.
    pub(super) fn ask(&mut self, key: Key, now: u64) -> (Outcome, bool) {
        let kept = self.kept.get_mut(&key);
        if let Some(mut token) = kept.filter(|token| now < token.ends_at) {
            let begins = token.next_refresh <= now;
            if begins {
                token.next_refresh = now + REFRESH_PAUSE;
            }
            let outcome = if token.refresh_at <= now { Outcome::Stale } else { Outcome::Hit };
            drop(token);
            return (outcome, begins && self.begin(key, now).is_ok());
        }
        match self.begin(key, now) {
            Ok(()) => (Outcome::Miss, true),
            Err(instead) => (instead, false),
        }
    }

    /// Asks the server, if nobody has; or what becomes of who would have.
    fn begin(&mut self, key: Key, now: u64) -> Result<(), Outcome> {
        match self.asked.get(&key) {
            Some(Asked::InTheAir) => return Err(Outcome::Coalesced),
            Some(Asked::Refused { until }) if now < *until => return Err(Outcome::Negative),
            _ => {}
        }
        self.asked.insert(key, Asked::InTheAir);
        Ok(())
    }

    /// The server answers what was asked at `began`, for a user whose own token ends at `ends`, with a token.
    pub(super) fn keep(&mut self, fleet: &Fleet, key: Key, (began, ends): (u64, u64), rng: &mut Rng) {
        self.asked.remove(&key);
        let (fresh, usable) = life(fleet, ends.saturating_sub(began), rng);
        let refresh_at = began + fresh;
        if usable > 0 {
            let more = self.kept.len() + usize::from(self.kept.peek(&key).is_none());
            self.kept.insert(key, Token { next_refresh: refresh_at, refresh_at, ends_at: began + usable });
            let has_made_room = self.kept.len() < more;
            if has_made_room && self.next_sweep <= began {
                self.next_sweep = began + SWEEP_PAUSE;
                self.kept.retain(|_, token| began < token.ends_at);
            }
        }
    }

    /// The server refuses.
    pub(super) fn refuse(&mut self, key: Key, now: u64, rng: &mut Rng) {
        let (least, longer) = REFUSED;
        self.asked.insert(key, Asked::Refused { until: now + least + rng.u64(0..=longer) });
    }

    /// How many tokens are there that can be used now, and how many in all.
    pub(super) fn tokens(&self, now: u64) -> (usize, usize) {
        (self.kept.iter().filter(|(_, token)| now < token.ends_at).count(), self.kept.len())
    }
}

/// How long a token is fresh and usable, from when it was asked for. The server says no more than what the user's token
/// has left. Where that is what ends it, it is used until then; else until a while before its end or for an hour, and
/// refreshed after 70 to 80 % of that.
fn life(fleet: &Fleet, left: u64, rng: &mut Rng) -> (u64, u64) {
    let said = left.min(u64::from(fleet.token_seconds) * 1000);
    if left <= said + 1000 && said <= LONGEST {
        return (said, said);
    }
    let own = said.saturating_sub(SKEW).min(LONGEST);
    (own / 10 * 7 + rng.u64(0..=own / 10), own)
}

/// What an entry takes, in bytes.
pub(super) fn entry_bytes(fleet: &Fleet) -> u64 {
    ENTRY_BYTES + u64::from(fleet.token_bytes)
}

/// How many tokens there is room for in a replica.
pub(super) fn room(fleet: &Fleet) -> u32 {
    let bytes = u64::from(fleet.cache_mebibytes) << 20;
    u32::try_from(bytes / entry_bytes(fleet)).unwrap_or(u32::MAX).min(fleet.cache_capacity)
}

#[cfg(test)]
mod tests {
    use Outcome::{Coalesced, Hit, Miss, Negative, Stale};

    use super::*;

    const FAR: u64 = 1_000_000_000;
    const KEY: Key = Key { user: 0, caller: 0, presented: 0, target: 0 };

    /// What becomes of requests for one token at these seconds, of a server that takes so long for a token or a refusal.
    fn outcomes(fleet: &Fleet, ends: u64, grants: bool, seconds: &[f64]) -> Vec<Outcome> {
        let (mut replica, mut rng, mut air) = (Remembered::new(fleet, 1.0), Rng::with_seed(1), Vec::new());
        let mut ask = |second: &f64| {
            let now = (second * 1000.0) as u64;
            let takes = u64::from(fleet.answer_milliseconds);
            air.retain(|began| {
                match (began + takes <= now, grants) {
                    (false, _) => return true,
                    (true, true) => replica.keep(fleet, KEY, (*began, ends), &mut rng),
                    (true, false) => replica.refuse(KEY, began + takes, &mut rng),
                }
                false
            });
            let (outcome, asked) = replica.ask(KEY, now);
            air.extend(asked.then_some(now));
            outcome
        };
        seconds.iter().map(&mut ask).collect()
    }

    #[test]
    fn a_token_is_refreshed_ahead_of_its_end_and_gone_ten_seconds_before() {
        let fleet = Fleet { token_seconds: 300, answer_milliseconds: 2000, ..Fleet::default() };
        let cases: [(&[f64], &[Outcome]); 4] = [
            (&[0.0, 1.0, 2.0, 202.0], &[Miss, Coalesced, Hit, Hit]),
            (&[0.0, 233.0, 234.0, 235.0, 289.0, 433.0], &[Miss, Stale, Stale, Hit, Hit, Hit]),
            (&[0.0, 233.0, 466.0, 699.0], &[Miss, Stale, Stale, Stale]),
            (&[0.0, 290.0, 291.0, 292.0, 579.0, 582.0], &[Miss, Miss, Coalesced, Hit, Stale, Hit]),
        ];
        for (seconds, expected) in cases {
            assert_eq!(outcomes(&fleet, FAR, true, seconds), expected, "{seconds:?}");
        }
    }

    #[test]
    fn no_token_outlives_the_users_or_an_hour_and_none_is_refreshed_for_nothing() {
        let fleet = |token_seconds| Fleet { token_seconds, answer_milliseconds: 0, ..Fleet::default() };
        assert_eq!(outcomes(&fleet(300), 100_000, true, &[0.0, 99.0, 100.0]), [Miss, Hit, Miss]);
        assert_eq!(outcomes(&fleet(86_400), FAR, true, &[0.0, 2519.0, 3600.0]), [Miss, Hit, Miss]);
        assert_eq!(outcomes(&fleet(86_400), FAR, true, &[0.0, 2880.0, 3600.0]), [Miss, Stale, Hit]);
        assert_eq!(outcomes(&fleet(10), FAR, true, &[0.0, 0.0]), [Miss, Miss], "nothing is left of it");
    }

    #[test]
    fn a_refusal_is_the_answer_for_a_moment() {
        let fleet = Fleet { answer_milliseconds: 100, ..Fleet::default() };
        let seconds = [0.0, 0.05, 0.1, 0.8, 1.2];
        assert_eq!(outcomes(&fleet, FAR, false, &seconds), [Miss, Coalesced, Negative, Negative, Miss]);
    }

    #[test]
    fn there_is_room_for_so_many_bytes_and_no_more_than_so_many_tokens() {
        let room =
            |cache_mebibytes, cache_capacity| room(&Fleet { cache_mebibytes, cache_capacity, ..Fleet::default() });
        assert_eq!((room(64, 100_000), room(1024, 100_000), room(64, 10)), (44_888, 100_000, 10));
    }
}
