//! The settings of the repository, and copies of them with a mistake.

use std::{
    fs,
    path::{Path, PathBuf},
};

use demo_mesh::Addresses;

pub(crate) const FREE: Addresses = Addresses { ip: None, first_port: Some(0) };

/// The settings that the repository ships.
pub(crate) fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../settings")
}

pub(crate) fn text_of(file: &str) -> String {
    fs::read_to_string(shipped().join(file)).expect("a settings file")
}

/// A copy of the shipped settings in which one file says something else, in exactly one place.
pub(crate) fn changed(copy: &str, file: &str, from: &str, to: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(copy);
    fs::create_dir_all(directory.join("keys")).expect("a directory");
    let files =
        ["authority.toml", "storefront.toml", "orders.toml", "payments.toml", "partner.toml", "keys/orders.pem"];
    for name in files {
        fs::write(directory.join(name), text_of(name)).expect("written");
    }
    let text = text_of(file);
    assert_eq!(text.matches(from).count(), 1, "{from:?} in {file}");
    fs::write(directory.join(file), text.replace(from, to)).expect("written");
    directory
}
