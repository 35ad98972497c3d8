//! What an acceptor knows of the connection that a request came by.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use http::Extensions;
use rustls_pki_types::CertificateDer;
use tower_identity_core::CertificateThumbprint;

/// The facts of a connection, which its acceptor puts into the extensions of every request that comes by it. Cheap to
/// clone.
///
/// They are what the acceptor saw itself, never what a request says: `Client-Cert` (RFC 9440), `X-Forwarded-Client-Cert`
/// and their like never become part of them, and are taken away at the [edge](crate::edge). Where TLS ends at a proxy,
/// [`ForwardedCertificate`](crate::ForwardedCertificate) says whose word is taken for whom it serves.
///
/// A listener with TLS says which certificates the peer sent and proved the key of; it may ask for certificates of any
/// authority, since [`Verifier`](tower_identity_verify::Verifier) judges them by roots of its own. One without TLS says that
/// there are none. The room `tls` has one for axum (feature `tls` of `tower-identity`). With axum, hyper and tokio-rustls by
/// hand:
///
/// ```
/// # use std::{io, sync::Arc};
/// use axum::{Extension, Router};
/// use hyper_util::{rt::{TokioExecutor, TokioIo}, server::conn::auto::Builder, service::TowerToHyperService};
/// use tokio::net::TcpListener;
/// use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
/// use tower_identity_inbound::Connection;
///
/// async fn serve(listener: TcpListener, tls: Arc<ServerConfig>, app: Router) -> io::Result<()> {
///     let acceptor = TlsAcceptor::from(tls);
///     loop {
///         let (tcp, peer) = listener.accept().await?;
///         let (acceptor, app) = (acceptor.clone(), app.clone());
///         // The handshake is the connection's own business: nobody else waits for it.
///         tokio::spawn(async move {
///             let Ok(stream) = acceptor.accept(tcp).await else { return };
///             let facts = Connection::new(peer, stream.get_ref().1.peer_certificates());
///             let service = TowerToHyperService::new(app.layer(Extension(facts)));
///             let _ = Builder::new(TokioExecutor::new()).serve_connection_with_upgrades(TokioIo::new(stream), service).await;
///         });
///     }
/// }
/// # let _ = serve;
/// ```
#[derive(Clone)]
pub struct Connection(Arc<Facts>);

struct Facts {
    peer_addr: Option<SocketAddr>,
    by_unix_socket: bool,
    peer_certificates: Box<[CertificateDer<'static>]>,
    thumbprint: OnceLock<CertificateThumbprint>,
}

impl Connection {
    /// The peer is at this address, if it has one, and sent these certificates, its own first, as rustls reports them. Of
    /// that one it has proven the key: which every handshake of TLS demands, unless a verifier was told to skip it.
    #[must_use]
    pub fn new(peer_addr: impl Into<Option<SocketAddr>>, peer_certificates: Option<&[CertificateDer<'_>]>) -> Self {
        let peer_certificates = peer_certificates.unwrap_or_default();
        Self(Arc::new(Facts {
            peer_addr: peer_addr.into(),
            by_unix_socket: false,
            peer_certificates: peer_certificates.iter().cloned().map(CertificateDer::into_owned).collect(),
            thumbprint: OnceLock::new(),
        }))
    }

    /// The peer connected by a Unix socket: it has no address and no certificate.
    #[must_use]
    pub fn by_unix_socket() -> Self {
        Self(Arc::new(Facts {
            peer_addr: None,
            by_unix_socket: true,
            peer_certificates: Box::default(),
            thumbprint: OnceLock::new(),
        }))
    }

    /// Whether the peer connected by a Unix socket.
    #[must_use]
    pub fn is_by_unix_socket(&self) -> bool {
        self.0.by_unix_socket
    }

    /// Where the peer is: the last proxy, where there are some.
    #[must_use]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.0.peer_addr
    }

    /// The peer's certificates, its own first; none where it sent none.
    #[must_use]
    pub fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        &self.0.peer_certificates
    }

    /// The thumbprint of the peer's own certificate, to which tokens may be bound (RFC 8705 §3.1): computed once for all
    /// requests of the connection.
    #[must_use]
    pub fn thumbprint(&self) -> Option<CertificateThumbprint> {
        let own = self.0.peer_certificates.first()?;
        Some(*self.0.thumbprint.get_or_init(|| CertificateThumbprint::of(own)))
    }

    /// What the acceptor left in these extensions.
    pub(crate) fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }
}

/// How many certificates, and none of them.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("peer_addr", &self.0.peer_addr)
            .field("peer_certificates", &self.0.peer_certificates.len())
            .finish()
    }
}
