//! Which peers of a connection are proxies of ours, whose word on a request is taken.

use http::Request;
use serde::Deserialize;
use tower_identity_core::{CallerName, InvalidSetting, Refusal, RefusalKind};
use tower_identity_verify::{Current, Verifier};

use crate::Connection;

/// A proxy in front of this service, by what proves that it is at the other end of a connection. An address anywhere else
/// than on this very host proves nothing, and is none.
///
/// In a file: `"loopback"`, `"unix_socket"`, `{ caller = { issuer = "spiffe://example.org", id = "spiffe://example.org/gateway" } }`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProxyPeer {
    /// The workload of this name, by the client certificate of the connection, which the verifier
    /// [vouches](tower_identity_verify::VerifierBuilder::certificates) for.
    Caller(CallerName),
    /// Whoever connects from this host without a certificate of its own: a sidecar. Every process that shares the network
    /// of this one is believed.
    Loopback,
    /// Whoever connects by a Unix socket: every process that its permissions let in is believed.
    UnixSocket,
}

/// The proxies of a service: one at least.
#[derive(Debug, Clone)]
pub(crate) struct Proxies(Box<[ProxyPeer]>);

impl Proxies {
    pub(crate) fn of(peers: impl IntoIterator<Item = ProxyPeer>) -> Result<Self, InvalidSetting> {
        let peers: Box<[ProxyPeer]> = peers.into_iter().collect();
        if peers.is_empty() {
            return Err(InvalidSetting::new("peers", "names no proxy: whose word is taken"));
        }
        if let Some(at) = (1..peers.len()).find(|&at| peers[..at].contains(&peers[at])) {
            return Err(InvalidSetting::new(at, "is named twice").within("peers"));
        }
        Ok(Self(peers))
    }

    /// Whether one of them is known by its certificate alone.
    fn are_by_certificate(&self) -> bool {
        self.0.iter().any(|peer| matches!(peer, ProxyPeer::Caller(_)))
    }

    /// Whether somebody vouches for the certificates of those that are known by one.
    pub(crate) fn known_to(&self, verifier: &Verifier) -> Result<(), InvalidSetting> {
        if self.are_by_certificate() && verifier.certificate_issuers().next().is_none() {
            let rule = "has a proxy that is known by its certificate, and needs certificates: whose are trusted";
            return Err(InvalidSetting::new("peers", rule));
        }
        Ok(())
    }

    /// Whether one of them is at the other end of the request's connection. A peer with a certificate is whom that names,
    /// wherever it is; one whose certificate does not hold is nobody.
    ///
    /// An error says that this cannot be told: no acceptor has said anything, or what is revoked is not known.
    pub(crate) fn sent<B>(&self, verifier: &Current, request: &Request<B>) -> Result<bool, Refusal> {
        let connection = Connection::of(request.extensions()).ok_or_else(no_connection)?;
        let chain = connection.peer_certificates();
        if chain.is_empty() {
            return Ok(self.0.iter().any(|peer| match peer {
                ProxyPeer::Caller(_) => false,
                ProxyPeer::Loopback => {
                    connection.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback())
                }
                ProxyPeer::UnixSocket => connection.is_by_unix_socket(),
            }));
        }
        if !self.are_by_certificate() {
            return Ok(false);
        }
        match verifier.certificate(chain) {
            Ok(named) => Ok(self.0.iter().any(|peer| matches!(peer, ProxyPeer::Caller(name) if name.is(&named)))),
            Err(refusal) if matches!(refusal.kind(), RefusalKind::Unavailable { .. }) => Err(refusal),
            Err(_) => Ok(false),
        }
    }
}

/// The acceptor was forgotten.
pub(crate) fn no_connection() -> Refusal {
    let missing = "no acceptor has said what it knows of the connection: insert Connection into every request";
    Refusal::new(RefusalKind::Misconfigured, "wiring").detail(missing)
}
