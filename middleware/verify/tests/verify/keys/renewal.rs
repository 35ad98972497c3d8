//! Keys that are asked for again: only what is new is sent, and what is not new counts as fetched.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tower_identity_jose::{SigningKey, public_key_set};
use tower_identity_testkit::{Endpoint, Failure, LogCapture, ManualClock};
use tower_identity_verify::{TrustedIssuer, Verifier};

use crate::support::{
    HOUR, MINUTE, Now, SECOND, Stage, accepted, claims, forger, invalid, now, refused, sign, unavailable, until,
    until_idle,
};

#[tokio::test]
async fn jwks_a1_keys_that_have_not_changed_are_renewed_without_being_sent() {
    let stage = Stage::new();
    stage.issuer.tag_keys();
    let stage = stage.warm().await;
    let logs = LogCapture::start();
    let token = stage.token();
    // Far beyond the day for which keys serve without being renewed.
    for hour in 1..=48 {
        stage.clock.advance(HOUR);
        stage.issuer.arrived(Endpoint::Keys, hour + 1).await;
        until(|| stage.issuer.keys_not_modified() == hour).await;
        stage.until_settled(hour + 1).await;
        stage.accepts_at_once(&token);
    }
    assert!(!logs.text().contains("keys changed"), "{}", logs.text());

    stage.replace_key();
    accepted(stage.verifier.bearer(&stage.token()).await);
    assert_eq!(stage.issuer.keys_not_modified(), 48, "what has changed is sent");
    assert_eq!(refused(stage.verifier.bearer(&token).await), invalid("key"));
}

#[tokio::test]
async fn jwks_a1_a_server_that_says_unchanged_out_of_turn_is_an_outage() {
    let stage = Stage::new();
    stage.issuer.fail(Endpoint::Keys, Failure::Status(StatusCode::NOT_MODIFIED));
    assert_eq!(refused(stage.verifier.bearer(&stage.token()).await), unavailable(2 * SECOND), "nothing was known");

    stage.issuer.recover(Endpoint::Keys);
    stage.clock.advance(2 * SECOND);
    accepted(stage.verifier.bearer(&stage.token()).await);
    stage.issuer.fail(Endpoint::Keys, Failure::Status(StatusCode::NOT_MODIFIED));
    stage.replace_key();
    stage.clock.advance(MINUTE);
    assert_eq!(refused(stage.verifier.bearer(&stage.token()).await), unavailable(30 * SECOND), "nothing had a tag");
}

#[tokio::test]
async fn jwks_a1_unchanged_keys_are_fresh_for_what_the_server_says_then() {
    for (says, fresh) in [(Some("max-age=120"), 2 * MINUTE), (None, 5 * MINUTE), (Some("no-store"), MINUTE)] {
        let stage = Stage::new();
        stage.issuer.tag_keys();
        let stage = stage.warm().await;
        match says {
            Some(says) => stage.issuer.key_cache_control(says),
            None => stage.issuer.key_max_age(None),
        }
        stage.clock.advance(4 * MINUTE);
        until(|| stage.issuer.keys_not_modified() == 1).await;
        stage.until_settled(2).await;
        stage.clock.advance(fresh.mul_f64(0.7) - SECOND);
        until_idle().await;
        assert_eq!(stage.fetches(), 2, "{says:?}: too early");
        stage.clock.advance(fresh.mul_f64(0.1) + 2 * SECOND);
        stage.issuer.arrived(Endpoint::Keys, 3).await;
    }
}

/// An issuer whose key sets, each at a URL of its own, are all tagged alike.
#[derive(Clone)]
struct Moving {
    metadata: Arc<Mutex<String>>,
    first: SigningKey,
    second: SigningKey,
}

fn tagged(headers: &HeaderMap, key: &SigningKey) -> Response {
    match headers.contains_key(header::IF_NONE_MATCH) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(header::ETAG, "\"1\"")], public_key_set([key])).into_response(),
    }
}

#[tokio::test]
async fn jwks_a1_a_tag_is_of_one_url_and_says_nothing_of_another() {
    let moving = Moving { metadata: Arc::default(), first: forger(), second: forger() };
    let router = Router::new()
        .route("/.well-known/oauth-authorization-server", {
            get(|State(moving): State<Moving>| async move { moving.metadata.lock().expect("no panic").clone() })
        })
        .route("/first", get(|State(is): State<Moving>, headers: HeaderMap| async move { tagged(&headers, &is.first) }))
        .route(
            "/second",
            get(|State(is): State<Moving>, headers: HeaderMap| async move { tagged(&headers, &is.second) }),
        )
        .with_state(moving.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let issuer = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let names = |place: &str| {
        let document = serde_json::json!({"issuer": issuer, "jwks_uri": format!("{issuer}/{place}")});
        *moving.metadata.lock().expect("no panic") = document.to_string();
    };
    let clock = ManualClock::new();
    let trusted = TrustedIssuer::discover(&issuer).audience("orders");
    let verifier = Verifier::builder(trusted).clock(clock.clock()).build().expect("valid");
    let token = |key: &SigningKey| sign(key, &claims(&issuer, clock.clock().wall()));

    names("first");
    accepted(verifier.bearer(&token(&moving.first)).await);
    names("second");
    // Beyond the hour for which metadata is good.
    let moved = token(&moving.second);
    for _ in 0..8 {
        clock.advance(15 * MINUTE);
        until_idle().await;
    }
    until(|| matches!(verifier.bearer(&moved).try_now(), Ok(Ok(_)))).await;
    assert_eq!(now(verifier.bearer(&token(&moving.first))), Now::Waits);
}
