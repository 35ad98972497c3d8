//! What a request costs on the two hot paths: a cold verification, and a downstream token that is in the cache.
//!
//! Each is measured through its whole layer, beside the inner service alone; verification also beside the opening of the
//! token and the bare check of its signature. The ratios are printed at the end, and one above its limit fails the run.

mod outbound;
mod ratios;
#[path = "../sample.rs"]
mod sample;
mod verification;

use std::process::ExitCode;

use criterion::{Criterion, criterion_group};

criterion_group!(benches, verification::verification, outbound::outbound);

fn main() -> ExitCode {
    benches();
    Criterion::default().configure_from_args().final_summary();
    // Not where everything runs once, as a test.
    let measured = std::env::args().any(|argument| argument == "--bench");
    if measured && !ratios::hold() {
        eprintln!("a ratio is above its limit");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
