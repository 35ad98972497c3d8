//! A downstream token that is in the cache: what the layer adds to the service within, in time.
//!
//! By one thread, and by two at once with one token: as in [`warm`](crate::warm).

use std::{sync::Barrier, thread, time::Duration};

use criterion::Criterion;

use crate::{
    downstream::Downstream,
    warm::{CALLS, CALLS_OF_TWO, ROUNDS, ROUNDS_OF_TWO, TWO_THREADS, time, within},
};

/// The most that the layer may add.
const ALONE: Duration = Duration::from_nanos(150);

pub(crate) fn outbound(c: &mut Criterion) {
    let downstream = Downstream::new();
    let mut group = c.benchmark_group("outbound");
    group.bench_function("inner service alone", |b| b.iter(downstream.calls_inner()));
    group.bench_function("cache hit, 20 targets", |b| b.iter(downstream.calls()));
    group.finish();
}

/// Prints what the layer adds, to one thread and to two, and gives whether it is within the limits.
pub(crate) fn hold() -> bool {
    let downstream = Downstream::new();
    println!("\nwhat OutboundLayer adds to the service within, where the token is in the cache");
    let alone = within("one thread", added(&downstream), ALONE);
    let two = within("two threads with one token", added_to_two(&downstream), TWO_THREADS);
    alone && two
}

fn added(downstream: &Downstream) -> Duration {
    let (mut call, mut call_inner) = (downstream.calls(), downstream.calls_inner());
    let (mut inner, mut layer) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        inner = inner.min(time(CALLS, &mut call_inner));
        layer = layer.min(time(CALLS, &mut call));
    }
    layer.saturating_sub(inner)
}

fn added_to_two(downstream: &Downstream) -> Duration {
    let inner = in_two_threads(|| downstream.calls_inner());
    in_two_threads(|| downstream.calls()).saturating_sub(inner)
}

/// One call of the slower of two threads in the fastest round. Each thread makes its own calls.
fn in_two_threads<C: FnMut()>(calls: impl Fn() -> C + Sync) -> Duration {
    let start = Barrier::new(2);
    let rounds = || {
        let mut call = calls();
        let round = |_| {
            start.wait();
            time(CALLS_OF_TWO, &mut call)
        };
        (0..ROUNDS_OF_TWO).map(round).collect::<Vec<_>>()
    };
    let (one, other) = thread::scope(|scope| {
        let other = scope.spawn(rounds);
        (rounds(), other.join().expect("the other thread"))
    });
    let slower = one.into_iter().zip(other).map(|(one, other)| one.max(other));
    slower.min().expect("several rounds")
}
