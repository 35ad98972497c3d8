//! What the service behind the edge finds, and what is refused in front of it.

use std::{convert::Infallible, time::Duration};

use http::{Request, Response, header::AUTHORIZATION};
use http_body_util::Empty;
use tower::{Layer, ServiceExt, service_fn};
use tower_identity_core::{Binding, Principal, Revocation, SecretToken, Subject, transaction_tokens::FIELD};
use tower_identity_edge::{EdgeLayer, KeyRing, Mint, Rotation, TrustDomain};
use tower_identity_inbound::{
    AuthLayer, Inbound,
    rule::{callers, scope},
};
use tower_identity_jose::Algorithm;
use tower_identity_oauth::{ClientAuth, TokenEndpoint};
use tower_identity_outbound::{Outbound, Target};
use tower_identity_testkit::Endpoint;

use crate::{
    support::{Edge, SHOP, audience, builder, opened, secret, shop},
    through::{Asked, field, found, through, with},
};

#[tokio::test]
async fn edge_a1_a_service_behind_the_edge_finds_the_internal_identity_and_no_text_of_another() {
    let edge = Edge::new();
    let outside = edge.token("alice").build();
    let layer = edge.layer();
    for temperature in ["cold", "warm"] {
        let found = found(&through(&layer, with(&outside)).await);
        assert_eq!(found.headers.get(AUTHORIZATION), None, "{temperature}");
        let field = found.headers.get(FIELD).expect("it forwards").to_str().expect("text").to_owned();
        let (typ, claims) = opened(&SecretToken::new(&*field), &edge.mint.keys().keys());
        assert_eq!((typ.as_str(), claims["sub"].as_str()), ("txntoken+jwt", Some(&*edge.name("alice"))));
        for caller in [found.inbound.expect("a caller"), found.ambient.expect("a scope")] {
            let principal = caller.principal();
            let user = principal.user().expect("a user");
            assert_eq!((user.issuer.as_str(), user.id.as_str()), (SHOP, &*edge.name("alice")));
            assert_eq!(principal.scopes().to_string(), "orders:place");
            assert_eq!((principal.workload().id.as_str(), principal.binding()), ("browser", Binding::Transaction));
            assert_eq!(principal.transaction().expect("one").as_str(), claims["txn"].as_str().expect("text"));
            assert_eq!(caller.caller_token().token(), None, "{temperature}");
            assert_eq!(caller.token().token().expect("the internal one").expose(), field);
            assert_eq!(caller.user_token().expect("the internal one").token(), caller.token().token());
        }
    }
}

/// The thief is a strategy that sends on what its caller presented.
#[tokio::test]
async fn edge_a1_no_strategy_sends_on_what_was_presented_outside() {
    let edge = Edge::new();
    let server = TokenEndpoint::discover(
        edge.login.issuer().as_str(),
        ClientAuth::client_secret_basic("shop", "s3cr3t").expect("a client"),
    );
    let target = |row: Target| row.audience("shop");
    let origin = |name: &str| Target::origin(&format!("https://{name}.internal")).expect("an origin");
    let outbound = Outbound::builder(server)
        .target(target(origin("relayed")).relay())
        .target(target(origin("exchanged")).token_exchange())
        .clock(edge.clock.clock())
        .build()
        .expect("an outbound");
    let client = outbound.layer().layer(service_fn(async |request: Request<()>| {
        Ok::<_, Infallible>(Response::new(request.headers().get(AUTHORIZATION).cloned()))
    }));
    let token = edge.token("alice").build();
    let sent = async |layer: &dyn Fn(Asked) -> tower_identity_core::BoxFuture<'static, Response<()>>, name: &str| {
        let found = found(&layer(with(&token)).await);
        let caller = found.ambient.expect("a scope");
        let request = Request::get(format!("https://{name}.internal/")).body(()).expect("a request");
        caller.scope(client.clone().oneshot(request)).await.map(Response::into_body)
    };
    let at_edge = |request| -> tower_identity_core::BoxFuture<'static, Response<()>> {
        let layer = edge.layer();
        Box::pin(async move { through(&layer, request).await })
    };
    let plain = |request| -> tower_identity_core::BoxFuture<'static, Response<()>> {
        let layer = edge.outside().edge();
        Box::pin(async move { through(&layer, request).await })
    };
    let relayed = sent(&plain, "relayed").await.expect("an AuthLayer alone relays").expect("a field");
    assert_eq!(relayed.as_bytes(), format!("Bearer {}", token.expose()).as_bytes());
    for name in ["relayed", "exchanged"] {
        let refused = sent(&at_edge, name).await.expect_err("nothing is sent");
        assert!(!format!("{refused} {refused:?}").contains(token.expose()), "{name}");
    }
    assert_eq!(edge.login.calls(Endpoint::Token), 0, "nor is a server asked");
}

