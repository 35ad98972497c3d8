//! What the layer adds to the service within where the token is remembered: in time, not as a multiple of anything.
//!
//! By one thread, by one while metrics are recorded, and by two at once with one token. As in [`ratios`](crate::ratios) the
//! fastest of many short rounds counts; of two threads the slower one in the fastest round.

use std::{
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use axum::http::HeaderValue;
use criterion::Criterion;
use tower_identity::Algorithm;
use tower_identity_testkit::TestIssuer;

use crate::sample::Sample;

pub(crate) const ROUNDS: u32 = 4000;
pub(crate) const CALLS: u32 = 64;
pub(crate) const ROUNDS_OF_TWO: u32 = 300;
pub(crate) const CALLS_OF_TWO: u32 = 5000;

/// The most that the layer may add.
const ALONE: Duration = Duration::from_nanos(200);
const RECORDED: Duration = Duration::from_nanos(300);
pub(crate) const TWO_THREADS: Duration = Duration::from_nanos(600);

pub(crate) fn verification(c: &mut Criterion) {
    let issuer = TestIssuer::start();
    let sample = sample(&issuer);
    let mut group = c.benchmark_group("warm verification");
    group.bench_function("inner service alone", |b| b.iter(|| sample.call_inner()));
    let mut service = sample.warm_service(&issuer);
    group.bench_function("through AuthLayer", |b| b.iter(|| sample.call(&mut service)));
    group.finish();
}

/// Prints what the layer adds, to one thread and to two, and gives whether it is within the limits.
pub(crate) fn hold() -> bool {
    let issuer = TestIssuer::start();
    let sample = sample(&issuer);
    println!("\nwhat AuthLayer adds to the service within, where the token is remembered");
    let alone = within("one thread", added(&sample, &issuer), ALONE);
    let two = within("two threads with one token", added_to_two(&sample, &issuer), TWO_THREADS);
    alone && two
}

/// The same while metrics are recorded.
pub(crate) fn hold_recorded() -> bool {
    let issuer = TestIssuer::start();
    within("one thread, with a recorder of metrics", added(&sample(&issuer), &issuer), RECORDED)
}

pub(crate) fn within(what: &str, added: Duration, limit: Duration) -> bool {
    println!("{what}: {added:.0?} (at most {limit:?})");
    added <= limit
}

/// Of whichever algorithm: nothing is verified.
fn sample(issuer: &TestIssuer) -> Sample {
    Sample::new(issuer, Algorithm::Es256)
}

fn added(sample: &Sample, issuer: &TestIssuer) -> Duration {
    let mut service = sample.warm_service(issuer);
    let (mut inner, mut layer) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        inner = inner.min(time(CALLS, || sample.call_inner()));
        layer = layer.min(time(CALLS, || sample.call(&mut service)));
    }
    layer.saturating_sub(inner)
}

fn added_to_two(sample: &Sample, issuer: &TestIssuer) -> Duration {
    let service = sample.warm_service(issuer);
    let inner = in_two_threads(sample, || |bearer: &_| sample.call_inner_with(bearer));
    let layer = in_two_threads(sample, || {
        let mut service = service.clone();
        move |bearer: &_| sample.call_with(&mut service, bearer)
    });
    layer.saturating_sub(inner)
}

/// One call of the slower of two threads in the fastest round. Each thread makes its own `call`.
fn in_two_threads<C: FnMut(&HeaderValue)>(sample: &Sample, call: impl Fn() -> C + Sync) -> Duration {
    let start = Barrier::new(2);
    let rounds = || {
        // Each thread has bytes of its own too, as each request has.
        let bearer = HeaderValue::from_bytes(sample.bearer.as_bytes()).expect("it is one");
        let mut call = call();
        let round = |_| {
            start.wait();
            time(CALLS_OF_TWO, || call(&bearer))
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

#[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
pub(crate) fn time(calls: u32, mut call: impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..calls {
        call();
    }
    start.elapsed() / calls
}
