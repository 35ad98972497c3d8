//! The slot on tokio: who waits for what, and what a caller's leaving, a panic or a runtime's end does to others.
#![cfg(not(loom))]

mod support;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    runtime,
    sync::{Semaphore, oneshot},
    task::{JoinSet, yield_now},
};
use tower_identity_core::Moment;
use tower_identity_refresh::{Failed, Lifetime, Loaded, Slot};

use self::support::ManualTime;

type Outcome = Result<Loaded<&'static str>, Failed<&'static str>>;
type TestSlot = Slot<&'static str, &'static str>;

/// Fresh for 70 s, usable for 100 s.
fn loaded(value: &'static str) -> Outcome {
    Ok(Loaded { value, lifetime: Lifetime::new(Duration::from_secs(70), Duration::from_secs(100)) })
}

fn failed(error: &'static str, retry_after: u64) -> Outcome {
    Err(Failed { error, retry_after: Duration::from_secs(retry_after) })
}

/// A load that ends at once.
fn bring(outcome: Outcome) -> impl FnOnce() -> std::future::Ready<Outcome> {
    move || std::future::ready(outcome)
}

/// A load that must not be begun: it would panic in the ask that brought it.
async fn no_flight() -> Outcome {
    panic!("this ask needs no flight")
}

/// A load that ends when the test says how.
fn held_up() -> (oneshot::Sender<Outcome>, impl FnOnce() -> Pin<Box<dyn Future<Output = Outcome> + Send>>) {
    let (land, landing) = oneshot::channel();
    (land, move || Box::pin(async { landing.await.expect("the test lands it") }))
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A hundred tasks ask at once, each with a load of its own; gives what they got and how many loads were begun.
async fn a_hundred_asks(slot: &TestSlot, outcome: Outcome) -> (Vec<Result<&'static str, &'static str>>, usize) {
    let begun = Arc::new(AtomicUsize::new(0));
    let landing = Arc::new(Semaphore::new(0));
    let mut asks = JoinSet::new();
    for _ in 0..100 {
        let (slot, outcome, begun, landing) = (slot.clone(), outcome.clone(), Arc::clone(&begun), Arc::clone(&landing));
        asks.spawn(async move {
            let load = || {
                begun.fetch_add(1, Ordering::SeqCst);
                async move {
                    assert!(landing.acquire().await.is_err(), "the semaphore is closed, never raised");
                    outcome
                }
            };
            slot.get(load).await
        });
    }
    for _ in 0..10 {
        yield_now().await;
    }
    landing.close();
    (asks.join_all().await, begun.load(Ordering::SeqCst))
}

#[tokio::test]
async fn out_b4_equal_asks_share_one_flight_and_its_result() {
    let slot = TestSlot::new(ManualTime::default().clock());
    assert_eq!(a_hundred_asks(&slot, loaded("a")).await, (vec![Ok("a"); 100], 1));
    assert_eq!(a_hundred_asks(&slot, loaded("b")).await, (vec![Ok("a"); 100], 0), "fresh");
}

#[tokio::test]
async fn out_b4_equal_asks_share_one_failure_and_the_next_flies_again() {
    let slot = TestSlot::new(ManualTime::default().clock());
    assert_eq!(a_hundred_asks(&slot, failed("down", 0)).await, (vec![Err("down"); 100], 1));
    assert_eq!(slot.get(bring(loaded("a"))).await, Ok("a"));
}

#[tokio::test]
async fn out_b4_a_failure_is_remembered_as_long_as_it_says() {
    let time = ManualTime::default();
    let slot = TestSlot::new(time.clock());
    assert_eq!(slot.get(bring(failed("down", 2))).await, Err("down"));
    time.set(1);
    assert_eq!(slot.get(no_flight).await, Err("down"));
    time.set(2);
    assert_eq!(slot.get(bring(loaded("a"))).await, Ok("a"));
}

#[tokio::test]
async fn out_b4_the_first_asker_may_leave_while_its_flight_goes_on() {
    let slot = TestSlot::new(ManualTime::default().clock());
    let (land, load) = held_up();
    let mut second = pin!(slot.get(no_flight));
    {
        let mut first = pin!(slot.get(load));
        assert_eq!(poll_once(first.as_mut()), Poll::Pending);
        assert_eq!(poll_once(second.as_mut()), Poll::Pending);
    }
    land.send(loaded("a")).expect("the flight is still in the air");
    assert_eq!(second.await, Ok("a"));
}

#[tokio::test]
async fn out_b4_a_flight_that_everybody_left_lands_for_those_who_come() {
    let slot = TestSlot::new(ManualTime::default().clock());
    let (land, load) = held_up();
    assert_eq!(poll_once(pin!(slot.get(load))), Poll::Pending);
    land.send(loaded("a")).expect("the flight is still in the air");
    assert_eq!(slot.get(no_flight).await, Ok("a"));
}

#[tokio::test]
async fn jwks_a5_a_stale_value_is_ready_while_one_refresh_flies() {
    let time = ManualTime::default();
    let slot = TestSlot::new(time.clock());
    assert_eq!(slot.get(bring(loaded("a"))).await, Ok("a"));

    time.set(69);
    assert_eq!(poll_once(pin!(slot.get(no_flight))), Poll::Ready(Ok("a")));
    time.set(70);
    let (land, load) = held_up();
    assert_eq!(poll_once(pin!(slot.get(load))), Poll::Ready(Ok("a")), "nobody waits for a refresh");
    assert_eq!(poll_once(pin!(slot.get(no_flight))), Poll::Ready(Ok("a")), "one refresh is enough");

    land.send(loaded("b")).expect("the refresh is in the air");
    yield_now().await;
    assert_eq!(slot.peek(), Some("b"));
}

#[tokio::test]
async fn jwks_a3_the_last_good_value_is_kept_until_its_end_while_refreshes_fail() {
    let time = ManualTime::default();
    let slot = TestSlot::new(time.clock());
    assert_eq!(slot.get(bring(loaded("a"))).await, Ok("a"));

    for second in [70, 80, 90] {
        time.set(second);
        assert_eq!(poll_once(pin!(slot.get(bring(failed("down", 5))))), Poll::Ready(Ok("a")), "at {second}");
        yield_now().await;
        time.set(second + 4);
        assert_eq!(poll_once(pin!(slot.get(no_flight))), Poll::Ready(Ok("a")), "not before its retry_after");
    }
    time.set(99);
    assert_eq!(slot.peek(), Some("a"));
    time.set(100);
    assert_eq!(slot.peek(), None);
    assert_eq!(slot.get(bring(failed("still down", 0))).await, Err("still down"));
}

#[tokio::test]
async fn jwks_a2_an_ask_for_newer_waits_for_the_earlier_flight_and_shares_the_next() {
    let time = ManualTime::default();
    let slot = TestSlot::new(time.clock());
    let (land_earlier, load) = held_up();
    let mut earlier = pin!(slot.get(load));
    assert_eq!(poll_once(earlier.as_mut()), Poll::Pending);

    time.set(1);
    let since = Moment::from_origin(Duration::from_secs(1));
    let (land_later, load) = held_up();
    let mut one = pin!(slot.newer_than(since, load));
    let mut two = pin!(slot.newer_than(since, no_flight));
    assert_eq!(poll_once(one.as_mut()), Poll::Pending);
    assert_eq!(poll_once(two.as_mut()), Poll::Pending);

    land_earlier.send(loaded("a")).expect("in the air");
    assert_eq!(earlier.await, Ok("a"));
    assert_eq!(poll_once(one.as_mut()), Poll::Pending, "what began before is not newer");
    assert_eq!(poll_once(two.as_mut()), Poll::Pending);
    assert_eq!(slot.peek(), Some("a"), "known values are served meanwhile");

    land_later.send(loaded("b")).expect("in the air");
    assert_eq!(one.await, Ok("b"));
    assert_eq!(two.await, Ok("b"));
}

#[tokio::test]
async fn clear_during_a_flight_keeps_its_result_from_those_who_ask_later() {
    let slot = TestSlot::new(ManualTime::default().clock());
    let (land, load) = held_up();
    let mut before = pin!(slot.get(load));
    assert_eq!(poll_once(before.as_mut()), Poll::Pending);
    slot.clear();
    let mut after = pin!(slot.get(bring(loaded("new"))));
    assert_eq!(poll_once(after.as_mut()), Poll::Pending);

    land.send(loaded("old")).expect("in the air");
    assert_eq!(before.await, Ok("old"));
    assert_eq!(slot.peek(), None);
    assert_eq!(after.await, Ok("new"));
    assert_eq!(slot.peek(), Some("new"));
}

#[tokio::test]
async fn put_seeds_and_evict_takes_only_the_value_that_is_meant() {
    let slot = TestSlot::new(ManualTime::default().clock());
    slot.put(loaded("a").expect("loaded"));
    let handle = slot.clone();
    handle.evict(|value| *value == "b");
    assert_eq!(slot.get(no_flight).await, Ok("a"));
    handle.evict(|value| *value == "a");
    assert_eq!(slot.peek(), None);
}

#[tokio::test]
async fn a_panic_goes_to_the_ask_that_brought_it_and_others_fly_again() {
    let slot = TestSlot::new(ManualTime::default().clock());
    let bringer = {
        let slot = slot.clone();
        tokio::spawn(async move { slot.get(no_flight).await })
    };
    let (land, load) = held_up();
    let other = tokio::spawn(async move { slot.get(load).await });
    land.send(loaded("a")).expect("the other's load is not begun yet");
    let panic = bringer.await.expect_err("its load panics").into_panic();
    assert_eq!(panic.downcast_ref(), Some(&"this ask needs no flight"));
    assert_eq!(other.await.expect("no panic of its own"), Ok("a"));
}

#[tokio::test]
async fn a_load_that_panics_before_its_future_exists_does_not_hold_the_slot() {
    let slot = TestSlot::new(ManualTime::default().clock());
    let mut ask = pin!(slot.get(|| -> std::future::Ready<Outcome> { panic!("no future") }));
    catch_unwind(AssertUnwindSafe(|| poll_once(ask.as_mut()))).expect_err("its load panics");
    assert_eq!(slot.get(bring(loaded("a"))).await, Ok("a"));
}

#[test]
fn a_flight_that_dies_with_its_runtime_is_begun_again_in_another() {
    let slot = TestSlot::new(ManualTime::default().clock());
    let (land, load) = held_up();
    let mut waits = pin!(slot.get(bring(loaded("a"))));
    let dies = runtime::Builder::new_current_thread().build().expect("runtime");
    dies.block_on(async {
        assert_eq!(poll_once(pin!(slot.get(load))), Poll::Pending);
        assert_eq!(poll_once(waits.as_mut()), Poll::Pending);
    });
    drop(dies);
    assert!(land.is_closed(), "its load is dropped");
    let lives = runtime::Builder::new_current_thread().build().expect("runtime");
    assert_eq!(lives.block_on(waits), Ok("a"));
}

#[test]
fn without_a_runtime_a_stale_value_is_ready_and_only_a_miss_panics() {
    let time = ManualTime::default();
    let slot = TestSlot::new(time.clock());
    slot.put(loaded("a").expect("loaded"));
    time.set(70);
    assert_eq!(poll_once(pin!(slot.get(no_flight))), Poll::Ready(Ok("a")));
    time.set(100);
    let mut miss = pin!(slot.get(no_flight));
    let panic = catch_unwind(AssertUnwindSafe(|| poll_once(miss.as_mut()))).expect_err("nobody can fly it");
    assert_eq!(panic.downcast_ref(), Some(&"a load was begun outside a tokio runtime"));
    let runtime = runtime::Builder::new_current_thread().build().expect("runtime");
    assert_eq!(runtime.block_on(slot.get(bring(loaded("b")))), Ok("b"), "the slot is not held up");
}

#[tokio::test]
async fn a_flight_is_called_off_with_the_last_handle() {
    let slot = TestSlot::new(ManualTime::default().clock());
    let (mut land, load) = held_up();
    assert_eq!(poll_once(pin!(slot.get(load))), Poll::Pending);
    yield_now().await;
    drop(slot.clone());
    yield_now().await;
    assert!(!land.is_closed(), "a handle is left");
    drop(slot);
    land.closed().await;
}

#[tokio::test]
async fn a_refresh_begins_what_is_due_and_waits_for_nothing() {
    let time = ManualTime::default();
    let slot = TestSlot::new(time.clock());
    let (land, load) = held_up();
    slot.refresh(load);
    slot.refresh(no_flight);
    assert_eq!(slot.peek(), None);
    land.send(loaded("first")).expect("in the air");
    assert_eq!(slot.get(no_flight).await, Ok("first"));
    slot.refresh(no_flight);
    time.set(70);
    slot.refresh(bring(failed("down", 10)));
    yield_now().await;
    time.set(79);
    slot.refresh(no_flight);
    time.set(80);
    slot.refresh(bring(loaded("second")));
    yield_now().await;
    assert_eq!(slot.peek(), Some("second"));
}

#[test]
fn a_refresh_outside_a_runtime_does_nothing() {
    let time = ManualTime::default();
    let slot = TestSlot::new(time.clock());
    slot.refresh(no_flight);
    let runtime = runtime::Builder::new_current_thread().build().expect("a runtime");
    assert_eq!(runtime.block_on(async { slot.get(bring(loaded("first"))).await }), Ok("first"));
    time.set(70);
    slot.refresh(no_flight);
    time.set(71);
    assert_eq!(slot.peek(), Some("first"));
}

#[tokio::test]
async fn a_slot_is_idle_when_nobody_holds_it_and_nothing_flies() {
    let time = ManualTime::default();
    let slot = TestSlot::new(time.clock());
    assert!(slot.is_idle());
    let other = slot.clone();
    assert!(!slot.is_idle());
    drop(other);

    let (land, load) = held_up();
    let mut ask = Box::pin(slot.get(load));
    assert!(poll_once(ask.as_mut()).is_pending());
    drop(ask);
    assert!(!slot.is_idle(), "whoever asked has left, and the flight is in the air");
    land.send(loaded("a")).expect("it flies");
    while !slot.is_idle() {
        yield_now().await;
    }
    assert_eq!(slot.peek(), Some("a"));
}

#[tokio::test]
async fn a_failure_that_is_remembered_can_be_looked_at() {
    let time = ManualTime::default();
    let slot = TestSlot::new(time.clock());
    assert_eq!(slot.failure(), None);
    assert_eq!(slot.get(bring(failed("down", 5))).await, Err("down"));
    assert_eq!(slot.failure(), Some("down"));
    time.set(5);
    assert_eq!(slot.failure(), None);

    // Behind a value that is there, nobody would get it.
    assert_eq!(slot.get(bring(loaded("a"))).await, Ok("a"));
    time.set(80);
    slot.refresh(bring(failed("down", 5)));
    for _ in 0..8 {
        yield_now().await;
    }
    assert_eq!((slot.failure(), slot.peek()), (None, Some("a")));
    time.set(106);
    assert_eq!((slot.failure(), slot.peek()), (None, None));
}
