//! Binding an address, listening there with TLS, and having somebody watch what comes.

use std::{fmt, io, net::SocketAddr};

use tokio::net::TcpListener;
use tower_identity::{ServerTls, Settings, SettingsError};

use crate::Watch;

/// An address cannot be listened on. The program ends with exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: change it with {option}")]
pub struct ListenError {
    address: SocketAddr,
    option: &'static str,
    source: io::Error,
}

impl ListenError {
    /// The address that was tried.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A bound address, how it listens there, and whoever watches what comes. It is made of a listener of tokio's, without TLS, which
/// nobody watches.
pub struct Listener {
    pub(crate) tcp: TcpListener,
    pub(crate) tls: Option<ServerTls>,
    pub(crate) watch: Option<Watch>,
}

impl Listener {
    /// The address that it listens on.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// The same with TLS, where the table `tls` of these settings has a certificate.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] when the table breaks a rule, or a file of it cannot be used.
    pub fn with_tls_of(self, settings: &Settings) -> Result<Self, SettingsError> {
        Ok(Self { tls: settings.server_tls()?, ..self })
    }

    /// The same under watch, once it is [served](crate::serve).
    #[must_use]
    pub fn watched(self, watch: Option<Watch>) -> Self {
        Self { watch, ..self }
    }
}

impl From<TcpListener> for Listener {
    fn from(tcp: TcpListener) -> Self {
        Self { tcp, tls: None, watch: None }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("tcp", &self.tcp)
            .field("tls", &self.tls)
            .field("watched", &self.watch.is_some())
            .finish()
    }
}

/// Binds an address; `option` is what the user would change it with. Connections queue from now on, and are answered
/// once the listener is [served](crate::serve).
///
/// # Errors
///
/// [`ListenError`] when the address is in use, not this machine's, or not permitted.
pub async fn listen(address: SocketAddr, option: &'static str) -> Result<Listener, ListenError> {
    let bound = TcpListener::bind(address).await;
    bound.map(Listener::from).map_err(|source| ListenError { address, option, source })
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_named_with_the_option_that_changes_it() {
        let any = "127.0.0.1:0".parse().expect("address");
        let first = listen(any, "--listen").await.expect("a free port");
        let taken = first.local_addr().expect("bound");

        let refused = listen(taken, "--listen").await.expect_err("the port is in use");
        assert_eq!(refused.to_string(), format!("cannot listen on {taken}: change it with --listen"));
        assert_eq!(refused.address(), taken);
        let cause = refused.source().and_then(|source| source.downcast_ref::<io::Error>()).map(io::Error::kind);
        assert_eq!(cause, Some(io::ErrorKind::AddrInUse));

        drop(first);
        assert_eq!(listen(taken, "--listen").await.map(|again| again.local_addr().ok()).ok(), Some(Some(taken)));
    }
}
