//! A call is made again where that may help, twice at most, within its deadline, and never in other cases.

use std::{collections::HashSet, time::Duration};

use axum::http::StatusCode;
use tower_identity_jose::{Algorithm, SigningKey};
use tower_identity_oauth::{ClientAuth, DEADLINE, DEFAULT_RETRY_AFTER, TokenEndpoint, TokenErrorKind, Urgency};
use tower_identity_testkit::{Endpoint, Failure};

use crate::support::failing::{Failing, ISSUER, grant, settle, until};

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

fn status(code: u16) -> Failure {
    Failure::Status(StatusCode::from_u16(code).expect("a status"))
}

/// No connection, one that breaks off, and what says that it passes.
fn passing() -> Vec<Failure> {
    vec![Failure::Close, Failure::BreakOff, status(502), status(503), status(504)]
}

fn is_within(pauses: &[Duration], at_most: &[Duration]) -> bool {
    pauses.len() == at_most.len() && pauses.iter().zip(at_most).all(|(pause, most)| pause <= most)
}

#[tokio::test]
async fn out_b20_what_passes_is_asked_again_after_a_short_pause() {
    for failure in passing() {
        let server = Failing::new(1);
        server.at[0].fail_once(Endpoint::Token, failure.clone());
        let (issued, pauses) = server.ask().await;
        assert_eq!(issued.expect("a token").scopes().to_string(), "charge", "{failure:?}");
        assert_eq!(server.calls(), [2], "{failure:?}");
        assert!(is_within(&pauses, &[100 * MS]), "{failure:?} {pauses:?}");
    }
}

#[tokio::test]
async fn out_b20_it_is_asked_three_times_at_most() {
    for failure in passing() {
        let server = Failing::new(1);
        server.at[0].fail(Endpoint::Token, failure.clone());
        let (issued, pauses) = server.ask().await;
        let unavailable = TokenErrorKind::Unavailable { retry_after: DEFAULT_RETRY_AFTER };
        assert_eq!(issued.expect_err("it is down").kind(), &unavailable, "{failure:?}");
        assert_eq!(server.calls(), [3], "{failure:?}");
        assert!(is_within(&pauses, &[100 * MS, 200 * MS]), "{failure:?} {pauses:?}");

        server.at[0].recover(Endpoint::Token);
        server.succeeds().await;
        assert_eq!(server.calls(), [4], "{failure:?}");
    }
}

#[tokio::test]
async fn out_b20_a_server_that_refuses_connections_is_tried_three_times_and_then_found_again() {
    let server = Failing::new(1);
    server.at[0].stop();
    let (issued, pauses) = server.ask().await;
    issued.expect_err("nobody is there");
    assert!(is_within(&pauses, &[100 * MS, 200 * MS]), "{pauses:?}");
    server.at[0].restart();
    server.succeeds().await;
    assert_eq!(server.calls(), [1]);
}

#[tokio::test]
async fn out_b7_out_b20_what_does_not_pass_is_asked_once() {
    let error = |status: u16, code| Failure::Error { status: StatusCode::from_u16(status).expect("a status"), code };
    let answers = [
        error(400, "invalid_grant"),
        error(400, "invalid_request"),
        error(400, "invalid_scope"),
        error(400, "invalid_target"),
        error(400, "unauthorized_client"),
        error(403, "access_denied"),
        error(401, "invalid_client"),
        error(400, "temporarily_unavailable"),
        status(403),
        status(404),
        status(408),
        status(429),
        status(500),
        status(501),
        Failure::Html,
        Failure::Oversize,
        Failure::Redirect("https://as.example/other".to_owned()),
        Failure::wrong_token_type(),
        Failure::Without("access_token"),
    ];
    for failure in answers {
        let server = Failing::new(1);
        server.at[0].fail_once(Endpoint::Token, failure.clone());
        let (issued, pauses) = server.ask().await;
        issued.expect_err("no token");
        assert_eq!((server.calls(), pauses), (vec![1], vec![]), "{failure:?}");
        server.succeeds().await;
    }
}

