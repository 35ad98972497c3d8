//! What the operator is told of tokens that go out.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use metrics::{Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};

use crate::{cache::Came, candidate::Which};

/// The counter of requests that needed a token, by how they came by it.
const REQUESTS: &str = "tower_identity_token_requests_total";

/// The histogram of how long authorization servers took.
const ACQUISITION: &str = "tower_identity_token_acquisition_seconds";

/// The gauge of tokens that are remembered.
const ENTRIES: &str = "tower_identity_tokens_cached";

/// The counter of tokens that made room for others.
const EVICTIONS: &str = "tower_identity_tokens_cached_evictions_total";

/// The counter of requests to addresses that no target lists.
const UNLISTED: &str = "tower_identity_unlisted_requests_total";

/// A request goes without a credential to an address that no target lists.
pub(crate) fn sent_bare() {
    describe_counter!(UNLISTED, Unit::Count, "requests sent without a credential to addresses that no target lists");
    counter!(UNLISTED).increment(1);
}

/// The requests of one target by one strategy. Handles are made at first use, so that a recorder is found which was
/// installed after the targets were listed.
#[derive(Debug)]
pub(crate) struct Requests {
    target: Arc<str>,
    which: Which,
    strategy: &'static str,
    hit: OnceLock<Counter>,
    stale: OnceLock<Counter>,
    miss: OnceLock<Counter>,
    coalesced: OnceLock<Counter>,
    negative: OnceLock<Counter>,
    acquisition: OnceLock<Histogram>,
}

impl Requests {
    pub(crate) fn new(target: Arc<str>, which: Which, strategy: &'static str) -> Self {
        Self {
            target,
            which,
            strategy,
            hit: OnceLock::new(),
            stale: OnceLock::new(),
            miss: OnceLock::new(),
            coalesced: OnceLock::new(),
            negative: OnceLock::new(),
            acquisition: OnceLock::new(),
        }
    }

    /// A token that was at hand.
    #[inline]
    pub(crate) fn hit(&self) {
        self.hit.get_or_init(|| self.counter("hit")).increment(1);
    }

    /// A token that was at hand, while another is fetched.
    pub(crate) fn stale(&self) {
        self.stale.get_or_init(|| self.counter("stale")).increment(1);
    }

    pub(crate) fn came(&self, came: Came) {
        let (handle, result) = match came {
            Came::Hit => return self.hit(),
            Came::Miss => (&self.miss, "miss"),
            Came::Coalesced => (&self.coalesced, "coalesced"),
            Came::Negative => (&self.negative, "negative"),
        };
        handle.get_or_init(|| self.counter(result)).increment(1);
    }

    /// The authorization server has answered, whatever it was, or could not be asked.
    pub(crate) fn acquired(&self, took: Duration) {
        let histogram = || {
            describe_histogram!(ACQUISITION, Unit::Seconds, "how long it took to obtain a token, or to fail");
            let (target, which) = (self.target.to_string(), self.which.as_str());
            metrics::histogram!(ACQUISITION, "target" => target, "which" => which, "strategy" => self.strategy)
        };
        self.acquisition.get_or_init(histogram).record(took);
    }

    #[cold]
    fn counter(&self, result: &'static str) -> Counter {
        describe_counter!(REQUESTS, Unit::Count, "requests that needed a token, by how they came by it");
        let (target, which) = (self.target.to_string(), self.which.as_str());
        counter!(REQUESTS, "target" => target, "which" => which, "strategy" => self.strategy, "result" => result)
    }
}

/// The tokens that are remembered.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    entries: OnceLock<Gauge>,
    evictions: OnceLock<Counter>,
    /// What the gauge was told of these.
    told: AtomicUsize,
}

impl Entries {
    /// So many are there now, and so many made room. Counted up and down, since several of a process may tell of theirs.
    pub(crate) fn are(&self, entries: usize, evicted: usize) {
        if evicted > 0 {
            let evictions = || {
                describe_counter!(EVICTIONS, Unit::Count, "remembered tokens for targets that made room for others");
                counter!(EVICTIONS)
            };
            self.evictions.get_or_init(evictions).increment(evicted as u64);
        }
        let gauge = self.entries.get_or_init(|| {
            describe_gauge!(ENTRIES, Unit::Count, "tokens for targets that are remembered");
            gauge!(ENTRIES)
        });
        match self.told.swap(entries, Ordering::Relaxed) {
            told if told < entries => gauge.increment((entries - told) as f64),
            told if told > entries => gauge.decrement((told - entries) as f64),
            _ => {}
        }
    }
}

impl Drop for Entries {
    fn drop(&mut self) {
        let told = *self.told.get_mut();
        if let (Some(gauge), true) = (self.entries.get(), told > 0) {
            gauge.decrement(told as f64);
        }
    }
}
