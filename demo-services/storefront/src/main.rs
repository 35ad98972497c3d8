//! `demo-storefront --settings storefront.toml`: the service as its own program.

use std::process::ExitCode;

fn main() -> ExitCode {
    demo_kit::program::main(
        "demo-storefront",
        "The shop's edge: users arrive here, and every call to orders is made for them",
        demo_storefront::run,
    )
}
