//! What the operator is told of tokens that are remembered.

use std::sync::{
    OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};

/// The counter of tokens that were looked for, by whether they were remembered.
const LOOKUPS: &str = "tower_identity_remembered_lookups_total";

/// The counter of tokens that made room for others.
const EVICTIONS: &str = "tower_identity_remembered_evictions_total";

/// The gauge of tokens that are remembered.
const TOKENS: &str = "tower_identity_remembered_tokens";

/// Whose tokens are remembered.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whose {
    Callers,
    Users,
    #[cfg(feature = "transaction-tokens")]
    Transactions,
}

impl Whose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Callers => "callers",
            Self::Users => "users",
            #[cfg(feature = "transaction-tokens")]
            Self::Transactions => "transactions",
        }
    }
}

/// Handles that are made at first use, so that a recorder is found which was installed after the verifier was built.
pub(super) struct Telemetry {
    whose: Whose,
    hits: OnceLock<Counter>,
    misses: OnceLock<Counter>,
    evictions: OnceLock<Counter>,
    tokens: OnceLock<Gauge>,
    /// What the gauge was told of these.
    told: AtomicUsize,
}

impl Telemetry {
    pub(super) fn new(whose: Whose) -> Self {
        Self {
            whose,
            hits: OnceLock::new(),
            misses: OnceLock::new(),
            evictions: OnceLock::new(),
            tokens: OnceLock::new(),
            told: AtomicUsize::new(0),
        }
    }

    pub(super) fn hit(&self) {
        self.hits.get_or_init(|| self.lookups("hit")).increment(1);
    }

    pub(super) fn miss(&self) {
        self.misses.get_or_init(|| self.lookups("miss")).increment(1);
    }

    /// Tells of so many that are there now and were not, and of those that are gone, some of them to make room. Counted up
    /// and down, since several verifiers of a process may tell of theirs.
    pub(super) fn added(&self, added: usize, gone: usize, evicted: usize) {
        if evicted > 0 {
            let evictions = || {
                describe_counter!(EVICTIONS, Unit::Count, "remembered tokens that made room for others");
                counter!(EVICTIONS, "of" => self.whose.as_str())
            };
            self.evictions.get_or_init(evictions).increment(evicted as u64);
        }
        match (added, gone) {
            (added, gone) if added > gone => {
                self.told.fetch_add(added - gone, Ordering::Relaxed);
                self.tokens().increment((added - gone) as f64);
            }
            (added, gone) if gone > added => {
                self.told.fetch_sub(gone - added, Ordering::Relaxed);
                self.tokens().decrement((gone - added) as f64);
            }
            _ => {}
        }
    }

    /// Tells that all of them are gone.
    pub(super) fn dropped(&self) {
        let told = self.told.swap(0, Ordering::Relaxed);
        if told > 0 {
            self.tokens().decrement(told as f64);
        }
    }

    fn lookups(&self, outcome: &'static str) -> Counter {
        describe_counter!(LOOKUPS, Unit::Count, "tokens that were looked for among those remembered");
        counter!(LOOKUPS, "of" => self.whose.as_str(), "outcome" => outcome)
    }

    fn tokens(&self) -> &Gauge {
        self.tokens.get_or_init(|| {
            describe_gauge!(TOKENS, Unit::Count, "verified tokens that are remembered");
            gauge!(TOKENS, "of" => self.whose.as_str())
        })
    }
}
