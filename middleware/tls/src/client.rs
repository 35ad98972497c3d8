//! What connections to servers are made by, kept up to date.

use std::{fmt, path::PathBuf, sync::Arc};

use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::{
        ResolvesClientCert, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::aws_lc_rs,
    sign::CertifiedKey,
};
use tower_identity_core::{Clock, InvalidSetting};
use tower_identity_refresh::{Posted, system_clock};

use crate::{
    Connector,
    client_files::{ClientFiles, Side},
    followed::Followed,
    settings::Own,
    text::Time,
};

/// The TLS of a client: whose servers it trusts, and the certificate that it shows to those that ask for one. Cheap to clone.
///
/// It follows its files, as [`ServerTls`](crate::ServerTls) does: what they say together counts from the next handshake on,
/// whole or not at all. Connections that are there already stay as they are. No session is taken up again, so that each
/// connection shows the certificate of its time.
///
/// ```no_run
/// use tower_identity_tls::ClientTls;
///
/// let tls = ClientTls::builder("mesh.pem").certificate("orders.pem", "orders.key").build()?;
/// # struct ClientBuilder;
/// # impl ClientBuilder { fn tls_backend_preconfigured(self, tls: impl std::any::Any) {} }
/// # let builder = ClientBuilder;
/// builder.tls_backend_preconfigured(tls.config()); // of reqwest
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
#[derive(Clone)]
pub struct ClientTls(Arc<Inner>);

struct Inner {
    side: Followed<Side>,
    clock: Clock,
}

impl ClientTls {
    /// Trusts servers whose certificates lead to one of the roots in this file, in PEM, and no others.
    pub fn builder(roots: impl Into<PathBuf>) -> ClientTlsBuilder {
        ClientTlsBuilder { roots: roots.into(), own: None, clock: system_clock() }
    }

    /// What rustls makes connections by: for clients that take it, such as reqwest's by `tls_backend_preconfigured`. It follows
    /// the files, as this does. It offers no protocol (ALPN), so that HTTP/1.1 is spoken unless that is added.
    #[must_use]
    pub fn config(&self) -> ClientConfig {
        let (provider, time) = (Arc::new(aws_lc_rs::default_provider()), Arc::new(Time(self.0.clock.clone())));
        let mut config = ClientConfig::builder_with_details(provider, time)
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for the versions that are there by default")
            .dangerous()
            .with_custom_certificate_verifier(Arc::<Inner>::clone(&self.0))
            .with_client_cert_resolver(Arc::<Inner>::clone(&self.0));
        // A session that is taken up again shows the certificate that it began with.
        config.resumption = Resumption::disabled();
        config
    }

    /// Connections by it for clients that take a connector, such as tonic's.
    #[must_use]
    pub fn connector(&self) -> Connector {
        Connector::new(self.config())
    }
}

/// What a client goes by; made by [`ClientTls::builder`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it builds"]
pub struct ClientTlsBuilder {
    roots: PathBuf,
    own: Option<Own>,
    clock: Clock,
}

impl ClientTlsBuilder {
    /// Shows this certificate to servers that ask for one: files in PEM, the first with the chain, its own certificate first,
    /// and the other with its key. Without this none is shown.
    pub fn certificate(self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.shown(Own::Files { certificate: certificate.into(), key: key.into() })
    }

    /// The same, of a certificate and a key that are posted in one text, in PEM, and posted anew before they end.
    pub fn posted(self, own: &Posted) -> Self {
        self.shown(Own::Posted(own.clone()))
    }

    pub(crate) fn shown(self, own: Own) -> Self {
        Self { own: Some(own), ..self }
    }

    /// The clock, of a test.
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Reads the files, now, and what they say from then on.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `roots`, `certificate` or `key`: a file cannot be read, or does not hold what it should, or the
    /// key is not the certificate's.
    pub fn build(self) -> Result<ClientTls, InvalidSetting> {
        let Self { roots, own, clock } = self;
        let side = Followed::new(ClientFiles::new(roots, own, &clock))?;
        Ok(ClientTls(Arc::new(Inner { side, clock })))
    }
}

/// Asks of servers what the roots of now ask of them.
impl ServerCertVerifier for Inner {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.side.now().servers.verify_server_cert(own, chain, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.side.now().servers.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.side.now().servers.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.side.now().servers.supported_verify_schemes()
    }
}

/// Shows the certificate of now, whomever the server says that it trusts: where that is somebody else, it says so.
impl ResolvesClientCert for Inner {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.side.now().own.clone()
    }

    fn has_certs(&self) -> bool {
        self.side.now().own.is_some()
    }
}

/// Nothing of certificates and keys.
impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
