//! [`Outbound`]: the targets, their tokens, and what gives a request its credential.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use arc_swap::ArcSwap;
use http::{HeaderMap, Uri, header};
use tower_identity_core::{BoxFuture, Clock, ambient};
use tower_identity_oauth::TokenEndpoint;

use crate::{
    OutboundBuilder, OutboundError, OutboundLayer,
    acting::Acting,
    cache::{Credential, TokenCache},
    error::Reason,
    origin::OriginOf,
    row::Row,
    targets::{Targets, Unlisted},
};

/// Gives every request to a listed target the right credential, and lets no other request out.
///
/// Cheap to clone; all clones share the remembered tokens. Made by a [builder](Self::builder), used through a
/// [layer](Self::layer) or a [reqwest client](Self::reqwest).
#[derive(Clone)]
pub struct Outbound(Arc<Shared>);

struct Shared {
    table: ArcSwap<Table>,
    cache: TokenCache,
    clock: Clock,
}

/// The list of targets, as it is now.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) targets: Targets<Row>,
}

impl Outbound {
    pub(crate) fn new(table: Table, cache_capacity: usize, clock: Clock) -> Self {
        let cache = TokenCache::new(cache_capacity, clock.clone());
        Self(Arc::new(Shared { table: ArcSwap::from_pointee(table), cache, clock }))
    }

    /// Begins with the authorization server that issues the tokens of every target that names no other.
    ///
    /// ```
    /// use tower_identity_jose::{Algorithm, SigningKey};
    /// use tower_identity_oauth::{ClientAuth, TokenEndpoint};
    /// use tower_identity_outbound::{Outbound, Target};
    ///
    /// let auth = ClientAuth::private_key_jwt("orders", SigningKey::generate(Algorithm::Es256)?)?;
    /// let outbound = Outbound::builder(TokenEndpoint::discover("https://login.example.com", auth))
    ///     .target(Target::origin("https://payments.internal")?.audience("payments").token_exchange())
    ///     .build()?;
    /// # let _ = outbound;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder(default: TokenEndpoint) -> OutboundBuilder {
        OutboundBuilder::new(default)
    }

    /// A layer over any HTTP client that is a tower service and is sent absolute addresses.
    #[must_use]
    pub fn layer(&self) -> OutboundLayer {
        OutboundLayer::new(self.clone())
    }

    /// The credential of a request that is about to be made. Reads the scope that the code runs in: now, and not
    /// when what it returns is polled.
    pub(crate) fn obtain(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        acting: Option<Acting>,
    ) -> Result<Obtained, OutboundError> {
        let Shared { table, cache, clock } = &*self.0;
        let table = table.load();
        let row = table.targets.resolve(uri)?;
        let refused = |reason: Reason| OutboundError::new(Some(row.name.clone()), reason);
        if !is_same_host(uri, headers) {
            return Err(refused(Reason::Host));
        }
        let asked = row.ask(acting, ambient::current, clock.wall()).map_err(refused)?;
        let entry = cache.entry(&asked.ask.key());
        let at_hand = entry.has_token();
        let mut token = entry.token(asked.ask.clone());
        if at_hand && let Poll::Ready(token) = Pin::new(&mut token).poll(&mut Context::from_waker(Waker::noop())) {
            let bearer = token.map_err(|refusal| refused(Reason::NoToken(refusal)))?;
            return Ok(Obtained::Now(Credential::new(bearer, entry)));
        }
        let name = row.name.clone();
        Ok(Obtained::Later(Box::pin(async move {
            let token = token.await;
            // Whoever was revoked while the token was on its way is not given it.
            match token {
                _ if asked.is_revoked() => Err(OutboundError::new(Some(name), Reason::Revoked)),
                Ok(bearer) => Ok(Credential::new(bearer, entry)),
                Err(refusal) => Err(OutboundError::new(Some(name), Reason::NoToken(refusal))),
            }
        })))
    }

    /// Whether an address is a target's.
    pub(crate) fn lists(&self, uri: &Uri) -> Result<(), Unlisted> {
        self.0.table.load().targets.resolve(uri).map(|_| ())
    }
}

/// A credential that is at hand, or on its way.
pub(crate) enum Obtained {
    Now(Credential),
    Later(BoxFuture<'static, Result<Credential, OutboundError>>),
}

fn is_same_host(uri: &Uri, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter().peekable();
    hosts.peek().is_none() || OriginOf::uri(uri).is_ok_and(|origin| hosts.all(|host| origin.is_host(host)))
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").field("targets", &self.0.table.load().targets).finish_non_exhaustive()
    }
}
