//! Internal identities that an authority gives in exchange, over real HTTP.

mod kept;
mod mixed_up;
mod outage;
mod settings;
mod world;

use std::{net::SocketAddr, time::Duration};

use futures_util::future::join_all;
use http::{Request, header::AUTHORIZATION};
use http_body_util::Empty;
use serde_json::{Value, json};
use tower_identity_core::{Binding, Revocation, SecretToken, Subject, transaction_tokens::FIELD};
use tower_identity_edge::EdgeLayer;
use tower_identity_inbound::{AuthLayer, Connection, Inbound, Source, rule::scope};
use tower_identity_oauth::Introspection;
use tower_identity_testkit::{Endpoint, TestIssuer, TokenBuilder};
use tower_identity_verify::{TrustedIssuer, Verifier};

use self::world::World;
use crate::{
    support::SHOP,
    through::{Asked, field, found, through, with},
};

#[tokio::test]
async fn edge_d1_a_service_behind_finds_the_identity_that_the_authority_gave() {
    let world = World::new();
    let layer = world.layer().forwarding();
    let outside = world.token("alice").build();
    for temperature in ["cold", "warm"] {
        let found = found(&through(&layer, with(&outside)).await);
        assert_eq!(found.headers.get(AUTHORIZATION), None, "{temperature}");
        let field = found.headers.get(FIELD).expect("it forwards");
        assert!(field.is_sensitive());
        for caller in [found.inbound.expect("a caller"), found.ambient.expect("a scope")] {
            let principal = caller.principal();
            let user = principal.user().expect("a user");
            assert_eq!((user.issuer.as_str(), user.id.as_str()), (SHOP, "alice"), "{temperature}");
            assert_eq!(principal.scopes().to_string(), "orders:place");
            assert_eq!((principal.workload().id.as_str(), principal.binding()), ("browser", Binding::Transaction));
            assert_eq!(caller.caller_token().token(), None, "{temperature}");
            assert_eq!(caller.token().token().expect("the internal one").expose(), field);
            let inbound = Inbound::Caller(caller);
            assert!(scope("orders:place").check(&inbound).is_ok() && scope("orders:write").check(&inbound).is_err());
        }
    }
    let [call] = &world.login.token_calls()[..] else { panic!("one exchange") };
    assert_eq!(call.client().authenticated(), Some("gateway"));
    let form: Vec<_> = call.form().iter().map(|(name, value)| (&**name, &**value)).collect();
    let expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", outside.expose()),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:txn_token"),
        ("audience", SHOP),
        ("scope", "orders:place"),
    ];
    assert_eq!(form, expected, "and nothing is said of the transaction");
}

#[tokio::test]
async fn edge_d1_what_is_asked_for_is_what_the_callers_scopes_are_inside() {
    let world = World::new();
    let layer = EdgeLayer::exchanging(
        world.outside().edge(),
        world.build(world.builder().scope_of("https://partner.example", "openid", "orders:all")),
    );
    through(&layer, with(&world.token("alice").build())).await;
    assert_eq!(world.login.token_calls()[0].field("scope"), Some("orders:place"));
    // Who may nothing that crosses is nobody inside, and nobody is asked.
    let refused = world.refused(&layer, with(&world.token("alice").scope("openid").build())).await;
    let nothing = "nothing of what the caller may outside crosses into the trust domain";
    assert_eq!(refused, (403, nothing.to_owned()));
    assert_eq!(world.exchanges(), 1);
    let for_all = world.build(world.builder().scope_for_all("orders:list"));
    let layer = EdgeLayer::exchanging(world.outside().edge(), for_all);
    through(&layer, with(&world.token("alice").scope("openid").build())).await;
    assert_eq!(world.login.token_calls()[1].field("scope"), Some("orders:list"));
}

