//! What an observing layer leaves in a request, for observing layers further in and for nobody else.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use crate::Inbound;

/// What an observing [`AuthLayer`](crate::AuthLayer) would have left as the [`Inbound`] of a request: now, or once its
/// keys are there.
#[derive(Clone)]
pub(crate) struct Observed(Arc<Mutex<State>>);

type Question = Box<dyn FnOnce(&Inbound) + Send>;

enum State {
    Undecided(Vec<Question>),
    /// `None` where the request would have been refused: then nothing further in would have been asked.
    Decided(Option<Inbound>),
}

impl Observed {
    pub(crate) fn undecided() -> Self {
        Self(Arc::new(Mutex::new(State::Undecided(Vec::new()))))
    }

    /// Settles what would have been left, and asks those who wait for it.
    pub(crate) fn decide(&self, would_be: Option<Inbound>) {
        let next = State::Decided(would_be.clone());
        let before = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), next);
        if let (State::Undecided(waiting), Some(inbound)) = (before, would_be) {
            waiting.into_iter().for_each(|ask| ask(&inbound));
        }
    }

    /// Asks of the would-be [`Inbound`], now or later, if there is to be one.
    pub(crate) fn ask(&self, ask: impl FnOnce(&Inbound) + Send + 'static) {
        let inbound = match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Undecided(waiting) => {
                waiting.push(Box::new(ask));
                return;
            }
            State::Decided(None) => return,
            State::Decided(Some(inbound)) => inbound.clone(),
        };
        ask(&inbound);
    }
}

impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observed(..)")
    }
}
