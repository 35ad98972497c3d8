//! A trusted issuer, from a file.

use std::{path::Path, time::Duration};

use serde::Deserialize;
use tower_identity_core::InvalidSetting;
use tower_identity_jose::Algorithm;

use crate::{KeySettings, Profile, TrustedIssuer};

/// A trusted issuer as a table of a file. Becomes a [`TrustedIssuer`] by [`trusted_issuer`](Self::trusted_issuer), which
/// checks every field, or by `try_from`, where relative paths start at the current directory.
///
/// | field | meaning | default |
/// |---|---|---|
/// | `issuer` | the issuer's identifier, byte for byte | required |
/// | `audience` | what this service is called there: a string, or a list of strings | required |
/// | `profile` | what its access tokens look like: a name of [`Profile`] | `rfc9068` |
/// | `keys` | where its keys are, if not where its metadata says, and how they are kept: [`KeySettings`] | from metadata |
/// | `algorithms` | a list of the signature algorithms that it may use | as [`TrustedIssuer::algorithms`] |
/// | `leeway_seconds` | how far the clocks may differ, 120 at most | 30 |
///
/// ```
/// use tower_identity_verify::{IssuerSettings, TrustedIssuer};
///
/// let settings: IssuerSettings = serde_json::from_str(
///     r#"{"issuer": "https://login.example.com", "audience": ["orders"], "leeway_seconds": 300}"#,
/// )?;
/// let refused = TrustedIssuer::try_from(settings).expect_err("too long a leeway");
/// assert_eq!(refused.to_string(), "leeway_seconds: more than 120 s");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerSettings {
    issuer: String,
    audience: OneOrMany,
    #[serde(default)]
    profile: Profile,
    #[serde(default)]
    keys: KeySettings,
    /// The former name of `keys.url`.
    jwks_uri: Option<String>,
    algorithms: Option<Vec<Algorithm>>,
    leeway_seconds: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "a string or a list of strings")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl IssuerSettings {
    /// Checks every field. Relative paths start at `folder`: the one that the file is in.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] names the field and the rule.
    pub fn trusted_issuer(self, folder: &Path) -> Result<TrustedIssuer, InvalidSetting> {
        let issuer = match self.keys.url.clone().or(self.jwks_uri) {
            None => TrustedIssuer::discover(self.issuer),
            Some(url) => TrustedIssuer::keys_at(self.issuer, url),
        };
        let mut audiences = match self.audience {
            OneOrMany::One(audience) => vec![audience],
            OneOrMany::Many(audiences) => audiences,
        }
        .into_iter();
        let Some(first) = audiences.next() else {
            return Err(InvalidSetting::new("audience", "names no audience"));
        };
        let mut issuer = audiences.fold(issuer.audience(first), TrustedIssuer::audience).profile(self.profile);
        if let Some(algorithms) = self.algorithms {
            issuer = issuer.algorithms(algorithms);
        }
        if let Some(seconds) = self.leeway_seconds {
            issuer = issuer.leeway(Duration::from_secs(seconds));
        }
        let issuer = self.keys.tell(issuer, folder).map_err(|invalid| invalid.within("keys"))?;
        issuer.clone().check()?;
        Ok(issuer)
    }
}

impl TryFrom<IssuerSettings> for TrustedIssuer {
    type Error = InvalidSetting;

    fn try_from(settings: IssuerSettings) -> Result<Self, InvalidSetting> {
        settings.trusted_issuer(Path::new(""))
    }
}
