//! A request from outside whose token and internal identity are remembered: what the layer adds to the service within, in
//! time. And the making of an internal identity, as a multiple of the bare signature.
//!
//! As in [`ratios`](crate::ratios) the fastest of many short rounds counts.

use std::time::Duration;

use criterion::Criterion;
use tower_identity_testkit::TestIssuer;

use crate::{
    at_edge::Outside,
    warm::{CALLS, ROUNDS, time, within},
};

/// The most that the layer may add.
const WARM: Duration = Duration::from_nanos(400);

/// The most that an internal identity may cost, as a multiple of its signature.
const MINTED: f64 = 1.2;

const MINTS: u32 = 8;

pub(crate) fn edge(c: &mut Criterion) {
    let issuer = TestIssuer::start();
    let mut outside = Outside::new(&issuer);
    let mut group = c.benchmark_group("edge");
    group.bench_function("inner service alone", |b| b.iter(|| outside.call_inner()));
    group.bench_function("through EdgeLayer, warm", |b| b.iter(|| outside.call()));
    group.bench_function("bare ES256 signature", |b| b.iter(|| outside.sign_bare()));
    group.bench_function("internal identity minted", |b| b.iter(|| outside.mint()));
    group.finish();
}

/// Prints what the layer adds and what an internal identity costs, and gives whether both are within the limits.
pub(crate) fn hold() -> bool {
    let issuer = TestIssuer::start();
    let mut outside = Outside::new(&issuer);
    println!("\nwhat EdgeLayer adds to the service within, where the token and its internal identity are remembered");
    let warm = within("one thread", added(&mut outside), WARM);
    let (bare, ratio) = minted(&outside);
    println!("an internal identity, as a multiple of the bare signature");
    println!("ES256  {ratio:.3} (at most {MINTED:.2}), the bare signature taking {bare:.1?}");
    warm && ratio <= MINTED
}

fn added(outside: &mut Outside) -> Duration {
    let (mut inner, mut layer) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        inner = inner.min(time(CALLS, || outside.call_inner()));
        layer = layer.min(time(CALLS, || outside.call()));
    }
    layer.saturating_sub(inner)
}

fn minted(outside: &Outside) -> (Duration, f64) {
    let (mut bare, mut minted) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        bare = bare.min(time(MINTS, || outside.sign_bare()));
        minted = minted.min(time(MINTS, || outside.mint()));
    }
    (bare, minted.as_secs_f64() / bare.as_secs_f64())
}
