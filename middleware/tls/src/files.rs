//! The files of a listener, and what rustls makes of them: all of them together, or nothing.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use tokio_rustls::rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use tower_identity_core::{Clock, Fingerprint, InvalidSetting};
use tower_identity_inbound::ClientCertificate;
use tower_identity_refresh::WatchedFile;

use crate::{
    anyone::Anyone,
    followed::Files,
    settings::{Clients, Own},
    text::{MAX_BYTES, Text, Time},
};

/// The files.
#[derive(Debug)]
pub(crate) struct ServerFiles {
    certificate: Arc<WatchedFile>,
    key: Arc<WatchedFile>,
    clients: Clients<Arc<WatchedFile>>,
    revocation_lists: Vec<Arc<WatchedFile>>,
    clock: Clock,
}

impl ServerFiles {
    pub(crate) fn new(own: Own, clients: Clients<PathBuf>, revocation_lists: Vec<PathBuf>, clock: &Clock) -> Self {
        let watched = |path: PathBuf| Arc::new(WatchedFile::new(path, MAX_BYTES, clock.clone()));
        let (certificate, key) = own.watched(clock);
        Self {
            certificate,
            key,
            clients: clients.map(watched),
            revocation_lists: revocation_lists.into_iter().map(watched).collect(),
            clock: clock.clone(),
        }
    }
}

impl Files for ServerFiles {
    type Made = ServerConfig;

    fn all(&self) -> Vec<&Arc<WatchedFile>> {
        let roots = self.clients.roots();
        [&self.certificate, &self.key].into_iter().chain(roots).chain(&self.revocation_lists).collect()
    }

    /// Where the certificate is, which the listener is known by.
    fn name(&self) -> &Path {
        self.certificate.path()
    }

    fn read(&self) -> (Fingerprint, Result<ServerConfig, InvalidSetting>) {
        let lists = self.revocation_lists.iter().enumerate();
        let (certificate, key) = Text::read_both(&self.certificate, &self.key);
        let texts = Texts {
            certificate,
            key,
            clients: self.clients.as_ref().map(|roots| Text::read(roots, "client_roots")),
            revocation_lists: lists.map(|(at, file)| Text::read(file, at)).collect(),
        };
        (texts.fingerprint(), texts.config(&self.clock))
    }
}

/// What all of them say at one time.
struct Texts<'f> {
    certificate: Text<'f>,
    key: Text<'f>,
    clients: Clients<Text<'f>>,
    revocation_lists: Vec<Text<'f>>,
}

impl Texts<'_> {
    fn fingerprint(&self) -> Fingerprint {
        let roots = self.clients.roots();
        let all = [&self.certificate, &self.key].into_iter().chain(roots).chain(&self.revocation_lists);
        Text::said(&all.collect::<Vec<_>>())
    }

    fn config(&self, clock: &Clock) -> Result<ServerConfig, InvalidSetting> {
        let chain = self.certificate.all::<CertificateDer<'static>>()?;
        let time = Arc::new(Time(clock.clone()));
        let mut config = ServerConfig::builder_with_details(Arc::new(aws_lc_rs::default_provider()), time)
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for the versions that are there by default")
            .with_client_cert_verifier(self.client_verifier()?)
            .with_single_cert(chain, self.key.private_key()?)
            .map_err(|error| self.key.wrong(format!("is not of the certificate: {error}")))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // A session that is taken up again proves nothing anew: not that a certificate still holds, nor its key.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    fn client_verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, InvalidSetting> {
        let (wanted, file) = match &self.clients {
            Clients::Nobody => return Ok(WebPkiClientVerifier::no_client_auth()),
            Clients::Anyone(wanted) => return Ok(Arc::new(Anyone::new(*wanted == ClientCertificate::Required))),
            Clients::Of(wanted, file) => (wanted, file),
        };
        let roots = file.roots()?;
        let mut lists = Vec::new();
        for file in &self.revocation_lists {
            let all = file.all::<CertificateRevocationListDer<'static>>();
            lists.extend(all.map_err(|wrong| wrong.within("revocation_lists"))?);
        }
        let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), aws_lc_rs::default_provider().into());
        let clients = match wanted {
            ClientCertificate::Required => clients,
            ClientCertificate::Optional => clients.allow_unauthenticated(),
        };
        let clients = clients.with_crls(lists).enforce_revocation_expiration().build();
        clients.map_err(|error| InvalidSetting::new("revocation_lists", format!("cannot be used: {error}")))
    }
}
