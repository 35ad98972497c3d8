//! A token that somebody else writes into a file.

use std::path::PathBuf;

use serde::Deserialize;

/// This service's own token for the target lies in a file, which somebody else replaces before it ends: a projected
/// service account token of Kubernetes, a JWT-SVID that an agent writes.
///
/// The file is read at first use, and again behind the requests' backs while they go on, every five seconds at most:
/// through its path, so that what a link leads to now is what is read. What it held last is used while nothing better is
/// there: to the `exp` of a JWT, and for a minute where the token does not say. A JWT has to be for the row's
/// [audience](crate::Target::audience) or [resource](crate::Target::resource), where the row names one, and must not have
/// ended.
///
/// ```
/// use tower_identity_outbound::Target;
///
/// let vault = Target::origin("https://vault.internal")?.audience("vault").token_file("/var/run/secrets/vault/token");
/// # let _ = vault;
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use = "it does nothing until a target has it"]
pub struct TokenFile {
    pub(crate) path: PathBuf,
}

impl TokenFile {
    /// The file at this path. Not read yet, and not there yet perhaps.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}
