//! Which files a listener goes by, and what it asks of clients.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::Deserialize;
use tower_identity_core::{Clock, InvalidSetting};
use tower_identity_inbound::ClientCertificate;
use tower_identity_refresh::{Posted, WatchedFile, system_clock};

use crate::{ClientTls, ClientTlsBuilder, ServerTls, files::ServerFiles, text::MAX_BYTES};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
const LONGEST_HANDSHAKE: Duration = Duration::from_secs(60);

/// A listener's TLS as a file describes it, whose paths are as the process finds them:
///
/// ```
/// use tower_identity_tls::TlsSettings;
///
/// # #[derive(serde::Deserialize)] struct File { tls: TlsSettings }
/// # let text = r#"
/// [tls]
/// certificate = "server.pem"               # the chain, its own certificate first
/// key = "server.key"
/// roots = "mesh.pem"                       # whose servers this service trusts
/// client_certificate = "required"          # or "optional"
/// client_roots = "clients.pem"             # or client_authorities = "any": the verifier's anchors judge alone
/// revocation_lists = ["clients.crl"]
/// handshake_seconds = 5
/// # "#;
/// # let tls = toml::from_str::<File>(text)?.tls;
/// # let refused = tls.builder()?.build().expect_err("there are no such files");
/// # assert_eq!(refused.to_string(), "certificate: server.pem cannot be read: entity not found");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`builder`](Self::builder) makes of it what [`ServerTls::builder`] begins; and [`client`](Self::client), where it names
/// `roots`, what [`ClientTls::builder`] does: one certificate for both sides.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    roots: Option<PathBuf>,
    client_certificate: Option<ClientCertificate>,
    client_roots: Option<PathBuf>,
    client_authorities: Option<AnyAuthority>,
    #[serde(default)]
    revocation_lists: Vec<PathBuf>,
    handshake_seconds: Option<u64>,
}

/// Where the server's own certificate and key are.
#[derive(Debug, Clone)]
pub(crate) enum Own {
    Files { certificate: PathBuf, key: PathBuf },
    Posted(Posted),
}

impl Own {
    /// The certificate, and its key: one and the same, where they are posted.
    pub(crate) fn watched(self, clock: &Clock) -> (Arc<WatchedFile>, Arc<WatchedFile>) {
        let watched = |path: PathBuf| Arc::new(WatchedFile::new(path, MAX_BYTES, clock.clone()));
        match self {
            Self::Files { certificate, key } => (watched(certificate), watched(key)),
            Self::Posted(posted) => {
                let both = Arc::new(WatchedFile::posted(&posted, MAX_BYTES, clock.clone()));
                (Arc::clone(&both), both)
            }
        }
    }
}

/// Whose certificates, where not those of certain roots.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AnyAuthority {
    Any,
}

/// Who is asked for a certificate, and whose.
#[derive(Debug, Clone)]
pub(crate) enum Clients<R> {
    Nobody,
    Anyone(ClientCertificate),
    Of(ClientCertificate, R),
}

impl<R> Clients<R> {
    pub(crate) fn map<T>(self, of: impl FnOnce(R) -> T) -> Clients<T> {
        match self {
            Self::Nobody => Clients::Nobody,
            Self::Anyone(wanted) => Clients::Anyone(wanted),
            Self::Of(wanted, roots) => Clients::Of(wanted, of(roots)),
        }
    }

    pub(crate) fn as_ref(&self) -> Clients<&R> {
        match self {
            Self::Nobody => Clients::Nobody,
            Self::Anyone(wanted) => Clients::Anyone(*wanted),
            Self::Of(wanted, roots) => Clients::Of(*wanted, roots),
        }
    }

    /// Those by which certificates are judged here.
    pub(crate) fn roots(&self) -> Option<&R> {
        match self {
            Self::Of(_, roots) => Some(roots),
            Self::Nobody | Self::Anyone(_) => None,
        }
    }
}

impl TlsSettings {
    /// The same, whose relative paths start at this folder.
    #[must_use]
    pub fn beside(mut self, folder: &Path) -> Self {
        let single = [&mut self.certificate, &mut self.key, &mut self.roots, &mut self.client_roots];
        for file in single.into_iter().flatten().chain(&mut self.revocation_lists) {
            *file = folder.join(&file);
        }
        self
    }

    /// Whether it describes a listener.
    #[must_use]
    pub fn has_certificate(&self) -> bool {
        self.certificate.is_some() || self.key.is_some()
    }

    /// How this service connects to others, in code; nothing where it names no `roots`.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`], where there is a certificate without its key, or the other way about.
    pub fn client(&self) -> Result<Option<ClientTlsBuilder>, InvalidSetting> {
        let own = self.own()?;
        let builder = self.roots.as_ref().map(ClientTls::builder);
        Ok(builder.map(|builder| own.into_iter().fold(builder, ClientTlsBuilder::shown)))
    }

