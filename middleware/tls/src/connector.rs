//! Connections with TLS, for clients that take a connector.

use std::{
    io,
    sync::Arc,
    task::{Context, Poll},
};

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream, rustls::ClientConfig};
use tower_identity_core::BoxFuture;
use tower_service::Service;

/// Makes connections by a [`ClientTls`](crate::ClientTls), which speak HTTP/2: for
/// [`Endpoint::connect_with_connector`](https://docs.rs/tonic/latest/tonic/transport/struct.Endpoint.html) of tonic, and for
/// others that ask for streams by address. Without TLS it connects to nobody.
#[derive(Debug, Clone)]
pub struct Connector(Arc<ClientConfig>);

impl Connector {
    pub(crate) fn new(mut config: ClientConfig) -> Self {
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self(Arc::new(config))
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: Uri) -> Self::Future {
        let tls = TlsConnector::from(Arc::clone(&self.0));
        Box::pin(async move {
            let (host, name) = server(&address)?;
            let tcp = TcpStream::connect((host, address.port_u16().unwrap_or(443))).await?;
            tcp.set_nodelay(true)?;
            Ok(TokioIo::new(tls.connect(name, tcp).await?))
        })
    }
}

/// The host that is connected to, and the name that its certificate has to have.
fn server(address: &Uri) -> io::Result<(&str, ServerName<'static>)> {
    let refused = |rule: &str| io::Error::new(io::ErrorKind::InvalidInput, rule.to_owned());
    if address.scheme_str() != Some("https") {
        return Err(refused("an address without https is not connected to"));
    }
    let host = address.host().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|v6| v6.strip_suffix(']')).unwrap_or(host);
    let name = ServerName::try_from(host.to_owned()).map_err(|_| refused("an address without the name of a host"))?;
    Ok((host, name))
}
