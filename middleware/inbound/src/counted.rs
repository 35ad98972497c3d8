//! The decisions, counted.

use std::sync::OnceLock;

use metrics::{Counter, Unit};
use tower_identity_core::{Issuer, Refusal};

use crate::{Inbound, stage::Stage};

/// The counter of decisions: one for each [event](crate::decision), by `stage`, `outcome`, `enforced`, `reason` and
/// `issuer`.
///
/// `outcome` is `accepted`, `anonymous` or `refused`. `reason` is `none`, or of a refusal its kind and the check that
/// failed, such as `invalid_token:exp`. `issuer` is whose rules were applied, by a name from the configuration, never by
/// what a token says: `none` where nobody's were. `enforced` is `false` of a layer that observes: what it would have refused
/// went on.
pub const DECISIONS: &str = "tower_identity_decisions_total";

/// What a label says where there is nothing to say.
const NONE: &str = "none";

/// Counts a refusal. The counter is looked up each time: that is little beside the answer that is written.
pub(crate) fn refused(stage: Stage, refusal: &Refusal, enforced: bool) {
    let reason = format!("{}:{}", refusal.kind().as_str(), refusal.check());
    let issuer = refusal.named_issuer().map_or_else(|| NONE.to_owned(), |issuer| issuer.as_str().to_owned());
    counter(stage, "refused", enforced, reason, issuer).increment(1);
}

/// Counts what a layer lets through, by handles that are made at first use: so that a recorder which is installed after
/// the layer was made is found, and what passes often is counted without a lookup.
#[derive(Debug, Clone)]
pub(crate) struct Passed {
    enforced: bool,
    anonymous: OnceLock<Counter>,
    /// In the order of their first use. Issuers beyond these are looked up each time.
    by_issuer: Box<[OnceLock<(Issuer, Counter)>]>,
}

impl Passed {
    /// With handles for this many issuers, of a layer that enforces.
    pub(crate) fn of(issuers: usize) -> Self {
        Self { enforced: true, anonymous: OnceLock::new(), by_issuer: (0..issuers).map(|_| OnceLock::new()).collect() }
    }

    /// The same, of a layer that does not.
    pub(crate) fn unenforced(&self) -> Self {
        Self { enforced: false, ..Self::of(self.by_issuer.len()) }
    }

    /// Whether what these count is enforced.
    pub(crate) fn enforced(&self) -> bool {
        self.enforced
    }

    pub(crate) fn count(&self, stage: Stage, inbound: &Inbound) {
        match inbound {
            Inbound::Anonymous => self.anonymous.get_or_init(|| self.handle(stage, "anonymous", None)).increment(1),
            Inbound::Caller(context) => self.count_caller(stage, context.caller_token().issuer()),
        }
    }

    fn count_caller(&self, stage: Stage, issuer: &Issuer) {
        let register = || self.handle(stage, "accepted", Some(issuer));
        let known = self.by_issuer.iter().find_map(|handle| {
            let (of, counter) = handle.get_or_init(|| (issuer.clone(), register()));
            (of == issuer).then_some(counter)
        });
        match known {
            Some(counter) => counter.increment(1),
            None => register().increment(1),
        }
    }
    fn handle(&self, stage: Stage, outcome: &'static str, issuer: Option<&Issuer>) -> Counter {
        metrics::describe_counter!(DECISIONS, Unit::Count, "decisions on requests, by where they were taken and why");
        let issuer = issuer.map_or_else(|| NONE.to_owned(), |issuer| issuer.as_str().to_owned());
        counter(stage, outcome, self.enforced, NONE.to_owned(), issuer)
    }
}

fn counter(stage: Stage, outcome: &'static str, enforced: bool, reason: String, issuer: String) -> Counter {
    let (stage, enforced) = (stage.as_str(), if enforced { "true" } else { "false" });
    metrics::counter!(
        DECISIONS,
        "stage" => stage, "outcome" => outcome, "enforced" => enforced, "reason" => reason, "issuer" => issuer
    )
}
