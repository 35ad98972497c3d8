//! What the tests of the whole house share: servers on loopback, and a small mesh of two leaves behind a middle.

use std::{
    future::IntoFuture,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{Json, Router, extract::Request, http::HeaderMap, routing::any};
use axum_identity::Caller;
use tokio::{net::TcpListener, task::JoinHandle};
use tower_identity::{
    AuthLayer, ClientAuth, HttpClient, Outbound, Plaintext, Target, TokenEndpoint, TrustedIssuer, Verifier,
};
use tower_identity_testkit::TestIssuer;

/// A server on a free loopback port, until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    task: JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// Serves a router.
    pub(crate) async fn start(router: Router) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.expect("a free port"), router)
    }

    /// Serves a router that had to know its address.
    pub(crate) fn on(listener: TcpListener, router: Router) -> Self {
        let address = listener.local_addr().expect("bound");
        Self { address, task: tokio::spawn(axum::serve(listener, router).into_future()) }
    }

    /// `http://127.0.0.1:port`
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A path of this server.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A server that trusts nobody and remembers the headers of every request.
#[derive(Debug)]
pub(crate) struct Recorder {
    /// Where it listens.
    pub(crate) server: Server,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
}

impl Recorder {
    /// Answers every request with 200.
    pub(crate) async fn start() -> Self {
        let seen = Arc::<Mutex<Vec<HeaderMap>>>::default();
        let record = Arc::clone(&seen);
        let router = Router::new().fallback(any(move |request: Request| {
            lock(&record).push(request.headers().clone());
            async { "recorded" }
        }));
        Self { server: Server::start(router).await, seen }
    }

    /// The headers of each request so far.
    pub(crate) fn seen(&self) -> Vec<HeaderMap> {
        lock(&self.seen).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Verifies the tokens of one issuer for one audience.
pub(crate) fn verifier(issuer: &TestIssuer, audience: &str) -> Verifier {
    Verifier::builder(TrustedIssuer::discover(issuer.issuer().as_str()).audience(audience)).build().expect("valid")
}

/// A leaf: answers what its handler was told about the caller.
pub(crate) async fn leaf(issuer: &TestIssuer, audience: &str) -> Server {
    let whoami = any(|caller: Caller| async { Json(caller) });
    Server::start(Router::new().fallback(whoami).layer(AuthLayer::new(verifier(issuer, audience)))).await
}

/// Exchanges its caller's token for each of these leaves, `(origin, audience)`.
pub(crate) fn exchanging(issuer: &TestIssuer, leaves: &[(&str, &str)]) -> Outbound {
    let auth = ClientAuth::client_secret_basic("middle", "secret").expect("valid");
    let server = TokenEndpoint::discover(issuer.issuer().as_str(), auth);
    leaves
        .iter()
        .fold(Outbound::builder(server).plaintext(Plaintext::Loopback), |builder, (origin, audience)| {
            builder.target(Target::origin(origin).expect("valid").audience(audience).token_exchange())
        })
        .build()
        .expect("valid")
}

/// A client that exchanges its caller's token for each of these leaves, `(origin, audience)`.
pub(crate) fn exchanging_client(issuer: &TestIssuer, leaves: &[(&str, &str)]) -> HttpClient {
    exchanging(issuer, leaves).reqwest(reqwest::Client::builder()).expect("valid")
}
