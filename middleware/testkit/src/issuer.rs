//! An authorization server for tests: real HTTP on loopback, real signatures, and every way to fail.

mod answer;
mod assertion;
mod call;
mod endpoint;
mod event;
mod failure;
mod grant;
mod introspection;
mod key_set;
mod mtls;
mod response;
mod server;
mod state;
#[cfg(feature = "transaction-tokens")]
mod transaction;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;
use tower_identity_core::{Clock, Issuer};
use tower_identity_jose::{Algorithm, SigningKey};

pub use self::{
    call::{ClientAuthentication, TokenCall},
    endpoint::Endpoint,
    failure::Failure,
};
use self::{
    key_set::KeySetAnswers,
    server::Server,
    state::{Shared, State},
};
use crate::TokenBuilder;

/// A running authorization server: metadata (RFC 8414 and OpenID Connect), key set, a token endpoint that grants
/// client credentials and token exchange (RFC 8693), and an introspection endpoint (RFC 7662, RFC 9701) for its
/// [opaque tokens](Self::opaque). It records every call.
///
/// It listens on a free port of 127.0.0.1, on a thread of its own, until it is dropped; a `static` one may serve the
/// tests of many runtimes. It signs with ES256.
///
/// It has no policy: whoever authenticates, with whatever secret or assertion, gets what it asks for, and may
/// exchange any unexpired access token that this issuer, or one that it [accepts](Self::accept), has signed: for an access
/// token, for a transaction token (feature `transaction-tokens`), or for an assertion to another server (`jwt`, `id-jag`),
/// which that one takes once (RFC 7523) if it accepts this issuer. So may it one of its [opaque](Self::opaque) tokens. It
/// knows Entra ID's on-behalf-of, too. What is malformed is refused as the RFCs say. Tests judge the client by the
/// [recorded calls](Self::token_calls).
///
/// A verifier, tested against one, and how it copes with an outage:
///
/// ```
/// use std::time::Duration;
/// use tower_identity_testkit::{Endpoint, ManualClock, TestIssuer};
/// use tower_identity_verify::{TrustedIssuer, Verifier};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let clock = ManualClock::new();
/// let issuer = TestIssuer::builder().clock(clock.clock()).start();
/// let trusted = TrustedIssuer::discover(issuer.issuer().as_str()).audience("orders");
/// let verifier = Verifier::builder(trusted).clock(clock.clock()).build()?;
///
/// let token = issuer.token().subject("alice").client("storefront").audience("orders");
/// let (control, attack) = (token.clone().build(), token.tampered().build());
/// assert!(verifier.bearer(control.expose()).await.is_ok());
/// assert_eq!(verifier.bearer(attack.expose()).await.expect_err("tampered").check(), "signature");
/// assert_eq!(issuer.calls(Endpoint::Keys), 1);
///
/// issuer.stop();
/// assert!(verifier.bearer(control.expose()).await.is_ok());
/// clock.advance(Duration::from_secs(331));
/// assert_eq!(verifier.bearer(control.expose()).await.expect_err("expired").check(), "exp");
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TestIssuer {
    shared: Arc<Shared>,
    doors: Mutex<Vec<Door>>,
}

/// A port where it listens, with TLS where that is there.
#[derive(Debug)]
struct Door {
    port: u16,
    tls: Option<Arc<ServerConfig>>,
    server: Server,
}

/// How a [`TestIssuer`] is to be: see [`TestIssuer::builder`].
#[derive(Debug, Default)]
#[must_use = "a test issuer is there once it is started"]
pub struct TestIssuerBuilder {
    path: String,
    name: Option<Issuer>,
    clock: Option<Clock>,
    mtls: Option<Arc<ServerConfig>>,
}

