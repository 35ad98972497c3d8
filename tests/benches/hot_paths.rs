//! What a request costs on the two hot paths: a cold verification (the keys are at hand, the token was never seen), and
//! a downstream token that is in the cache.
//!
//! Each is measured through its whole layer, beside the inner service alone; verification also beside the bare opening
//! of the token. Ratios within one run are what to quote.

use std::{convert::Infallible, future::Ready, hint::black_box, task::Poll};

use axum::http::{Request, Response, header::AUTHORIZATION};
use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;
use tower::{Layer, Service};
use tower_identity::{
    Algorithm, AuthLayer, ClientAuth, KeySet, Outbound, SigningKey, Target, TokenEndpoint, TrustedIssuer, Verifier,
};
use tower_identity_jose::{Accept, Limits, MediaType, Unverified};
use tower_identity_testkit::{Endpoint, TestCaller, TestIssuer};

/// Answers at once, with nothing.
#[derive(Clone)]
struct Inner;

impl Service<Request<()>> for Inner {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        black_box(request);
        std::future::ready(Ok(Response::new(String::new())))
    }
}

fn verification(c: &mut Criterion) {
    let issuer = TestIssuer::start();
    let mut group = c.benchmark_group("cold verification");
    group.bench_function("inner service alone", |b| {
        b.iter(|| Inner.call(Request::new(())).now_or_never().expect("ready"));
    });

    for algorithm in [Algorithm::Es256, Algorithm::Ed25519] {
        let key = SigningKey::generate(algorithm).expect("key");
        let keys = KeySet::from_keys([key.verifying_key()]).expect("a key");
        let token = issuer
            .token()
            .subject("alice")
            .client("orders")
            .audience("payments")
            .scope("payments:charge payments:read")
            .acted_by("storefront")
            .acted_by("orders")
            .sign_with(&key);
        let text = token.clone().build();

        let accept = Accept::new([MediaType::ACCESS_TOKEN], [algorithm]);
        group.bench_function(format!("{algorithm}: the token opened, nothing else"), |b| {
            b.iter(|| {
                let parsed = Unverified::<serde::de::IgnoredAny>::parse(text.expose(), &Limits::default());
                parsed.expect("well formed").open(&keys, &accept).expect("genuine")
            });
        });

        let trusted = TrustedIssuer::keys(issuer.issuer().as_str(), keys).audience("payments");
        let verifier = Verifier::builder(trusted).build().expect("valid");
        let mut service = AuthLayer::new(verifier).layer(Inner);
        let bearer = token.bearer();
        group.bench_function(format!("{algorithm}: through AuthLayer"), |b| {
            b.iter(|| {
                let mut request = Request::new(());
                request.headers_mut().insert(AUTHORIZATION, bearer.clone());
                let response = service.call(request).now_or_never().expect("keys are at hand").expect("infallible");
                assert_eq!(response.status(), 200);
            });
        });
    }
    group.finish();
}

fn outbound(c: &mut Criterion) {
    let issuer = TestIssuer::start();
    let auth = ClientAuth::client_secret_basic("orders", "secret").expect("valid");
    let server = TokenEndpoint::discover(issuer.issuer().as_str(), auth);
    let rows = (0..20).map(|n| format!("https://service-{n}.internal"));
    let outbound = rows.fold(Outbound::builder(server), |builder, origin| {
        builder.target(Target::origin(&origin).expect("valid").audience("a").token_exchange())
    });
    let mut service = outbound.build().expect("valid").layer().layer(Inner);
    let alice = TestCaller::workload("web").user("alice").signed_by(&issuer).context();
    let request = || {
        let mut request = Request::new(());
        *request.uri_mut() = "https://service-7.internal/charges".parse().expect("uri");
        request
    };

    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    runtime.block_on(alice.scope(async { service.call(request()).await })).expect("a first token");

    let mut group = c.benchmark_group("outbound");
    group.bench_function("inner service alone", |b| {
        b.iter(|| Inner.call(request()).now_or_never().expect("ready"));
    });
    let _in_runtime = runtime.enter();
    group.bench_function("cache hit, 20 targets", |b| {
        let mut context = Some(alice.clone());
        b.iter(|| {
            let call = tower_identity::ambient::enter(&mut context, || service.call(request()));
            call.now_or_never().expect("a hit").expect("a token")
        });
    });
    group.finish();
    assert_eq!(issuer.calls(Endpoint::Token), 1, "every call but the first was a hit");
}

criterion_group!(benches, verification, outbound);
criterion_main!(benches);
