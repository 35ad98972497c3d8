//! Law 1: if a target's token cannot be had, the request is not sent.

use std::time::Duration;

use tower_identity_core::{Refusal, RefusalKind, Scopes, SecretToken};
use tower_identity_oauth::{ClientAuth, TokenEndpoint};
use tower_identity_outbound::HttpClient;

use crate::support::{Answer, Call, EXCHANGE, World, call, client, echoed, issued, refused};

/// The ways in which a token endpoint can fail a request, and what our own caller is told.
fn failures() -> Vec<(&'static str, Answer, RefusalKind)> {
    let unavailable = |seconds| RefusalKind::Unavailable { retry_after: Duration::from_secs(seconds) };
    let ok = |member: &str, value: &str| {
        let mut members = vec![
            ("access_token", r#""{token}""#),
            ("token_type", r#""Bearer""#),
            ("expires_in", "300"),
            ("issued_token_type", r#""urn:ietf:params:oauth:token-type:access_token""#),
        ];
        members.retain(|(name, _)| *name != member);
        if !value.is_empty() {
            members.push((member, value));
        }
        let members: Vec<_> = members.iter().map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
        Answer::ok(format!("{{{}}}", members.join(",")))
    };
    vec![
        ("status 500", Answer::error(500, "server_error"), unavailable(2)),
        ("status 503 with a time", Answer::error(503, "x").header("retry-after", "7"), unavailable(7)),
        ("status 429", Answer::error(429, "slow_down"), unavailable(2)),
        ("a client that is not known", Answer::error(401, "invalid_client"), RefusalKind::Misconfigured),
        ("a client that may not", Answer::error(400, "unauthorized_client"), RefusalKind::Misconfigured),
        ("an audience that is not known", Answer::error(400, "invalid_target"), RefusalKind::Misconfigured),
        ("a page", Answer::ok("<html>login</html>").header("content-type", "text/html"), RefusalKind::BadUpstream),
        ("nothing", Answer::ok(""), RefusalKind::BadUpstream),
        ("no token", ok("access_token", ""), RefusalKind::BadUpstream),
        ("an empty token", ok("access_token", r#""""#), RefusalKind::BadUpstream),
        ("a token that breaks the header", ok("access_token", r#""a\r\nx-admin: 1""#), RefusalKind::BadUpstream),
        ("no token type", ok("token_type", ""), RefusalKind::BadUpstream),
        ("a token that is no access token", ok("token_type", r#""N_A""#), RefusalKind::BadUpstream),
        ("a token bound to a key", ok("token_type", r#""DPoP""#), RefusalKind::BadUpstream),
        ("more scope than was asked for", ok("scope", r#""payments:charge admin""#), RefusalKind::BadUpstream),
        ("more than anybody reads", Answer::ok("x".repeat(1 << 20)), RefusalKind::BadUpstream),
        (
            "a redirect",
            Answer { status: axum::http::StatusCode::TEMPORARY_REDIRECT, ..issued(300) }
                .header("location", "http://127.0.0.1:9/token"),
            RefusalKind::BadUpstream,
        ),
    ]
}

/// Those that only an exchange can fail with.
fn failures_of_exchange() -> Vec<(&'static str, Answer, RefusalKind)> {
    let step_up =
        RefusalKind::InsufficientAuthentication { scope: Scopes::default(), acr_values: Vec::new(), max_age: None };
    let jwt = issued(300).body.replace("token-type:access_token", "token-type:jwt");
    vec![
        ("a subject token that is not accepted", Answer::error(400, "invalid_grant"), RefusalKind::InvalidToken),
        ("an exchange that is not accepted", Answer::error(400, "invalid_request"), RefusalKind::Denied),
        ("a user who may too little", Answer::error(400, "invalid_scope"), RefusalKind::Denied),
        ("an exchange that is not allowed", Answer::error(403, "access_denied"), RefusalKind::Denied),
        ("a wish to see the user again", Answer::error(400, "interaction_required"), step_up),
        ("another type of token", Answer::ok(jwt), RefusalKind::BadUpstream),
    ]
}

/// The refusal of a request that was not sent. A target that gets one without the right token fails the test.
async fn not_sent(http: &HttpClient, world: &World, name: &str) -> Refusal {
    let response = http.get(world.payments.url("/charges")).on_behalf_of(&world.caller("alice")).send().await;
    let error = response.expect_err(name);
    assert_eq!(world.payments.got().len(), 0, "{name}");
    error.refusal().unwrap_or_else(|| panic!("{name}: {error}")).clone()
}

#[tokio::test]
async fn out_b5_a_target_gets_no_request_in_whatever_way_the_exchange_fails() {
    for (name, answer, kind) in failures().into_iter().chain(failures_of_exchange()) {
        let world = World::new().await;
        let http = world.for_users();
        world.authority.answers(answer);
        let refusal = not_sent(&http, &world, name).await;
        assert_eq!(refusal.kind(), &kind, "{name}");
        assert_eq!(world.authority.calls().len(), 1, "{name}: nothing else is tried");

        // The control: with a good answer the same request is sent. A server that was out of reach is left alone first.
        world.authority.answers(issued(300));
        world.time.advance(2);
        let sent = http.get(world.payments.url("/charges")).on_behalf_of(&world.caller("alice")).send().await;
        assert_eq!(echoed(sent).await, "Bearer token-1", "{name}");
    }
}

#[tokio::test]
async fn out_b7_a_target_gets_no_request_in_whatever_way_client_credentials_fail() {
    for (name, answer, kind) in failures() {
        let world = World::new().await;
        let http = world.for_itself();
        world.authority.answers(answer);
        let error = http.get(world.payments.url("/charges")).send().await.expect_err(name);
        assert_eq!(error.refusal().map(Refusal::kind), Some(&kind), "{name}");
        assert_eq!(world.payments.got().len(), 0, "{name}");

        world.authority.answers(issued(300));
        world.time.advance(2);
        assert_eq!(echoed(http.get(world.payments.url("/charges")).send().await).await, "Bearer token-1", "{name}");
    }
}

#[tokio::test]
async fn a_server_that_is_out_of_reach_is_unavailable_and_nothing_is_sent() {
    let world = World::new().await;
    let nowhere = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
        format!("http://{}", listener.local_addr().expect("address"))
    };
    let auth = ClientAuth::client_secret_basic("orders", SecretToken::new("s3cret")).expect("client");
    let endpoint = TokenEndpoint::at(world.authority.issuer(), nowhere, auth);
    let outbound = world
        .builder_at(endpoint)
        .target(world.payments.target().token_exchange())
        .build()
        .expect("builds without a server that is up");
    let refusal = not_sent(&client(&outbound), &world, "no server").await;
    assert_eq!(refusal.kind(), &RefusalKind::Unavailable { retry_after: Duration::from_secs(2) });
}

#[tokio::test]
async fn cve_2026_9704_a_subject_token_that_cannot_be_sent_never_becomes_another_grant() {
    for (length, sent) in [(8193, false), (8192, true)] {
        let world = World::new().await;
        let caller = world.presented("alice", &"a".repeat(length), 3600);
        let response = world.for_users().get(world.payments.url("/")).on_behalf_of(&caller).send().await;
        if sent {
            assert_eq!(echoed(response).await, "Bearer token-0");
            assert_eq!(world.authority.calls()[0]["grant_type"], EXCHANGE);
        } else {
            assert_eq!(refused(response).0, "token_request");
            assert_eq!(world.authority.calls(), Vec::<Call>::new());
            assert_eq!(world.payments.got().len(), 0);
        }
    }
}

#[tokio::test]
async fn a_subject_token_goes_only_to_a_server_that_takes_its_issuer() {
    let world = World::new().await;
    let stranger = world.of_issuer("https://partner.example", Some("alice"), "token-of-partner", 3600);
    let target = || world.payments.target().token_exchange();
    let http = client(&world.builder().target(target()).build().expect("outbound"));
    let (check, text) = refused(http.get(world.payments.url("/")).on_behalf_of(&stranger).send().await);
    assert_eq!(check, "subject_issuer");
    assert!(text.contains("https://partner.example"), "{text}");
    assert_eq!((world.authority.calls().len(), world.payments.got().len()), (0, 0));

    // The control: the server is said to take them. It is told that the token is not its own.
    let endpoint = world.authority.endpoint("orders").accepts_issuer("https://partner.example");
    let http = client(&world.builder_at(endpoint).target(target()).build().expect("outbound"));
    assert_eq!(echoed(http.get(world.payments.url("/")).on_behalf_of(&stranger).send().await).await, "Bearer token-0");
    let sent = &world.authority.calls()[0];
    assert_eq!(sent["subject_token"], "token-of-partner");
    assert_eq!(sent["subject_token_type"], "urn:ietf:params:oauth:token-type:jwt");
}

#[tokio::test]
async fn an_expired_subject_token_is_not_sent_anywhere() {
    let world = World::new().await;
    let http = world.for_users();
    let caller = world.presented("alice", "token-of-alice", 100);
    let send = || http.get(world.payments.url("/")).on_behalf_of(&caller).send();
    world.time.advance(100);
    assert_eq!(refused(send().await).0, "exp");
    assert_eq!((world.authority.calls().len(), world.payments.got().len()), (0, 0));

    let caller = world.presented("alice", "token-of-alice", 1);
    assert_eq!(echoed(http.get(world.payments.url("/")).on_behalf_of(&caller).send().await).await, "Bearer token-0");
}

#[tokio::test]
async fn scopes_that_the_row_tolerates_may_come_unasked() {
    let world = World::new().await;
    let answer = issued(300).body.replace("Bearer\"", "Bearer\",\"scope\":\"profile\"");
    world.authority.answers(Answer::ok(answer));
    let http = |target| client(&world.builder().target(target).build().expect("outbound"));
    let send = |http: HttpClient| http.get(world.payments.url("/")).on_behalf_of(&world.caller("alice")).send();

    let strict = http(world.payments.target().token_exchange());
    assert_eq!(refused(send(strict).await).0, "token_request");
    assert_eq!(world.payments.got().len(), 0);
    let tolerant = http(world.payments.target().token_exchange().tolerate_scope("profile"));
    assert_eq!(echoed(send(tolerant).await).await, "Bearer token-1");
}

#[tokio::test]
async fn the_request_of_an_exchange_is_what_the_row_says_and_nothing_else() {
    let world = World::new().await;
    let response = world.for_users().get(world.payments.url("/")).on_behalf_of(&world.caller("alice")).send().await;
    assert_eq!(echoed(response).await, "Bearer token-0");
    let access_token = "urn:ietf:params:oauth:token-type:access_token";
    let expected = call([
        ("grant_type", EXCHANGE),
        ("client_id", "orders"),
        ("subject_token", "token-of-alice"),
        ("subject_token_type", access_token),
        ("requested_token_type", access_token),
        ("audience", "payments"),
        ("scope", "payments:charge"),
    ]);
    assert_eq!(world.authority.calls(), [expected]);
}

#[tokio::test]
async fn te_b1_an_actor_token_is_our_own_and_goes_with_its_type() {
    let world = World::new().await;
    let target = world.payments.target().token_exchange().actor_token();
    let http = client(&world.builder().target(target).build().expect("outbound"));
    for user in ["alice", "bob"] {
        echoed(http.get(world.payments.url("/")).on_behalf_of(&world.caller(user)).send().await).await;
    }
    let calls = world.authority.calls();
    assert_eq!(calls[0], call([("grant_type", "client_credentials"), ("client_id", "orders")]));
    for (sent, user) in calls[1..].iter().zip(["token-of-alice", "token-of-bob"]) {
        assert_eq!(sent["subject_token"], user);
        assert_eq!(sent["actor_token"], "token-0", "one for all users");
        assert_eq!(sent["actor_token_type"], "urn:ietf:params:oauth:token-type:access_token");
    }
    assert_eq!(calls.len(), 3);
}
