//! A candidate's tokens, asked for behind the callers' backs and sent to nobody.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use quick_cache::sync::Cache;
use tower_identity_core::{CallerContext, Clock, Fingerprint, Moment, Scopes, Timestamp};
use tower_identity_refresh::Background;

use super::{
    budget::{Budget, Permit},
    telemetry::Told,
};
use crate::{acting::Acting, error::Reason, load, row::Row, source::Ask};

/// How long after one caller's token was asked for it is not asked for again.
const AGAIN: Duration = Duration::from_secs(300);

/// Of how many callers it is known that theirs was asked for. A budget's worth of them is tried before one is forgotten.
const TRIED: usize = 8192;

/// A row's shadow.
#[derive(Debug)]
pub(crate) struct Shadows {
    row: Row,
    budget: Budget,
    /// When whose token was asked for last: by the fingerprint of the subject token; of none, for this service's own.
    tried: Cache<Option<Fingerprint>, Moment>,
    /// What is under way: no more than the budget allows, and what is over until the next begins. It ends with this.
    tasks: Mutex<Vec<Background>>,
    clock: Clock,
    told: Arc<Told>,
}

/// What is to be tried once the row's own token was obtained.
pub(crate) struct Shadow {
    shadows: Arc<Shadows>,
    /// What the candidate would ask for, by the rules that every row goes by.
    ask: Result<Ask, Box<Reason>>,
}

impl Shadows {
    /// The shadow of a row that asks for these scopes itself.
    pub(super) fn new(row: Row, asked: Scopes, budget: Budget, clock: Clock) -> Self {
        let told = Arc::new(Told::new(Arc::clone(&row.name), asked));
        Self { row, budget, tried: Cache::new(TRIED), tasks: Mutex::default(), clock, told }
    }

    fn was_tried(&self, subject: Option<Fingerprint>) -> bool {
        let now = self.clock.monotonic();
        self.tried.get(&subject).is_some_and(|began| now.since(began) < AGAIN)
    }

    fn try_it(&self, subject: Option<Fingerprint>, ask: Ask, permit: Permit) {
        let (told, clock) = (Arc::clone(&self.told), self.clock.clone());
        let task = Background::spawn(async move {
            let strategy = ask.recipe.source.name();
            match load::obtain(&ask).await {
                Ok(obtained) => {
                    let left = ask.subject.as_ref().map(|subject| subject.expires_at().since(clock.wall()));
                    let seconds = load::lifetime(obtained.life, left).usable().as_secs();
                    told.obtained(strategy, &obtained.scopes, seconds);
                }
                Err(failed) => told.refused(strategy, &failed.error),
            }
            drop(permit);
        });
        self.tried.insert(subject, self.clock.monotonic());
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|task| !task.is_over());
        tasks.extend(task);
    }
}

impl Shadow {
    pub(super) fn of(
        shadows: &Arc<Shadows>,
        acting: Option<&Acting>,
        scope: Option<&CallerContext>,
        now: Timestamp,
    ) -> Self {
        // As what is refreshed ahead: it makes way for whoever waits.
        let ask = shadows.row.ask(acting, scope, now).and_then(|asked| asked.to_ask(true));
        Self { shadows: Arc::clone(shadows), ask }
    }

    /// Begins, if it is time and there is something left of the budget. Waits for nothing.
    pub(crate) fn begin(self) {
        let Self { shadows, ask } = self;
        let subject = ask.as_ref().ok().and_then(|ask| ask.subject.as_ref().map(|subject| subject.fingerprint()));
        if ask.is_ok() && shadows.was_tried(subject) {
            return;
        }
        let Some(permit) = shadows.budget.take() else { return shadows.told.dropped() };
        match ask {
            Ok(ask) => shadows.try_it(subject, ask, permit),
            Err(reason) => shadows.told.refused(shadows.row.strategy(), &reason.refusal()),
        }
    }
}

#[cfg(test)]
mod tests;
