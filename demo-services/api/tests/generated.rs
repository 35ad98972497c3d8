//! The generated code is that of the interfaces as they are written.

use std::{error::Error, fs, path::Path};

const OURS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
const PROTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");

/// Where it is not, it is put there for the next run, and for the commit.
#[test]
fn the_generated_code_is_that_of_the_interfaces() -> Result<(), Box<dyn Error>> {
    let fresh = Path::new(env!("CARGO_TARGET_TMPDIR"));
    // The channel is the client's to choose: nothing here depends on one.
    tonic_prost_build::configure()
        .build_transport(false)
        .out_dir(fresh)
        .compile_fds(protox::compile(["payments/v1/payments.proto"], [PROTO])?)?;

    let (fresh, ours) = (fresh.join("payments.v1.rs"), Path::new(OURS).join("payments.v1.rs"));
    let generated = fs::read_to_string(fresh)?;
    if fs::read_to_string(&ours).ok().as_ref() != Some(&generated) {
        fs::write(&ours, generated)?;
        panic!("{} was not up to date, and is now", ours.display());
    }
    Ok(())
}