#[tokio::test]
async fn edge_d1_who_has_no_internal_identity_is_refused_and_the_authority_not_asked() {
    let world = World::new();
    let layer = world.layer();
    let of_a_workload = world.login.token().client("batch").audience("shop").scope("orders:write").build();
    let no_user = "the caller calls for no user, and only users have an internal identity";
    assert_eq!(world.refused(&layer, with(&of_a_workload)).await, (403, no_user.to_owned()));
    // Its leeway is not ours to give.
    let ended = world.token("alice").lifetime(Duration::from_secs(20)).build();
    world.clock.advance(Duration::from_secs(20));
    let why = "what was presented has ended, and nothing that is made of it may be good for longer";
    assert_eq!(world.refused(&layer, with(&ended)).await, (401, why.to_owned()));
    assert_eq!(through(&layer, with(&world.token("alice").tampered().build())).await.status(), 401);
    assert_eq!(through(&layer, Request::new(Empty::new())).await.status(), 401);
    assert_eq!(world.exchanges(), 0);
    assert_eq!(through(&layer, with(&world.token("alice").build())).await.status(), 200);
    assert_eq!(world.exchanges(), 1);
}

#[tokio::test]
async fn edge_d2_a_hundred_requests_at_one_time_are_one_exchange() {
    let world = World::new();
    let layer = world.layer().forwarding();
    let outside = world.token("alice").build();
    let held = world.login.hold(Endpoint::Token);
    let requests = async { join_all((0..100).map(|_| field(&layer, &outside))).await };
    let released = async {
        world.login.arrived(Endpoint::Token, 1).await;
        held.release();
    };
    let (fields, ()) = tokio::join!(requests, released);
    assert_eq!((fields.len(), world.exchanges()), (100, 1));
    assert!(fields.iter().all(|field| *field == fields[0]));
}

#[tokio::test]
async fn edge_d2_a_request_that_goes_away_harms_no_other() {
    let world = World::new();
    let layer = world.layer();
    let outside = world.token("alice").build();
    let held = world.login.hold(Endpoint::Token);
    let (first, second) = (layer.clone(), layer.clone());
    let begun = tokio::spawn({
        let request = with(&outside);
        async move { through(&first, request).await.status() }
    });
    world.login.arrived(Endpoint::Token, 1).await;
    let waits = tokio::spawn({
        let request = with(&outside);
        async move { through(&second, request).await.status() }
    });
    tokio::task::yield_now().await;
    begun.abort();
    assert!(begun.await.expect_err("gone").is_cancelled());
    held.release();
    assert_eq!(waits.await.expect("answered"), 200);
    assert_eq!(world.exchanges(), 1);
}

#[tokio::test]
async fn edge_d2_nobody_gets_the_internal_identity_of_another_credential() {
    let world = World::new();
    let layer = world.layer().forwarding();
    let tokens = ["alice", "alice", "bob"].map(|user| world.token(user).build());
    let mut seen = Vec::new();
    for _ in 0..2 {
        for token in &tokens {
            let found = found(&through(&layer, with(token)).await).inbound.expect("a caller");
            let text = found.token().token().expect("the internal one").expose().to_owned();
            seen.push((found.principal().user().expect("a user").id.to_string(), text));
        }
    }
    assert_eq!(seen[..3], seen[3..]);
    assert_eq!(seen.iter().map(|(user, _)| &**user).collect::<Vec<_>>()[..3], ["alice", "alice", "bob"]);
    assert_ne!(seen[0].1, seen[1].1);
    assert_eq!(world.exchanges(), 3);
    // Nobody's is remembered where there is room for none but another's.
    let layer = layer.remember(1);
    for token in tokens.iter().chain(&tokens) {
        field(&layer, token).await;
    }
    assert!(world.exchanges() > 6, "{}", world.exchanges());
}

#[tokio::test]
async fn edge_d2_another_is_obtained_behind_the_callers_backs_before_it_ends() {
    let world = World::new();
    let layer = world.layer().forwarding();
    let outside = world.token("alice").build();
    let first = field(&layer, &outside).await;
    // Two minutes, of which 70 to 80 % are fresh.
    world.clock.advance(Duration::from_secs(83));
    assert_eq!(field(&layer, &outside).await, first);
    field(&layer, &world.token("bob").build()).await;
    assert_eq!(world.exchanges(), 2, "bob's, before which hers would have arrived");
    world.clock.advance(Duration::from_secs(14));
    let held = world.login.hold(Endpoint::Token);
    for _ in 0..3 {
        assert_eq!(field(&layer, &outside).await, first, "nobody waits for it");
    }
    world.login.arrived(Endpoint::Token, 3).await;
    held.release();
    world.until(async || field(&layer, &outside).await != first).await;
    assert_eq!(world.exchanges(), 3);
}

