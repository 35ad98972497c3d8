//! Looking split tokens up in their store: for so long, and so many at one time.

use std::{sync::Arc, time::Duration};

use quick_cache::sync::Cache;
use tower_identity_core::{CallerContext, Clock, Fingerprint, Refusal, RefusalKind, SecretToken};
use tower_identity_oauth::DEADLINE;
use tower_identity_refresh::Budget;

use super::{
    StandsFor, busy,
    split::{SplitToken, SplitTokens, StoreError},
};
use crate::check;

/// How many lookups of tokens that nothing is known of may be under way at one time, and how many of known ones.
const CONCURRENCY: usize = 64;

/// How many tokens are known to have been good. The least used make room.
const GOOD: usize = 10_000;

/// When whoever finds the store failing is to come back.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// A store of split tokens, and which of them were good when they were judged last.
#[derive(Debug)]
pub(super) struct Stored {
    store: Arc<dyn SplitTokens>,
    clock: Clock,
    /// Hashes alone: whether the token is good is found out anew each time.
    good: Cache<Fingerprint, ()>,
    /// For tokens that are not among the good.
    unknown: Budget,
    /// For those that are: a flood of others keeps none of them waiting.
    known: Budget,
}

/// The store of split tokens did not answer in time.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", DEADLINE.as_secs())]
struct Silent;

impl Stored {
    pub(super) fn new(store: Arc<dyn SplitTokens>, clock: Clock) -> Self {
        Self::within(Budget::new(CONCURRENCY), Budget::new(CONCURRENCY), store, clock)
    }

    /// The same store within the same budgets, and nothing that is known here.
    pub(super) fn apart(&self) -> Self {
        Self::within(self.unknown.clone(), self.known.clone(), Arc::clone(&self.store), self.clock.clone())
    }

    fn within(unknown: Budget, known: Budget, store: Arc<dyn SplitTokens>, clock: Clock) -> Self {
        Self { store, clock, good: Cache::new(GOOD), unknown, known }
    }

    /// The JWT of this signature.
    pub(super) async fn find(&self, signature: &SecretToken) -> Result<StandsFor, Refusal> {
        let hash = SplitToken::hash_of(signature.expose());
        let budget = if self.good.get(&hash).is_some() { &self.known } else { &self.unknown };
        let _permit = budget.take().ok_or_else(busy)?;
        match self.clock.within(DEADLINE, self.store.find(hash)).await {
            Some(Ok(None)) => Ok(StandsFor::Nothing),
            Some(Ok(Some(rest))) => {
                let whole = format!("{}.{}", rest.expose(), signature.expose());
                Ok(StandsFor::Jwt(whole.into()))
            }
            Some(Err(error)) => Err(failing(error)),
            None => Err(failing(StoreError::new(Silent))),
        }
    }

    /// Notes what came of judging the token. What could not be decided says nothing of it.
    pub(super) fn note(&self, signature: &SecretToken, decision: &Result<CallerContext, Refusal>) {
        let hash = SplitToken::hash_of(signature.expose());
        match decision {
            Ok(_) if self.good.get(&hash).is_none() => self.good.insert(hash, ()),
            Err(refusal) if *refusal.kind() == RefusalKind::InvalidToken => {
                self.good.remove(&hash);
            }
            Ok(_) | Err(_) => {}
        }
    }
}

fn failing(error: StoreError) -> Refusal {
    Refusal::new(RefusalKind::Unavailable { retry_after: RETRY_AFTER }, check::INTROSPECTION).caused_by(error)
}
