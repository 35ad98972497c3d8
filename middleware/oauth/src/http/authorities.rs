//! Certificate authorities of one's own.

use std::{path::Path, sync::Arc};

use reqwest::Certificate;
use tower_identity_core::InvalidSetting;

use crate::secret_file;

/// The authorities whose certificates a server may have, in the place of those that the system trusts: for servers inside,
/// such as the API server of a Kubernetes cluster. See [`Http::trusting`](super::Http::trusting).
#[derive(Debug, Clone)]
pub struct Authorities(pub(super) Arc<[Certificate]>);

impl Authorities {
    /// Nobody's.
    pub(super) fn none() -> Self {
        Self(Arc::new([]))
    }

    /// Reads a file of certificates (PEM, RFC 7468 §5), one at least.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of this field names the path.
    pub fn from_file(field: &'static str, path: &Path) -> Result<Self, InvalidSetting> {
        let pem = secret_file::read(field, path)?;
        let certificates = Certificate::from_pem_bundle(pem.expose().as_bytes()).unwrap_or_default();
        if certificates.is_empty() {
            return Err(InvalidSetting::new(field, format!("{} holds no certificate", path.display())));
        }
        Ok(Self(certificates.into()))
    }
}
