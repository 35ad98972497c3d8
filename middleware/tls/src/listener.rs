//! Many handshakes at one time, for `axum::serve`.

use std::{io, net::SocketAddr};

use axum::serve::Listener;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::server::TlsStream;

use crate::ServerTls;

/// How many handshakes may be under way.
const HANDSHAKES: usize = 512;

/// Accepts connections with TLS, for [`axum::serve`](axum::serve()) together with [`EachConnection`](crate::EachConnection).
///
/// Handshakes are made beside each other, so that nobody waits for one that is slow; 512 of them at one time by default, and
/// whoever comes then waits in the queue of the system. What fails is closed, told by an event of level DEBUG, and counted.
#[derive(Debug)]
pub struct TlsListener {
    tcp: TcpListener,
    tls: ServerTls,
    most: usize,
    /// They end with the listener.
    handshakes: JoinSet<Option<(TlsStream<TcpStream>, SocketAddr)>>,
}

impl TlsListener {
    /// Takes the connections of this listener.
    #[must_use]
    pub fn new(tcp: TcpListener, tls: ServerTls) -> Self {
        Self { tcp, tls, most: HANDSHAKES, handshakes: JoinSet::new() }
    }

    /// How many handshakes may be under way at one time; one at least.
    #[must_use]
    pub fn handshakes(self, most: usize) -> Self {
        Self { most: most.max(1), ..self }
    }

    fn begin(&mut self, tcp: TcpStream, peer: SocketAddr) {
        let tls = self.tls.clone();
        // What is known of the connection, whoever serves it reads from the stream.
        self.handshakes.spawn(async move { tls.accept(tcp, peer).await.ok().map(|(stream, _)| (stream, peer)) });
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            tokio::select! {
                Some(ended) = self.handshakes.join_next(), if !self.handshakes.is_empty() => {
                    if let Ok(Some(accepted)) = ended {
                        return accepted;
                    }
                }
                (tcp, peer) = Listener::accept(&mut self.tcp), if self.handshakes.len() < self.most => {
                    // Small answers are not kept back; where that cannot be had, they are.
                    _ = tcp.set_nodelay(true);
                    self.begin(tcp, peer);
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}