    fn own(&self) -> Result<Option<Own>, InvalidSetting> {
        match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                Ok(Some(Own::Files { certificate: certificate.clone(), key: key.clone() }))
            }
            (None, None) => Ok(None),
            (None, Some(_)) => Err(InvalidSetting::new("certificate", "is missing, of which there is a key")),
            (Some(_), None) => Err(InvalidSetting::new("key", "is missing: that of the certificate")),
        }
    }

    /// How it listens, in code.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`], where there is no certificate or no key, or clients are asked for certificates without roots, or the
    /// other way about.
    pub fn builder(self) -> Result<ServerTlsBuilder, InvalidSetting> {
        let own = self.own()?.ok_or_else(|| InvalidSetting::new("certificate", "is missing: whose the listener is"))?;
        let mut builder = ServerTlsBuilder::new(own).revocation_lists(self.revocation_lists);
        let wanted = self.client_certificate;
        builder.clients = match (wanted, self.client_roots, self.client_authorities) {
            (None, None, None) => Clients::Nobody,
            (Some(wanted), Some(roots), None) => Clients::Of(wanted, roots),
            (Some(wanted), None, Some(AnyAuthority::Any)) => Clients::Anyone(wanted),
            (_, Some(_), Some(_)) => {
                return Err(InvalidSetting::new("client_authorities", "goes without client_roots: any is any"));
            }
            (Some(_), None, None) => {
                return Err(InvalidSetting::new("client_roots", "is missing: whose certificates are asked for"));
            }
            (None, _, _) => {
                return Err(InvalidSetting::new("client_certificate", "is missing: required or optional"));
            }
        };
        Ok(match self.handshake_seconds {
            Some(seconds) => builder.handshake(Duration::from_secs(seconds)),
            None => builder,
        })
    }
}

/// What a listener goes by; made by [`ServerTls::builder`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it builds"]
pub struct ServerTlsBuilder {
    own: Own,
    clients: Clients<PathBuf>,
    revocation_lists: Vec<PathBuf>,
    handshake: Duration,
    clock: Clock,
}

impl ServerTlsBuilder {
    pub(crate) fn new(own: Own) -> Self {
        Self {
            own,
            clients: Clients::Nobody,
            revocation_lists: Vec::new(),
            handshake: HANDSHAKE,
            clock: system_clock(),
        }
    }

    /// Asks clients for a certificate that leads to one of the roots in this file, in PEM. Without this none is asked for.
    ///
    /// Where one is required, a connection without it is closed; a bad one is refused in either case. Since one listener
    /// may serve several, these roots may be more than a verifier trusts.
    pub fn clients(self, wanted: ClientCertificate, roots: impl Into<PathBuf>) -> Self {
        Self { clients: Clients::Of(wanted, roots.into()), ..self }
    }

    /// Asks clients for a certificate, and takes that of any authority, or of none: whoever sends one has its key, and that is
    /// all that is asked here. For a service whose verifier trusts several anchors that come and go, such as federated trust
    /// domains, or tokens that are bound to self-signed certificates (RFC 8705 §2.2).
    ///
    /// Nobody's certificate says anything then until a verifier has judged it: a service that lets in whoever has one lets in
    /// everybody.
    pub fn clients_of_any_authority(self, wanted: ClientCertificate) -> Self {
        Self { clients: Clients::Anyone(wanted), ..self }
    }

    /// Refuses clients whose certificate, or an authority between it and its root, is on one of the lists in these files, in
    /// PEM (RFC 5280 §5). Where there are such files, every one of these authorities has to have a list among them that has
    /// not ended: what cannot be said is refused.
    ///
    /// A connection that was accepted before a list stays.
    pub fn revocation_lists(self, files: impl IntoIterator<Item: Into<PathBuf>>) -> Self {
        Self { revocation_lists: files.into_iter().map(Into::into).collect(), ..self }
    }

    /// How long a handshake may take, beginning to end: 10 s by default, at most a minute. Then the connection is closed.
    pub fn handshake(self, within: Duration) -> Self {
        Self { handshake: within, ..self }
    }

    /// The clock, of a test.
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Reads the files, now, and what they say from then on.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`], by the field of [`TlsSettings`]: a file cannot be read, does not hold what it should, the key is
    /// not the certificate's, there are revocation lists and no clients, or a handshake has no time or too much.
    pub fn build(self) -> Result<ServerTls, InvalidSetting> {
        if self.handshake.is_zero() || self.handshake > LONGEST_HANDSHAKE {
            return Err(InvalidSetting::new("handshake_seconds", "is not from 1 to 60"));
        }
        let rule = match &self.clients {
            Clients::Nobody => Some("are of clients, who are asked for no certificate"),
            Clients::Anyone(_) => Some("are of authorities, and any authority's clients are taken"),
            Clients::Of(..) => None,
        };
        if let Some(rule) = rule.filter(|_| !self.revocation_lists.is_empty()) {
            return Err(InvalidSetting::new("revocation_lists", rule));
        }
        let files = ServerFiles::new(self.own, self.clients, self.revocation_lists, &self.clock);
        ServerTls::new(files, self.handshake, self.clock)
    }
}
