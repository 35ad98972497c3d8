//! The keys of tokens that are remembered.

use std::sync::Arc;

use tower_identity_core::RefusalKind;
use tower_identity_jose::SigningKey;
use tower_identity_testkit::Endpoint;

use super::{accepted_at_once, assert_remembered, assert_verified_again};
use crate::support::{HOUR, MINUTE, SECOND, Stage, accepted, forger, invalid, refused, text, until};

/// Worth nothing: everybody can read it.
const RSA: &str = include_str!("../../../../jose/tests/jose/fixtures/rsa-2048.pem");

/// Fetches the keys as they are now.
async fn refresh(stage: &Stage) {
    let fetches = stage.fetches();
    stage.until_settled(fetches).await;
    stage.clock.advance(5 * MINUTE);
    stage.issuer.arrived(Endpoint::Keys, fetches + 1).await;
    stage.until_settled(fetches + 1).await;
}

#[tokio::test]
async fn warm_a4_a_key_that_is_withdrawn_takes_its_tokens_along() {
    let stage = Stage::new();
    let (old, young) = (stage.issuer.key(), forger());
    stage.issuer.publish_key(&young);
    let stage = stage.warm().await;
    let (by_old, by_young) = (stage.token(), text(stage.good().sign_with(&young)));
    let [first, control] = [&by_old, &by_young].map(|token| accepted_at_once(&stage.verifier, token));

    stage.issuer.rotate_key();
    stage.issuer.withdraw_key(old.key_id());
    assert_remembered(&first, &accepted_at_once(&stage.verifier, &by_old));
    refresh(&stage).await;
    assert_eq!(refused(stage.verifier.bearer(&by_old).await), invalid("key"));
    assert_remembered(&control, &accepted_at_once(&stage.verifier, &by_young));

    // It comes back, and with it what it signed: verified, since what is gone is not kept.
    stage.issuer.publish_key(&old);
    refresh(&stage).await;
    assert_verified_again(&first, &accepted_at_once(&stage.verifier, &by_old));
    assert_remembered(&control, &accepted_at_once(&stage.verifier, &by_young));
}

#[tokio::test]
async fn warm_a4_a_key_in_the_place_of_another_takes_its_tokens_along() {
    let stage = Stage::new().warm().await;
    let (key, other) = (stage.issuer.key(), forger());
    let token = stage.token();
    accepted_at_once(&stage.verifier, &token);

    // The same id, and another key.
    stage.issuer.withdraw_key(key.key_id());
    let mut jwk = other.public_jwk();
    jwk["kid"] = key.key_id().into();
    stage.issuer.publish_jwk(jwk);
    refresh(&stage).await;
    assert_eq!(refused(stage.verifier.bearer(&token).await), invalid("signature"));
}

#[tokio::test]
async fn warm_a4_a_key_under_another_id_issuer_or_algorithm_takes_its_tokens_along() {
    for (member, value, check) in
        [("kid", "another", "key"), ("issuer", "https://other.example", "key"), ("alg", "ES256", "")]
    {
        let stage = Stage::new().warm().await;
        let key = stage.issuer.key();
        let token = stage.token();
        let first = accepted_at_once(&stage.verifier, &token);
        stage.issuer.withdraw_key(key.key_id());
        let mut jwk = key.public_jwk();
        jwk[member] = value.into();
        stage.issuer.publish_jwk(jwk);
        refresh(&stage).await;
        let verdict = stage.verifier.bearer(&token).await;
        if check.is_empty() {
            // The control: it says what it said, and is the same.
            assert_remembered(&first, accepted(verdict).caller_token());
        } else {
            assert_eq!(refused(verdict), invalid(check), "{member}");
        }
    }
}

