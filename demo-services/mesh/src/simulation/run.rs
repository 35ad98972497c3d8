//! All requests of a fleet, and what comes of them.

use std::collections::VecDeque;

use fastrand::Rng;

use super::{
    Arrival, Arrivals, Fleet, Outcome,
    remembered::{Key, Remembered, entry_bytes},
};

/// How many users are simulated at most, each with their share of the room; every figure is that of all. Users have
/// nothing to do with each other but for the room, so these stand for any number.
const SAMPLE: u32 = 250;

/// What a fleet comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// Calls to targets in a second, over all replicas.
    pub requests_per_second: f64,
    /// How many of them in a hundred find their token there, and do not wait.
    pub hit_percent: f64,
    /// Requests to the authorization server in a second, over all replicas.
    pub calls_per_second: f64,
    /// How many of those in a hundred are made behind the back of whoever needs the token.
    pub ahead_percent: f64,
    /// How many tokens a replica remembers that can be used.
    pub tokens: f64,
    /// What they take, in megabytes.
    pub megabytes: f64,
    /// What all take that are remembered, in megabytes: those that have ended stay until room is needed.
    pub held_megabytes: f64,
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// How often each outcome was, by its number.
    pub outcomes: [u64; Outcome::ALL.len()],
    /// How often the server was asked.
    pub calls: u64,
    /// How many tokens the replicas remember in the end that can be used.
    pub usable: usize,
    /// And how many in all.
    pub held: usize,
}

/// Simulates a fleet for three times as long as a user's token lives, and looks at the last of them.
///
/// ```
/// use demo_mesh::simulation::{Fleet, simulate};
///
/// let fleet = Fleet { users: 100, ..Fleet::default() };
/// let longer = Fleet { token_seconds: 600, ..fleet.clone() };
/// assert!(simulate(&longer).calls_per_second < simulate(&fleet).calls_per_second);
/// ```
#[must_use]
pub fn simulate(fleet: &Fleet) -> Figures {
    let users = fleet.users.min(SAMPLE);
    let share = f64::from(users) / f64::from(fleet.users);
    let life = u64::from(fleet.user_token_seconds) * 1000;
    let tally = tally(fleet, share, 2 * life, Arrivals::new(fleet, users, 3 * life));

    let percent = |part: u64, whole: u64| if whole > 0 { 100.0 * part as f64 / whole as f64 } else { 0.0 };
    let per_second = |count: u64| count as f64 / f64::from(fleet.user_token_seconds) / share;
    let in_a_replica = |count: usize| count as f64 / f64::from(fleet.replicas) / share;
    let megabytes = |tokens: f64| tokens * entry_bytes(fleet) as f64 / 1e6;
    let [hit, stale, miss, ..] = tally.outcomes;
    let requests = tally.outcomes.iter().sum();
    Figures {
        requests_per_second: per_second(requests),
        hit_percent: percent(hit + stale, requests),
        calls_per_second: per_second(tally.calls),
        ahead_percent: percent(tally.calls - miss, tally.calls),
        tokens: in_a_replica(tally.usable),
        megabytes: megabytes(in_a_replica(tally.usable)),
        held_megabytes: megabytes(in_a_replica(tally.held)),
    }
}

/// Counts what becomes of these requests, from this time on, in replicas that have this share of the fleet's room.
#[must_use]
pub fn tally(fleet: &Fleet, share: f64, from: u64, arrivals: impl Iterator<Item = Arrival>) -> Tally {
    let mut rng = Rng::with_seed(!fleet.seed);
    let mut replicas: Vec<_> = (0..fleet.replicas).map(|_| Remembered::new(fleet, share)).collect();
    // The server takes as long for one as for another: what is asked first is answered first.
    let mut in_the_air = VecDeque::<Arrival>::new();
    let takes = u64::from(fleet.answer_milliseconds);
    let (mut tally, mut last) = (Tally::default(), 0);
    for arrival in arrivals {
        let landed = in_the_air.partition_point(|asked| asked.at + takes <= arrival.at);
        for asked in in_the_air.drain(..landed) {
            let (replica, key) = (&mut replicas[asked.replica as usize], Key::of(&asked));
            if is_refused(fleet, asked.user) {
                replica.refuse(key, asked.at + takes, &mut rng);
            } else {
                replica.keep(fleet, key, (asked.at, asked.presented_ends), &mut rng);
            }
        }
        let (outcome, asks) = replicas[arrival.replica as usize].ask(Key::of(&arrival), arrival.at);
        in_the_air.extend(asks.then_some(arrival));
        if arrival.at >= from {
            tally.outcomes[outcome as usize] += 1;
            tally.calls += u64::from(asks);
        }
        last = arrival.at;
    }
    for (usable, held) in replicas.iter().map(|replica| replica.tokens(last)) {
        tally.usable += usable;
        tally.held += held;
    }
    tally
}

/// Whether the server refuses this user.
fn is_refused(fleet: &Fleet, user: u32) -> bool {
    user % 100 < fleet.refused_percent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_users_stand_for_all() {
        let ample = Fleet { cache_mebibytes: 100_000, cache_capacity: 10_000_000, ..Fleet::default() };
        let fleet = Fleet { users: SAMPLE, ..ample };
        let (some, all) = (simulate(&fleet), simulate(&Fleet { users: 20 * SAMPLE, ..fleet }));
        assert_eq!(all.hit_percent, some.hit_percent);
        assert_eq!((all.calls_per_second / some.calls_per_second).round(), 20.0);

        let alone = Fleet { users: 4 * SAMPLE, cache_capacity: 2_000, ..Fleet::default() };
        let life = u64::from(alone.user_token_seconds) * 1000;
        let every = tally(&alone, 1.0, 2 * life, Arrivals::new(&alone, alone.users, 3 * life));
        let calls = every.calls as f64 / f64::from(alone.user_token_seconds);
        let sampled = simulate(&alone).calls_per_second;
        assert!((calls / sampled - 1.0).abs() < 0.02, "also where there is not room enough: {calls} {sampled}");
    }

    #[test]
    fn a_refused_user_asks_no_more_often_than_once_in_a_moment() {
        let fleet = Fleet { users: 10, calls_per_minute: 6_000, refused_percent: 100, ..Fleet::default() };
        let fleet = Fleet { targets: 1, replicas: 1, user_token_seconds: 60, ..fleet };
        let figures = simulate(&fleet);
        assert_eq!(figures.hit_percent, 0.0);
        let each = figures.calls_per_second / 10.0;
        assert!((1.0..=1.25).contains(&each), "every 0.8 to 1.05 seconds: {each}");
    }
}
