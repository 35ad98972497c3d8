//! Keys that are asked for again: only what is new is sent, and what is not new counts as fetched.

use tower_identity_testkit::{Endpoint, Failure, LogCapture};

use crate::support::{HOUR, MINUTE, SECOND, Stage, accepted, invalid, refused, unavailable, until, until_idle};

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
    stage.issuer.fail(Endpoint::Keys, Failure::Status(http::StatusCode::NOT_MODIFIED));
    assert_eq!(refused(stage.verifier.bearer(&stage.token()).await), unavailable(2 * SECOND), "nothing was known");

    stage.issuer.recover(Endpoint::Keys);
    stage.clock.advance(2 * SECOND);
    accepted(stage.verifier.bearer(&stage.token()).await);
    stage.issuer.fail(Endpoint::Keys, Failure::Status(http::StatusCode::NOT_MODIFIED));
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
