//! So many calls are under way at one server, and so many wait.

use std::time::Duration;

use axum::http::StatusCode;
use tower_identity_oauth::{
    ClientAuth, DEADLINE, DEFAULT_RETRY_AFTER, NotAsked, TokenEndpoint, TokenErrorKind, Urgency,
};
use tower_identity_testkit::{Endpoint, Failure};

use crate::support::failing::{Failing, ISSUER, grant, settle, until};

#[tokio::test]
async fn out_b22_sixty_four_are_under_way_two_wait_and_no_more() {
    let server = Failing::with(1, |endpoint| endpoint.line(2));
    let held = server.at[0].hold(Endpoint::Token);
    let mut under_way: Vec<_> = (0..64).map(|_| server.asks(Urgency::Waiting)).collect();
    server.arrived(64).await;
    under_way.extend((0..2).map(|_| server.asks(Urgency::Waiting)));
    settle().await;
    let error = server.fails().await;
    assert_eq!(error.not_asked(), Some(&NotAsked::LineFull { room: 2 }));
    assert_eq!(error.kind(), &TokenErrorKind::Unavailable { retry_after: DEFAULT_RETRY_AFTER });
    let refresh = server.ask_with(Urgency::Refresh).await.0.expect_err("it gives way");
    assert_eq!(refresh.not_asked(), Some(&NotAsked::GaveWay));
    // All clients of an issuer stand in one line; how much room there is in it each says for itself.
    let patient = server.reconnected(|endpoint| endpoint.line(3));
    under_way.push(tokio::spawn(async move { patient.request(&grant()).await }));
    settle().await;
    assert_eq!(server.calls(), [64]);

    held.release();
    for call in under_way {
        call.await.expect("no panic").expect("a token");
    }
    assert_eq!(server.calls(), [67]);
    server.succeeds().await;
}

#[tokio::test]
async fn out_b22_who_waits_too_long_is_told_and_the_others_go_on() {
    let server = Failing::new(1);
    let held = server.at[0].hold(Endpoint::Token);
    let under_way: Vec<_> = (0..64).map(|_| server.asks(Urgency::Waiting)).collect();
    server.arrived(64).await;
    let waits = server.asks(Urgency::Waiting);
    server.clock.sleepers(65).await;
    server.clock.advance(DEADLINE - Duration::from_millis(1));
    settle().await;
    assert!(!waits.is_finished());
    for call in &under_way[1..] {
        call.abort();
    }
    settle().await;
    server.clock.advance(Duration::from_millis(1));
    held.release();
    waits.await.expect("no panic").expect("its turn came in time, and it has all of its own");
    assert!(under_way.into_iter().next().expect("the first").await.expect("no panic").is_err());
}

#[tokio::test]
async fn out_b22_a_turn_that_does_not_come_in_time_is_none() {
    let server = Failing::new(1);
    let _held = server.at[0].hold(Endpoint::Token);
    let under_way: Vec<_> = (0..64).map(|_| server.asks(Urgency::Waiting)).collect();
    server.arrived(64).await;
    server.clock.advance(Duration::from_secs(1));
    let early = server.asks(Urgency::Waiting);
    server.clock.sleepers(65).await;
    // The 64 have run into their deadline, which opens the breaker: who waited does not ask any more.
    server.clock.advance(Duration::from_secs(4));
    for call in under_way {
        call.await.expect("no panic").expect_err("no answer");
    }
    until(|| early.is_finished().then_some(())).await;
    let error = early.await.expect("no panic").expect_err("nobody is there");
    assert_eq!(error.not_asked(), Some(&NotAsked::BreakerOpen { left: Duration::from_secs(5) }));
    assert_eq!(server.calls(), [64]);
}

#[tokio::test]
async fn out_b21_who_finds_a_breaker_open_does_not_wait_for_a_turn_first() {
    let server = Failing::new(2);
    let at = |index: usize| {
        let auth = ClientAuth::client_secret_basic("orders", "hunter2").expect("usable");
        let endpoint = TokenEndpoint::at(ISSUER, server.at[index].url(Endpoint::Token), auth);
        endpoint.connect(&server.http).expect("loopback")
    };
    let (slow, down) = (at(0), at(1));
    server.at[1].fail(Endpoint::Token, Failure::Status(StatusCode::INTERNAL_SERVER_ERROR));
    for _ in 0..5 {
        down.request(&grant()).await.expect_err("down");
    }
    let _held = server.at[0].hold(Endpoint::Token);
    let ask = |_| {
        let slow = slow.clone();
        tokio::spawn(async move { slow.request(&grant()).await })
    };
    let _under_way: Vec<_> = (0..64).map(ask).collect();
    server.arrived(64).await;
    let error = down.request(&grant()).await.expect_err("open");
    assert_eq!(error.not_asked(), Some(&NotAsked::BreakerOpen { left: Duration::from_secs(5) }));
}
