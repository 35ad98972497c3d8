//! `demo-partner --settings partner.toml`: the service and its authorization server as their own program.

use std::process::ExitCode;

fn main() -> ExitCode {
    demo_kit::program::main("demo-partner", "A credit check in a trust domain of its own", demo_partner::run)
}
