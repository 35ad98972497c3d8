//! What is known of an authorization server by all of its clients here: who waits for it, and which of its endpoints are
//! left alone.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tower_identity_core::{Clock, Issuer};

use super::{breaker::Breaker, line::Line};
use crate::Endpoint;

/// The servers that have clients, each once. As many as are configured.
#[derive(Debug, Default)]
pub(crate) struct Servers(Mutex<HashMap<Issuer, Weak<Server>>>);

/// One authorization server. It is gone with its last client.
#[derive(Debug)]
pub(crate) struct Server {
    issuer: Issuer,
    line: Line,
    breakers: Mutex<HashMap<Place, Weak<Breaker>>>,
}

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// One that is configured.
    At(Endpoint),
    /// The one that the issuer's metadata names, whichever that is.
    Discovered,
    /// The one that it names for clients that show a certificate.
    Alias,
}

impl Servers {
    /// The server of this issuer.
    pub(crate) fn of(&self, issuer: &Issuer) -> Arc<Server> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, server| server.strong_count() > 0);
        if let Some(server) = known.get(issuer).and_then(Weak::upgrade) {
            return server;
        }
        let server = Server { issuer: issuer.clone(), line: Line::default(), breakers: Mutex::default() };
        let server = Arc::new(server);
        known.insert(issuer.clone(), Arc::downgrade(&server));
        server
    }
}

impl Server {
    pub(super) fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    /// The breaker of an endpoint.
    pub(super) fn breaker(&self, place: Place, clock: &Clock) -> Arc<Breaker> {
        let mut known = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, breaker| breaker.strong_count() > 0);
        if let Some(breaker) = known.get(&place).and_then(Weak::upgrade) {
            return breaker;
        }
        let name = match &place {
            Place::At(endpoint) => endpoint.without_query(),
            Place::Discovered => "discovered".to_owned(),
            Place::Alias => "discovered_mtls".to_owned(),
        };
        let breaker = Arc::new(Breaker::new(self.issuer.clone(), name, clock.clone()));
        known.insert(place, Arc::downgrade(&breaker));
        breaker
    }
}