#[tokio::test]
async fn out_b20_a_server_that_says_when_is_asked_then() {
    for failure in [Failure::Unavailable { retry_after: 3 }, Failure::TooManyRequests { retry_after: 3 }] {
        let server = Failing::new(1);
        server.at[0].fail_once(Endpoint::Token, failure.clone());
        let asking = server.asks(Urgency::Waiting);
        server.at[0].arrived(Endpoint::Token, 1).await;
        // The call itself sleeps until its deadline; then the pause does.
        let pause = until(|| server.clock.next_wake().filter(|wake| *wake < DEADLINE)).await;
        assert!((3 * S..=3 * S + 100 * MS).contains(&pause), "{pause:?}");
        server.clock.advance(3 * S - MS);
        settle().await;
        assert_eq!(server.calls(), [1], "{failure:?}: not yet");
        server.clock.advance(101 * MS);
        asking.await.expect("no panic").expect("a token");
        assert_eq!(server.calls(), [2], "{failure:?}");
    }
}

#[tokio::test]
async fn out_b20_a_server_that_wants_longer_than_there_is_is_believed_at_once() {
    for (seconds, failure) in [
        (5, Failure::Unavailable { retry_after: 5 }),
        (40, Failure::Unavailable { retry_after: 40 }),
        (40, Failure::TooManyRequests { retry_after: 40 }),
    ] {
        let server = Failing::new(1);
        server.at[0].fail(Endpoint::Token, failure.clone());
        let (issued, pauses) = server.ask().await;
        let unavailable = TokenErrorKind::Unavailable { retry_after: Duration::from_secs(seconds) };
        assert_eq!(issued.expect_err("it is down").kind(), &unavailable, "{failure:?}");
        assert_eq!((server.calls(), pauses), (vec![1], vec![]), "{failure:?}");
    }
}

#[tokio::test]
async fn out_b20_no_attempt_goes_on_past_the_deadline_of_the_first() {
    let server = Failing::new(1);
    server.at[0].fail_once(Endpoint::Token, Failure::Unavailable { retry_after: 3 });
    server.at[0].fail(Endpoint::Token, Failure::Silence);
    let asking = server.asks(Urgency::Waiting);
    until(|| server.clock.next_wake().filter(|wake| *wake < DEADLINE)).await;
    server.clock.advance(3 * S + 100 * MS);
    server.at[0].arrived(Endpoint::Token, 2).await;
    assert_eq!(server.clock.next_wake(), Some(DEADLINE - 3 * S - 100 * MS), "what is left of it");
    server.clock.advance(DEADLINE - 3 * S - 100 * MS);
    let error = asking.await.expect("no panic").expect_err("too late");
    assert_eq!(error.kind(), &TokenErrorKind::Unavailable { retry_after: DEFAULT_RETRY_AFTER });
    assert_eq!(server.calls(), [2]);
}

#[tokio::test]
async fn out_b20_a_refresh_is_asked_once() {
    for failure in passing() {
        let server = Failing::new(1);
        server.at[0].fail_once(Endpoint::Token, failure.clone());
        let (issued, pauses) = server.ask_with(Urgency::Refresh).await;
        issued.expect_err("it is down");
        assert_eq!((server.calls(), pauses), (vec![1], vec![]), "{failure:?}");
        let (issued, _) = server.ask_with(Urgency::Refresh).await;
        issued.expect("the control");
    }
}

#[tokio::test]
async fn rfc7523_b1_every_attempt_carries_an_assertion_of_its_own_and_no_header() {
    let server = Failing::new(1);
    let key = SigningKey::generate(Algorithm::Es256).expect("key");
    let auth = ClientAuth::private_key_jwt("orders", key).expect("usable");
    let endpoint = TokenEndpoint::at(ISSUER, server.at[0].url(Endpoint::Token), auth);
    let client = endpoint.connect(&server.http).expect("loopback");
    for _ in 0..2 {
        server.at[0].fail_once(Endpoint::Token, Failure::Close);
    }
    let asking = tokio::spawn(async move { client.request(&grant()).await });
    let ended = || {
        if let Some(pause) = server.clock.next_wake().filter(|wake| *wake <= 200 * MS) {
            server.clock.advance(pause);
        }
        asking.is_finished().then_some(())
    };
    until(ended).await;
    asking.await.expect("no panic").expect("a token");
    let calls = server.at[0].token_calls();
    let assertion = |call: &tower_identity_testkit::TokenCall| {
        assert_eq!(call.headers().get("authorization"), None);
        call.field("client_assertion").expect("an assertion").to_owned()
    };
    let assertions: HashSet<_> = calls.iter().map(assertion).collect();
    assert_eq!((calls.len(), assertions.len()), (3, 3));
}
