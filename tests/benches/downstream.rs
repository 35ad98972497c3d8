//! What is measured of requests to targets: one user's token in the cache, and 20 targets.

use axum::http::{HeaderValue, Request, Uri, header::ACCEPT};
use futures_util::FutureExt;
use tokio::runtime::Runtime;
use tower::{Layer, Service};
use tower_identity::{CallerContext, ClientAuth, Outbound, Target, TokenEndpoint, ambient};
use tower_identity_testkit::{Endpoint, TestCaller, TestIssuer};

use crate::sample::Inner;

/// How many targets are listed.
const TARGETS: usize = 20;

/// A caller whose token for the target is in the cache.
pub(crate) struct Downstream {
    issuer: TestIssuer,
    outbound: Outbound,
    alice: CallerContext,
    _runtime: Runtime,
}

impl Downstream {
    pub(crate) fn new() -> Self {
        let issuer = TestIssuer::start();
        let auth = ClientAuth::client_secret_basic("orders", "secret").expect("valid");
        let server = TokenEndpoint::discover(issuer.issuer().as_str(), auth);
        let rows = (0..TARGETS).map(|n| format!("https://service-{n}.internal"));
        let outbound = rows.fold(Outbound::builder(server), |builder, origin| {
            builder.target(Target::origin(&origin).expect("valid").audience("a").token_exchange())
        });
        let outbound = outbound.build().expect("valid");
        let alice = TestCaller::workload("web").user("alice").signed_by(&issuer).context();
        let runtime = Runtime::new().expect("runtime");
        let mut service = outbound.layer().layer(Inner);
        let first = alice.scope(async { service.call(Call::default().request()).await });
        runtime.block_on(first).expect("a first token");
        Self { issuer, outbound, alice, _runtime: runtime }
    }

    /// Requests of one thread, through the layer.
    pub(crate) fn calls(&self) -> impl FnMut() + use<> {
        let (call, mut service) = (Call::default(), self.outbound.layer().layer(Inner));
        let mut context = Some(self.alice.clone());
        move || {
            let response = ambient::enter(&mut context, || service.call(call.request()));
            assert_eq!(response.now_or_never().expect("a hit").expect("a token").status(), 200);
        }
    }

    /// The same requests to the service within.
    pub(crate) fn calls_inner(&self) -> impl FnMut() + use<> {
        let call = Call::default();
        let mut context = Some(self.alice.clone());
        move || {
            let response = ambient::enter(&mut context, || Inner.call(call.request()));
            assert_eq!(response.now_or_never().expect("ready").expect("infallible").status(), 200);
        }
    }
}

impl Drop for Downstream {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.issuer.calls(Endpoint::Token), 1, "every call but the first was a hit");
        }
    }
}

/// What a request is made of. Each thread has bytes of its own, as each request has.
struct Call {
    uri: Uri,
    accept: HeaderValue,
}

impl Default for Call {
    fn default() -> Self {
        let uri = "https://service-7.internal/charges/2026/11?limit=20".parse().expect("uri");
        Self { uri, accept: HeaderValue::from_static("application/json") }
    }
}

impl Call {
    fn request(&self) -> Request<()> {
        let mut request = Request::new(());
        *request.uri_mut() = self.uri.clone();
        request.headers_mut().insert(ACCEPT, self.accept.clone());
        request
    }
}
