//! [`Outbound`]: the targets, their tokens, and what gives a request its credential.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use http::{HeaderMap, Uri, header};
use tower_identity_core::{BoxFuture, Clock, InvalidSetting, ambient};
use tower_identity_oauth::{Http, TargetService, TokenClient, TokenEndpoint};

use crate::{
    OutboundError, OutboundLayer, Strategy, Target,
    acting::Acting,
    cache::{Credential, TokenCache},
    error::Reason,
    origin::OriginOf,
    row::{Row, Takes},
    source::{ActorTokens, ClientCredentials, Exchange, Recipe},
    targets::{Targets, Unlisted},
};

/// How many tokens are remembered by default.
const CACHE_CAPACITY: usize = 10_000;

/// Gives every request to a listed target the right credential, and lets no other request out.
///
/// Cheap to clone; all clones share the remembered tokens. Made by a [builder](Self::builder), used through a
/// [layer](Self::layer) or a [reqwest client](Self::reqwest).
#[derive(Clone)]
pub struct Outbound(Arc<Shared>);

struct Shared {
    targets: Targets<Row>,
    cache: TokenCache,
    clock: Clock,
}

/// Builds an [`Outbound`].
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct OutboundBuilder {
    default: TokenEndpoint,
    servers: Vec<(String, TokenEndpoint)>,
    targets: Vec<Target>,
    clock: Clock,
    cache_capacity: usize,
}

impl Outbound {
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
        OutboundBuilder {
            default,
            servers: Vec::new(),
            targets: Vec::new(),
            clock: tower_identity_refresh::system_clock(),
            cache_capacity: CACHE_CAPACITY,
        }
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
        let Shared { cache, clock, .. } = &*self.0;
        let row = self.row(uri)?;
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

    /// The target of an address.
    pub(crate) fn row(&self, uri: &Uri) -> Result<&Row, Unlisted> {
        self.0.targets.resolve(uri)
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

impl OutboundBuilder {
    /// Another authorization server, which [targets name](Target::server).
    pub fn server(mut self, name: impl Into<String>, server: TokenEndpoint) -> Self {
        self.servers.push((name.into(), server));
        self
    }

    /// Lists a target. Requests to anywhere else are refused.
    pub fn target(mut self, target: Target) -> Self {
        self.targets.push(target);
        self
    }

    /// Where time comes from. Default: the system.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How many tokens are remembered at most, over all users and targets. Default: 10 000.
    pub fn cache_capacity(mut self, entries: usize) -> Self {
        self.cache_capacity = entries;
        self
    }

    /// Checks everything and builds. Needs no runtime, and no authorization server that is up.
    ///
    /// # Errors
    ///
    /// Names the first field that breaks a rule: `default`, `server.<name>`, or `target[<index>]`.
    pub fn build(self) -> Result<Outbound, InvalidSetting> {
        let Self { default, servers, targets: rows, clock, cache_capacity } = self;
        if cache_capacity == 0 {
            return Err(InvalidSetting::new("cache_capacity", "is zero; without remembering, every request asks"));
        }
        let http = Http::new(clock.clone()).map_err(|error| InvalidSetting::new("http", error.to_string()))?;
        let connect = |server: &TokenEndpoint| server.connect(&http);
        let mut clients =
            Clients { default: connect(&default).map_err(|wrong| wrong.within("default"))?, named: BTreeMap::new() };
        for (name, server) in servers {
            let within = |wrong: InvalidSetting| wrong.within(&*name).within("server");
            let client = connect(&server).map_err(within)?;
            if clients.named.insert(name.clone(), client).is_some() {
                return Err(InvalidSetting::new("server", format!("has two servers of the name {name:?}")));
            }
        }
        let mut targets = Targets::new();
        for (index, target) in rows.into_iter().enumerate() {
            let within = |wrong: InvalidSetting| wrong.within(index).within("target");
            let row = clients.row(&target, &clock).map_err(within)?;
            if targets.insert(&target.origin, target.path_prefix, row).is_err() {
                return Err(within(InvalidSetting::new(
                    "origin",
                    "is listed by an earlier target, with the same path",
                )));
            }
        }
        Ok(Outbound(Arc::new(Shared { targets, cache: TokenCache::new(cache_capacity, clock.clone()), clock })))
    }
}

/// The authorization servers, connected.
struct Clients {
    default: TokenClient,
    named: BTreeMap<String, TokenClient>,
}

impl Clients {
    fn row(&self, target: &Target, clock: &Clock) -> Result<Row, InvalidSetting> {
        let strategy = target.check()?;
        let client = match &target.server {
            None => &self.default,
            Some(name) => self
                .named
                .get(name)
                .ok_or_else(|| InvalidSetting::new("server", format!("names {name:?}, and there is no such server")))?,
        };
        let terms = TargetService {
            audience: target.audience.clone(),
            resource: target.resource.clone(),
            scopes: target.scopes.clone(),
            tolerated: target.tolerated.clone(),
        };
        let own = Arc::new(Recipe::new(ClientCredentials, client.clone(), terms.clone(), clock.clone()));
        let takes = match strategy {
            Strategy::ClientCredentials => Takes::Services { own },
            Strategy::TokenExchange => {
                let actor = target.actor_token.then(|| ActorTokens::new(clock.clone()));
                let exchange = Arc::new(Recipe::new(Exchange { actor }, client.clone(), terms, clock.clone()));
                Takes::Users { exchange, own }
            }
        };
        Ok(Row { name: format!("{}{}", target.origin, target.path_prefix.as_str()).into(), takes })
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").field("targets", &self.0.targets).finish_non_exhaustive()
    }
}
