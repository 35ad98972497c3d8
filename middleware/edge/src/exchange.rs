//! Internal identities, asked for at an authorization server.

mod ask;
mod error;
mod kept;

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::{Map, Value};
use tower_identity_core::{Audience, CallerContext, Clock, InvalidSetting, Scopes};
use tower_identity_jose::{Algorithm, KeySet, SigningKey};
use tower_identity_oauth::{Http, TokenClient, TokenEndpoint, Transaction};
use tower_identity_refresh::system_clock;
use tower_identity_verify::{TransactionTokens, TrustedIssuer, Verifier};

pub(crate) use self::kept::Kept;
use crate::{
    replaced::NOBODY,
    scope_rows::{ScopeRows, WrittenRow},
};

/// How long a request waits for its internal identity, unless that is said.
const DEADLINE: Duration = Duration::from_secs(5);

/// The member of `request_context` that says where a request came from (draft-ietf-oauth-transaction-tokens-11 §4.2).
const PEER: &str = "req_ip";

/// Where internal identities are had: a credential from outside is exchanged (RFC 8693) at an authorization server for a
/// transaction token of one trust domain (draft-ietf-oauth-transaction-tokens-11 §7), which is then verified as whoever it is
/// sent to verifies it: by the trust domain's keys, type, audience and time. Cheap to clone; asks nobody until it is used, in
/// [`EdgeLayer::exchanging`](crate::EdgeLayer::exchanging).
///
/// The authority says who the user is inside and which rights cross; what it gives beyond what was asked for is refused (502).
/// It is given the user's credential, so it has to be the issuer's own server, or to
/// [list the issuer](TokenEndpoint::accepts_issuer) as one that it accepts.
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_identity_edge::{EdgeLayer, Exchange};
/// use tower_identity_inbound::AuthLayer;
/// use tower_identity_jose::{Algorithm, SigningKey};
/// use tower_identity_oauth::{ClientAuth, TokenEndpoint};
/// use tower_identity_verify::{TransactionTokens, TrustedIssuer, Verifier};
///
/// let login = "https://login.example.com";
/// let auth = ClientAuth::private_key_jwt("gateway", SigningKey::generate(Algorithm::Es256)?)?;
/// let shop = TransactionTokens::of("shop.internal", "https://login.example.com/transaction-keys");
/// let exchange = Exchange::builder(TokenEndpoint::discover(login, auth), shop)
///     .scope("orders:read", "orders:read")
///     .build()?;
///
/// let outside = Verifier::builder(TrustedIssuer::discover(login).audience("shop")).build()?;
/// let app: Router = Router::new()
///     .route("/", get(|| async { "inside" }))
///     .layer(EdgeLayer::exchanging(AuthLayer::new(outside).edge(), exchange));
/// # let _ = app;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Exchange(Arc<Inner>);

struct Inner {
    client: TokenClient,
    trust_domain: Audience,
    /// Of the trust domain: it trusts that, and nothing else.
    verifier: Verifier,
    /// What is asked for, for everybody.
    scopes: Scopes,
    /// What is asked for besides, for whoever may something outside.
    rows: ScopeRows,
    /// What is said of each transaction.
    said: Transaction,
    /// What the context says, where the peer's address goes beside it.
    context: Option<Map<String, Value>>,
    deadline: Duration,
    clock: Clock,
}

/// Collects what an [`Exchange`] is told. What is wrong with it is reported by [`build`](Self::build).
#[derive(Debug)]
#[must_use = "it does nothing until it is built"]
pub struct ExchangeBuilder {
    server: TokenEndpoint,
    tokens: TransactionTokens,
    scopes: Vec<String>,
    rows: Vec<WrittenRow>,
    context: Result<Map<String, Value>, InvalidSetting>,
    details: Result<Transaction, InvalidSetting>,
    peer_address: bool,
    deadline: Duration,
    clock: Clock,
}

impl Exchange {
    /// At this server, for these tokens: the trust domain and the keys that sign them. Who carries them, and whose names their
    /// workloads go by, is nothing to the edge.
    pub fn builder(server: TokenEndpoint, tokens: TransactionTokens) -> ExchangeBuilder {
        ExchangeBuilder {
            server,
            tokens,
            scopes: Vec::new(),
            rows: Vec::new(),
            context: Ok(Map::new()),
            details: Ok(Transaction::new()),
            peer_address: false,
            deadline: DEADLINE,
            clock: system_clock(),
        }
    }

    /// The trust domain.
    #[must_use]
    pub fn trust_domain(&self) -> &Audience {
        &self.0.trust_domain
    }

    /// Whether it tells of where requests come from.
    pub(crate) fn tells_of_peers(&self) -> bool {
        self.0.context.is_some()
    }

    /// What is asked for, for this caller.
    fn scopes(&self, caller: &CallerContext) -> Scopes {
        self.0.scopes.union(&self.0.rows.of(caller))
    }

