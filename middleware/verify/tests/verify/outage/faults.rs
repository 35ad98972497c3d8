//! Every way in which a key set fails to come, to a verifier that has keys and to one that has none.

use serde_json::{Value, json};
use tower_identity_jose::SigningKey;
use tower_identity_testkit::{Endpoint, Failure};

use crate::support::{HOUR, MINUTE, SECOND, Stage, accepted, forger, invalid, refused, text, unavailable, until_idle};

fn failures() -> Vec<(&'static str, Failure)> {
    let status = |code| Failure::Status(http::StatusCode::from_u16(code).expect("a status"));
    let document = |text: &'static str| Failure::Body(text.into());
    let private = {
        let mut jwk = forger().public_jwk();
        jwk["d"] = "AAAA".into();
        Failure::Member("keys", json!([jwk]))
    };
    vec![
        ("not found", status(404)),
        ("a storm of errors", status(500)),
        ("a demand for a token", status(401)),
        ("nothing to say", status(204)),
        ("overload", Failure::Unavailable { retry_after: 1 }),
        ("a page for humans", Failure::Html),
        ("a redirect", Failure::Redirect("https://evil.example/jwks".to_owned())),
        ("a connection that closes", Failure::Close),
        ("an answer that breaks off", Failure::BreakOff),
        ("no bytes", document("")),
        ("no key set", document("{}")),
        ("no JSON", document("{\"keys\": [")),
        ("a name twice", document("{\"keys\": [], \"keys\": []}")),
        ("a list", document("[]")),
        ("an empty set", Failure::no_keys()),
        ("shared secrets", Failure::Member("keys", json!([{"kty": "oct", "k": "AAAA"}]))),
        ("a published private key", private),
        ("keys that are no list", Failure::Member("keys", Value::Null)),
        ("a megabyte too much", Failure::Oversize),
        ("ten megabytes", Failure::Body(vec![b' '; 10 << 20].into())),
    ]
}

/// No token verifies while there are no keys (CVE-2026-31837), and none is refused for it.
#[tokio::test]
async fn jwks_a3_without_keys_no_failure_is_a_verdict_on_any_token() {
    let forger = forger();
    for (name, failure) in failures() {
        let stage = Stage::new();
        let own = stage.issuer.key();
        stage.issuer.fail(Endpoint::Keys, failure);
        let tokens = [
            stage.good(),
            stage.good().sign_with(&forger),
            stage.good().sign_with(&forger).header("kid", own.key_id()),
            stage.good().without_header("kid"),
            stage.good().signature([0; 64]),
            stage.good().tampered(),
        ];
        for token in tokens {
            let verdict = refused(stage.verifier.bearer(&text(token.clone())).await);
            assert_eq!(verdict, unavailable(2 * SECOND), "{name}: {token:?}");
        }
        assert_eq!(stage.fetches(), 1, "{name}");
        assert_eq!(refused(stage.verifier.bearer(&text(stage.good().unsigned())).await), invalid("format"), "{name}");

        stage.issuer.recover(Endpoint::Keys);
        stage.clock.advance(2 * SECOND);
        accepted(stage.verifier.bearer(&stage.token()).await);
    }
}

#[tokio::test]
async fn jwks_a3_with_keys_no_failure_fails_a_token_of_a_known_one() {
    let forger = forger();
    // Of these only the published private key is no outage: it withdraws the key.
    for (name, failure) in failures().into_iter().filter(|(name, _)| *name != "a published private key") {
        let stage = Stage::new().warm().await;
        let (own, good) = (stage.issuer.key(), stage.token());
        stage.issuer.fail(Endpoint::Keys, failure);
        stage.clock.advance(4 * MINUTE);
        stage.accepts_at_once(&good);
        stage.issuer.arrived(Endpoint::Keys, 2).await;
        stage.until_settled(2).await;
        stage.accepts_at_once(&good);
        let stolen_id = text(stage.good().sign_with(&forger).header("kid", own.key_id()));
        assert_eq!(refused(stage.verifier.bearer(&stolen_id).await), invalid("signature"), "{name}");
        let unknown = text(stage.forged(&forger, "unknown"));
        assert_eq!(refused(stage.verifier.bearer(&unknown).await), unavailable(30 * SECOND), "{name}");
        assert_eq!(stage.fetches(), 2, "{name}: the failure stands for both");
    }
}

#[tokio::test]
async fn jwks_a3_a_server_that_never_answers_has_until_the_deadline() {
    let stage = Stage::new();
    stage.issuer.fail(Endpoint::Keys, Failure::Silence);
    let waiting = tokio::spawn(stage.verifier.bearer(&stage.token()));
    stage.issuer.arrived(Endpoint::Keys, 1).await;
    stage.clock.advance(5 * SECOND);
    assert_eq!(refused(waiting.await.expect("no panic")), unavailable(2 * SECOND));

    stage.issuer.recover(Endpoint::Keys);
    stage.clock.advance(2 * SECOND);
    accepted(stage.verifier.bearer(&stage.token()).await);
    stage.issuer.fail(Endpoint::Keys, Failure::Silence);
    stage.clock.advance(4 * MINUTE);
    stage.issuer.arrived(Endpoint::Keys, 3).await;
    for _ in 0..100 {
        stage.accepts_at_once(&stage.token());
    }
}

#[tokio::test]
async fn jwks_a3_an_hour_without_the_issuer_fails_no_known_key_and_no_start_is_refused() {
    let stage = Stage::new().warm().await;
    let good = stage.token();
    stage.issuer.stop();
    for second in 0..3_600 {
        stage.clock.advance(SECOND);
        stage.accepts_at_once(&good);
        if second % 60 == 0 {
            stage.accepts_at_once(&stage.token());
            until_idle().await;
        }
    }
    // A process that starts meanwhile has nothing to judge by.
    let started = Stage::again(stage.clock.clone(), stage.issuer.clone(), |issuer| issuer);
    assert_eq!(refused(started.verifier.bearer(&good).await), unavailable(2 * SECOND));

    stage.issuer.restart();
    stage.clock.advance(40 * SECOND);
    started.until_accepted(&good).await;
    stage.accepts_at_once(&good);
}

#[tokio::test]
async fn jwt_a12_two_keys_of_one_id_are_both_tried() {
    let stage = Stage::new();
    let (own, other) = (stage.issuer.key(), forger());
    let twin = other.with_key_id(own.key_id());
    stage.issuer.publish_key(&twin);
    let by = |key: &SigningKey| text(stage.good().sign_with(key));
    accepted(stage.verifier.bearer(&by(&own)).await);
    stage.accepts_at_once(&by(&twin));
    let forged = forger().with_key_id(own.key_id());
    assert_eq!(refused(stage.verifier.bearer(&by(&forged)).await), invalid("signature"));
    assert_eq!(stage.fetches(), 1);
}

#[tokio::test]
async fn jwks_a3_the_keys_lapse_after_a_day_and_come_back_with_the_issuer() {
    let stage = Stage::new().warm().await;
    let good = stage.token();
    stage.issuer.stop();
    stage.clock.advance(24 * HOUR - SECOND);
    stage.accepts_at_once(&good);
    stage.clock.advance(SECOND);
    assert_eq!(refused(stage.verifier.bearer(&good).await).0, unavailable(2 * SECOND).0);
    stage.issuer.restart();
    stage.clock.advance(40 * SECOND);
    stage.until_accepted(&good).await;
}
