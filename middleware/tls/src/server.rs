//! What connections are accepted by, kept up to date, and one handshake.

use std::{fmt, net::SocketAddr, path::PathBuf, pin::pin, sync::Arc, time::Duration};

use futures_util::future::{Either, select};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, server::TlsStream};
use tower_identity_core::{Clock, InvalidSetting};
use tower_identity_inbound::Connection;
use tower_identity_refresh::Posted;

use crate::{
    HandshakeError,
    files::ServerFiles,
    followed::Followed,
    settings::{Own, ServerTlsBuilder},
    telemetry,
};

/// The TLS of a server: its certificate, and what it asks of clients. Cheap to clone.
///
/// It follows its files. Each is looked at every five seconds, once a connection was accepted: what they say together counts
/// from the next handshake on, whole or, where one of them is wrong or the key is not the certificate's, not at all; then
/// what was there before stays, and that is told. Connections that are there already stay as they are.
///
/// TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN. No session is taken up again: every connection proves its certificate.
#[derive(Clone)]
pub struct ServerTls(Arc<Inner>);

struct Inner {
    config: Followed<ServerConfig>,
    handshake: Duration,
    clock: Clock,
}

impl ServerTls {
    /// A server with this certificate and this key: files in PEM, the first with the chain, its own certificate first.
    pub fn builder(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> ServerTlsBuilder {
        ServerTlsBuilder::new(Own::Files { certificate: certificate.into(), key: key.into() })
    }

    /// A server with the certificate and the key that are posted in one text, in PEM, and posted anew before they end, as by
    /// the Workload API of SPIFFE. It is looked at as files are.
    pub fn posted(own: &Posted) -> ServerTlsBuilder {
        ServerTlsBuilder::new(Own::Posted(own.clone()))
    }

    pub(crate) fn new(files: ServerFiles, handshake: Duration, clock: Clock) -> Result<Self, InvalidSetting> {
        Ok(Self(Arc::new(Inner { config: Followed::new(files)?, handshake, clock })))
    }

    /// Accepts one connection: the stream to speak HTTP over, and what is to be in the extensions of each of its requests.
    /// One that is refused is told by an event of level DEBUG, and counted.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`], after which the connection is closed.
    pub async fn accept<Io>(
        &self,
        io: Io,
        peer: impl Into<Option<SocketAddr>>,
    ) -> Result<(TlsStream<Io>, Connection), HandshakeError>
    where
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        let handshake = TlsAcceptor::from(self.0.config.now()).accept(io);
        let too_long = pin!(self.0.clock.sleep(self.0.handshake));
        let stream = match select(handshake, too_long).await {
            Either::Left((stream, _)) => stream.map_err(HandshakeError::Failed),
            Either::Right(_) => Err(HandshakeError::TookTooLong),
        };
        let stream = stream.inspect_err(telemetry::refused)?;
        let connection = Connection::new(peer, stream.get_ref().1.peer_certificates());
        Ok((stream, connection))
    }
}

/// Nothing of certificates and keys.
impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("handshake", &self.0.handshake).finish_non_exhaustive()
    }
}
