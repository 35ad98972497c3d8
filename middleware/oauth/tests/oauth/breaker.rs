//! A server that is out of reach is left alone for a while, and found again.

use std::time::Duration;

use axum::http::StatusCode;
use tower_identity_core::RefusalKind;
use tower_identity_oauth::{NotAsked, TokenErrorKind, Urgency};
use tower_identity_testkit::{Endpoint, Failure};

use crate::support::failing::{Failing, settle};

const S: Duration = Duration::from_secs(1);

/// Five outages in a row.
async fn open(server: &Failing) {
    let down = Failure::Status(StatusCode::INTERNAL_SERVER_ERROR);
    server.at[0].fail(Endpoint::Token, down);
    for _ in 0..5 {
        server.fails().await;
    }
}

#[tokio::test]
async fn out_b21_after_five_outages_nobody_asks_for_five_seconds_and_then_one_does() {
    let server = Failing::new(1);
    open(&server).await;
    for left in [5, 4, 1] {
        let error = server.fails().await;
        let left = left * S;
        assert_eq!(error.not_asked(), Some(&NotAsked::BreakerOpen { left }));
        assert_eq!(error.kind(), &TokenErrorKind::Unavailable { retry_after: left });
        assert_eq!(error.refusal().kind(), &RefusalKind::Unavailable { retry_after: left });
        server.clock.advance(if left == 4 * S { 3 * S } else { S });
    }
    assert_eq!(server.calls(), [5]);

    server.fails().await;
    assert_eq!(server.calls(), [6], "a probe");
    let error = server.fails().await;
    assert_eq!(error.not_asked(), Some(&NotAsked::BreakerOpen { left: 5 * S }));

    server.at[0].recover(Endpoint::Token);
    server.clock.advance(5 * S);
    server.succeeds().await;
    server.succeeds().await;
    assert_eq!(server.calls(), [8]);
}

#[tokio::test]
async fn out_b21_an_answer_in_between_and_one_that_is_final_open_nothing() {
    let server = Failing::new(1);
    for _ in 0..4 {
        for _ in 0..4 {
            server.at[0].fail_once(Endpoint::Token, Failure::Status(StatusCode::INTERNAL_SERVER_ERROR));
            server.fails().await;
        }
        server.succeeds().await;
    }
    assert_eq!(server.calls(), [20]);
    for failure in [
        Failure::Error { status: StatusCode::BAD_REQUEST, code: "invalid_grant" },
        Failure::Error { status: StatusCode::UNAUTHORIZED, code: "invalid_client" },
        Failure::TooManyRequests { retry_after: 50 },
        Failure::Html,
    ] {
        let server = Failing::new(1);
        server.at[0].fail(Endpoint::Token, failure.clone());
        for _ in 0..10 {
            server.fails().await;
        }
        assert_eq!(server.calls(), [10], "{failure:?}");
    }
}

#[tokio::test]
async fn out_b21_a_call_that_is_made_again_counts_each_time_and_ends_with_its_own_failure() {
    let server = Failing::new(1);
    server.at[0].stop();
    for _ in 0..2 {
        assert_eq!(server.fails().await.not_asked(), None);
    }
    assert_eq!(server.fails().await.not_asked(), Some(&NotAsked::BreakerOpen { left: 5 * S }));
    server.at[0].restart();
    server.clock.advance(5 * S);
    server.succeeds().await;
}

#[tokio::test]
async fn out_b21_one_call_probes_and_the_others_are_told_to_come_back() {
    let server = Failing::new(1);
    open(&server).await;
    server.at[0].recover(Endpoint::Token);
    server.clock.advance(5 * S);
    let held = server.at[0].hold(Endpoint::Token);
    let probe = server.asks(Urgency::Waiting);
    server.at[0].arrived(Endpoint::Token, 6).await;
    assert_eq!(server.fails().await.not_asked(), Some(&NotAsked::BreakerOpen { left: S }));

    // It gives up, and so another one probes.
    probe.abort();
    assert!(probe.await.expect_err("aborted").is_cancelled());
    let probe = server.asks(Urgency::Waiting);
    server.at[0].arrived(Endpoint::Token, 7).await;
    held.release();
    probe.await.expect("no panic").expect("a token");
    server.succeeds().await;
    assert_eq!(server.calls(), [8]);
}

#[tokio::test]
async fn out_b21_a_server_that_says_for_how_long_is_left_alone_for_so_long() {
    let server = Failing::new(1);
    server.at[0].fail(Endpoint::Token, Failure::Unavailable { retry_after: 50 });
    for _ in 0..5 {
        assert_eq!(server.fails().await.retry_after(), Some(50 * S));
    }
    server.clock.advance(20 * S);
    let error = server.fails().await;
    assert_eq!(error.not_asked(), Some(&NotAsked::BreakerOpen { left: 30 * S }));
    assert_eq!(server.calls(), [5]);
}

#[tokio::test]
async fn out_b21_what_was_begun_before_it_opened_may_still_bring_a_token() {
    let server = Failing::new(1);
    let held = server.at[0].hold(Endpoint::Token);
    let early = server.asks(Urgency::Waiting);
    server.at[0].arrived(Endpoint::Token, 1).await;
    settle().await;
    let late: Vec<_> = (0..5).map(|_| server.asks(Urgency::Waiting)).collect();
    server.at[0].arrived(Endpoint::Token, 6).await;
    for call in &late {
        call.abort();
    }
    held.release();
    early.await.expect("no panic").expect("a token");
}

#[tokio::test]
async fn out_b21_the_breaker_of_one_server_is_none_of_anothers() {
    let (down, up) = (Failing::new(1), Failing::new(1));
    open(&down).await;
    let other = tower_identity_oauth::TokenEndpoint::at(
        "https://other.example",
        up.at[0].url(Endpoint::Token),
        tower_identity_oauth::ClientAuth::client_secret_basic("orders", "hunter2").expect("usable"),
    );
    let other = other.connect(&down.http).expect("loopback");
    assert_eq!(down.fails().await.not_asked(), Some(&NotAsked::BreakerOpen { left: 5 * S }));
    other.request(&crate::support::failing::grant()).await.expect("a token");
}

#[tokio::test]
async fn out_b21_a_client_that_is_connected_anew_knows_what_the_former_knew() {
    let server = Failing::new(1);
    open(&server).await;
    let rotated = server.reconnected(|endpoint| endpoint.accepts_issuer("https://partner.example").line(7));
    let error = rotated.request(&crate::support::failing::grant()).await.expect_err("open");
    assert_eq!(error.not_asked(), Some(&NotAsked::BreakerOpen { left: 5 * S }));
    assert_eq!(server.calls(), [5]);
}