impl TestIssuerBuilder {
    /// Gives the issuer's URL this path: `/tenant`, without a slash at the end.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Gives the issuer another identifier than the URL where it is served, as behind a split horizon. Discovery
    /// must then fail, and endpoints be configured.
    ///
    /// # Panics
    ///
    /// When the string is no [`Issuer`].
    #[track_caller]
    pub fn named(mut self, issuer: impl AsRef<str>) -> Self {
        self.name = Some(Issuer::parse(issuer).unwrap_or_else(|wrong| panic!("{wrong}")));
        self
    }

    /// Issues by this clock, in place of the system's.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Starts it.
    ///
    /// # Panics
    ///
    /// When no loopback port is free.
    #[must_use]
    pub fn start(self) -> TestIssuer {
        let bind = || Server::bind(0).expect("loopback has a free port");
        let (server, address) = bind();
        let mut doors = vec![Door { port: address.port(), tls: None, server }];
        let mtls_origin = self.mtls.map(|tls| {
            let (server, address) = bind();
            doors.push(Door { port: address.port(), tls: Some(tls), server });
            format!("https://{address}")
        });
        let base = format!("http://{address}{}", self.path);
        let signing = SigningKey::generate(Algorithm::Es256).expect("ES256 keys are generated");
        let state = State {
            ever_signed: vec![signing.clone()],
            published: vec![signing.public_jwk()],
            signing,
            key_set: KeySetAnswers::default(),
            lifetime: Duration::from_secs(300),
            edit: None,
            calls: Vec::new(),
            registered: Default::default(),
            assertions: Default::default(),
            introspection: Default::default(),
            accepted: Vec::new(),
            behaviour: Default::default(),
        };
        let shared = Shared {
            issuer: self.name.unwrap_or_else(|| Issuer::parse(&base).expect("a URL is an issuer")),
            base,
            path: self.path,
            mtls_origin,
            clock: self.clock.unwrap_or_else(tower_identity_refresh::system_clock),
            arrived: watch::Sender::default(),
            state: Mutex::new(state),
        };
        let issuer = TestIssuer { shared: Arc::new(shared), doors: Mutex::new(doors) };
        issuer.restart();
        issuer
    }
}

impl TestIssuer {
    /// Starts an issuer whose identifier is the URL where it is served, on the system's clock.
    ///
    /// # Panics
    ///
    /// When no loopback port is free.
    #[must_use]
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// Prepares one with a path, another identifier, or another clock.
    pub fn builder() -> TestIssuerBuilder {
        TestIssuerBuilder::default()
    }

    /// Its identifier.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.shared.issuer
    }

    /// Where an endpoint is.
    #[must_use]
    pub fn url(&self, endpoint: Endpoint) -> String {
        self.shared.url(endpoint)
    }

    /// A valid access token of this issuer, to be changed at will.
    pub fn token(&self) -> TokenBuilder {
        self.shared.token()
    }
}

/// What its tokens and keys are like.
impl TestIssuer {
    /// The key that it signs with now.
    #[must_use]
    pub fn key(&self) -> SigningKey {
        self.shared.state().signing.clone()
    }

    /// Publishes a new key beside the old ones and signs with it from now on. Returns the key before.
    pub fn rotate_key(&self) -> SigningKey {
        let new = SigningKey::generate(Algorithm::Es256).expect("ES256 keys are generated");
        self.publish_key(&new);
        self.sign_with(&new)
    }

    /// Signs with this key from now on, published or not. Returns the key before.
    pub fn sign_with(&self, key: &SigningKey) -> SigningKey {
        let mut state = self.shared.state();
        state.ever_signed.push(key.clone());
        std::mem::replace(&mut state.signing, key.clone())
    }

    /// Adds a key to the key set.
    pub fn publish_key(&self, key: &SigningKey) {
        self.publish_jwk(key.public_jwk());
    }

    /// Adds any JSON to the key set, in front of the keys that are there: garbage comes first.
    pub fn publish_jwk(&self, jwk: Value) {
        self.shared.state().published.insert(0, jwk);
    }

