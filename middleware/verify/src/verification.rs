//! The future of a verification.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use tower_identity_core::{BoxFuture, CallerContext, Refusal};

/// A verification under way: usually decided as soon as it is made, waiting only where keys have to be fetched.
#[derive(Debug)]
#[must_use = "a verification that waits does nothing unless it is polled"]
pub struct Verification(State);

enum State {
    Decided(Result<CallerContext, Refusal>),
    Fetching(BoxFuture<'static, Result<CallerContext, Refusal>>),
    Taken,
}

impl Verification {
    pub(crate) fn decided(decision: Result<CallerContext, Refusal>) -> Self {
        Self(State::Decided(decision))
    }

    /// One that has to wait: for what is fetched, be it the token itself, and then for its verdict.
    pub fn fetching(waiting: BoxFuture<'static, Result<CallerContext, Refusal>>) -> Self {
        Self(State::Fetching(waiting))
    }

    /// The decision, when it needs nothing that has to be fetched; else the verification again, to be awaited.
    ///
    /// For services that call on directly where they can.
    ///
    /// # Errors
    ///
    /// The verification itself, when it has to wait.
    pub fn try_now(self) -> Result<Result<CallerContext, Refusal>, Self> {
        match self.0 {
            State::Decided(decision) => Ok(decision),
            waiting @ (State::Fetching(_) | State::Taken) => Err(Self(waiting)),
        }
    }
}

/// One that is over: of what was verified in another way, as a [certificate](crate::Current::certificate) is.
impl From<Result<CallerContext, Refusal>> for Verification {
    fn from(decision: Result<CallerContext, Refusal>) -> Self {
        Self::decided(decision)
    }
}

impl Future for Verification {
    type Output = Result<CallerContext, Refusal>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match std::mem::replace(&mut self.0, State::Taken) {
            State::Decided(decision) => Poll::Ready(decision),
            State::Fetching(mut waiting) => {
                let polled = waiting.as_mut().poll(cx);
                if polled.is_pending() {
                    self.0 = State::Fetching(waiting);
                }
                polled
            }
            State::Taken => panic!("Verification polled after completion"),
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Decided(_) => "Decided",
            Self::Fetching(_) => "Fetching",
            Self::Taken => "Taken",
        })
    }
}