#[tokio::test]
async fn edge_a2_who_has_no_internal_identity_does_not_come_in() {
    let edge = Edge::new();
    let layer = edge.layer();
    let of_a_workload = edge.login.token().client("batch").audience("shop").build();
    assert_eq!(through(&layer, with(&of_a_workload)).await.status(), 403);
    assert_eq!(through(&layer, with(&edge.token("alice").build())).await.status(), 200);
    assert_eq!(through(&layer, with(&edge.token("alice").tampered().build())).await.status(), 401);
    assert_eq!(through(&layer, Request::new(Empty::new())).await.status(), 401);

    let known = |principal: Principal<'_>, _: &tower_identity_core::Audience| {
        principal.user().filter(|user| user.id == "alice").map(|_| Subject::parse("customer-7").expect("a name"))
    };
    let mint = builder(&edge.clock).trust_domain(TrustDomain::new(SHOP, known)).build().expect("a mint");
    let layer = EdgeLayer::new(edge.outside().edge(), mint, SHOP).expect("a layer");
    assert_eq!(through(&layer, with(&edge.token("bob").build())).await.status(), 403);
    let found = found(&through(&layer, with(&edge.token("alice").build())).await);
    assert_eq!(found.headers.get(FIELD), None, "it forwards only where it is told to");
}

#[tokio::test]
async fn edge_a2_who_presents_nothing_is_anonymous_where_that_is_let_in() {
    let edge = Edge::new();
    let layer =
        EdgeLayer::new(edge.outside().optional().edge(), edge.mint.clone(), SHOP).expect("a layer").forwarding();
    let mut request: Asked = Request::new(Empty::new());
    request.headers_mut().insert(FIELD, "of.somebody.else".parse().expect("a value"));
    let anonymous = found(&through(&layer, request).await);
    assert!(anonymous.inbound.is_none() && anonymous.ambient.is_none());
    assert_eq!(anonymous.headers.get(FIELD), None, "what is on it from outside is taken away");
    let bad = through(&layer, with(&edge.token("alice").tampered().build())).await;
    assert_eq!(bad.status(), 401, "bad is never anonymous");
}

#[tokio::test]
async fn edge_a5_an_internal_identity_is_made_once_and_again_before_it_ends() {
    let edge = Edge::new();
    let layer = edge.layer();
    let token = edge.token("alice").build();
    let first = field(&layer, &token).await;
    edge.clock.advance(Duration::from_secs(44));
    assert_eq!(field(&layer, &token).await, first);
    assert_eq!(field(&layer.clone(), &token).await, first, "by whichever clone of it");
    edge.clock.advance(Duration::from_secs(1));
    let second = field(&layer, &token).await;
    assert_ne!(second, first);
    // Never longer than the token from outside.
    let short = edge.token("alice").lifetime(Duration::from_secs(20)).build();
    let claims = opened(&SecretToken::new(field(&layer, &short).await), &edge.mint.keys().keys()).1;
    assert_eq!(claims["exp"].as_u64().expect("a time") - claims["iat"].as_u64().expect("a time"), 20);
    edge.clock.advance(Duration::from_secs(20));
    assert_eq!(through(&layer, with(&short)).await.status(), 401, "its leeway is not ours to give");
}

