//! The files of a client, and what rustls makes of them: all of them together, or nothing.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls_pki_types::CertificateDer;
use tokio_rustls::rustls::{client::WebPkiServerVerifier, crypto::aws_lc_rs, sign::CertifiedKey};
use tower_identity_core::{Clock, Fingerprint, InvalidSetting};
use tower_identity_refresh::WatchedFile;

use crate::{
    followed::Files,
    settings::Own,
    text::{MAX_BYTES, Text},
};

/// The files.
#[derive(Debug)]
pub(crate) struct ClientFiles {
    roots: Arc<WatchedFile>,
    /// The certificate that is shown, and its key.
    own: Option<(Arc<WatchedFile>, Arc<WatchedFile>)>,
}

/// What they come to.
pub(crate) struct Side {
    pub(crate) servers: Arc<WebPkiServerVerifier>,
    pub(crate) own: Option<Arc<CertifiedKey>>,
}

impl ClientFiles {
    pub(crate) fn new(roots: PathBuf, own: Option<Own>, clock: &Clock) -> Self {
        let roots = Arc::new(WatchedFile::new(roots, MAX_BYTES, clock.clone()));
        Self { roots, own: own.map(|own| own.watched(clock)) }
    }
}

impl Files for ClientFiles {
    type Made = Side;

    fn all(&self) -> Vec<&Arc<WatchedFile>> {
        let own = self.own.iter().flat_map(|(certificate, key)| [certificate, key]);
        std::iter::once(&self.roots).chain(own).collect()
    }

    /// Where the certificate is, if one is shown.
    fn name(&self) -> &Path {
        self.own.as_ref().map_or(&self.roots, |(certificate, _)| certificate).path()
    }

    fn read(&self) -> (Fingerprint, Result<Side, InvalidSetting>) {
        let roots = Text::read(&self.roots, "roots");
        let own = self.own.as_ref().map(|(certificate, key)| Text::read_both(certificate, key));
        let both = own.iter().flat_map(|(certificate, key)| [certificate, key]);
        let said = Text::said(&std::iter::once(&roots).chain(both).collect::<Vec<_>>());
        (said, side(&roots, own.as_ref()))
    }
}

fn side(roots: &Text<'_>, own: Option<&(Text<'_>, Text<'_>)>) -> Result<Side, InvalidSetting> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let servers = WebPkiServerVerifier::builder_with_provider(roots.roots()?.into(), Arc::clone(&provider)).build();
    let servers = servers.map_err(|error| roots.wrong(format!("cannot be used: {error}")))?;
    let own = own.map(|(certificate, key)| {
        let chain = certificate.all::<CertificateDer<'static>>()?;
        let certified = CertifiedKey::from_der(chain, key.private_key()?, &provider);
        certified.map(Arc::new).map_err(|error| key.wrong(format!("is not of the certificate: {error}")))
    });
    Ok(Side { servers, own: own.transpose()? })
}
