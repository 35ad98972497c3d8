//! A certificate of the connection by which a server knows us (RFC 8705 §2).

use std::{path::PathBuf, sync::Arc};

use tower_identity_core::{InvalidSetting, SecretToken};
use tower_identity_refresh::Posted;

use super::{ClientAuth, Method, named};
use crate::{
    Http,
    http::{Certified, TlsIdentity},
};

/// The field that says it, in a file.
pub(super) const FIELD: &str = "client_certificate";

/// Where a certificate and its key are.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Place {
    This(Certificate),
    /// Of each its file, and that of its key.
    Files(Arc<[(PathBuf, PathBuf)]>),
    Posted(Posted),
}

/// A certificate and its key, as a text.
#[derive(Clone)]
pub(super) struct Certificate {
    pem: SecretToken,
    identity: TlsIdentity,
}

impl ClientAuth {
    /// A certificate of the connection, which an authority has issued that the server trusts, and which names this client
    /// as the server has it (`tls_client_auth`, RFC 8705 §2.1): the certificate, what leads from it to its authority, and
    /// its private key, in PEM and in one text. No secret travels. It goes over TLS alone.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `client_id`, when it is empty or not usable, or of `client_certificate`, when there is no
    /// certificate, or no key that is its own.
    pub fn tls_client_auth(client_id: impl AsRef<str>, pem: impl Into<SecretToken>) -> Result<Self, InvalidSetting> {
        let certificate = Certificate::read(&pem.into()).map_err(|wrong| InvalidSetting::new(FIELD, wrong))?;
        Self::shown(client_id.as_ref(), Place::This(certificate))
    }

    /// The same, with the certificate and its key in [files](Self#files), or in several pairs of them: the newest first.
    /// They are read when this is connected. Certificate and key count only together: one without the other changes nothing.
    ///
    /// A renewed certificate is shown from the next connection on, and the next is made at once. Tokens that were obtained by
    /// the one before are not used any more: they may be bound to it (RFC 8705 §3).
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `client_id`, when it is empty or not usable.
    pub fn tls_client_auth_files<C: Into<PathBuf>, K: Into<PathBuf>>(
        client_id: impl AsRef<str>,
        files: impl IntoIterator<Item = (C, K)>,
    ) -> Result<Self, InvalidSetting> {
        let files = files.into_iter().map(|(certificate, key)| (certificate.into(), key.into()));
        Self::shown(client_id.as_ref(), Place::Files(files.collect()))
    }

    /// The same, with certificate and key in one text, in PEM, which is posted anew before it ends, as by the Workload API of
    /// SPIFFE. It is looked at as files are.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `client_id`, when it is empty or not usable.
    pub fn tls_client_auth_posted(client_id: impl AsRef<str>, posted: &Posted) -> Result<Self, InvalidSetting> {
        Self::shown(client_id.as_ref(), Place::Posted(posted.clone()))
    }

    fn shown(client_id: &str, place: Place) -> Result<Self, InvalidSetting> {
        let method = Method::Certificate { place, is_self_signed: false };
        Ok(Self { client_id: named(client_id)?, method: method.into() })
    }

    /// The certificate is no authority's: the server knows this very one, or its key (`self_signed_tls_client_auth`, RFC 8705
    /// §2.2). For [`tls_client_auth`](Self::tls_client_auth).
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `token_endpoint_auth_method`, when this proves it otherwise.
    pub fn self_signed(self) -> Result<Self, InvalidSetting> {
        match Arc::unwrap_or_clone(self.method) {
            Method::Certificate { place, .. } => {
                Ok(Self { method: Method::Certificate { place, is_self_signed: true }.into(), ..self })
            }
            _ => {
                let rule = "is self_signed_tls_client_auth, which goes with a client_certificate only";
                Err(InvalidSetting::new("token_endpoint_auth_method", rule))
            }
        }
    }

    /// Whether it is proved by the connection itself.
    pub(crate) fn is_by_certificate(&self) -> bool {
        matches!(*self.method, Method::Certificate { .. })
    }
}

impl Certificate {
    pub(super) fn read(pem: &SecretToken) -> Result<Self, String> {
        let identity = TlsIdentity::from_pem(pem.expose()).map_err(|wrong| format!("holds {wrong}"))?;
        Ok(Self { pem: pem.clone(), identity })
    }

    pub(super) fn pem(&self) -> &SecretToken {
        &self.pem
    }

    /// What shows it, otherwise like this client.
    pub(super) fn shown_by(&self, http: &Http) -> Result<Certified, String> {
        http.certified(&self.identity).map_err(|error| error.to_string())
    }
}

/// The same text.
impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.pem == other.pem
    }
}

impl Eq for Certificate {}
