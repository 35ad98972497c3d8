//! A trusted issuer, from a file.

use std::{path::Path, time::Duration};

use serde::Deserialize;
use tower_identity_core::InvalidSetting;
use tower_identity_jose::Algorithm;
use tower_identity_oauth::IntrospectionSettings;

use crate::{KeySettings, Profile, TrustedIssuer, encrypted};

/// A trusted issuer as a table of a file. Becomes a [`TrustedIssuer`] by [`trusted_issuer`](Self::trusted_issuer), which
/// checks every field, or by `try_from`, where relative paths start at the current directory.
///
/// | field | meaning | default |
/// |---|---|---|
/// | `issuer` | the issuer's identifier, byte for byte | this or `trust_domain` |
/// | `trust_domain` | a SPIFFE trust domain, whose bundle is at `keys.url` | this or `issuer` |
/// | `audience` | what this service is called there: a string, or a list of strings | required |
/// | `profile` | what its access tokens look like: a name of [`Profile`] | `rfc9068`; of a trust domain `jwt_svid` |
/// | `tenants` | a list of [tenants](TrustedIssuer::tenants), where the issuer has `{tenantid}` in the place of one | none |
/// | `keys` | where its keys are, if not where its metadata says, and how they are kept: [`KeySettings`] | from metadata |
/// | `introspection` | that its tokens are [opaque](TrustedIssuer::opaque), and how it is asked: [`IntrospectionSettings`] | its tokens are JWTs |
/// | `algorithms` | a list of the signature algorithms that it may use | as [`TrustedIssuer::algorithms`] |
/// | `decryption_key_file` | the private key (PEM) that its tokens are [encrypted to](TrustedIssuer::encrypted_to), or a list of several | they are not encrypted |
/// | `leeway_seconds` | how far the clocks may differ, 120 at most | 30 |
/// | `issued_to_is_sender` | whether users' tokens come [straight from their client](TrustedIssuer::issued_to_is_sender) | `false` |
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
    issuer: Option<String>,
    trust_domain: Option<String>,
    audience: OneOrMany,
    profile: Option<Profile>,
    #[serde(default)]
    tenants: Vec<String>,
    #[serde(default)]
    keys: KeySettings,
    introspection: Option<IntrospectionSettings>,
    algorithms: Option<Vec<Algorithm>>,
    decryption_key_file: Option<OneOrMany>,
    leeway_seconds: Option<u64>,
    #[serde(default)]
    issued_to_is_sender: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "a string or a list of strings")]
pub(crate) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub(crate) fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

impl IssuerSettings {
    /// Checks every field. Relative paths start at `folder`: the one that the file is in.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] names the field and the rule.
    pub fn trusted_issuer(self, folder: &Path) -> Result<TrustedIssuer, InvalidSetting> {
        let introspection = self.introspection.map(|settings| settings.introspection(folder)).transpose();
        let introspection = introspection.map_err(|invalid| invalid.within("introspection"))?;
        let is_opaque = introspection.is_some();
        let url = self.keys.url.clone();
        let issuer = match (self.issuer, self.trust_domain, introspection, url.clone()) {
            (Some(issuer), None, Some(introspection), _) => TrustedIssuer::opaque(issuer, introspection),
            (Some(issuer), None, None, None) => TrustedIssuer::discover(issuer),
            (Some(issuer), None, None, Some(url)) => TrustedIssuer::keys_at(issuer, url),
            (None, Some(_), Some(_), _) => {
                return Err(InvalidSetting::new("introspection", "goes with issuer: nobody is asked about a JWT-SVID"));
            }
            (None, Some(name), None, Some(url)) => TrustedIssuer::trust_domain(name, url),
            (None, Some(_), None, None) => {
                return Err(InvalidSetting::new("url", "is missing: where the trust domain's bundle is").within("keys"));
            }
            (None, None, ..) => return Err(InvalidSetting::new("issuer", "is missing, and trust_domain too")),
            (Some(_), Some(_), ..) => return Err(InvalidSetting::new("trust_domain", "stands beside an issuer")),
        };
        let mut audiences = self.audience.into_vec().into_iter();
        let Some(first) = audiences.next() else {
            return Err(InvalidSetting::new("audience", "names no audience"));
        };
        let mut issuer = audiences.fold(issuer.audience(first), TrustedIssuer::audience).tenants(self.tenants);
        if let (true, Some(url)) = (is_opaque, url) {
            issuer = issuer.keys_url(url);
        }
        if let Some(profile) = self.profile {
            issuer = issuer.profile(profile);
        }
        if let Some(algorithms) = self.algorithms {
            issuer = issuer.algorithms(algorithms);
        }
        if let Some(files) = self.decryption_key_file {
            issuer = issuer.encrypted_to(encrypted::read(&files.into_vec(), folder)?);
        }
        if let Some(seconds) = self.leeway_seconds {
            issuer = issuer.leeway(Duration::from_secs(seconds));
        }
        if self.issued_to_is_sender {
            issuer = issuer.issued_to_is_sender();
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
