//! `demo-orders --settings orders.toml`: the service as its own program.

use std::process::ExitCode;

fn main() -> ExitCode {
    demo_kit::program::main("demo-orders", "Calls on for the user by day, and for itself at night", demo_orders::run)
}
