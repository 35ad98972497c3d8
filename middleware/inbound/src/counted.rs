//! The decisions, counted.

use std::sync::OnceLock;

use metrics::{Counter, Unit};
use tower_identity_core::{Issuer, Refusal};

use crate::{Inbound, decision::Stage};

/// The counter of decisions: one for each [event](crate::decision), by `stage`, `outcome`, `reason` and `issuer`.
///
/// `outcome` is `accepted`, `anonymous` or `refused`. `reason` is `none`, or of a refusal its kind and the check that
/// failed, such as `invalid_token:exp`. `issuer` is whose rules were applied, by a name from the configuration, never by
/// what a token says: `none` where nobody's were.
pub const DECISIONS: &str = "tower_identity_decisions_total";

/// What a label says where there is nothing to say.
const NONE: &str = "none";

/// Counts a refusal. The counter is looked up each time: that is little beside the answer that is written.
pub(crate) fn refused(stage: Stage, refusal: &Refusal) {
    let reason = format!("{}:{}", refusal.kind().as_str(), refusal.check());
    let issuer = refusal.named_issuer().map_or_else(|| NONE.to_owned(), |issuer| issuer.as_str().to_owned());
    let stage = stage.as_str();
    metrics::counter!(DECISIONS, "stage" => stage, "outcome" => "refused", "reason" => reason, "issuer" => issuer)
        .increment(1);
}

/// Counts what a layer lets through, by handles that are made at first use: so that a recorder which is installed after
/// the layer was made is found, and what passes often is counted without a lookup.
#[derive(Debug, Clone)]
pub(crate) struct Passed {
    anonymous: OnceLock<Counter>,
    /// In the order of their first use. Issuers beyond these are looked up each time.
    by_issuer: Box<[OnceLock<(Issuer, Counter)>]>,
}

impl Passed {
    /// With handles for this many issuers.
    pub(crate) fn of(issuers: usize) -> Self {
        Self { anonymous: OnceLock::new(), by_issuer: (0..issuers).map(|_| OnceLock::new()).collect() }
    }

    pub(crate) fn count(&self, stage: Stage, inbound: &Inbound) {
        match inbound {
            Inbound::Anonymous => self.anonymous.get_or_init(|| passed(stage, "anonymous", None)).increment(1),
            Inbound::Caller(context) => self.count_caller(stage, context.caller_token().issuer()),
        }
    }

    fn count_caller(&self, stage: Stage, issuer: &Issuer) {
        let register = || passed(stage, "accepted", Some(issuer));
        let known = self.by_issuer.iter().find_map(|handle| {
            let (of, counter) = handle.get_or_init(|| (issuer.clone(), register()));
            (of == issuer).then_some(counter)
        });
        match known {
            Some(counter) => counter.increment(1),
            None => register().increment(1),
        }
    }
}

fn passed(stage: Stage, outcome: &'static str, issuer: Option<&Issuer>) -> Counter {
    metrics::describe_counter!(DECISIONS, Unit::Count, "decisions on requests, by where they were taken and why");
    let issuer = issuer.map_or_else(|| NONE.to_owned(), |issuer| issuer.as_str().to_owned());
    metrics::counter!(DECISIONS, "stage" => stage.as_str(), "outcome" => outcome, "reason" => NONE, "issuer" => issuer)
}