    /// What is said of a transaction that comes from there.
    fn transaction(&self, from: Option<IpAddr>) -> Result<Transaction, InvalidSetting> {
        let (Some(context), Some(from)) = (&self.0.context, from) else { return Ok(self.0.said.clone()) };
        let mut context = context.clone();
        context.insert(PEER.to_owned(), from.to_string().into());
        Ok(Transaction::new().context(context)?.or(&self.0.said))
    }
}

impl ExchangeBuilder {
    /// Who has this scope outside has that one asked for inside, whoever issued it. One scope may become several.
    pub fn scope(mut self, outside: impl Into<String>, inside: impl Into<String>) -> Self {
        self.rows.push((None, outside.into(), inside.into()));
        self
    }

    /// The same, for tokens of this issuer only: what another means by the word is its own affair.
    pub fn scope_of(
        mut self,
        issuer: impl Into<String>,
        outside: impl Into<String>,
        inside: impl Into<String>,
    ) -> Self {
        self.rows.push((Some(issuer.into()), outside.into(), inside.into()));
        self
    }

    /// This scope is asked for, for everybody: the authority decides who gets it.
    pub fn scope_for_all(mut self, inside: impl Into<String>) -> Self {
        self.scopes.push(inside.into());
        self
    }

    /// What is said of the environment of each transaction, such as the channel: `request_context`, which may become part of
    /// the token's `rctx`. By default nothing is.
    pub fn context(self, context: impl Serialize) -> Self {
        let context = match serde_json::to_value(context) {
            Ok(Value::Object(context)) => Ok(context),
            Ok(_) | Err(_) => Err(InvalidSetting::new("context", "is no JSON object")),
        };
        Self { context, ..self }
    }

    /// Says in the context of each transaction from which address its request came, as `req_ip`: that of the
    /// [connection](tower_identity_inbound::Connection)'s peer, which is the last proxy where there are some. Nothing is said
    /// where the acceptor knows of none. By default nothing is.
    ///
    /// An internal identity is then good for requests from one address, and the same credential is exchanged again for the
    /// next one.
    pub fn peer_address(self) -> Self {
        Self { peer_address: true, ..self }
    }

    /// What each transaction is about: `request_details`, which may become the token's `tctx`. By default nothing is said.
    pub fn details(self, details: impl Serialize) -> Self {
        Self { details: Transaction::new().details(details), ..self }
    }

    /// How long a request waits for an internal identity that is not at hand: 5 s by default. Then it is refused (503).
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Where time comes from. Default: the system.
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Checks it all. Needs no runtime, and no server that is up.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] for the field `server`, `transaction_tokens`, `scopes`, `scope_for_all`, `context`, `details` or
    /// `deadline`.
    pub fn build(self) -> Result<Exchange, InvalidSetting> {
        let within = |field: &'static str| move |wrong: InvalidSetting| wrong.within(field);
        let http = Http::new(self.clock.clone()).map_err(|error| InvalidSetting::new("http", error.to_string()))?;
        let client = self.server.connect(&http).map_err(within("server"))?;
        let verifier = trusting(self.tokens, self.clock.clone())?;
        let scopes = Scopes::parse(&self.scopes.join(" "))
            .map_err(|wrong| InvalidSetting::new("scope_for_all", wrong.to_string()))?;
        let rows = ScopeRows::check(self.rows).map_err(within("scopes"))?;
        if scopes.is_empty() && rows.is_empty() {
            return Err(InvalidSetting::new("scopes", "is missing: what an internal identity may allow"));
        }
        if self.deadline.is_zero() {
            return Err(InvalidSetting::new("deadline", "is zero"));
        }
        let (context, details) = (self.context?, self.details.map_err(within("details"))?);
        if self.peer_address && context.contains_key(PEER) {
            return Err(InvalidSetting::new("context", "says req_ip, which is the peer's address"));
        }
        let said = match context.is_empty() {
            true => details,
            false => details.context(&context).map_err(within("context"))?,
        };
        let trust_domain = verifier.trust_domains().next().expect("it was told of one");
        Ok(Exchange(Arc::new(Inner {
            client,
            trust_domain: Audience::parse(trust_domain.as_str()).expect("it is the audience of its tokens"),
            verifier,
            scopes,
            rows,
            said,
            context: self.peer_address.then_some(context),
            deadline: self.deadline,
            clock: self.clock,
        })))
    }
}

/// A verifier that trusts these tokens, and nothing else: the keys of its home are nobody's.
fn trusting(tokens: TransactionTokens, clock: Clock) -> Result<Verifier, InvalidSetting> {
    let nobodys = SigningKey::generate(Algorithm::Es256).map_err(|why| InvalidSetting::new("keys", why.to_string()))?;
    let nobodys = KeySet::from_keys([nobodys.verifying_key()]).expect("one key is a set");
    let nobody = TrustedIssuer::keys(NOBODY, nobodys).audience(NOBODY);
    Verifier::builder(nobody).transaction_tokens(tokens).clock(clock).build()
}

/// Where, and for which trust domain.
impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("server", self.0.client.issuer())
            .field("trust_domain", &self.0.trust_domain)
            .finish_non_exhaustive()
    }
}
