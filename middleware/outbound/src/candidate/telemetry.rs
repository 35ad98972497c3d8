//! What the operator is told of a shadow.

use std::sync::{Arc, OnceLock};

use metrics::{Counter, Unit, counter, describe_counter};
use tower_identity_core::{Refusal, Scopes, WithCauses};

/// The counter of a shadow's tokens, by what came of them.
const CANDIDATES: &str = "tower_identity_candidate_tokens_total";

/// One row's candidate. Handles are made at first use.
#[derive(Debug)]
pub(super) struct Told {
    row: Arc<str>,
    /// The scopes that the row itself asks for.
    asked: Scopes,
    obtained: OnceLock<Counter>,
    refused: OnceLock<Counter>,
    dropped: OnceLock<Counter>,
}

impl Told {
    pub(super) fn new(row: Arc<str>, asked: Scopes) -> Self {
        Self { row, asked, obtained: OnceLock::new(), refused: OnceLock::new(), dropped: OnceLock::new() }
    }

    /// It could be sent, with these scopes, and for so long.
    pub(super) fn obtained(&self, strategy: &'static str, granted: &Scopes, seconds: u64) {
        self.count(&self.obtained, "obtained");
        let (missing, more) = (self.asked.without(granted), granted.without(&self.asked));
        tracing::info!(
            target: "tower_identity::candidate",
            row = &*self.row,
            strategy,
            outcome = "obtained",
            scope_missing = (!missing.is_empty()).then(|| tracing::field::display(missing)),
            scope_more = (!more.is_empty()).then(|| tracing::field::display(more)),
            seconds,
            "candidate tried"
        );
    }

    /// It could not be had, or not be sent.
    pub(super) fn refused(&self, strategy: &'static str, refusal: &Refusal) {
        self.count(&self.refused, "refused");
        tracing::warn!(
            target: "tower_identity::candidate",
            row = &*self.row,
            strategy,
            outcome = "refused",
            kind = refusal.kind().as_str(),
            check = refusal.check(),
            error = %WithCauses(refusal),
            "candidate tried"
        );
    }

    /// It was not tried: the budget is spent.
    pub(super) fn dropped(&self) {
        self.count(&self.dropped, "dropped");
    }

    fn count(&self, handle: &OnceLock<Counter>, outcome: &'static str) {
        let make = || {
            describe_counter!(
                CANDIDATES,
                Unit::Count,
                "tokens of candidates that are sent for nobody, by what came of them"
            );
            counter!(CANDIDATES, "target" => self.row.to_string(), "outcome" => outcome)
        };
        handle.get_or_init(make).increment(1);
    }
}
