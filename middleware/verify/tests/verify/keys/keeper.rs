//! Keys are kept while nobody asks.

use std::sync::Arc;

use tower_identity_testkit::{Endpoint, Failure};

use crate::support::{HOUR, MINUTE, SECOND, Stage, accepted, invalid, refused, unavailable, until, until_idle};

#[tokio::test]
async fn jwks_a5_an_idle_service_has_fresh_keys() {
    let stage = Stage::new().warm().await;
    let (before, old) = (stage.token(), stage.issuer.key());
    stage.issuer.rotate_key();
    stage.issuer.withdraw_key(old.key_id());
    stage.clock.advance(4 * MINUTE);
    stage.issuer.arrived(Endpoint::Keys, 2).await;
    stage.until_accepted(&stage.token()).await;
    // No request has asked for the keys, and the one that was withdrawn is out.
    assert_eq!(refused(stage.verifier.bearer(&before).await), invalid("key"));

    for hour in 1..=48 {
        stage.clock.advance(HOUR);
        stage.issuer.arrived(Endpoint::Keys, 3 + hour).await;
        stage.until_settled(3 + hour).await;
    }
    stage.accepts_at_once(&stage.token());
}

#[tokio::test]
async fn jwks_a5_nothing_runs_before_the_first_use_nor_after_the_last() {
    let stage = Stage::new();
    stage.clock.advance(HOUR);
    until_idle().await;
    assert_eq!((stage.fetches(), stage.clock.asleep()), (0, 0));

    let Stage { clock, issuer, verifier } = stage.warm().await;
    clock.sleepers(1).await;
    let clone = verifier.clone();
    drop(verifier);
    until_idle().await;
    assert_eq!(clock.asleep(), 1, "a clone keeps it");
    drop(clone);
    until(|| clock.asleep() == 0).await;
    clock.advance(HOUR);
    until_idle().await;
    assert_eq!(issuer.calls(Endpoint::Keys), 1);
}

#[tokio::test]
async fn jwks_a5_a_fetch_under_way_ends_with_the_verifier_too() {
    let stage = Stage::new().warm().await;
    stage.issuer.fail(Endpoint::Keys, Failure::Silence);
    stage.clock.advance(4 * MINUTE);
    stage.issuer.arrived(Endpoint::Keys, 2).await;
    let Stage { clock, verifier, .. } = stage;
    assert!(clock.asleep() > 0, "its deadline");
    drop(verifier);
    until(|| clock.asleep() == 0).await;
}

#[tokio::test]
async fn jwks_a5_a_process_that_started_in_an_outage_serves_within_one_fetch_of_its_end() {
    let stage = Stage::new();
    stage.issuer.stop();
    let token = stage.token();
    assert_eq!(refused(stage.verifier.bearer(&token).await), unavailable(2 * SECOND));
    // Idle for an hour: the pauses grow, and go on.
    for _ in 0..120 {
        stage.clock.advance(30 * SECOND);
        until_idle().await;
    }
    stage.issuer.restart();
    stage.clock.advance(35 * SECOND);
    stage.issuer.arrived(Endpoint::Keys, 1).await;
    stage.until_accepted(&token).await;
    assert_eq!(stage.fetches(), 1);
}

#[tokio::test]
async fn jwks_a5_an_outage_is_met_with_pauses() {
    let stage = Stage::new().warm().await;
    stage.issuer.fail(Endpoint::Keys, Failure::Status(http::StatusCode::INTERNAL_SERVER_ERROR));
    let token = stage.token();
    for _ in 0..3_600 {
        stage.clock.advance(SECOND);
        stage.accepts_at_once(&token);
        tokio::task::yield_now().await;
    }
    until_idle().await;
    let tried = stage.fetches() - 1;
    assert!((2..=120).contains(&tried), "no more than twice a minute: {tried}");
}

#[tokio::test]
async fn jwks_a5_a_server_that_names_its_time_is_left_alone_until_then() {
    let stage = Stage::new().warm().await;
    stage.issuer.fail(Endpoint::Keys, Failure::Unavailable { retry_after: 60 });
    stage.clock.advance(4 * MINUTE);
    stage.issuer.arrived(Endpoint::Keys, 2).await;
    stage.until_settled(2).await;
    stage.clock.advance(59 * SECOND);
    stage.accepts_at_once(&stage.token());
    until_idle().await;
    assert_eq!(stage.fetches(), 2);
    stage.clock.advance(10 * SECOND);
    stage.issuer.arrived(Endpoint::Keys, 3).await;
}

/// A `static` verifier outlives the runtimes of the tests that share it.
#[test]
fn jwks_a5_the_keeper_that_went_with_its_runtime_is_replaced() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let stage = runtime().block_on(Stage::new().warm());
    stage.clock.advance(4 * MINUTE);
    assert_eq!(stage.clock.asleep(), 0);
    runtime().block_on(async {
        stage.accepts_at_once(&stage.token());
        stage.issuer.arrived(Endpoint::Keys, 2).await;
        stage.until_settled(2).await;
        stage.clock.advance(4 * MINUTE);
        stage.issuer.arrived(Endpoint::Keys, 3).await;
    });
}

#[tokio::test]
async fn jwks_a5_requests_and_keeper_share_one_fetch() {
    let stage = Stage::new().warm().await;
    let token = stage.token();
    let held = stage.issuer.hold(Endpoint::Keys);
    stage.clock.advance(4 * MINUTE);
    for _ in 0..100 {
        stage.accepts_at_once(&token);
        tokio::task::yield_now().await;
    }
    stage.issuer.arrived(Endpoint::Keys, 2).await;
    held.release();
    stage.until_settled(2).await;
    until_idle().await;
    assert_eq!(stage.fetches(), 2);
    accepted(stage.verifier.bearer(&token).await);
    assert_eq!(Arc::strong_count(&stage.issuer), 1);
}
