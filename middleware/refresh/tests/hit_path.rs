//! What a hit costs: no allocation.
#![cfg(not(loom))]

mod support;

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tower_identity_refresh::{Failed, Lifetime, Loaded, Slot};

use self::support::ManualTime;

type Value = Arc<str>;

async fn no_flight() -> Result<Loaded<Value>, Failed<()>> {
    panic!("a hit needs no flight")
}

#[test]
fn a_hit_allocates_nothing() {
    let time = ManualTime::default();
    let slot = Slot::new(time.clock());
    slot.put(Loaded { value: Value::from("a"), lifetime: Lifetime::of(Duration::from_secs(60)) });
    time.set(41);
    let mut cx = Context::from_waker(Waker::noop());

    let mut got = Poll::Pending;
    let hit = allocation_counter::measure(|| got = pin!(slot.get(no_flight)).poll(&mut cx));
    assert_eq!(got, Poll::Ready(Ok("a".into())));
    assert_eq!((hit.count_total, hit.count_max), (0, 0));

    let mut peeked = None;
    let peek = allocation_counter::measure(|| peeked = slot.peek());
    assert_eq!(peeked, Some("a".into()));
    assert_eq!((peek.count_total, peek.count_max), (0, 0));

    let control = allocation_counter::measure(|| drop(Box::new(got)));
    assert_eq!(control.count_total, 1, "the counter counts");
}
