//! What a request costs on the hot paths: a cold verification, one whose token is remembered, one from outside whose internal
//! identity is, too, and a downstream token that is in the cache.
//!
//! Each is measured through its whole layer, beside the inner service alone; verification also beside the opening of the
//! token and the bare check of its signature. What it costs is printed at the end, and what is above its limit fails the run.

#[path = "../at_edge.rs"]
mod at_edge;
#[path = "../downstream.rs"]
mod downstream;
mod edge;
mod outbound;
mod ratios;
#[path = "../sample.rs"]
mod sample;
mod verification;
mod warm;

use std::process::ExitCode;

use criterion::{Criterion, criterion_group};

criterion_group!(benches, verification::verification, warm::verification, edge::edge, outbound::outbound);

fn main() -> ExitCode {
    benches();
    Criterion::default().configure_from_args().final_summary();
    // Not where everything runs once, as a test.
    let measured = std::env::args().any(|argument| argument == "--bench");
    // All of them, whichever fails; the ratios install a recorder of metrics on their way.
    let holds = [warm::hold, edge::hold, outbound::hold, ratios::hold, warm::hold_recorded];
    if measured && holds.map(|hold| hold()).contains(&false) {
        eprintln!("something is above its limit");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
