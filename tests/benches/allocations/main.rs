//! How often a cold verification through the layer asks for memory, and a request whose downstream token is in the cache,
//! beyond what the service within asks for.
//!
//! Apart from the measurement of time, which counting would disturb.

#[path = "../downstream.rs"]
mod downstream;
#[path = "../sample.rs"]
#[expect(dead_code, reason = "what is timed is not counted")]
mod sample;

use tower_identity_testkit::TestIssuer;

use crate::{
    downstream::Downstream,
    sample::{ALGORITHMS, Sample},
};

/// The most that a verification may ask for.
const LIMIT: u64 = 24;

#[global_allocator]
static COUNTED: dhat::Alloc = dhat::Alloc;

fn main() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let issuer = TestIssuer::start();
    println!("\nallocations of a cold verification through AuthLayer, above the inner service");
    for algorithm in ALGORITHMS {
        let sample = Sample::new(&issuer, algorithm);
        let mut service = sample.service(&issuer);
        let layer = counted(|| sample.call(&mut service));
        let inner = counted(|| sample.call_inner());
        println!("{:<6} {} (at most {LIMIT})", algorithm.as_str(), layer - inner);
        assert!(layer - inner <= LIMIT);
    }

    let downstream = Downstream::new();
    let (mut call, mut call_inner) = (downstream.calls(), downstream.calls_inner());
    let (layer, inner) = (counted(&mut call), counted(&mut call_inner));
    println!("\nallocations of OutboundLayer above the inner service, where the token is in the cache");
    println!("outbound hit: {} (at most 0)", layer - inner);
    assert_eq!(layer, inner);
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