#[tokio::test]
async fn edge_d2_it_never_outlives_what_it_was_made_of() {
    let world = World::new();
    // Its own end is after the caller's, of which the authority says nothing.
    world.login.edit_tokens(|token| token.lifetime(Duration::from_secs(200)));
    let layer = world.layer();
    let outside = world.token("alice").lifetime(Duration::from_secs(60)).build();
    for seconds in [0, 59] {
        world.clock.advance(Duration::from_secs(seconds));
        assert_eq!(through(&layer, with(&outside)).await.status(), 200);
    }
    // What is asked for behind the callers' backs would arrive before this.
    assert_eq!(through(&layer, with(&world.token("bob").build())).await.status(), 200);
    assert_eq!(world.exchanges(), 2, "bob's: another one of hers would end then, too");
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(through(&layer, with(&outside)).await.status(), 401);
    assert_eq!(world.exchanges(), 2);
}

#[tokio::test]
async fn edge_d2_it_is_used_no_longer_than_the_answer_or_the_wall_clock_says() {
    let world = World::new();
    world.login.fail_once(Endpoint::Token, tower_identity_testkit::Failure::Member("expires_in", json!(30)));
    let layer = world.layer().forwarding();
    let outside = world.token("alice").build();
    let first = field(&layer, &outside).await;
    world.clock.advance(Duration::from_secs(30));
    let second = field(&layer, &outside).await;
    assert_ne!(second, first);
    // Somebody mends the clock: monotonic time knows nothing of it.
    let later = world.clock.clock().wall().saturating_add(Duration::from_secs(121));
    world.clock.set_wall(later);
    assert_ne!(field(&layer, &outside).await, second);
    assert_eq!(world.exchanges(), 3);
}

#[tokio::test]
async fn edge_d2_what_was_revoked_is_refused_though_its_identity_is_at_hand_or_on_its_way() {
    let world = World::new();
    let layer = world.layer();
    let [alice, bob] = ["alice", "bob"].map(|user| world.token(user).build());
    let within = found(&through(&layer, with(&alice)).await).inbound.expect("a caller");
    let revoke = |user: &str| {
        let subject = Subject::parse(user).expect("a name");
        world.revocations.revoke(Revocation::subject(world.login.issuer().clone(), subject));
    };
    assert!(!within.is_revoked());
    revoke("alice");
    assert!(within.is_revoked(), "whoever still works for her learns it, too");
    assert_eq!(through(&layer, with(&alice)).await.status(), 401);

    // Of two credentials, the one that nobody asks about again.
    let two = world.outside().user_source(Source::header("x-user-token").expect("a source")).expect("sources");
    let layer = EdgeLayer::exchanging(two.edge(), world.build(world.builder()));
    let own = world.login.token().client("browser").audience("shop").build();
    let both = |user: &SecretToken| {
        let mut request = with(&own);
        request.headers_mut().insert("x-user-token", user.expose().parse().expect("a value"));
        request
    };
    let held = world.login.hold(Endpoint::Token);
    let revoked = async {
        world.login.arrived(Endpoint::Token, 2).await;
        revoke("bob");
        held.release();
    };
    let (refused, ()) = tokio::join!(world.refused(&layer, both(&bob)), revoked);
    assert_eq!(refused, (401, "the caller's credential was revoked while it was exchanged".to_owned()));
    let carol = world.token("carol").build();
    assert_eq!(through(&layer, both(&carol)).await.status(), 200);
}

#[tokio::test]
async fn edge_d3_opaque_tokens_and_cookies_are_exchanged_as_well() {
    let world = World::new();
    let asking = Introspection::at(world.login.url(Endpoint::Introspection), world::gateway());
    let home = TrustedIssuer::opaque(world.login.issuer().as_str(), asking).audience("shop");
    let verifier = Verifier::builder(home).clock(world.clock.clock()).build().expect("a verifier");
    let auth = AuthLayer::new(verifier).sources([Source::cookie("__Host-session").expect("a source")]);
    let layer = EdgeLayer::exchanging(auth.expect("sources").edge(), world.build(world.builder()));
    let opaque = world.login.opaque(world.token("alice"));
    let by_cookie = |name: &str| -> Asked {
        let cookie = format!("{name}={}", opaque.expose());
        Request::builder().header("cookie", cookie).body(Empty::new()).expect("a request")
    };
    let found = found(&through(&layer, by_cookie("__Host-session")).await);
    assert_eq!(found.inbound.expect("a caller").principal().user().expect("a user").id.as_str(), "alice");
    assert_eq!(found.headers.get("cookie"), None);
    let call = &world.login.token_calls()[0];
    let kind = "urn:ietf:params:oauth:token-type:access_token";
    assert_eq!((call.field("subject_token"), call.field("subject_token_type")), (Some(opaque.expose()), Some(kind)));
    assert_eq!(through(&layer, by_cookie("session")).await.status(), 401, "it is no credential there");
    assert_eq!(world.exchanges(), 1);
}

