//! Why a connection was closed before any request of it.

use std::io;

use tokio_rustls::rustls::Error as TlsError;

/// Why a connection was closed before any request of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// It was not done in [time](crate::ServerTlsBuilder::handshake).
    #[error("the handshake took too long")]
    TookTooLong,
    /// It failed: the peer speaks no TLS, or its certificate is missing or bad.
    #[error("the handshake failed")]
    Failed(#[source] io::Error),
}

impl HandshakeError {
    /// A stable word for logs and metrics.
    ///
    /// | word | meaning |
    /// |---|---|
    /// | `took_too_long` | it was not done in time |
    /// | `no_certificate` | the client showed none, where one is required |
    /// | `bad_certificate` | the client's is of no authority of ours, does not hold now, is revoked, or its key is not proven |
    /// | `refused_by_peer` | the client ended it, because of our certificate for example |
    /// | `incompatible` | the two have no version or suite in common |
    /// | `no_tls` | what came is no TLS |
    /// | `closed` | the connection ended, or broke off |
    /// | `failed` | anything else |
    #[must_use]
    pub fn reason(&self) -> &'static str {
        let Self::Failed(error) = self else { return "took_too_long" };
        let Some(error) = error.get_ref() else { return "closed" };
        match error.downcast_ref::<TlsError>() {
            Some(TlsError::NoCertificatesPresented) => "no_certificate",
            Some(TlsError::InvalidCertificate(_) | TlsError::InvalidCertRevocationList(_)) => "bad_certificate",
            Some(TlsError::AlertReceived(_)) => "refused_by_peer",
            Some(TlsError::PeerIncompatible(_)) => "incompatible",
            Some(TlsError::InvalidMessage(_)) => "no_tls",
            None => "closed",
            Some(_) => "failed",
        }
    }
}
