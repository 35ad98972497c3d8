//! One load under way, and who waits for it.

use std::{
    any::Any,
    mem,
    sync::{Arc, OnceLock},
    task::{Poll, Waker},
};

use crate::{
    pilot::Task,
    sync::{Mutex, lock},
};

/// One load under way.
pub(crate) struct Flight<T, E> {
    /// No waker is woken or dropped under this lock: that may run the code of whoever waits, which takes it too.
    progress: Mutex<Progress<T, E>>,
    task: OnceLock<Task>,
}

enum Progress<T, E> {
    InTheAir(Seats),
    Landed(Result<T, E>),
    /// It died without a result; the panic it died of is for the ask that began it.
    Lost(Option<Panic>),
}

/// What a panic carries.
pub(crate) type Panic = Box<dyn Any + Send>;

/// How a flight ended, for those who wait.
pub(crate) enum Landing<T, E> {
    Brought(Result<T, E>),
    Lost,
}

impl<T, E> Flight<T, E> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { progress: Mutex::new(Progress::InTheAir(Seats::default())), task: OnceLock::new() })
    }

    /// Says which task flies it.
    pub(crate) fn flown_by(&self, task: Task) {
        // A flight takes off once, so there is no other task whose place this one could take.
        let _ = self.task.set(task);
    }

    /// Nobody is left who could want the result.
    pub(crate) fn call_off(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }

    pub(crate) fn land(&self, result: Result<T, E>) {
        self.end(Progress::Landed(result));
    }

    pub(crate) fn lose(&self, panic: Option<Panic>) {
        self.end(Progress::Lost(panic));
    }

    fn end(&self, end: Progress<T, E>) {
        let before = mem::replace(&mut *lock(&self.progress), end);
        if let Progress::InTheAir(seats) = before {
            seats.wake_all();
        }
    }
}

/// A place in a flight, given up when it is dropped.
pub(crate) struct Waiter<T, E> {
    flight: Arc<Flight<T, E>>,
    seat: Option<usize>,
}

impl<T, E> Waiter<T, E> {
    pub(crate) fn new(flight: Arc<Flight<T, E>>) -> Self {
        Self { flight, seat: None }
    }

    /// What the flight died of. The first who asks has it.
    pub(crate) fn take_panic(&self) -> Option<Panic> {
        match &mut *lock(&self.flight.progress) {
            Progress::Lost(panic) => panic.take(),
            Progress::InTheAir(_) | Progress::Landed(_) => None,
        }
    }
}

impl<T: Clone, E: Clone> Waiter<T, E> {
    pub(crate) fn poll(&mut self, waker: &Waker) -> Poll<Landing<T, E>> {
        let replaced = match &mut *lock(&self.flight.progress) {
            Progress::InTheAir(seats) => seats.take(&mut self.seat, waker),
            Progress::Landed(result) => return Poll::Ready(Landing::Brought(result.clone())),
            Progress::Lost(_) => return Poll::Ready(Landing::Lost),
        };
        drop(replaced);
        Poll::Pending
    }
}

impl<T, E> Drop for Waiter<T, E> {
    fn drop(&mut self) {
        let Some(seat) = self.seat else { return };
        let left = match &mut *lock(&self.flight.progress) {
            Progress::InTheAir(seats) => seats.leave(seat),
            Progress::Landed(_) | Progress::Lost(_) => None,
        };
        drop(left);
    }
}

/// Who waits. Never longer than the most who waited at one time: a seat that is left is taken again.
#[derive(Default)]
struct Seats {
    wakers: Vec<Option<Waker>>,
    left: Vec<usize>,
}

impl Seats {
    /// Takes a seat, or keeps it, to be woken by this waker; gives back the one it replaces.
    fn take(&mut self, seat: &mut Option<usize>, waker: &Waker) -> Option<Waker> {
        let at = *seat.get_or_insert_with(|| {
            self.left.pop().unwrap_or_else(|| {
                self.wakers.push(None);
                self.wakers.len() - 1
            })
        });
        self.wakers[at].replace(waker.clone())
    }

    fn leave(&mut self, seat: usize) -> Option<Waker> {
        self.left.push(seat);
        self.wakers[seat].take()
    }

    fn wake_all(self) {
        self.wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_that_is_left_is_taken_again() {
        let flight = Flight::<u32, ()>::new();
        for _ in 0..100 {
            let mut waiter = Waiter::new(Arc::clone(&flight));
            assert!(waiter.poll(Waker::noop()).is_pending());
            assert!(waiter.poll(Waker::noop()).is_pending(), "a second poll keeps the seat");
        }
        let Progress::InTheAir(seats) = &*lock(&flight.progress) else { panic!("nobody ended the flight") };
        assert_eq!((seats.wakers.len(), seats.left.len()), (1, 1));
    }
}