    /// Removes the keys of this `kid` from the key set. Signing goes on as it was.
    pub fn withdraw_key(&self, key_id: &str) {
        self.shared.state().published.retain(|jwk| jwk.get("kid").and_then(Value::as_str) != Some(key_id));
    }

    /// How long tokens live: five minutes.
    pub fn token_lifetime(&self, lifetime: Duration) {
        self.shared.state().lifetime = lifetime;
    }

    /// Changes every token that the token endpoint issues: to leave out `act` as some servers do, or to sign wrongly.
    pub fn edit_tokens(&self, edit: impl Fn(TokenBuilder) -> TokenBuilder + Send + Sync + 'static) {
        self.shared.state().edit = Some(Arc::new(edit));
    }

    /// Accepts the tokens of another issuer as subject tokens of an exchange, for as long as that one is there.
    pub fn accept(&self, other: &Self) {
        self.shared.state().accepted.push(Arc::downgrade(&other.shared));
    }
}

/// What it was asked.
impl TestIssuer {
    /// How many requests have arrived at an endpoint, answered or not.
    #[must_use]
    pub fn calls(&self, endpoint: Endpoint) -> usize {
        self.shared.arrived.borrow()[endpoint as usize]
    }

    /// Resolves when at least this many requests, since the start, have arrived at an endpoint.
    pub async fn arrived(&self, endpoint: Endpoint, at_least: usize) {
        let mut counts = self.shared.arrived.subscribe();
        let reached = counts.wait_for(|counts| counts[endpoint as usize] >= at_least).await;
        reached.expect("the issuer, which is borrowed here, holds the sender");
    }

    /// Every request that has arrived at the token endpoint, in order.
    #[must_use]
    pub fn token_calls(&self) -> Vec<TokenCall> {
        self.shared.state().calls.clone()
    }
}

/// How it misbehaves.
impl TestIssuer {
    /// Makes an endpoint fail, until it [recovers](Self::recover).
    pub fn fail(&self, endpoint: Endpoint, failure: Failure) {
        self.shared.state().behaviour(endpoint).standing = Some(failure);
    }

    /// Makes an endpoint fail once, after those failures that were ordered before and before a standing one.
    pub fn fail_once(&self, endpoint: Endpoint, failure: Failure) {
        self.shared.state().behaviour(endpoint).next.push_back(failure);
    }

    /// Makes an endpoint do the right thing again. It does not let go of what is [held](Self::hold).
    pub fn recover(&self, endpoint: Endpoint) {
        let mut state = self.shared.state();
        let behaviour = state.behaviour(endpoint);
        behaviour.standing = None;
        behaviour.next.clear();
    }

    /// Makes the requests to an endpoint wait, after they have arrived and been counted, until the returned value is
    /// dropped or released.
    pub fn hold(&self, endpoint: Endpoint) -> Held {
        let (held, until) = watch::channel(());
        self.shared.state().behaviour(endpoint).held = Some(until);
        Held(held)
    }

    /// Stops: connections that are open close without an answer, and new ones are refused. The port stays its own.
    ///
    /// # Panics
    ///
    /// When the server has failed, or another process took the port in the moment in between.
    pub fn stop(&self) {
        for Door { port, server, .. } in &mut *self.doors() {
            server.park(*port).expect("the port was ours a moment ago");
        }
    }

    /// Answers again, on the same port, knowing and doing what it did before.
    ///
    /// # Panics
    ///
    /// When it cannot listen.
    pub fn restart(&self) {
        for Door { tls, server, .. } in &mut *self.doors() {
            server.run(Arc::clone(&self.shared), tls.clone()).expect("a port that is bound can be listened on");
        }
    }

    fn doors(&self) -> MutexGuard<'_, Vec<Door>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Requests that wait at an endpoint: see [`TestIssuer::hold`].
#[must_use = "the requests go on when this is dropped"]
pub struct Held(#[expect(dead_code, reason = "lets go by being dropped")] watch::Sender<()>);

impl Held {
    /// Lets the requests go on.
    pub fn release(self) {
        drop(self);
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}
