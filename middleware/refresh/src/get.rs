//! The future of an ask.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use crate::{Failed, Loaded, Slot};

/// An ask for a slot's value: see [`Slot::get`] and [`Slot::newer_than`].
#[must_use = "an ask begins no flight unless it is polled"]
pub struct Get<T, E, L> {
    slot: Slot<T, E>,
    load: Option<L>,
}

impl<T, E, L, F> Future for Get<T, E, L>
where
    T: Clone + Send + 'static,
    E: Clone + Send + 'static,
    L: FnOnce() -> F,
    F: Future<Output = Result<Loaded<T>, Failed<E>>> + Send + 'static,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        unimplemented!("{:?} {}", self.slot, self.load.is_some())
    }
}

impl<T, E, L> fmt::Debug for Get<T, E, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Get").finish_non_exhaustive()
    }
}
