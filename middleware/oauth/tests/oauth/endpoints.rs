//! Several endpoints of one server: the first that is in reach is asked.

use std::time::Duration;

use axum::http::StatusCode;
use tower_identity_oauth::{NotAsked, TokenErrorKind};
use tower_identity_testkit::{Endpoint, Failure};

use crate::support::failing::Failing;

const S: Duration = Duration::from_secs(1);

fn status(code: u16) -> Failure {
    Failure::Status(StatusCode::from_u16(code).expect("a status"))
}

#[tokio::test]
async fn out_b23_the_first_is_asked_while_it_answers_whatever_it_says() {
    let server = Failing::new(2);
    server.succeeds().await;
    for failure in [
        Failure::Error { status: StatusCode::BAD_REQUEST, code: "invalid_grant" },
        Failure::Html,
        status(500),
        Failure::Unavailable { retry_after: 9 },
        Failure::TooManyRequests { retry_after: 9 },
    ] {
        server.at[0].fail_once(Endpoint::Token, failure);
        server.fails().await;
    }
    assert_eq!(server.calls(), [6, 0]);
}

#[tokio::test]
async fn out_b23_the_next_is_asked_at_once_where_one_is_out_of_reach() {
    for failure in [Failure::Close, status(502), status(503), status(504)] {
        let server = Failing::new(2);
        server.at[0].fail_once(Endpoint::Token, failure.clone());
        let (issued, pauses) = server.ask().await;
        issued.expect("a token");
        assert_eq!((server.calls(), pauses), (vec![1, 1], vec![]), "{failure:?}");
    }
    let server = Failing::new(3);
    server.at[0].stop();
    server.at[1].stop();
    let (issued, pauses) = server.ask().await;
    issued.expect("a token");
    assert_eq!((server.calls(), pauses), (vec![0, 0, 1], vec![]));
}

#[tokio::test]
async fn out_b23_where_all_are_out_of_reach_there_are_three_attempts_in_all() {
    let server = Failing::new(2);
    for issuer in &server.at {
        issuer.fail(Endpoint::Token, status(503));
    }
    let (issued, pauses) = server.ask().await;
    issued.expect_err("no token");
    assert_eq!((server.calls(), pauses.len()), (vec![2, 1], 1));
}

#[tokio::test]
async fn out_b23_while_the_breaker_of_one_is_open_the_next_is_asked_and_the_first_again_when_it_is_back() {
    let server = Failing::new(2);
    server.at[0].fail(Endpoint::Token, status(500));
    for _ in 0..5 {
        server.fails().await;
    }
    for _ in 0..3 {
        server.succeeds().await;
    }
    assert_eq!(server.calls(), [5, 3]);

    server.at[1].fail(Endpoint::Token, status(500));
    server.clock.advance(2 * S);
    for _ in 0..5 {
        server.fails().await;
    }
    let error = server.fails().await;
    assert_eq!(error.not_asked(), Some(&NotAsked::BreakerOpen { left: 3 * S }), "the first to be tried again");
    assert_eq!(error.kind(), &TokenErrorKind::Unavailable { retry_after: 3 * S });
    assert_eq!(server.calls(), [5, 8]);

    server.at[0].recover(Endpoint::Token);
    server.clock.advance(3 * S);
    server.succeeds().await;
    server.succeeds().await;
    assert_eq!(server.calls(), [7, 8]);
}
