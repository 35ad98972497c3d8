//! What an observing layer tells, beside a request that goes on.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tower_identity_core::{Refusal, RefusalKind};
use tower_identity_verify::Verification;

use super::settings::{Settings, Verdict};
use crate::{
    Inbound,
    decision::{self, Stage},
    observed::Observed,
};

/// One decision that is told and has no other effect: as soon as it is there, and at the latest when this is dropped,
/// because then the request is answered or given up.
pub(super) struct Observing {
    settings: Arc<Settings>,
    observed: Observed,
    undecided: Option<Verification>,
}

impl Observing {
    /// And what further layers are to find of it in the request.
    pub(super) fn of(verdict: Verdict, settings: &Arc<Settings>) -> (Option<Self>, Observed) {
        let observed = Observed::undecided();
        let mut observing = Self { settings: Arc::clone(settings), observed: observed.clone(), undecided: None };
        match verdict {
            Verdict::Decided(decision) => observing.tell(decision),
            Verdict::Waiting(verification) => observing.undecided = Some(verification),
        }
        (observing.undecided.is_some().then_some(observing), observed)
    }

    /// The request goes on whatever a verification does that is only watched, a panic of a store of split tokens too.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        let Some(verification) = &mut self.undecided else { return };
        let poll = AssertUnwindSafe(|| Pin::new(verification).poll(cx));
        let panicked = || Refusal::new(RefusalKind::Internal, "observe").detail("the verification panicked");
        if let Poll::Ready(decision) = catch_unwind(poll).unwrap_or_else(|_| Poll::Ready(Err(panicked()))) {
            self.undecided = None;
            self.tell(decision.map(Inbound::Caller));
        }
    }

    fn tell(&self, decision: Result<Inbound, Refusal>) {
        if let Some(unenforced) = &self.settings.unenforced {
            unenforced.decided();
        }
        decision::observe(Stage::Authentication, decision.as_ref(), &self.settings.passed);
        self.observed.decide(decision.ok());
    }
}

impl Drop for Observing {
    fn drop(&mut self) {
        if self.undecided.take().is_some() {
            let kind = RefusalKind::Unavailable { retry_after: Duration::from_secs(1) };
            self.tell(Err(Refusal::new(kind, "observe").detail("the request was over before the keys were there")));
        }
    }
}

impl fmt::Debug for Observing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observing(..)")
    }
}
