//! The requests of a fleet.

use fastrand::Rng;

use super::Fleet;

/// One call to a target, for a user. Times are milliseconds since the simulation began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// When it is made.
    pub at: u64,
    /// The replica that makes it.
    pub replica: u32,
    /// For whom.
    pub user: u32,
    /// Which of the replicas before has called for them.
    pub caller: u32,
    /// Which of the user's tokens it has presented: they follow one another.
    pub presented: u32,
    /// When that token ends.
    pub presented_ends: u64,
    /// Whom it calls.
    pub target: u32,
}

/// The requests of a fleet in the order of time: each at any time, by any replica, for any user, to any target.
#[derive(Debug)]
pub struct Arrivals<'a> {
    fleet: &'a Fleet,
    users: u32,
    times: std::vec::IntoIter<u64>,
    /// When each user's first token ends, by each caller: the tokens of all do not end at one time.
    first_ends: Vec<u64>,
    rng: Rng,
}

impl<'a> Arrivals<'a> {
    /// The requests that are made for so many of the fleet's users until this time.
    #[must_use]
    pub fn new(fleet: &'a Fleet, users: u32, until: u64) -> Self {
        let mut rng = Rng::with_seed(fleet.seed);
        // Independent requests, of which one knows how many there are in all, are as many times without any order.
        let requests = u64::from(users) * u64::from(fleet.calls_per_minute) * until / 60_000;
        let mut times: Vec<_> = (0..requests).map(|_| rng.u64(0..until.max(1))).collect();
        times.sort_unstable();
        let life = u64::from(fleet.user_token_seconds) * 1000;
        let first_ends = (0..users as usize * fleet.callers as usize).map(|_| rng.u64(1..=life)).collect();
        Self { fleet, users, times: times.into_iter(), first_ends, rng }
    }
}

impl Iterator for Arrivals<'_> {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let Fleet { replicas, targets, callers, user_token_seconds, .. } = *self.fleet;
        let at = self.times.next()?;
        let (user, caller) = (self.rng.u32(0..self.users), self.rng.u32(0..callers));
        let first_ends = self.first_ends[user as usize * callers as usize + caller as usize];
        let life = u64::from(user_token_seconds) * 1000;
        let presented = if at < first_ends { 0 } else { 1 + (at - first_ends) / life };
        Some(Arrival {
            at,
            replica: self.rng.u32(0..replicas),
            user,
            caller,
            presented: u32::try_from(presented).unwrap_or(u32::MAX),
            presented_ends: first_ends + presented * life,
            target: self.rng.u32(0..targets),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_requests_are_made_as_were_asked_for_in_order_and_while_the_users_token_lasts() {
        let fleet = Fleet { users: 50, callers: 2, user_token_seconds: 60, calls_per_minute: 6, ..Fleet::default() };
        let arrivals: Vec<_> = Arrivals::new(&fleet, 50, 600_000).collect();
        assert_eq!(arrivals.len(), 50 * 6 * 10);
        assert!(arrivals.is_sorted_by_key(|arrival| arrival.at));
        for Arrival { at, replica, user, caller, presented, presented_ends, target } in arrivals {
            assert!(replica < 4 && user < 50 && caller < 2 && target < 3);
            assert!(at < presented_ends && presented_ends <= at + 60_000, "{at} {presented_ends}");
            assert!(u64::from(presented) <= at / 60_000 + 1, "{at} {presented}");
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_requests_and_another_makes_others() {
        let requests = |seed| Arrivals::new(&Fleet { seed, ..Fleet::default() }, 10, 60_000).collect::<Vec<_>>();
        assert_eq!(requests(1), requests(1));
        assert_ne!(requests(1), requests(2));
    }
}
