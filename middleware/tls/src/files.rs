//! The files of a listener, and what rustls makes of them: all of them together, or nothing.

use std::{
    fmt, io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::future::join_all;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime, pem::PemObject};
use tokio_rustls::rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
    time_provider::TimeProvider,
};
use tower_identity_core::{Clock, Fingerprint, InvalidSetting, settings::Step};
use tower_identity_inbound::ClientCertificate;
use tower_identity_refresh::WatchedFile;

use crate::{
    anyone::Anyone,
    settings::{Clients, Own},
};

/// The largest file that is read, in bytes. Revocation lists are the long ones.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// The files.
#[derive(Debug)]
pub(crate) struct Files {
    certificate: Arc<WatchedFile>,
    key: Arc<WatchedFile>,
    clients: Clients<Arc<WatchedFile>>,
    revocation_lists: Vec<Arc<WatchedFile>>,
    clock: Clock,
    /// What they said together when they were read last.
    last: Mutex<Option<Fingerprint>>,
}

impl Files {
    pub(crate) fn new(own: Own, clients: Clients<PathBuf>, revocation_lists: Vec<PathBuf>, clock: &Clock) -> Self {
        let watched = |path: PathBuf| Arc::new(WatchedFile::new(path, MAX_BYTES, clock.clone()));
        let (certificate, key) = match own {
            Own::Files { certificate, key } => (watched(certificate), watched(key)),
            Own::Posted(posted) => {
                let both = Arc::new(WatchedFile::posted(&posted, MAX_BYTES, clock.clone()));
                (Arc::clone(&both), both)
            }
        };
        Self {
            certificate,
            key,
            clients: clients.map(watched),
            revocation_lists: revocation_lists.into_iter().map(watched).collect(),
            clock: clock.clone(),
            last: Mutex::default(),
        }
    }

    /// Where the certificate is, which the listener is known by.
    pub(crate) fn name(&self) -> impl fmt::Display + '_ {
        self.certificate.path().display()
    }

    /// Looks at all of them for ever, and does this when one of them says something else.
    pub(crate) async fn watch<F: Future<Output = ()>>(&self, changed: impl Fn() -> F) {
        let roots = self.clients.roots();
        let all = [&self.certificate, &self.key].into_iter().chain(roots).chain(&self.revocation_lists);
        join_all(all.map(|file| Arc::clone(file).watch(|_| changed()))).await;
    }

    /// Reads them, here and now, and makes of them what connections are accepted by. Nothing, where they say what they said
    /// the last time: of several that change together, each is news.
    pub(crate) fn read(&self) -> Option<Result<ServerConfig, InvalidSetting>> {
        let lists = self.revocation_lists.iter().enumerate();
        let certificate = Text::read(&self.certificate, "certificate");
        let key = match Arc::ptr_eq(&self.certificate, &self.key) {
            true => Text { field: "key".into(), text: certificate.text.clone(), ..certificate },
            false => Text::read(&self.key, "key"),
        };
        let texts = Texts {
            certificate,
            key,
            clients: self.clients.as_ref().map(|roots| Text::read(roots, "client_roots")),
            revocation_lists: lists.map(|(at, file)| Text::read(file, at)).collect(),
        };
        let said = texts.fingerprint();
        let before = self.last.lock().unwrap_or_else(PoisonError::into_inner).replace(said);
        (before != Some(said)).then(|| texts.config(&self.clock))
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
        let said = all.fold(Fingerprint::of("tls-files"), |said, one| match &one.text {
            Ok(text) => said.optional(Some(text)),
            Err(error) => said.optional(None::<&str>).field(error.to_string()),
        });
        said.finish()
    }

    fn config(&self, clock: &Clock) -> Result<ServerConfig, InvalidSetting> {
        let chain = self.certificate.all::<CertificateDer<'static>>()?;
        let time = Arc::new(Time(clock.clone()));
        let mut config = ServerConfig::builder_with_details(Arc::new(aws_lc_rs::default_provider()), time)
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for the versions that are there by default")
            .with_client_cert_verifier(self.client_verifier()?)
            .with_single_cert(chain, self.private_key()?)
            .map_err(|error| self.key.wrong(format!("is not of the certificate: {error}")))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // A session that is taken up again proves nothing anew: not that a certificate still holds, nor its key.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, InvalidSetting> {
        // What an error of the reader quotes is left out: it may be of the key.
        PrivateKeyDer::from_pem_slice(self.key.text()?).map_err(|_| self.key.wrong("holds no private key in PEM"))
    }

    fn client_verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, InvalidSetting> {
        let (wanted, file) = match &self.clients {
            Clients::Nobody => return Ok(WebPkiClientVerifier::no_client_auth()),
            Clients::Anyone(wanted) => return Ok(Arc::new(Anyone::new(*wanted == ClientCertificate::Required))),
            Clients::Of(wanted, file) => (wanted, file),
        };
        let mut roots = RootCertStore::empty();
        for root in file.all::<CertificateDer<'static>>()? {
            roots.add(root).map_err(|error| file.wrong(format!("holds what is no root: {error}")))?;
        }
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

/// What one of them says.
struct Text<'f> {
    file: &'f WatchedFile,
    field: Step,
    text: Result<Vec<u8>, io::ErrorKind>,
}

impl<'f> Text<'f> {
    fn read(file: &'f WatchedFile, field: impl Into<Step>) -> Self {
        Self { file, field: field.into(), text: file.read().text }
    }

    fn text(&self) -> Result<&[u8], InvalidSetting> {
        match &self.text {
            Ok(text) if text.len() > MAX_BYTES => Err(self.wrong(format!("is larger than {MAX_BYTES} bytes"))),
            Ok(text) => Ok(text),
            Err(error) => Err(self.wrong(format!("cannot be read: {error}"))),
        }
    }

    /// Everything of this kind in it, of which there is one at least.
    fn all<T: PemObject>(&self) -> Result<Vec<T>, InvalidSetting> {
        let all: Result<Vec<T>, _> = T::pem_slice_iter(self.text()?).collect();
        match all {
            Ok(all) if !all.is_empty() => Ok(all),
            Ok(_) => Err(self.wrong("holds none in PEM")),
            Err(error) => Err(self.wrong(format!("is no PEM: {error}"))),
        }
    }

    fn wrong(&self, rule: impl fmt::Display) -> InvalidSetting {
        InvalidSetting::new(self.field.clone(), format!("{} {rule}", self.file.path().display()))
    }
}

/// The clock, for rustls.
#[derive(Debug)]
struct Time(Clock);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(self.0.wall().since_epoch()))
    }
}
