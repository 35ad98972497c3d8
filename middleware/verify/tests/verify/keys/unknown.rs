//! Tokens whose key is not among the keys at hand: floods, rotations within floods, and who is told "no" or "not yet".

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tower_identity_core::RefusalKind;
use tower_identity_jose::{KeySet, SigningKey};
use tower_identity_testkit::{Endpoint, Failure, TokenBuilder};
use tower_identity_verify::{TrustedIssuer, Verifier};

use crate::support::{
    HOUR, MINUTE, SECOND, Stage, accepted, claims, forger, invalid, key, refused, sign, text, unavailable,
};

/// The verdict on a token, as it can be compared.
async fn verdict(stage: &Stage, token: &str) -> (RefusalKind, &'static str) {
    refused(stage.verifier.bearer(token).await)
}

#[tokio::test]
async fn jwks_a2_a_flood_of_unknown_key_ids_costs_one_fetch_in_a_window() {
    let stage = Stage::new().warm().await;
    let (forger, good) = (forger(), stage.token());
    let forged = |at: usize| text(stage.forged(&forger, &format!("k{at}")));

    let mut together = JoinSet::new();
    for at in 0..5_000 {
        together.spawn(stage.verifier.bearer(&forged(at)));
        if at % 50 == 0 {
            stage.accepts_at_once(&good);
        }
    }
    // They came before the fetch that was made for them.
    for decision in together.join_all().await {
        assert_eq!(refused(decision), invalid("key"));
    }
    assert_eq!(stage.fetches(), 2);
    // These come after it.
    for at in 5_000..10_000 {
        assert_eq!(verdict(&stage, &forged(at)).await, unavailable(30 * SECOND));
        if at % 50 == 0 {
            stage.accepts_at_once(&good);
        }
    }
    assert_eq!(stage.fetches(), 2);

    stage.clock.advance(30 * SECOND - Duration::from_millis(1));
    assert_eq!(verdict(&stage, &forged(10_000)).await, unavailable(SECOND));
    assert_eq!(stage.fetches(), 2);
    stage.clock.advance(Duration::from_millis(1));
    assert_eq!(verdict(&stage, &forged(10_001)).await, invalid("key"));
    assert_eq!(verdict(&stage, &forged(10_002)).await, unavailable(30 * SECOND));
    assert_eq!(stage.fetches(), 3);
    stage.accepts_at_once(&good);
}

#[tokio::test]
async fn jwks_a2_a_rotation_in_the_middle_of_a_flood_refuses_no_token_of_the_new_key() {
    let stage = Stage::new().warm().await;
    let (forger, before) = (forger(), stage.token());
    assert_eq!(verdict(&stage, &text(stage.forged(&forger, "k0"))).await, invalid("key"));

    stage.clock.advance(5 * SECOND);
    stage.replace_key();
    let rotated = stage.token();
    for at in 1..1_000 {
        assert_eq!(verdict(&stage, &text(stage.forged(&forger, &format!("k{at}")))).await, unavailable(25 * SECOND));
        assert_eq!(verdict(&stage, &rotated).await, unavailable(25 * SECOND));
        stage.accepts_at_once(&before);
    }
    assert_eq!(stage.fetches(), 2);
    stage.clock.advance(25 * SECOND);
    accepted(stage.verifier.bearer(&rotated).await);
    stage.accepts_at_once(&rotated);
    assert_eq!(stage.fetches(), 3);
}

#[tokio::test]
async fn jwks_a2_an_id_that_a_fetch_lacked_leaves_the_window_to_others() {
    let stage = Stage::new();
    stage.issuer.key_max_age(Some(24 * HOUR));
    let (stage, forger) = (stage.warm().await, forger());
    // Issued ten minutes before the fetch which it is going to cause.
    let old = |key_id: &str| text(stage.forged(&forger, key_id).issued_at(stage.now().saturating_sub(10 * MINUTE)));
    let lacked = old("k");
    assert_eq!(verdict(&stage, &lacked).await, invalid("key"));
    assert_eq!(stage.fetches(), 2);
    for _ in 0..9 {
        stage.clock.advance(30 * SECOND);
        assert_eq!(verdict(&stage, &lacked).await, invalid("key"));
    }
    assert_eq!(stage.fetches(), 2, "it waits for nothing and asks for nothing");
    stage.clock.advance(30 * SECOND);
    assert_eq!(verdict(&stage, &lacked).await, invalid("key"));
    assert_eq!(stage.fetches(), 3, "after five minutes it asks again");

    stage.clock.advance(30 * SECOND);
    assert_eq!(verdict(&stage, &old("another")).await, invalid("key"));
    assert_eq!(stage.fetches(), 4, "the control: an id that nobody asked for");
    assert_eq!(verdict(&stage, &old("a third")).await, invalid("key"));
    assert_eq!(stage.fetches(), 4, "the window is used up, and the keys are newer than the token");
}

#[tokio::test]
async fn jwks_a2_a_lacked_id_of_a_newer_token_is_asked_for_again() {
    let stage = Stage::new().warm().await;
    let next = forger();
    assert_eq!(verdict(&stage, &text(stage.forged(&next, next.key_id()))).await, invalid("key"));
    stage.issuer.publish_key(&next);
    stage.issuer.sign_with(&next);
    stage.clock.advance(MINUTE);
    accepted(stage.verifier.bearer(&stage.token()).await);
    assert_eq!(stage.fetches(), 3, "whoever guessed the next key's id has not shut it out");
}

