//! The endpoints of one authorization server, and which of them is asked.

use std::{sync::Arc, time::Duration};

use tower_identity_core::Clock;

use super::{
    NotAsked,
    breaker::{Breaker, Pass},
    server::{Place, Server},
};
use crate::{Discovery, Endpoint, FetchError, Http, token_error::Cause};

/// Where a server is asked: at any of these, which are doors of the same house. The first that is not left alone is
/// asked, in the order in which they are configured.
#[derive(Debug)]
pub(super) struct Endpoints {
    at: At,
    /// Whether a certificate is shown there.
    by_certificate: bool,
    /// One for each.
    breakers: Box<[Arc<Breaker>]>,
}

#[derive(Debug)]
pub(crate) enum At {
    Known(Vec<Endpoint>),
    /// The one that the metadata names.
    Discovered(Discovery),
}

/// Which endpoints a call has been made at, in order: one for each attempt.
pub(super) type Tried = Vec<usize>;

impl Endpoints {
    pub(super) fn new(at: At, by_certificate: bool, server: &Server, clock: &Clock) -> Self {
        let found = if by_certificate { Place::Alias } else { Place::Discovered };
        let breakers = match &at {
            At::Known(endpoints) => {
                endpoints.iter().map(|endpoint| server.breaker(Place::At(endpoint.clone()), clock)).collect()
            }
            At::Discovered(_) => Box::new([server.breaker(found, clock)]) as Box<[_]>,
        };
        Self { at, by_certificate, breakers }
    }

    /// Whether any of them may be asked now.
    pub(super) fn any(&self) -> Result<(), NotAsked> {
        let mut shortest = None;
        for breaker in &self.breakers {
            let Some(left) = breaker.left() else { return Ok(()) };
            shortest = shorter(shortest, left);
        }
        Err(NotAsked::BreakerOpen { left: shortest.unwrap_or_default() })
    }

    /// The one to ask: one that this call has not tried, if there is such a one.
    pub(super) fn choose(&self, tried: &Tried) -> Result<(usize, Pass), NotAsked> {
        let mut shortest = None;
        let (again, others): (Vec<_>, Vec<_>) = (0..self.breakers.len()).partition(|index| tried.contains(index));
        for index in others.into_iter().chain(again) {
            match self.breakers[index].enter() {
                Ok(pass) => return Ok((index, pass)),
                Err(left) => shortest = shorter(shortest, left),
            }
        }
        Err(NotAsked::BreakerOpen { left: shortest.unwrap_or_default() })
    }

    /// Whether there is one that this call has not tried and that may be asked now.
    pub(super) fn any_but(&self, tried: &Tried) -> bool {
        self.breakers.iter().enumerate().any(|(index, breaker)| !tried.contains(&index) && breaker.left().is_none())
    }

    /// The one of this number, and the client that goes there.
    pub(super) async fn resolve<'a>(
        &'a self,
        index: usize,
        http: &'a Http,
        within: Duration,
    ) -> Result<(Endpoint, &'a Http), Cause> {
        match &self.at {
            At::Known(endpoints) => Ok((endpoints[index].clone(), http)),
            At::Discovered(discovery) => {
                // A search that takes longer goes on, for the next call.
                let found = http.clock().within(within, discovery.metadata()).await;
                let metadata = found.ok_or(FetchError::Timeout { after: within })??;
                let endpoint =
                    if self.by_certificate { metadata.mtls_token_endpoint() } else { metadata.token_endpoint() };
                let endpoint = endpoint?;
                Ok((endpoint.clone(), discovery.http_to(endpoint)))
            }
        }
    }
}

fn shorter(known: Option<Duration>, left: Duration) -> Option<Duration> {
    Some(known.map_or(left, |known| known.min(left)))
}
