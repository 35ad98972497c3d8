//! An anchor of certificates, from a file.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tower_identity_core::InvalidSetting;
use tower_identity_refresh::Posted;

use super::{CertificateAnchor, NameKind, Whose, rooted::RootsIn};

/// Whose client certificates are trusted, as a table of a file: a SPIFFE trust domain's, or a private authority's.
///
/// | field | meaning | default |
/// |---|---|---|
/// | `trust_domain` | a SPIFFE trust domain ([`CertificateAnchor::trust_domain`]) | this or `issuer` |
/// | `issuer` | what a private authority is called here ([`CertificateAnchor::private_authority`]) | this or `trust_domain` |
/// | `name` | of a private authority, which name is the workload's: `dns` or `uri` | required beside `issuer` |
/// | `roots` | a file with the certificates of its authorities, in PEM, 1 MiB at most; while the verifier is in use it is looked at every five seconds, and other roots count when they have stood there for a second | required, unless a Workload API tells of the trust domain's |
///
/// ```
/// use tower_identity_verify::CertificateSettings;
///
/// let settings: CertificateSettings = serde_json::from_str(r#"{"issuer": "https://pki.example", "roots": "ca.pem"}"#)?;
/// let refused = settings.anchor("settings".as_ref()).expect_err("which name is the workload's?");
/// assert_eq!(refused.to_string(), "name: is missing: dns or uri");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateSettings {
    trust_domain: Option<String>,
    issuer: Option<String>,
    name: Option<NameKind>,
    roots: Option<PathBuf>,
}

impl CertificateSettings {
    /// The anchor, whose roots are read when the verifier is built. Relative paths start at `folder`: the one that the file is
    /// in.
    ///
    /// A file that changes is taken whole or not at all: where it holds what are no roots, or is gone, those before them stay,
    /// and the event `roots refused` says so. What was verified by other roots is verified again.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] names the field and the rule.
    pub fn anchor(self, folder: &Path) -> Result<CertificateAnchor, InvalidSetting> {
        let Some(roots) = self.roots.clone() else {
            return Err(InvalidSetting::new("roots", "is missing: the file with the certificates of its authorities"));
        };
        Ok(CertificateAnchor { whose: self.whose()?, roots: RootsIn::File(folder.join(roots)) })
    }

    /// The trust domain of which no file has the authorities: whoever follows the Workload API of SPIFFE is told of them.
    #[must_use]
    pub fn domain_without_roots(&self) -> Option<&str> {
        self.trust_domain.as_deref().filter(|_| self.roots.is_none())
    }

    /// The anchor of such a [domain](Self::domain_without_roots), by authorities that are
    /// [posted](CertificateAnchor::trust_domain_posted).
    ///
    /// # Errors
    ///
    /// As [`anchor`](Self::anchor).
    pub fn anchor_posted(self, roots: &Posted) -> Result<CertificateAnchor, InvalidSetting> {
        Ok(CertificateAnchor { whose: self.whose()?, roots: RootsIn::Posted(roots.clone()) })
    }

    fn whose(self) -> Result<Whose, InvalidSetting> {
        match (self.trust_domain, self.issuer, self.name) {
            (Some(domain), None, None) => Ok(Whose::TrustDomain(domain)),
            (None, Some(issuer), Some(name)) => Ok(Whose::Authority { issuer, name }),
            (None, Some(_), None) => Err(InvalidSetting::new("name", "is missing: dns or uri")),
            (Some(_), None, Some(_)) => Err(InvalidSetting::new("name", "a trust domain's workloads have SPIFFE IDs")),
            (None, None, _) => Err(InvalidSetting::new("trust_domain", "is missing, and issuer too")),
            (Some(_), Some(_), _) => Err(InvalidSetting::new("trust_domain", "stands beside an issuer")),
        }
    }
}
