//! The slot under the model checker: the code that is shipped, in every order in which its threads can run with at most
//! two of them interrupted, or as many as `LOOM_MAX_PREEMPTIONS` says.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test -p tower-identity-refresh --test loom --release
//! ```
#![cfg(loom)]

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use loom::{future::block_on, model::Builder, thread};
use tower_identity_core::{BoxFuture, Clock, Moment, TimeSource, Timestamp};
use tower_identity_refresh::{Failed, Lifetime, Loaded, Slot};

type TestSlot = Slot<usize, usize>;
type Outcome = Result<Loaded<usize>, Failed<usize>>;

/// Time stands still: only the order of events decides.
struct Still;

impl TimeSource for Still {
    fn wall(&self) -> Timestamp {
        Timestamp::default()
    }

    fn monotonic(&self) -> Moment {
        Moment::default()
    }

    fn sleep_until(&self, _: Moment) -> BoxFuture<'static, ()> {
        unreachable!("a slot reads the clock and never sleeps")
    }
}

fn model(check: impl Fn() + Sync + Send + 'static) {
    let mut checker = Builder::new();
    checker.preemption_bound.get_or_insert(2);
    checker.check(check);
}

fn slot() -> TestSlot {
    Slot::new(Clock::new(Still))
}

/// How many loads were begun, and how many of them were in the air at one time.
#[derive(Clone, Default)]
struct Flights {
    begun: Arc<AtomicUsize>,
    in_the_air: Arc<AtomicUsize>,
}

impl Flights {
    /// A load that is under way for a while, and brings its own number.
    fn load(&self, outcome: fn(usize) -> Outcome) -> impl FnOnce() -> BoxFuture<'static, Outcome> + Send + 'static {
        let flights = self.clone();
        move || {
            let number = flights.begun.fetch_add(1, Ordering::SeqCst) + 1;
            Box::pin(async move {
                assert_eq!(flights.in_the_air.fetch_add(1, Ordering::SeqCst), 0, "another flight is in the air");
                thread::yield_now();
                flights.in_the_air.fetch_sub(1, Ordering::SeqCst);
                outcome(number)
            })
        }
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

fn brings(number: usize) -> Outcome {
    let hour = Duration::from_secs(3600);
    Ok(Loaded { value: number, lifetime: Lifetime::new(hour, hour) })
}

fn fails(number: usize) -> Outcome {
    Err(Failed { error: number, retry_after: Duration::ZERO })
}

fn fails_for_long(number: usize) -> Outcome {
    Err(Failed { error: number, retry_after: Duration::from_secs(60) })
}

fn panics(_: usize) -> Outcome {
    std::panic::resume_unwind(Box::new("the load"))
}

#[test]
fn two_askers_make_one_flight_and_both_have_its_result() {
    model(|| {
        let (slot, flights) = (slot(), Flights::default());
        let other = {
            let (slot, load) = (slot.clone(), flights.load(brings));
            thread::spawn(move || block_on(slot.get(load)))
        };
        assert_eq!(block_on(slot.get(flights.load(brings))), Ok(1));
        assert_eq!(other.join().expect("asker"), Ok(1));
        assert_eq!(flights.begun(), 1);
    });
}

#[test]
fn a_failure_is_shared_once() {
    model(|| {
        let (slot, flights) = (slot(), Flights::default());
        let other = {
            let (slot, load) = (slot.clone(), flights.load(fails_for_long));
            thread::spawn(move || block_on(slot.get(load)))
        };
        assert_eq!(block_on(slot.get(flights.load(fails_for_long))), Err(1));
        assert_eq!(other.join().expect("asker"), Err(1));
        assert_eq!(flights.begun(), 1);
    });
}

/// Without a memory of failures, the second asker may come after the first flight has failed, and fly itself.
#[test]
fn a_failure_that_is_not_remembered_is_shared_or_followed_by_another_flight() {
    model(|| {
        let (slot, flights) = (slot(), Flights::default());
        let other = {
            let (slot, load) = (slot.clone(), flights.load(fails));
            thread::spawn(move || block_on(slot.get(load)))
        };
        let mut got = [block_on(slot.get(flights.load(fails))), other.join().expect("asker")];
        got.sort_unstable();
        assert_eq!(got, [Err(1), Err(flights.begun())]);
    });
}

#[test]
fn a_waiter_that_leaves_harms_nobody() {
    model(|| {
        let (slot, flights) = (slot(), Flights::default());
        let leaver = {
            let (slot, load) = (slot.clone(), flights.load(brings));
            thread::spawn(move || {
                let first = pin!(slot.get(load)).poll(&mut Context::from_waker(Waker::noop()));
                assert!(matches!(first, Poll::Pending | Poll::Ready(Ok(1))));
            })
        };
        assert_eq!(block_on(slot.get(flights.load(brings))), Ok(1));
        leaver.join().expect("leaver");
        assert_eq!((flights.begun(), slot.peek()), (1, Some(1)));
    });
}

#[test]
fn clear_during_a_flight_discards_its_result() {
    model(|| {
        let (slot, flights) = (slot(), Flights::default());
        let before = {
            let (slot, load) = (slot.clone(), flights.load(brings));
            thread::spawn(move || block_on(slot.get(load)))
        };
        slot.clear();
        let begun_before = flights.begun();
        let after = block_on(slot.get(flights.load(brings))).expect("brought");
        assert!(after > begun_before, "asked after the clear, answered by flight {after} from before it");
        before.join().expect("asker").expect("brought");
    });
}

#[test]
fn newer_than_is_answered_by_a_flight_that_began_after_it() {
    model(|| {
        let (slot, flights) = (slot(), Flights::default());
        slot.put(brings(0).expect("loaded"));
        let other = {
            let (slot, load) = (slot.clone(), flights.load(brings));
            thread::spawn(move || block_on(slot.newer_than(Moment::default(), load)).expect("brought"))
        };
        let newer = block_on(slot.newer_than(Moment::default(), flights.load(brings))).expect("brought");
        let other = other.join().expect("asker");
        assert_eq!(newer.max(other), flights.begun());
        assert!(newer.min(other) >= 1, "the value that was there is not newer");
        assert_eq!(slot.peek(), Some(flights.begun()), "a later flight's value is never replaced by an earlier one's");
    });
}

#[test]
fn no_wakeup_is_lost_when_a_flight_dies() {
    model(|| {
        let (slot, flights) = (slot(), Flights::default());
        assert!(pin!(slot.get(flights.load(panics))).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let other = {
            let (slot, load) = (slot.clone(), flights.load(brings));
            thread::spawn(move || block_on(slot.get(load)))
        };
        assert_eq!(block_on(slot.get(flights.load(brings))), Ok(2));
        assert_eq!(other.join().expect("asker"), Ok(2));
        assert_eq!(flights.begun(), 2);
    });
}

#[test]
fn a_stale_value_is_refreshed_once() {
    model(|| {
        let (slot, flights) = (slot(), Flights::default());
        let hour = Duration::from_secs(3600);
        slot.put(Loaded { value: 0, lifetime: Lifetime::new(Duration::ZERO, hour) });
        let other = {
            let (slot, load) = (slot.clone(), flights.load(brings));
            thread::spawn(move || block_on(slot.get(load)))
        };
        let one = block_on(slot.get(flights.load(brings))).expect("there is a value");
        let two = other.join().expect("asker").expect("there is a value");
        assert!(one <= 1 && two <= 1);
        assert_eq!(flights.begun(), 1);
    });
}