/// One RSA key serves several algorithms, and is published for one.
#[tokio::test]
async fn warm_a4_a_key_for_another_algorithm_takes_its_tokens_along() {
    let key = SigningKey::from_pem(RSA).expect("a key");
    for (algorithm, expected) in [("RS256", None), ("PS256", Some(RefusalKind::InvalidToken))] {
        let stage = Stage::new();
        let published = |algorithm: &str| {
            let mut jwk = key.public_jwk();
            jwk["alg"] = algorithm.into();
            stage.issuer.publish_jwk(jwk);
        };
        published("RS256");
        accepted(stage.verifier.bearer(&stage.token()).await);
        let token = text(stage.good().sign_with(&key));
        let first = accepted_at_once(&stage.verifier, &token);
        stage.issuer.withdraw_key(key.key_id());
        published(algorithm);
        refresh(&stage).await;
        match (stage.verifier.bearer(&token).await, expected) {
            (verdict, None) => assert_remembered(&first, accepted(verdict).caller_token()),
            (verdict, Some(kind)) => assert_eq!(refused(verdict), (kind, "key"), "{algorithm}"),
        }
    }
}

#[tokio::test]
async fn warm_a4_keys_that_are_renewed_have_nothing_verified_again() {
    let stage = Stage::new();
    stage.issuer.tag_keys();
    let stage = stage.warm().await;
    let token = stage.token();
    let first = accepted_at_once(&stage.verifier, &token);
    for _ in 0..3 {
        refresh(&stage).await;
        assert_remembered(&first, &accepted_at_once(&stage.verifier, &token));
    }
    assert_eq!(stage.issuer.keys_not_modified(), 3);
}

#[tokio::test]
async fn warm_a4_remembered_tokens_outlive_an_outage_for_as_long_as_others() {
    let stage = Stage::new().warm().await;
    let token = stage.token();
    let first = accepted_at_once(&stage.verifier, &token);
    stage.issuer.stop();
    stage.clock.advance(24 * HOUR - SECOND);
    assert_remembered(&first, &accepted_at_once(&stage.verifier, &token));
    stage.clock.advance(SECOND);
    let gone = stage.verifier.bearer(&token).await.expect_err("no keys");
    assert!(matches!(gone.kind(), RefusalKind::Unavailable { .. }), "{gone:?}");

    // It was not the token's fault: with its key the token comes back.
    stage.issuer.restart();
    stage.clock.advance(HOUR);
    until(|| matches!(stage.verifier.bearer(&token).try_now(), Ok(Ok(_)))).await;
    assert_remembered(&first, &accepted_at_once(&stage.verifier, &token));
}

#[tokio::test]
async fn warm_a4_a_token_that_waited_for_its_keys_is_remembered() {
    let stage = Stage::new();
    let token = stage.token();
    let first = Arc::clone(accepted(stage.verifier.bearer(&token).await).caller_token());
    assert_remembered(&first, &accepted_at_once(&stage.verifier, &token));
}

#[tokio::test]
async fn warm_a4_every_thread_forgets_what_a_withdrawn_key_signed() {
    let stage = Stage::new().warm().await;
    let token = stage.token();
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (verifier, token) = (stage.verifier.clone(), token.clone());
            let (ask, asked) = std::sync::mpsc::channel::<()>();
            let (tell, told) = std::sync::mpsc::channel();
            let thread = std::thread::spawn(move || {
                while asked.recv().is_ok() {
                    let _ = tell.send(matches!(verifier.bearer(&token).try_now(), Ok(Ok(_))));
                }
            });
            (ask, told, thread)
        })
        .collect();
    let all = || {
        let ask = |(ask, told, _): &(std::sync::mpsc::Sender<()>, std::sync::mpsc::Receiver<bool>, _)| {
            ask.send(()).expect("it listens");
            told.recv().expect("it answers")
        };
        threads.iter().map(ask).collect::<Vec<_>>()
    };
    assert_eq!([all(), all()], [[true; 3]; 2]);
    stage.replace_key();
    refresh(&stage).await;
    assert_eq!([all(), all()], [[false; 3]; 2]);
    for (ask, _, thread) in threads {
        drop(ask);
        thread.join().expect("it ends");
    }
}