#[tokio::test]
async fn edge_d3_a_credential_goes_to_no_authority_but_one_that_takes_its_issuers() {
    let world = World::new();
    let partner = TestIssuer::builder().clock(world.clock.clock()).start();
    let layer = |exchange| {
        let guests = TrustedIssuer::discover(partner.issuer().as_str()).audience("shop");
        let home = TrustedIssuer::discover(world.login.issuer().as_str()).audience("shop");
        let verifier = Verifier::builder(home).issuer(guests).clock(world.clock.clock());
        EdgeLayer::exchanging(AuthLayer::new(verifier.build().expect("a verifier")).edge(), exchange)
    };
    let of_partner = |token: TokenBuilder| -> SecretToken {
        token.subject("guest").client("app").audience("shop").scope("orders:write").build()
    };
    let token = of_partner(partner.token());
    let refused = world.refused(&layer(world.build(world.builder())), with(&token)).await;
    let (server, subject) = (world.login.issuer(), partner.issuer());
    let why = format!("{server} is not known to take tokens of {subject}; name it with accepts_issuer(..) if it does");
    assert_eq!((refused, world.exchanges()), ((500, why), 0));

    world.login.accept(&partner);
    let accepting = world.server().accepts_issuer(subject.as_str());
    let taken = layer(world.build(world.builder_at(accepting)));
    assert_eq!(through(&taken, with(&token)).await.status(), 200);
    let kind = world.login.token_calls()[0].field("subject_token_type").map(str::to_owned);
    assert_eq!(kind.as_deref(), Some("urn:ietf:params:oauth:token-type:jwt"));
}

#[tokio::test]
async fn edge_d4_the_context_says_where_a_request_came_from_where_it_is_told_to() {
    let world = World::new();
    let outside = world.token("alice").build();
    let from = |address: &str| -> Asked {
        let mut request = with(&outside);
        let peer: SocketAddr = address.parse().expect("an address");
        request.extensions_mut().insert(Connection::new(peer, None));
        request
    };
    let said = |call: usize| {
        let call = &world.login.token_calls()[call];
        let context = call.field("request_context").map(|json| serde_json::from_str::<Value>(json).expect("JSON"));
        (context, call.field("request_details").map(str::to_owned))
    };
    through(&world.layer(), from("192.0.2.7:1")).await;
    assert_eq!(said(0), (None, None), "by default nothing is said");

    let telling = world.builder().peer_address().context(json!({"channel": "web"})).details(json!({"kind": "order"}));
    let layer = EdgeLayer::exchanging(world.outside().edge(), world.build(telling));
    let details = Some(r#"{"kind":"order"}"#.to_owned());
    for (address, call, peer) in [
        ("192.0.2.7:1", 1, "192.0.2.7"),
        ("192.0.2.7:2", 1, "192.0.2.7"),
        ("[::ffff:192.0.2.7]:3", 1, "192.0.2.7"),
        ("[2001:db8::7]:1", 2, "2001:db8::7"),
    ] {
        let found = found(&through(&layer, from(address)).await).inbound.expect("a caller");
        let rctx = found.token().claims::<Value>().expect("an object")["rctx"].clone();
        assert_eq!(rctx, json!({"channel": "web", "req_ip": peer}), "{address}");
        assert_eq!(world.exchanges(), call + 1, "{address}");
        assert_eq!(said(call), (Some(rctx), details.clone()));
    }
    // Of whom the acceptor says nothing, nothing is said.
    through(&layer, with(&outside)).await;
    assert_eq!(said(3), (Some(json!({"channel": "web"})), details));
}
