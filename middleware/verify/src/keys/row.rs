//! What is said of an issuer's keys, to be compared with what was said before.
//!
//! Other settings take the place of those at work, and most of their issuers are the same. What cannot be compared, such as
//! the secret that a client has at a server, is taken to be another.

use std::{
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use tower_identity_core::{Fingerprint, Issuer};
use tower_identity_jose::Thumbprint;
use tower_identity_oauth::DiscoveryOrder;
use tower_identity_refresh::open_regular;

/// Which keys an issuer's are, and how they are kept.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// `None` for keys that are given: they are at hand anyway.
    pub(super) found: Option<Found>,
    /// `None` where it cannot be told whether two are kept alike.
    pub(super) kept: Option<Kept>,
}

/// Whose keys they are, where they are found, and which of them count: everything that they are trusted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) issuer: Issuer,
    pub(super) found_at: Option<Issuer>,
    pub(super) by: FoundBy,
    pub(super) authorities: Option<Fingerprint>,
    pub(super) pins: Option<Vec<Thumbprint>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FoundBy {
    Metadata {
        order: DiscoveryOrder,
        allow_private: bool,
    },
    Url(String),
    TrustBundle(String),
    /// There are none.
    Nothing,
}

/// How keys that are found are kept fresh, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) token_file: Option<PathBuf>,
    pub(super) seed: Option<PathBuf>,
    pub(super) save: Option<PathBuf>,
    pub(super) removal_grace: Duration,
    pub(super) leeway: Duration,
}

impl Row {
    /// Of keys that are like no others.
    pub(super) fn unlike_any() -> Self {
        Self { found: None, kept: None }
    }

    /// The file of authorities, where one is named.
    pub(super) fn authorities(&self) -> Option<Fingerprint> {
        self.found.as_ref()?.authorities
    }

    /// Whether keys of the one are as good as those of the other.
    pub(crate) fn has_keys_of(&self, other: &Self) -> bool {
        self.found.is_some() && self.found == other.found
    }

    /// Whether one and the same keeps them.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.has_keys_of(other) && self.kept.is_some() && self.kept == other.kept
    }
}

/// What a file says, as it is told from others. A file that cannot be read is like none, which whoever needs it reports.
pub(super) fn content(file: &Path) -> Option<Fingerprint> {
    let mut content = Vec::new();
    open_regular(file).and_then(|mut file| file.read_to_end(&mut content)).ok()?;
    Some(Fingerprint::of("file").field(content).finish())
}
