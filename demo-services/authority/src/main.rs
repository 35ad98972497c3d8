//! The authority as its own program: `demo-authority --settings authority.toml`.

use std::process::ExitCode;

fn main() -> ExitCode {
    demo_kit::program::main(
        "demo-authority",
        "The demo mesh's authorization server and security token service",
        demo_authority::run,
    )
}
