//! One file, as it is read.

use std::{fmt, io, sync::Arc};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject};
use tokio_rustls::rustls::{RootCertStore, time_provider::TimeProvider};
use tower_identity_core::{Clock, Fingerprint, InvalidSetting, settings::Step};
use tower_identity_refresh::WatchedFile;

/// The largest file that is read, in bytes. Revocation lists are the long ones.
pub(crate) const MAX_BYTES: usize = 16 * 1024 * 1024;

/// What one of them says.
pub(crate) struct Text<'f> {
    file: &'f WatchedFile,
    field: Step,
    text: Result<Vec<u8>, io::ErrorKind>,
}

impl<'f> Text<'f> {
    pub(crate) fn read(file: &'f WatchedFile, field: impl Into<Step>) -> Self {
        Self { file, field: field.into(), text: file.read().text }
    }

    /// The texts of a certificate and of its key, which may be one.
    pub(crate) fn read_both(certificate: &'f Arc<WatchedFile>, key: &'f Arc<WatchedFile>) -> (Self, Self) {
        let chain = Self::read(certificate, "certificate");
        let key = match Arc::ptr_eq(certificate, key) {
            true => Self { field: "key".into(), text: chain.text.clone(), ..chain },
            false => Self::read(key, "key"),
        };
        (chain, key)
    }

    fn text(&self) -> Result<&[u8], InvalidSetting> {
        match &self.text {
            Ok(text) if text.len() > MAX_BYTES => Err(self.wrong(format!("is larger than {MAX_BYTES} bytes"))),
            Ok(text) => Ok(text),
            Err(error) => Err(self.wrong(format!("cannot be read: {error}"))),
        }
    }

    /// What several say together.
    pub(crate) fn said(all: &[&Self]) -> Fingerprint {
        let said = all.iter().fold(Fingerprint::of("tls-files"), |said, one| match &one.text {
            Ok(text) => said.optional(Some(text)),
            Err(error) => said.optional(None::<&str>).field(error.to_string()),
        });
        said.finish()
    }

    /// The private key in it.
    pub(crate) fn private_key(&self) -> Result<PrivateKeyDer<'static>, InvalidSetting> {
        // What an error of the reader quotes is left out: it may be of the key.
        PrivateKeyDer::from_pem_slice(self.text()?).map_err(|_| self.wrong("holds no private key in PEM"))
    }

    /// The roots in it, one at least.
    pub(crate) fn roots(&self) -> Result<RootCertStore, InvalidSetting> {
        let mut roots = RootCertStore::empty();
        for root in self.all::<CertificateDer<'static>>()? {
            roots.add(root).map_err(|error| self.wrong(format!("holds what is no root: {error}")))?;
        }
        Ok(roots)
    }

    /// Everything of this kind in it, of which there is one at least.
    pub(crate) fn all<T: PemObject>(&self) -> Result<Vec<T>, InvalidSetting> {
        let all: Result<Vec<T>, _> = T::pem_slice_iter(self.text()?).collect();
        match all {
            Ok(all) if !all.is_empty() => Ok(all),
            Ok(_) => Err(self.wrong("holds none in PEM")),
            Err(error) => Err(self.wrong(format!("is no PEM: {error}"))),
        }
    }

    pub(crate) fn wrong(&self, rule: impl fmt::Display) -> InvalidSetting {
        InvalidSetting::new(self.field.clone(), format!("{} {rule}", self.file.path().display()))
    }
}

/// The clock, for rustls.
#[derive(Debug)]
pub(crate) struct Time(pub(crate) Clock);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(self.0.wall().since_epoch()))
    }
}
