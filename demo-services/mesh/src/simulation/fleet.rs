//! The fleet: everything that the figures depend on.

use clap::Args;

/// The replicas of one service, those for whom they call, and whom.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Fleet {
    /// Users who are at work at one time
    #[arg(long, value_name = "N", default_value_t = DEFAULT.users, value_parser = at_least_one())]
    pub users: u32,
    /// Targets that the service calls, each as often as any other
    #[arg(long, value_name = "N", default_value_t = DEFAULT.targets, value_parser = at_least_one())]
    pub targets: u32,
    /// Replicas of the service, each with a cache of its own; a request goes to any of them
    #[arg(long, value_name = "N", default_value_t = DEFAULT.replicas, value_parser = at_least_one())]
    pub replicas: u32,
    /// How long a target's token lives, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT.token_seconds, value_parser = at_least_one())]
    pub token_seconds: u32,
    /// Replicas of the service before, each of which presents another token for the same user; 1 where users come with
    /// their own
    #[arg(long, value_name = "N", default_value_t = DEFAULT.callers, value_parser = at_least_one())]
    pub callers: u32,
    /// How long a user's token lives, as the service gets it, in seconds; then another takes its place
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT.user_token_seconds, value_parser = at_least_one())]
    pub user_token_seconds: u32,
    /// Calls to targets that the fleet makes for a user in a minute
    #[arg(long, value_name = "N", default_value_t = DEFAULT.calls_per_minute, value_parser = at_least_one())]
    pub calls_per_minute: u32,
    /// Tokens that a replica remembers at most
    #[arg(long, value_name = "N", default_value_t = DEFAULT.cache_capacity, value_parser = at_least_one())]
    pub cache_capacity: u32,
    /// Room for the tokens of a replica, in MiB
    #[arg(long, value_name = "MIB", default_value_t = DEFAULT.cache_mebibytes, value_parser = at_least_one())]
    pub cache_mebibytes: u32,
    /// How large a target's token is, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = DEFAULT.token_bytes)]
    pub token_bytes: u32,
    /// How long the authorization server takes for an answer, in milliseconds
    #[arg(long, value_name = "MILLISECONDS", default_value_t = DEFAULT.answer_milliseconds)]
    pub answer_milliseconds: u32,
    /// Users of a hundred whom the authorization server gives no token
    #[arg(long, value_name = "PERCENT", default_value_t = DEFAULT.refused_percent, value_parser = clap::value_parser!(u32).range(..=100))]
    pub refused_percent: u32,
    /// Where chance begins: the same seed gives the same figures
    #[arg(long, value_name = "N", default_value_t = DEFAULT.seed)]
    pub seed: u64,
}

fn at_least_one() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..)
}

/// What the command takes where nothing else is said.
const DEFAULT: Fleet = Fleet {
    users: 10_000,
    targets: 3,
    replicas: 4,
    token_seconds: 300,
    callers: 1,
    user_token_seconds: 900,
    calls_per_minute: 6,
    cache_capacity: 100_000,
    cache_mebibytes: 64,
    token_bytes: 1_200,
    answer_milliseconds: 50,
    refused_percent: 0,
    seed: 1,
};

impl Default for Fleet {
    fn default() -> Self {
        DEFAULT
    }
}
