//! What a request costs on the two hot paths: a cold verification, and a downstream token that is in the cache.
//!
//! Each is measured through its whole layer, beside the inner service alone; verification also beside the opening of the
//! token and the bare check of its signature. The ratios are printed at the end.

mod outbound;
mod ratios;
#[path = "../sample.rs"]
mod sample;
mod verification;

use criterion::{Criterion, criterion_group};

criterion_group!(benches, verification::verification, outbound::outbound);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    // Not where everything runs once, as a test.
    if std::env::args().any(|argument| argument == "--bench") {
        ratios::print();
    }
}