#[tokio::test]
async fn edge_a5_nobody_gets_the_internal_identity_of_another_credential() {
    let edge = Edge::new();
    let layer = edge.layer();
    let tokens = [
        edge.token("alice").build(),
        edge.token("alice").build(),
        edge.token("bob").build(),
        edge.token("alice").scope("openid").build(),
    ];
    let mut seen = Vec::new();
    for round in 0..2 {
        for (at, token) in tokens.iter().enumerate() {
            let made = field(&layer, token).await;
            match round {
                0 => seen.push(made),
                _ => assert_eq!(made, seen[at]),
            }
        }
    }
    let keys = edge.mint.keys().keys();
    let subjects = seen.iter().map(|made| opened(&SecretToken::new(made.as_str()), &keys).1["sub"].clone());
    let [alice, bob] = ["alice", "bob"].map(|user| edge.name(user));
    assert_eq!(subjects.collect::<Vec<_>>(), [alice.clone(), alice.clone(), bob, alice].map(serde_json::Value::from));
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 4, "each token has one of its own");
}

#[tokio::test]
async fn edge_a5_of_none_that_are_remembered_every_request_begins_a_transaction_of_its_own() {
    let edge = Edge::new();
    let token = edge.token("alice").build();
    for (many, is_kept) in [(1, true), (0, false)] {
        let layer = edge.layer().remember(many);
        let first = field(&layer, &token).await;
        assert_eq!(field(&layer, &token).await == first, is_kept, "{many}");
    }
}

#[tokio::test]
async fn edge_a5_what_was_revoked_outside_is_refused_though_its_identity_is_at_hand() {
    let edge = Edge::new();
    let layer = edge.layer();
    let (alice, bob) = (edge.token("alice").build(), edge.token("bob").build());
    let within = found(&through(&layer, with(&alice)).await).inbound.expect("a caller");
    field(&layer, &bob).await;
    assert!(!within.is_revoked());
    let user = Subject::parse("alice").expect("a name");
    edge.revocations.revoke(Revocation::subject(edge.login.issuer().clone(), user));
    assert_eq!(through(&layer, with(&alice)).await.status(), 401);
    assert!(within.is_revoked(), "whoever still works for her learns it, too");
    assert_eq!(through(&layer, with(&bob)).await.status(), 200);
}

#[tokio::test]
async fn edge_a5_a_rotation_of_keys_is_not_felt() {
    let edge = Edge::new();
    let hourly = Rotation::default().every(Duration::from_secs(3_600));
    let keys = KeyRing::generated(Algorithm::Es256, hourly, edge.clock.clock()).expect("a rotation");
    let mint = Mint::builder("gateway", keys, secret()).trust_domain(shop()).build().expect("a mint");
    let layer = EdgeLayer::new(edge.outside().edge(), mint.clone(), SHOP).expect("a layer");
    // For as long as an issuer's keys serve that nobody has fetched again.
    for hour in 0..23 {
        let token = edge.token("alice").build();
        assert_eq!(through(&layer, with(&token)).await.status(), 200, "after {hour} h");
        edge.clock.advance(Duration::from_secs(3_600));
    }
    assert!(mint.keys().generation() > 23);
}

#[tokio::test]
async fn edge_a1_rules_behind_the_edge_ask_of_the_internal_identity() {
    let edge = Edge::new();
    let caller = found(&through(&edge.layer(), with(&edge.token("alice").build())).await).inbound.expect("a caller");
    let inbound = Inbound::Caller(caller);
    assert!(scope("orders:place").check(&inbound).is_ok());
    assert!(scope("orders:write").check(&inbound).is_err(), "that is another's word for it");
    assert!(callers(["gateway"]).check(&inbound).is_err(), "nobody outside is the edge itself");
}

#[tokio::test]
async fn e12_an_edge_that_only_observes_is_wired_wrongly() {
    let edge = Edge::new();
    let layer = EdgeLayer::new(edge.outside().observe().edge(), edge.mint.clone(), SHOP).expect("a layer");
    assert_eq!(through(&layer, with(&edge.token("alice").build())).await.status(), 500);
}

#[test]
fn a_trust_domain_that_is_not_the_mints_is_refused() {
    let edge = Edge::new();
    let other = EdgeLayer::new(AuthLayer::edge(edge.outside()), edge.mint.clone(), "other.internal");
    let rule = "trust_domain: is not one that the mint makes identities for";
    assert_eq!(other.expect_err("it is not").to_string(), rule);
    assert!(edge.mint.trust_domains().eq([&audience(SHOP)]));
}
