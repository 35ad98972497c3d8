//! What has to happen for everything that is told to be told.

use std::{convert::Infallible, io, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Request, Response},
    routing::{any, get},
};
use axum_identity::{Problem, UserCaller};
use bytes::Bytes;
use futures_util::stream;
use reqwest::{RequestBuilder, StatusCode};
use tokio::runtime::Runtime;
use tower::{Layer as _, ServiceExt, service_fn};
use tower_identity::{
    Algorithm, Audience, AuthLayer, BoxFuture, Candidate, ClientAuth, EdgeLayer, EventReceiver, Exchange, FeedError,
    Introspection, Issuer, KeyRing, KeyedHash, Mint, Outbound, OutboundBuilder, Pairwise, Pulled, Received, Remember,
    RequireLayer, Revocation, RevocationFeed, Revocations, Rotation, RuleHandle, SecretToken, ServerTls, Target,
    TokenEndpoint, TransactionTokens, TrustDomain, TrustedIssuer, Unlisted, Verifier, danger,
    rule::{scope, user},
    system_clock,
};
use tower_identity_oauth::{ClientCredentials, Http, TargetService};
use tower_identity_testkit::{Endpoint, Failure, ManualClock, TestAuthority, TestCaller, TestIssuer, TokenBuilder};

use super::Listener;
use crate::servers::{Server, verifier};