#[tokio::test]
async fn jwks_a2_only_an_iat_that_cannot_be_of_after_the_fetch_speaks_against_a_key() {
    let stage = Stage::new().warm().await;
    let (forger, began) = (forger(), stage.now());
    // The fetch that uses up the window.
    assert_eq!(verdict(&stage, &text(stage.forged(&forger, "first"))).await, invalid("key"));
    stage.clock.advance(10 * SECOND);

    let forged = || stage.forged(&forger, "second");
    let issued = |at| forged().issued_at(at);
    let not_yet = unavailable(20 * SECOND);
    let cases: [(&str, TokenBuilder, (RefusalKind, &str)); 9] = [
        ("five minutes and the leeway before the fetch", issued(began.saturating_sub(330 * SECOND)), invalid("key")),
        ("a second later", issued(began.saturating_sub(329 * SECOND)), not_yet.clone()),
        ("at the fetch", issued(began), not_yet.clone()),
        ("now", forged(), not_yet.clone()),
        ("in the future", issued(began.saturating_add(MINUTE)), not_yet.clone()),
        ("at the beginning of time", forged().claim("iat", 0), invalid("key")),
        ("absent", forged().without("iat"), not_yet.clone()),
        ("a string", forged().claim("iat", json!("0")), not_yet.clone()),
        ("null", forged().claim("iat", Value::Null), not_yet),
    ];
    for (name, token, expected) in cases {
        assert_eq!(verdict(&stage, &text(token)).await, expected, "{name}");
    }
    assert_eq!(stage.fetches(), 2);
}

/// As Entra ID writes `iat`.
#[tokio::test]
async fn jwks_a2_an_issuer_that_sets_iat_back_by_five_minutes_has_no_token_of_a_new_key_refused() {
    let stage = Stage::new().warm().await;
    let withdrawn = text(stage.good().issued_at(stage.now().saturating_sub(6 * MINUTE)));
    assert_eq!(verdict(&stage, &text(stage.forged(&forger(), "first"))).await, invalid("key"));

    stage.clock.advance(5 * SECOND);
    stage.replace_key();
    stage.clock.advance(SECOND);
    let rotated = text(stage.good().issued_at(stage.now().saturating_sub(5 * MINUTE)));
    assert_eq!(verdict(&stage, &rotated).await, unavailable(24 * SECOND));
    stage.clock.advance(24 * SECOND);
    accepted(stage.verifier.bearer(&rotated).await);
    assert_eq!(verdict(&stage, &withdrawn).await, invalid("key"), "the control: of a key that was there before");
    assert_eq!(stage.fetches(), 3);
}

#[tokio::test]
async fn jwks_a2_the_clock_that_steps_makes_no_old_fetch_a_new_one() {
    let stage = Stage::new().warm().await;
    assert_eq!(verdict(&stage, &text(stage.forged(&forger(), "first"))).await, invalid("key"));
    stage.clock.advance(10 * SECOND);
    // An hour ahead until now, and set right: what was fetched ten seconds ago was not fetched in an hour.
    stage.clock.set_wall(stage.now().saturating_sub(60 * MINUTE));
    stage.replace_key();
    assert_eq!(verdict(&stage, &stage.token()).await, unavailable(20 * SECOND));
    stage.clock.advance(20 * SECOND);
    accepted(stage.verifier.bearer(&stage.token()).await);
}

#[tokio::test]
async fn jwks_a2_the_first_fetch_answers_for_the_unknown_key_that_caused_it() {
    let stage = Stage::new();
    let forger = forger();
    assert_eq!(verdict(&stage, &text(stage.forged(&forger, "first"))).await, invalid("key"));
    assert_eq!(verdict(&stage, &text(stage.forged(&forger, "second"))).await, unavailable(30 * SECOND));
    assert_eq!(stage.fetches(), 1, "and it is the window's too");
    stage.accepts_at_once(&stage.token());
}

#[tokio::test]
async fn jwks_a2_a_failed_fetch_is_no_verdict_unless_an_earlier_one_was() {
    let stage = Stage::new().warm().await;
    stage.issuer.fail(Endpoint::Keys, Failure::Close);
    let forger = forger();
    let at_the_fetch = text(stage.forged(&forger, "new"));
    let before_it = text(stage.forged(&forger, "old").issued_at(stage.now().saturating_sub(6 * MINUTE)));
    stage.clock.advance(10 * SECOND);
    assert_eq!(verdict(&stage, &at_the_fetch).await, unavailable(30 * SECOND));
    assert_eq!(verdict(&stage, &before_it).await, invalid("key"));
    assert_eq!(stage.fetches(), 2);
}

#[tokio::test]
async fn jwks_a2_keys_that_are_given_are_all_there_are() {
    let (own, now) = (key(), tower_identity_core::Timestamp::from_secs(1_800_000_000));
    let given = KeySet::from_keys([own.verifying_key()]).expect("a key");
    let clock = tower_identity_testkit::ManualClock::at(now);
    let trusted = TrustedIssuer::keys("https://as.example", given).audience("orders");
    let verifier = Verifier::builder(trusted).clock(clock.clock()).build().expect("valid");
    let token = |key: &SigningKey| sign(key, &claims("https://as.example", now));
    assert_eq!(refused(verifier.bearer(&token(&key())).await), invalid("key"));
    accepted(verifier.bearer(&token(&own)).await);
}
