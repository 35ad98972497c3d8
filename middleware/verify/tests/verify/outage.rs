//! An issuer that is down, slow, or talks nonsense. An outage is not a bad token.

mod faults;
mod states;

use axum::http::StatusCode;
use tower_identity_core::Issuer;

use crate::support::{
    Answer, HOUR, MINUTE, SECOND, World, accepted, at_once, eventually, invalid, refused, unavailable,
};

#[tokio::test]
async fn jwks_a3_known_keys_verify_while_the_issuer_is_down() {
    let world = World::warm().await;
    world.issuer.go_down();
    for _ in 0..60 {
        world.clock.advance(MINUTE);
        accepted(at_once(world.verifier.bearer(&world.token())));
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
    eventually(|| world.issuer.fetches() > 1).await;
    assert!(world.issuer.fetches() <= 120, "no more than twice a minute: {}", world.issuer.fetches());
}

#[tokio::test]
async fn jwks_a3_known_keys_verify_while_a_refresh_hangs() {
    let world = World::warm().await;
    world.issuer.answer(Answer::Silence);
    world.clock.advance(9 * MINUTE);
    accepted(at_once(world.verifier.bearer(&world.token())));
    eventually(|| world.issuer.fetches() == 2).await;
    accepted(at_once(world.verifier.bearer(&world.token())));
}

#[tokio::test]
async fn jwks_a3_the_last_good_keys_serve_for_a_day() {
    let world = World::warm().await;
    let token = world.token();
    world.issuer.go_down();
    world.clock.advance(24 * HOUR - SECOND);
    accepted(at_once(world.verifier.bearer(&token)));
    eventually(|| world.issuer.fetches() == 2).await;
    world.clock.advance(2 * MINUTE);
    assert_eq!(refused(world.verifier.bearer(&token).await), unavailable(2 * SECOND));
    world.issuer.answer(Answer::Keys);
    world.clock.advance(2 * SECOND);
    accepted(world.verifier.bearer(&token).await);
}

#[tokio::test]
async fn without_keys_an_issuer_that_is_down_is_no_verdict_on_the_token() {
    let world = World::new().await;
    world.issuer.go_down();
    let (good, bad) = (world.token(), world.token_of_unknown_key());
    assert_eq!(refused(world.verifier.bearer(&good).await), unavailable(2 * SECOND));
    assert_eq!(refused(world.verifier.bearer(&bad).await), unavailable(2 * SECOND));
    world.clock.advance(SECOND);
    assert_eq!(refused(world.verifier.bearer(&good).await), unavailable(SECOND));
    assert_eq!(world.issuer.fetches(), 1, "the failure is shared");

    world.issuer.answer(Answer::Keys);
    world.clock.advance(SECOND);
    accepted(world.verifier.bearer(&good).await);
    assert_eq!(refused(world.verifier.bearer(&bad).await), invalid("key"));
}

#[tokio::test]
async fn jwks_a3_an_answer_that_is_no_key_set_is_an_outage() {
    let answers = [
        Answer::Status(StatusCode::NOT_FOUND),
        Answer::Status(StatusCode::FOUND),
        Answer::Document("<!doctype html>"),
        Answer::Document("{}"),
        Answer::Document(r#"{"keys": []}"#),
        Answer::Document(r#"{"keys": [{"kty": "oct", "k": ""}]}"#),
    ];
    for answer in answers {
        let world = World::new().await;
        world.issuer.answer(answer);
        assert_eq!(refused(world.verifier.bearer(&world.token()).await), unavailable(2 * SECOND), "{answer:?}");

        let warm = World::warm().await;
        warm.issuer.answer(answer);
        warm.clock.advance(9 * MINUTE);
        accepted(at_once(warm.verifier.bearer(&warm.token())));
        eventually(|| warm.issuer.fetches() == 2).await;
        assert_eq!(refused(warm.verifier.bearer(&warm.token_of_unknown_key()).await), unavailable(30 * SECOND));
        accepted(at_once(warm.verifier.bearer(&warm.token())));
    }
}

#[tokio::test]
async fn jwks_a2_an_unknown_key_is_no_verdict_while_the_issuer_is_down() {
    let world = World::warm().await;
    world.issuer.rotate();
    world.issuer.go_down();
    let rotated = world.token();
    assert_eq!(refused(world.verifier.bearer(&rotated).await), unavailable(30 * SECOND));
    world.issuer.answer(Answer::Keys);
    world.clock.advance(20 * SECOND);
    // The budget is used up, and what came of it says nothing about the token.
    assert_eq!(refused(world.verifier.bearer(&rotated).await), unavailable(10 * SECOND));
    assert_eq!(world.issuer.fetches(), 2);
    world.clock.advance(10 * SECOND);
    accepted(world.verifier.bearer(&rotated).await);
    assert_eq!(world.issuer.fetches(), 3);
}

#[tokio::test]
async fn an_issuer_that_says_when_to_come_back_is_not_asked_before() {
    let world = World::new().await;
    world.issuer.answer(Answer::Busy(40));
    assert_eq!(refused(world.verifier.bearer(&world.token()).await), unavailable(40 * SECOND));
    world.issuer.answer(Answer::Keys);
    world.clock.advance(39 * SECOND);
    assert_eq!(refused(world.verifier.bearer(&world.token()).await), unavailable(SECOND));
    world.clock.advance(SECOND);
    accepted(world.verifier.bearer(&world.token()).await);
    assert_eq!(world.issuer.fetches(), 2);
}

#[tokio::test]
async fn an_outage_says_which_issuer_and_why() {
    let world = World::new().await;
    world.issuer.go_down();
    let refusal = world.verifier.bearer(&world.token()).await.expect_err("down");
    assert_eq!(refusal.named_issuer().map(Issuer::as_str), Some(world.issuer.url()));
    let causes: Vec<_> = std::iter::successors(std::error::Error::source(&refusal), |cause| cause.source())
        .map(ToString::to_string)
        .collect();
    let expected = [
        format!("no keys of issuer {}", world.issuer.url()),
        format!("the key set at {} cannot be fetched", world.issuer.jwks_uri()),
        "the server answers 503 Service Unavailable".to_owned(),
    ];
    assert_eq!(causes, expected);
}