/// Has it all happen: the issuer of the stream that ended, and what was answered to one request of each kind.
pub(super) fn all(
    runtime: &Runtime,
    issuer: &TestIssuer,
    stranger: &TestIssuer,
    listener: &Listener,
) -> (Issuer, Vec<(&'static str, u16)>) {
    runtime.block_on(let_keys_go());
    runtime.block_on(revoke(issuer));
    forget(issuer);
    runtime.block_on(trust_a_caller(issuer));
    crate::reload::tell();
    runtime.block_on(make_room(issuer));
    runtime.block_on(lose_a_server());
    runtime.block_on(refuse_a_connection());
    runtime.block_on(mint_an_identity());
    runtime.block_on(exchange_for_an_identity(issuer));
    runtime.block_on(call_on(issuer, listener));
    (runtime.block_on(let_a_stream_end()), runtime.block_on(drive(issuer, stranger)))
}

/// A verifier that asks the issuer what its tokens are.
fn asking(issuer: &TestIssuer) -> Verifier {
    let auth = ClientAuth::client_secret_basic("orders", "hunter2").expect("usable");
    let introspection = Introspection::at(issuer.url(Endpoint::Introspection), auth);
    let trusted = TrustedIssuer::opaque(issuer.issuer().as_str(), introspection).audience("orders");
    Verifier::builder(trusted).build().expect("valid")
}

/// A service with everything in it that tells something.
fn service(issuer: &TestIssuer) -> Router {
    RuleHandle::new(scope("orders:read")).replace(user()).expect("a good rule");
    let fails = || async { Err::<(), _>(Problem::boxed("a failure of its own".into())) };
    Router::new()
        .route("/rule", any(|| async {}).layer(RequireLayer::new(scope("orders:write").and(user()))))
        .route("/watched", any(|| async {}).layer(RequireLayer::new(scope("orders:admin")).observe()))
        .route("/wrong", any(|| async {}).layer(RequireLayer::new(scope(""))))
        .route("/extractor", get(|_: UserCaller| async {}))
        .route("/handler", get(fails))
        .layer(danger::explain_refusals(AuthLayer::new(verifier(issuer, "orders")).optional()).expect("a test build"))
}

fn token(issuer: &TestIssuer) -> TokenBuilder {
    issuer.token().subject("alice").client("storefront").audience("orders").scope("orders:write")
}

/// A verifier that takes two at their word, and one that hears of a user in plain text.
async fn trust_a_caller(issuer: &TestIssuer) {
    let home = issuer.issuer().as_str();
    let builder = Verifier::builder(TrustedIssuer::discover(home).audience("orders"));
    let builder = danger::trusted_caller(builder, ["gateway"], [home]);
    let shop = TrustedIssuer::keys_at("https://shop.example", "https://shop.example/keys").audience("orders");
    danger::self_asserted(builder, shop, [home]).build().expect("valid");
    let builder = Verifier::builder(TrustedIssuer::discover(home).audience("orders"));
    let client = TrustedIssuer::discover(home).audience("shop-web");
    let builder = danger::id_tokens(builder, ["gateway"], client);
    let hearing = danger::plain_users(builder, ["gateway"], home).build().expect("valid");
    let own = token(issuer).subject("gateway").client("gateway").build();
    hearing.current().over(None).naming(own.expose(), "alice").await.expect("listed");
}

/// Two good tokens, where one is remembered.
async fn make_room(issuer: &TestIssuer) {
    let trusted = TrustedIssuer::discover(issuer.issuer().as_str()).audience("orders");
    let verifier = Verifier::builder(trusted).remember(Remember::default().tokens(1)).build().expect("valid");
    for user in ["alice", "bob"] {
        verifier.bearer(token(issuer).subject(user).build().expose()).await.expect("good");
    }
}

/// An issuer's keys, a day after its last answer.
async fn let_keys_go() {
    let clock = ManualClock::new();
    let issuer = TestIssuer::builder().clock(clock.clock()).start();
    let trusted = TrustedIssuer::discover(issuer.issuer().as_str()).audience("orders");
    let verifier = Verifier::builder(trusted).clock(clock.clock()).build().expect("valid");
    let good = token(&issuer).build();
    verifier.bearer(good.expose()).await.expect("good");
    issuer.stop();
    clock.advance(Duration::from_secs(24 * 60 * 60));
    assert!(verifier.bearer(good.expose()).try_now().is_err(), "there are no keys at hand");
}

/// A feed that is down.
#[derive(Debug)]
struct Down;

impl RevocationFeed for Down {
    fn since<'a>(&'a self, _: Option<&'a str>) -> BoxFuture<'a, Result<Pulled, FeedError>> {
        Box::pin(async { Err(FeedError::new(std::io::Error::other("down"))) })
    }
}

/// A list of what is revoked that an issuer pushes to, well and badly, and that cannot be pulled.
async fn revoke(issuer: &TestIssuer) {
    const RECEIVER: &str = "https://orders.example/events";
    let home = TrustedIssuer::discover(issuer.issuer().as_str()).audience("orders");
    let verifier = Verifier::builder(home).revocation_feed(Down).build().expect("valid");
    let receiver = EventReceiver::builder(&verifier, RECEIVER).build().expect("valid");
    let of_nobody = issuer.revoked(serde_json::json!({"format": "email", "email": "carol@example.com"}));
    let event = issuer.user_revoked("carol").audience(RECEIVER);
    let mut outcomes = Vec::new();
    for event in [event.clone(), event.tampered(), of_nobody.audience(RECEIVER)] {
        outcomes.push(receiver.receive(event.build().expose()).await.map_err(|refusal| refusal.check()));
    }
    assert_eq!(outcomes, [Ok(Received::Applied), Err("signature"), Ok(Received::NotOurs)]);
    verifier.bearer(token(issuer).build().expose()).await.expect("good");
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

/// A list with room for one entry.
fn forget(issuer: &TestIssuer) {
    let list = Revocations::bounded(1, Revocations::DEFAULT_RETENTION, system_clock());
    let home = TrustedIssuer::discover(issuer.issuer().as_str()).audience("orders");
    let _verifier = Verifier::builder(home).revocations(list.clone()).build().expect("valid");
    for user in ["carol", "dave"] {
        list.revoke(Revocation::subject(issuer.issuer().clone(), user.parse().expect("a subject")));
    }
}

/// An authorization server that is out of reach for a while.
async fn lose_a_server() {
    let clock = ManualClock::new();
    let server = TestIssuer::builder().clock(clock.clock()).start();
    let auth = ClientAuth::client_secret_basic("orders", "hunter2").expect("usable");
    let endpoint = TokenEndpoint::at(server.issuer().as_str(), server.url(Endpoint::Token), auth);
    let client = endpoint.connect(&Http::new(clock.clock()).expect("TLS can be set up")).expect("valid");
    let grant = ClientCredentials::new(TargetService::default()).into();
    server.fail(Endpoint::Token, Failure::Status(StatusCode::INTERNAL_SERVER_ERROR));
    for _ in 0..5 {
        client.request(&grant).await.expect_err("it is down");
    }
    server.recover(Endpoint::Token);
    clock.advance(Duration::from_secs(5));
    client.request(&grant).await.expect("it is back");
}

/// A connection that ends in its handshake.
async fn refuse_a_connection() {
    let authority = TestAuthority::new(&system_clock());
    let (own, folder) = (authority.certificate().dns("localhost").build(), tempfile::tempdir().expect("a folder"));
    let [file, key] = ["server.pem", "server.key"].map(|name| folder.path().join(name));
    std::fs::write(&file, own.pem()).expect("written");
    std::fs::write(&key, own.key_pem()).expect("written");
    let tls = ServerTls::builder(file, key).build().expect("in order");
    let (peer, connection) = tokio::io::duplex(64);
    drop(peer);
    assert_eq!(tls.accept(connection, None).await.map(drop).expect_err("it ended").reason(), "closed");
}

/// An internal identity, and the keys of an edge that take each other's place.
async fn mint_an_identity() {
    let shop = Audience::parse("shop.internal").expect("a name");
    let secret = KeyedHash::new([7; 32]).expect("long enough");
    let ring = |clock| KeyRing::generated(Algorithm::Es256, Rotation::default(), clock).expect("valid");
    let domain = TrustDomain::new(shop.as_str(), Pairwise::new(secret.clone()));
    let mint = Mint::builder("gateway", ring(system_clock()), secret).trust_domain(domain).build().expect("valid");
    let alice = TestCaller::workload("browser").user("alice").context();
    mint.mint(&alice, &shop).expect("a user of hers");
    let clock = ManualClock::new();
    let keys = ring(clock.clock());
    let day = Duration::from_secs(24 * 60 * 60);
    // Another is published, signs, and is alone.
    let generations = [Duration::ZERO, day, Rotation::default().wait(), Rotation::default().linger()].map(|time| {
        clock.advance(time);
        keys.generation()
    });
    assert_eq!(generations, [1, 2, 3, 4]);
}

/// An internal identity that an authority gives.
async fn exchange_for_an_identity(issuer: &TestIssuer) {
    let auth = ClientAuth::client_secret_basic("gateway", "hunter2").expect("usable");
    let shop = TransactionTokens::of("shop.internal", issuer.url(Endpoint::Keys));
    let exchange = Exchange::builder(TokenEndpoint::discover(issuer.issuer().as_str(), auth), shop);
    let exchange = exchange.scope_for_all("orders:place").build().expect("valid");
    let layer = EdgeLayer::exchanging(AuthLayer::new(verifier(issuer, "orders")).edge(), exchange);
    let edge = Server::start(Router::new().route("/", get(|| async {})).layer(layer)).await;
    let request = reqwest::Client::builder().no_proxy().build().expect("client").get(edge.url("/"));
    let response = request.bearer_auth(token(issuer).subject("alice").build().expose()).send().await.expect("answered");
    assert_eq!(response.status(), StatusCode::OK);
}

/// A stream that its token does not last for.
async fn let_a_stream_end() -> Issuer {
    let clock = ManualClock::new();
    let issuer = TestIssuer::builder().clock(clock.clock()).start();
    let trusted = TrustedIssuer::discover(issuer.issuer().as_str()).audience("orders");
    let verifier = Verifier::builder(trusted).clock(clock.clock()).build().expect("valid");
    let grpc = || async {
        ([("content-type", "application/grpc")], Body::from_stream(stream::pending::<io::Result<Bytes>>()))
    };
    let server = Server::start(Router::new().fallback(grpc).layer(AuthLayer::new(verifier))).await;
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let request = client.get(server.url("/")).bearer_auth(token(&issuer).build().expose());
    let mut response = request.send().await.expect("answered");
    clock.advance(Duration::from_secs(24 * 60 * 60));
    assert_eq!(response.chunk().await.expect("ended"), None);
    issuer.issuer().clone()
}

/// Requests to targets: one to a stranger, and of two users where one's token is remembered, another one tried, and the name goes.
async fn call_on(issuer: &TestIssuer, listener: &Listener) {
    let auth = ClientAuth::client_secret_basic("orders", "hunter2").expect("usable");
    let payments = Target::origin("https://payments.internal").expect("valid").audience("payments").token_exchange();
    let payments = payments.candidate(Candidate::shadow().audience("payments-new"));
    let stock = Target::origin("https://stock.internal").expect("valid").audience("stock");
    let stock = stock.strategy(danger::PlainUser::in_field("x-user-id", issuer.issuer().as_str()));
    let builder = || {
        let server = TokenEndpoint::discover(issuer.issuer().as_str(), auth.clone());
        Outbound::builder(server).cache_capacity(1).target(payments.clone()).target(stock.clone())
    };
    let client = |builder: OutboundBuilder| {
        let inner = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(())));
        builder.build().expect("valid").layer().layer(inner)
    };
    let (bare, client) = (client(builder().unlisted(Unlisted::Bare)), client(builder()));
    let stranger = || Request::get("https://stranger.internal/").body(()).expect("valid");
    bare.oneshot(stranger()).await.expect("sent without a credential");
    client.clone().oneshot(stranger()).await.expect_err("not listed");
    let get = |address: &str| client.clone().oneshot(Request::get(address).body(()).expect("valid"));
    for user in ["alice", "bob"] {
        let caller = TestCaller::workload("storefront").user(user).signed_by(issuer).context();
        caller.clone().scope(async { get("https://payments.internal/").await }).await.expect("sent");
        caller.scope(async { get("https://stock.internal/").await }).await.expect("sent");
    }
    while !listener.has_heard("candidate tried") {
        tokio::task::yield_now().await;
    }
}

