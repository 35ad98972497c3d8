//! A server on loopback, on a thread of its own: it outlives any one runtime of the tests that share it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    thread::{self, JoinHandle},
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket},
    runtime,
    sync::oneshot,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use tower_identity_core::CertificateThumbprint;

use super::{answer::answer, state::Shared};

/// A port that is ours whether or not anybody listens on it.
#[derive(Debug)]
pub(super) enum Server {
    /// Bound without listening: connections are refused, and nobody else gets the port.
    Parked(TcpSocket),
    /// Listening and answering.
    Running { stop: oneshot::Sender<()>, thread: JoinHandle<()> },
    /// Between the two, and after a failure to change.
    Gone,
}

impl Server {
    pub(super) fn bind(port: u16) -> io::Result<(Self, SocketAddr)> {
        let socket = TcpSocket::new_v4()?;
        if cfg!(unix) {
            // Connections of the former listener may still linger on the port.
            socket.set_reuseaddr(true)?;
        }
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        let address = socket.local_addr()?;
        Ok((Self::Parked(socket), address))
    }

    /// Listens, with TLS where there is such, unless it does.
    pub(super) fn run(&mut self, shared: Arc<Shared>, tls: Option<Arc<ServerConfig>>) -> io::Result<()> {
        let socket = match std::mem::replace(self, Self::Gone) {
            Self::Parked(socket) => socket,
            other => {
                *self = other;
                return Ok(());
            }
        };
        let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
        let listener = {
            let _entered = runtime.enter();
            socket.listen(128)?
        };
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("test-issuer".to_owned()).spawn(move || {
            runtime.spawn(accept(listener, shared, tls.map(TlsAcceptor::from)));
            // Dropping the runtime with this closure closes the listener and every connection.
            let _ = runtime.block_on(stopped);
        })?;
        *self = Self::Running { stop, thread };
        Ok(())
    }

    /// Stops listening, closes every connection, and keeps the port.
    pub(super) fn park(&mut self, port: u16) -> io::Result<()> {
        match std::mem::replace(self, Self::Gone) {
            Self::Running { stop, thread } => {
                drop(stop);
                thread.join().map_err(|_| io::Error::other("the server's thread has panicked"))?;
                *self = Self::bind(port)?.0;
            }
            other => *self = other,
        }
        Ok(())
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, tls: Option<TlsAcceptor>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (shared, tls) = (Arc::clone(&shared), tls.clone());
        // A connection that fails is the client's to notice.
        tokio::spawn(async move {
            let Some(tls) = tls else { return serve(stream, shared, None).await };
            let stream = tls.accept(stream).await.ok()?;
            let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            let shown = shown.map(|certificate| CertificateThumbprint::of(certificate));
            serve(stream, shared, shown).await
        });
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    shared: Arc<Shared>,
    shown: Option<CertificateThumbprint>,
) -> Option<()> {
    let answering = service_fn(move |request| answer(Arc::clone(&shared), shown, request));
    http1::Builder::new().serve_connection(TokioIo::new(stream), answering).await.ok()
}
