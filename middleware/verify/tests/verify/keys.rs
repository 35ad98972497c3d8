//! Keys that change while the issuer is up: freshness, rotation, unknown key ids.

mod files;
mod keeper;
mod kept;
mod private_ca;
mod protected;
mod renewal;
mod settings;
mod unknown;

use tokio::task::JoinSet;
use tower_identity_jose::SigningKey;

use crate::support::{
    Answer, HOUR, MINUTE, SECOND, World, accepted, at_once, eventually, invalid, key, refused, sign, sign_with,
    unavailable,
};

#[tokio::test]
async fn keys_are_fetched_once_for_all_who_wait() {
    let world = World::new().await;
    world.issuer.answer(Answer::Silence);
    let token = world.token();
    let mut waiting = JoinSet::new();
    for _ in 0..50 {
        waiting.spawn(world.verifier.bearer(&token));
    }
    eventually(|| world.issuer.fetches() == 1).await;
    world.issuer.answer(Answer::Keys);
    for decision in waiting.join_all().await {
        accepted(decision);
    }
    assert_eq!(world.issuer.fetches(), 1);
    accepted(at_once(world.verifier.bearer(&token)));
    accepted(at_once(world.verifier.clone().bearer(&token)));
}

#[tokio::test]
async fn who_stops_waiting_harms_nobody() {
    let world = World::new().await;
    world.issuer.answer(Answer::Silence);
    let first = tokio::spawn(world.verifier.bearer(&world.token()));
    eventually(|| world.issuer.fetches() == 1).await;
    let second = tokio::spawn(world.verifier.bearer(&world.token()));
    first.abort();
    assert!(first.await.expect_err("aborted").is_cancelled());
    world.issuer.answer(Answer::Keys);
    accepted(second.await.expect("not aborted"));
    assert_eq!(world.issuer.fetches(), 1);
}

#[tokio::test]
async fn jwks_a1_keys_are_refreshed_behind_the_requests_at_the_age_that_the_issuer_says() {
    let cases = [
        (None, 10 * MINUTE),
        (Some("public, max-age=300"), 5 * MINUTE),
        (Some("max-age=1"), MINUTE),
        (Some("no-store"), MINUTE),
        (Some("no-cache"), MINUTE),
        (Some("max-age=31536000"), 24 * HOUR),
    ];
    for (cache_control, age) in cases {
        let world = World::new().await;
        if let Some(value) = cache_control {
            world.issuer.cache_control(value);
        }
        let token = world.token();
        accepted(world.verifier.bearer(&token).await);
        // Somewhere between 70 and 80 % of the age.
        world.clock.advance(age.mul_f64(0.7) - SECOND);
        accepted(at_once(world.verifier.bearer(&token)));
        tokio::task::yield_now().await;
        assert_eq!(world.issuer.fetches(), 1, "{cache_control:?}: too early");
        world.issuer.answer(Answer::Silence);
        world.clock.advance(age.mul_f64(0.1) + SECOND);
        for _ in 0..10 {
            accepted(at_once(world.verifier.bearer(&token)));
        }
        eventually(|| world.issuer.fetches() == 2).await;
    }
}

#[tokio::test]
async fn jwks_a4_a_key_that_the_fresh_set_lacks_stops_verifying() {
    let world = World::warm().await;
    let (old, old_token) = (world.issuer.key(), world.token());
    let new = key();
    world.issuer.publish([old, new.clone()]);
    world.clock.advance(8 * MINUTE);
    accepted(at_once(world.verifier.bearer(&old_token)));
    let new_token = sign(&new, &world.claims());
    eventually(|| matches!(world.verifier.bearer(&new_token).try_now(), Ok(Ok(_)))).await;
    accepted(at_once(world.verifier.bearer(&old_token)));

    world.issuer.publish([new]);
    world.clock.advance(8 * MINUTE);
    accepted(at_once(world.verifier.bearer(&new_token)));
    eventually(|| world.verifier.bearer(&old_token).try_now().is_err()).await;
    assert_eq!(refused(world.verifier.bearer(&old_token).await), invalid("key"));
    accepted(at_once(world.verifier.bearer(&new_token)));
}

#[tokio::test]
async fn jwks_a2_a_new_key_is_fetched_for_the_first_token_that_names_it() {
    let world = World::warm().await;
    world.issuer.rotate();
    accepted(world.verifier.bearer(&world.token()).await);
    assert_eq!(world.issuer.fetches(), 2);
    accepted(at_once(world.verifier.bearer(&world.token())));
}

#[tokio::test]
async fn jwks_a2_all_tokens_of_a_new_key_wait_for_the_one_fetch() {
    let world = World::warm().await;
    world.issuer.rotate();
    world.issuer.answer(Answer::Silence);
    let first = tokio::spawn(world.verifier.bearer(&world.token()));
    eventually(|| world.issuer.fetches() == 2).await;
    let second = tokio::spawn(world.verifier.bearer(&world.token()));
    tokio::task::yield_now().await;
    world.issuer.answer(Answer::Keys);
    accepted(first.await.expect("joined"));
    accepted(second.await.expect("joined"));
    assert_eq!(world.issuer.fetches(), 2);
}

#[tokio::test]
async fn jwks_a2_known_keys_do_not_wait_for_an_unknown_one() {
    let world = World::warm().await;
    world.issuer.answer(Answer::Silence);
    let unknown = tokio::spawn(world.verifier.bearer(&world.token_of_unknown_key()));
    eventually(|| world.issuer.fetches() == 2).await;
    accepted(at_once(world.verifier.bearer(&world.token())));
    world.issuer.answer(Answer::Keys);
    assert_eq!(refused(unknown.await.expect("joined")), invalid("key"));
}

#[tokio::test]
async fn jwt_a12_a_token_without_a_key_id_is_tried_with_newer_keys_too() {
    let world = World::warm().await;
    let unnamed = |key: &SigningKey| sign_with(key, &world.claims(), |header| drop(header.remove("kid")));
    accepted(at_once(world.verifier.bearer(&unnamed(&world.issuer.key()))));
    world.issuer.rotate();
    accepted(world.verifier.bearer(&unnamed(&world.issuer.key())).await);
    assert_eq!(world.issuer.fetches(), 2);
    // Perhaps a key that is newer still; the issuer is not asked for each.
    assert_eq!(refused(world.verifier.bearer(&unnamed(&key())).await), unavailable(30 * SECOND));
    assert_eq!(world.issuer.fetches(), 2);
    world.clock.advance(30 * SECOND);
    assert_eq!(refused(world.verifier.bearer(&unnamed(&key())).await), invalid("key"));
    assert_eq!(world.issuer.fetches(), 3);
}

#[tokio::test]
async fn jwt_a11_a_key_id_is_only_ever_compared() {
    let world = World::warm().await;
    for key_id in ["../../etc/passwd", "' OR 1=1 --", "", " "] {
        let token =
            sign_with(&world.issuer.key(), &world.claims(), |header| drop(header.insert("kid".into(), key_id.into())));
        assert_eq!(refused(world.verifier.bearer(&token).await), invalid("key"), "{key_id:?}");
        world.clock.advance(30 * SECOND);
    }
    let control = sign_with(&world.issuer.key(), &world.claims(), |_| ());
    accepted(at_once(world.verifier.bearer(&control)));
}