/// One request of each kind, and what is answered.
async fn drive(issuer: &TestIssuer, stranger: &TestIssuer) -> Vec<(&'static str, u16)> {
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let send = async |server: &Server, path: &str, token: Option<&str>| {
        let request = client.get(server.url(path));
        let request = token.into_iter().fold(request, RequestBuilder::bearer_auth);
        request.send().await.expect("sent").status().as_u16()
    };
    let good = || token(issuer);
    let cases = [
        ("/rule", Some(good())),
        ("/rule", None),
        ("/rule", Some(good().scope("orders:read"))),
        ("/rule", Some(good().tampered())),
        ("/rule", Some(good().audience("payments"))),
        ("/rule", Some(token(stranger))),
        ("/watched", Some(good())),
        ("/wrong", Some(good())),
        ("/extractor", Some(good().subject("storefront"))),
        ("/handler", Some(good())),
    ];
    issuer.stop();
    let cold = Server::start(service(issuer)).await;
    let mut answers = vec![("/rule", send(&cold, "/rule", Some(good().build().expose())).await)];
    issuer.restart();
    let asks = Server::start(Router::new().fallback(|| async {}).layer(AuthLayer::new(asking(issuer)))).await;
    let opaque = issuer.opaque(good());
    for token in [opaque.expose(), "made-up"] {
        answers.push(("/", send(&asks, "/", Some(token)).await));
    }
    issuer.fail_once(Endpoint::Introspection, Failure::Html);
    answers.push(("/", send(&asks, "/", Some("another")).await));
    let server = Server::start(service(issuer)).await;
    for (path, token) in cases {
        let token = token.map(TokenBuilder::build);
        answers.push((path, send(&server, path, token.as_ref().map(SecretToken::expose)).await));
    }
    answers
}
