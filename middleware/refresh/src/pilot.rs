//! Who flies a load: a task of its own, so that no asker's leaving ends it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, Weak},
    task::Poll,
};

pub(crate) use self::runtime::{Runtime, Task};
use crate::{
    Failed, Loaded,
    flight::{Flight, Panic},
    slot::Shared,
    sync::lock,
};

/// The duty to end a flight: it lands, or, when this is dropped, it is lost.
///
/// Holds its slot weakly, so that a slot that nobody asks any more is gone at once.
pub(crate) struct Airborne<T, E> {
    slot: Weak<Shared<T, E>>,
    flight: Option<Arc<Flight<T, E>>>,
}

impl<T, E> Airborne<T, E> {
    pub(crate) fn new(slot: &Arc<Shared<T, E>>, flight: Arc<Flight<T, E>>) -> Self {
        Self { slot: Arc::downgrade(slot), flight: Some(flight) }
    }

    /// The slot learns of the end first: who is woken, and asks again, must not find this flight in the air.
    fn lose(&mut self, panic: Option<Panic>) {
        let Some(flight) = self.flight.take() else { return };
        if let Some(slot) = self.slot.upgrade() {
            let now = slot.clock.monotonic();
            lock(&slot.state).lose(now);
        }
        flight.lose(panic);
    }
}

impl<T: Clone, E: Clone> Airborne<T, E> {
    fn land(mut self, outcome: Result<Loaded<T>, Failed<E>>) {
        let Some(slot) = self.slot.upgrade() else { return };
        let now = slot.clock.monotonic();
        let result = lock(&slot.state).land(now, outcome);
        if let Some(flight) = self.flight.take() {
            flight.land(result);
        }
    }
}

impl<T, E> Drop for Airborne<T, E> {
    fn drop(&mut self) {
        self.lose(None);
    }
}

/// Flies a load to its end.
pub(crate) async fn fly<T, E, F>(mut airborne: Airborne<T, E>, load: F)
where
    T: Clone,
    E: Clone,
    F: Future<Output = Result<Loaded<T>, Failed<E>>>,
{
    let mut load = pin!(load);
    // A load that panicked is not polled again, so nobody sees what the panic left half done.
    let flown = std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| load.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    });
    match flown.await {
        Ok(outcome) => airborne.land(outcome),
        Err(panic) => airborne.lose(Some(panic)),
    }
}

#[cfg(not(loom))]
mod runtime {
    use tokio::{runtime::Handle, task::AbortHandle};

    /// The runtime that an asker runs in.
    pub(crate) struct Runtime(Handle);

    impl Runtime {
        pub(crate) fn current() -> Option<Self> {
            Handle::try_current().ok().map(Self)
        }

        pub(crate) fn spawn(&self, flight: impl Future<Output = ()> + Send + 'static) -> Task {
            Task(self.0.spawn(flight).abort_handle())
        }
    }

    /// A flight's task.
    pub(crate) struct Task(AbortHandle);

    impl Task {
        pub(crate) fn abort(&self) {
            self.0.abort();
        }
    }
}

/// A thread of the model for each flight; calling off is left to the test of the real thing.
#[cfg(loom)]
mod runtime {
    pub(crate) struct Runtime;

    impl Runtime {
        pub(crate) fn current() -> Option<Self> {
            Some(Self)
        }

        pub(crate) fn spawn(&self, flight: impl Future<Output = ()> + Send + 'static) -> Task {
            loom::thread::spawn(|| loom::future::block_on(flight));
            Task
        }
    }

    pub(crate) struct Task;

    impl Task {
        pub(crate) fn abort(&self) {}
    }
}
