//! The future of an ask.

use std::{
    fmt,
    panic::resume_unwind,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use crate::{
    Failed, Loaded, Slot,
    flight::{Flight, Landing, Waiter},
    pilot::{Airborne, Runtime, fly},
    slot::Shared,
    state::{Answer, Need},
};

/// An ask for a slot's value: see [`Slot::get`] and [`Slot::newer_than`].
#[must_use = "an ask begins no flight unless it is polled"]
pub struct Get<T, E, L> {
    phase: Phase<T, E, L>,
}

enum Phase<T, E, L> {
    Settled(T),
    Asking(Ask<T, E, L>),
    Waiting { ask: Ask<T, E, L>, waiter: Waiter<T, E>, place: Place },
    Done,
}

struct Ask<T, E, L> {
    slot: Slot<T, E>,
    need: Need,
    load: Option<L>,
}

/// Whose flight it is that an ask waits for.
#[derive(Clone, Copy)]
enum Place {
    /// Its own: the load is spent.
    Began,
    /// Another's, whose result it shares.
    Joined,
    /// Another's, which began too early for it.
    Behind,
}

impl<T, E, L> Get<T, E, L> {
    pub(crate) fn settled(value: T) -> Self {
        Self { phase: Phase::Settled(value) }
    }

    pub(crate) fn asking(slot: Slot<T, E>, need: Need, load: L) -> Self {
        Self { phase: Phase::Asking(Ask { slot, need, load: Some(load) }) }
    }
}

/// Nothing in it is pinned: the load's future lives in the flight's task.
impl<T, E, L> Unpin for Get<T, E, L> {}

impl<T, E, L, F> Future for Get<T, E, L>
where
    T: Clone + Send + 'static,
    E: Clone + Send + 'static,
    L: FnOnce() -> F,
    F: Future<Output = Result<Loaded<T>, Failed<E>>> + Send + 'static,
{
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match std::mem::replace(&mut self.phase, Phase::Done) {
                Phase::Settled(value) => return Poll::Ready(Ok(value)),
                Phase::Asking(mut ask) => {
                    let (flight, place) = match ask.slot.shared().ask(ask.need) {
                        Answer::Ready(value) => return Poll::Ready(Ok(value)),
                        Answer::Refresh(value, flight) => {
                            ask.begin(&flight);
                            return Poll::Ready(Ok(value));
                        }
                        Answer::Failed(error) => return Poll::Ready(Err(error)),
                        Answer::Join(flight) => (flight, Place::Joined),
                        Answer::Behind(flight) => (flight, Place::Behind),
                        Answer::Depart(flight) => {
                            let begun = ask.begin(&flight);
                            assert!(begun, "a load was begun outside a tokio runtime");
                            (flight, Place::Began)
                        }
                    };
                    self.phase = Phase::Waiting { ask, waiter: Waiter::new(flight), place };
                }
                Phase::Waiting { ask, mut waiter, place } => match (waiter.poll(cx.waker()), place) {
                    (Poll::Pending, _) => {
                        self.phase = Phase::Waiting { ask, waiter, place };
                        return Poll::Pending;
                    }
                    (Poll::Ready(Landing::Brought(result)), Place::Began | Place::Joined) => {
                        return Poll::Ready(result);
                    }
                    (Poll::Ready(Landing::Lost), Place::Began) => match waiter.take_panic() {
                        Some(panic) => resume_unwind(panic),
                        None => panic!("a load was dropped by the runtime that it was begun in"),
                    },
                    (Poll::Ready(_), Place::Joined | Place::Behind) => self.phase = Phase::Asking(ask),
                },
                Phase::Done => panic!("a Get was polled after completion"),
            }
        }
    }
}

impl<T, E, L, F> Ask<T, E, L>
where
    T: Clone + Send + 'static,
    E: Clone + Send + 'static,
    L: FnOnce() -> F,
    F: Future<Output = Result<Loaded<T>, Failed<E>>> + Send + 'static,
{
    /// Starts a flight that is ours to start; says whether there was a runtime to start it in.
    fn begin(&mut self, flight: &Arc<Flight<T, E>>) -> bool {
        let load = || self.load.take().expect("an ask begins one flight, whose result or value is its answer")();
        begin(self.slot.shared(), flight, load)
    }
}

/// Starts a flight, if there is a runtime to start it in. However this ends, the flight does not stay in the air without
/// a task: `airborne` sees to it.
pub(crate) fn begin<T, E, F>(slot: &Arc<Shared<T, E>>, flight: &Arc<Flight<T, E>>, load: impl FnOnce() -> F) -> bool
where
    T: Clone + Send + 'static,
    E: Clone + Send + 'static,
    F: Future<Output = Result<Loaded<T>, Failed<E>>> + Send + 'static,
{
    let airborne = Airborne::new(slot, Arc::clone(flight));
    let Some(runtime) = Runtime::current() else { return false };
    flight.flown_by(runtime.spawn(fly(airborne, load())));
    true
}

impl<T, E, L> fmt::Debug for Get<T, E, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Get").finish_non_exhaustive()
    }
}
