//! A downstream token that is in the cache.

use axum::http::Request;
use criterion::Criterion;
use futures_util::FutureExt;
use tower::{Layer, Service};
use tower_identity::{ClientAuth, Outbound, Target, TokenEndpoint};
use tower_identity_testkit::{Endpoint, TestCaller, TestIssuer};

use crate::sample::Inner;

pub(crate) fn outbound(c: &mut Criterion) {
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
