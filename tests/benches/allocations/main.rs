//! How often a cold verification through the layer asks for memory, a request whose token is remembered, one from outside
//! whose internal identity is, too, and one whose downstream token is in the cache, beyond what the service within asks for.
//!
//! Apart from the measurement of time, which counting would disturb.

#[path = "../at_edge.rs"]
#[expect(dead_code, reason = "what is timed is not counted")]
mod at_edge;
#[path = "../downstream.rs"]
mod downstream;
#[path = "../sample.rs"]
#[expect(dead_code, reason = "what is timed is not counted")]
mod sample;

use tower_identity::Algorithm;
use tower_identity_testkit::TestIssuer;

use crate::{
    at_edge::Outside,
    downstream::Downstream,
    sample::{ALGORITHMS, Authenticated, Sample},
};

/// The most that a verification may ask for.
const LIMIT: u64 = 24;

/// The most where the token is remembered.
const WARM: u64 = 4;

/// The most at the edge, where the internal identity is remembered, too.
const AT_EDGE: u64 = 6;

#[global_allocator]
static COUNTED: dhat::Alloc = dhat::Alloc;

fn main() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let issuer = TestIssuer::start();
    println!("\nallocations of a cold verification through AuthLayer, above the inner service");
    for algorithm in ALGORITHMS {
        let sample = Sample::new(&issuer, algorithm);
        let layer = added(&sample, sample.service(&issuer));
        println!("{:<6} {layer} (at most {LIMIT})", algorithm.as_str());
        assert!(layer <= LIMIT);
    }
    let sample = Sample::new(&issuer, Algorithm::Es256);
    let layer = added(&sample, sample.warm_service(&issuer));
    println!("where the token is remembered: {layer} (at most {WARM})");
    assert!(layer <= WARM);

    let mut outside = Outside::new(&issuer);
    let layer = counted(|| outside.call()) - counted(|| outside.call_inner());
    println!("through EdgeLayer, where the internal identity is remembered, too: {layer} (at most {AT_EDGE})");
    assert!(layer <= AT_EDGE);

    let downstream = Downstream::new();
    let (mut call, mut call_inner) = (downstream.calls(), downstream.calls_inner());
    let (layer, inner) = (counted(&mut call), counted(&mut call_inner));
    println!("\nallocations of OutboundLayer above the inner service, where the token is in the cache");
    println!("outbound hit: {} (at most 0)", layer - inner);
    assert_eq!(layer, inner);
}

fn added(sample: &Sample, mut service: Authenticated) -> u64 {
    counted(|| sample.call(&mut service)) - counted(|| sample.call_inner())
}

/// The fewest of several runs: the first one also fills what is made once, and the issuer has threads of its own.
fn counted(mut call: impl FnMut()) -> u64 {
    let run = |_| {
        let before = dhat::HeapStats::get().total_blocks;
        call();
        dhat::HeapStats::get().total_blocks - before
    };
    (0..8).map(run).min().expect("several runs")
}
