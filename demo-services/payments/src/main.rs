//! `demo-payments --settings payments.toml`: the service as its own program.

use std::process::ExitCode;

fn main() -> ExitCode {
    demo_kit::program::main("demo-payments", "The leaf: calls nobody, and lists who may call it", demo_payments::run)
}
