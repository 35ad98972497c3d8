//! Which tokens are accepted from an issuer that is up.

use std::time::Duration;

use serde_json::{Value, json};
use tower_identity_core::{Binding, Evidence, RefusalKind, SecretToken, Timestamp};
use tower_identity_jose::{Algorithm, KeySet, SigningKey};
use tower_identity_verify::{TrustedIssuer, Verifier};

use crate::support::{World, accepted, at_once, claims, invalid, key, refused, sign, sign_with};

const ISSUER: &str = "https://as.example";
/// Long before the end of the claims, which is what the system's clock is compared with.
const NOW: Timestamp = Timestamp::from_secs(4_000_000_000);

/// A verifier with the key at hand, whose clock is the tokens' own.
fn verifier(key: &SigningKey) -> Verifier {
    verifier_of(ISSUER, key)
}

fn verifier_of(issuer: &str, key: &SigningKey) -> Verifier {
    let keys = KeySet::from_keys([key.verifying_key()]).expect("one key");
    let clock = crate::support::ManualClock::new();
    clock.set(NOW);
    Verifier::builder(TrustedIssuer::keys(issuer, keys).audience("orders")).clock(clock.clock()).build().expect("valid")
}

fn good() -> Value {
    claims(ISSUER, NOW)
}

#[tokio::test]
async fn a_good_token_says_who_calls_and_for_whom() {
    let world = World::new().await;
    let token = world.token();
    let caller = accepted(world.verifier.bearer(&token).await);
    let principal = serde_json::to_value(caller.principal()).expect("serializes");
    let expected = json!({
        "caller": {"id": "storefront", "issuer": world.issuer.url()},
        "user": {"id": "alice", "issuer": world.issuer.url()},
        "actors": [], "scopes": ["orders:write"], "audience": "orders", "evidence": "issued_to",
        "binding": "same_token", "token_id": "1f0c",
    });
    assert_eq!(principal, expected);
    assert_eq!(caller.principal().evidence(), Evidence::IssuedTo);
    assert_eq!(caller.principal().binding(), Binding::SameToken);
    assert!(caller.caller_token().is_of_home());
    assert_eq!(caller.caller_token().token().map(SecretToken::expose), Some(&*token));
    assert_eq!(caller.caller_token().claims::<Value>().expect("claims"), world.claims());
}

#[test]
fn given_keys_need_no_runtime_and_no_network() {
    let key = key();
    let verifier = verifier(&key);
    accepted(at_once(verifier.bearer(&sign(&key, &good()))));
}

#[tokio::test]
async fn given_keys_are_all_the_keys_there_are() {
    let verifier = verifier(&key());
    assert_eq!(refused(verifier.bearer(&sign(&key(), &good())).await), invalid("key"));
}

#[test]
fn what_is_no_signed_token_is_refused_by_its_form() {
    let key = key();
    let verifier = verifier(&key);
    let token = sign(&key, &good());
    let cases = [
        (String::new(), "format"),
        ("opaque".to_owned(), "format"),
        (format!("{token}="), "format"),
        (format!("{token}.a.b"), "format"),
        (token.rsplit_once('.').map(|(signed, _)| format!("{signed}.")).expect("three parts"), "format"),
        (format!("{token}{}", "A".repeat(8192)), "format"),
        (token.replacen('e', "f", 1), "header"),
    ];
    for (broken, check) in cases {
        assert_eq!(refused(at_once(verifier.bearer(&broken))), invalid(check), "{broken:?}");
    }
    accepted(at_once(verifier.bearer(&token)));
}

#[test]
fn the_header_is_judged_before_the_key_is_looked_for() {
    let (key, stranger) = (key(), key());
    let verifier = verifier(&key);
    let cases = [
        ("crit", json!(["exp"]), "crit"),
        ("crit", json!(["x"]), "crit"),
        ("crit", json!([]), "crit"),
        ("typ", json!("JWT"), "typ"),
        ("cty", json!("JWT"), "typ"),
        ("alg", json!("none"), "alg"),
        ("alg", json!("NONE"), "alg"),
        ("alg", json!("HS256"), "alg"),
        ("alg", json!("ES384"), "alg"),
    ];
    for (member, value, check) in cases {
        for key in [&key, &stranger] {
            let token = sign_with(key, &good(), |header| drop(header.insert(member.to_owned(), value.clone())));
            assert_eq!(refused(at_once(verifier.bearer(&token))), invalid(check), "{member}: {value}");
        }
    }
    // Members that are not critical are nobody's business.
    let control = sign_with(&key, &good(), |header| drop(header.insert("x".to_owned(), json!([true]))));
    accepted(at_once(verifier.bearer(&control)));
}

#[test]
fn jwt_a4_an_unsigned_token_is_refused() {
    let key = key();
    let verifier = verifier(&key);
    let signed = sign(&key, &good());
    let (_, rest) = signed.split_once('.').expect("three parts");
    let (payload, signature) = rest.split_once('.').expect("three parts");
    // {"typ":"at+jwt","alg":"none"}
    let unsigned_header = "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJub25lIn0";
    let unsigned = format!("{unsigned_header}.{payload}.{signature}");
    assert_eq!(refused(at_once(verifier.bearer(&unsigned))), invalid("alg"));
    assert_eq!(refused(at_once(verifier.bearer(&format!("{unsigned_header}.{payload}.")))), invalid("format"));
    accepted(at_once(verifier.bearer(&signed)));
}

#[test]
fn rfc9068_a1_only_an_access_token_is_accepted() {
    let key = key();
    let verifier = verifier(&key);
    let others = [
        "JWT",
        "id_token+jwt",
        "txntoken+jwt",
        "wit+jwt",
        "wpt+jwt",
        "dpop+jwt",
        "oauth-id-jag+jwt",
        "client-authentication+jwt",
        "token-introspection+jwt",
        "secevent+jwt",
        "logout+jwt",
        "application/x/at+jwt",
        "",
    ];
    for typ in others {
        let token = sign_with(&key, &good(), |header| drop(header.insert("typ".to_owned(), typ.into())));
        assert_eq!(refused(at_once(verifier.bearer(&token))), invalid("typ"), "{typ}");
    }
    let untyped = sign_with(&key, &good(), |header| drop(header.remove("typ")));
    assert_eq!(refused(at_once(verifier.bearer(&untyped))), invalid("typ"));
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        let token = sign_with(&key, &good(), |header| drop(header.insert("typ".to_owned(), typ.into())));
        accepted(at_once(verifier.bearer(&token)));
    }
}

#[test]
fn rfc9068_a4_the_signature_is_of_the_issuers_key_over_these_claims() {
    let key = key();
    let verifier = verifier(&key);
    let token = sign(&key, &good());
    let mut other = good();
    other["sub"] = json!("mallory");
    let (header, rest) = token.split_once('.').expect("three parts");
    let (_, signature) = rest.split_once('.').expect("three parts");
    let other = sign(&key, &other);
    let payload = other.split('.').nth(1).expect("three parts");
    assert_eq!(refused(at_once(verifier.bearer(&format!("{header}.{payload}.{signature}")))), invalid("signature"));
    accepted(at_once(verifier.bearer(&token)));
}

#[test]
fn rfc9068_a8_the_algorithms_are_the_issuers_own() {
    let (es256, ed25519) = (key(), SigningKey::generate(Algorithm::Ed25519).expect("generated"));
    for key in [&es256, &ed25519] {
        accepted(at_once(verifier(key).bearer(&sign(key, &good()))));
    }
    let keys = KeySet::from_keys([es256.verifying_key(), ed25519.verifying_key()]).expect("keys");
    let clock = crate::support::ManualClock::new();
    clock.set(NOW);
    let issuer = TrustedIssuer::keys(ISSUER, keys).audience("orders").algorithms([Algorithm::Ed25519]);
    let verifier = Verifier::builder(issuer).clock(clock.clock()).build().expect("valid");
    assert_eq!(refused(at_once(verifier.bearer(&sign(&es256, &good())))), invalid("alg"));
    accepted(at_once(verifier.bearer(&sign(&ed25519, &good()))));
}

#[test]
fn rfc9068_a5_every_claim_that_issuers_must_send_is_demanded() {
    let key = key();
    let verifier = verifier(&key);
    let cases = [
        ("iss", "iss"),
        ("exp", "exp"),
        ("aud", "aud"),
        ("iat", "iat"),
        ("sub", "claims"),
        ("client_id", "claims"),
        ("jti", "claims"),
    ];
    for (claim, check) in cases {
        let mut claims = good();
        assert_ne!(claims.as_object_mut().expect("an object").remove(claim), None, "{claim}");
        assert_eq!(refused(at_once(verifier.bearer(&sign(&key, &claims)))), invalid(check), "{claim}");
    }
    accepted(at_once(verifier.bearer(&sign(&key, &good()))));
}

#[test]
fn jwt_a17_wrong_and_missing_claims_are_refused_by_their_name() {
    let key = key();
    let verifier = verifier(&key);
    let cases = [
        ("exp", Some(json!("4000000060")), "exp"),
        ("exp", Some(json!(null)), "exp"),
        ("exp", None, "exp"),
        ("nbf", Some(json!("4000000000")), "nbf"),
        ("iat", Some(json!([4_000_000_000_u64])), "iat"),
        ("iat", Some(json!(4_000_000_031_u64)), "iat"),
        ("aud", None, "aud"),
        ("aud", Some(json!(5)), "aud"),
        ("aud", Some(json!(["orders", 5])), "aud"),
        ("act", Some(json!([])), "act"),
        ("cnf", Some(json!({"jkt": "x"})), "cnf"),
        ("sub", Some(json!("")), "claims"),
        ("iss", None, "iss"),
        ("iss", Some(json!([ISSUER])), "iss"),
        ("iss", Some(json!(5)), "iss"),
    ];
    for (claim, value, check) in cases {
        let mut claims = good();
        match &value {
            Some(value) => claims[claim] = value.clone(),
            None => drop(claims.as_object_mut().expect("an object").remove(claim)),
        }
        assert_eq!(refused(at_once(verifier.bearer(&sign(&key, &claims)))), invalid(check), "{claim}: {value:?}");
    }
    accepted(at_once(verifier.bearer(&sign(&key, &good()))));
}

#[test]
fn jwt_a16_how_long_ago_a_token_ended_is_told_in_whole_seconds() {
    let key = key();
    let keys = KeySet::from_keys([key.verifying_key()]).expect("keys");
    let clock = crate::support::ManualClock::new();
    clock.set(NOW.saturating_add(Duration::from_millis(400)));
    let trusted = TrustedIssuer::keys(ISSUER, keys).audience("orders");
    let verifier = Verifier::builder(trusted).clock(clock.clock()).build().expect("valid");
    for (claim, at, expected) in [
        ("exp", NOW.as_secs() - 90, "expired 90s ago"),
        ("nbf", NOW.as_secs() + 90, "not valid for another 89s"),
        ("iat", NOW.as_secs() + 90, "issued 89s in the future"),
    ] {
        let mut claims = good();
        claims[claim] = json!(at);
        let refusal = at_once(verifier.bearer(&sign(&key, &claims))).expect_err("out of its time");
        assert_eq!((refusal.check(), refusal.explanation()), (claim, Some(expected)));
    }
}

#[test]
fn claims_are_believed_only_after_the_signature() {
    let (key, stranger) = (key(), key());
    let verifier = verifier(&key);
    let mut expired = good();
    expired["exp"] = json!(1);
    let forged = sign_with(&stranger, &expired, |header| drop(header.insert("kid".into(), key.key_id().into())));
    assert_eq!(refused(at_once(verifier.bearer(&forged))), invalid("signature"));
    assert_eq!(refused(at_once(verifier.bearer(&sign(&key, &expired)))), invalid("exp"));
}

#[test]
fn rfc9068_a2_iss_is_the_configured_issuer_to_the_byte() {
    let key = key();
    for other in ["https://as.example/", "https://AS.example", "https://as.example:443", "http://as.example"] {
        let token = sign(&key, &good());
        assert_eq!(refused(at_once(verifier_of(other, &key).bearer(&token))), invalid("iss"), "{other}");
        accepted(at_once(verifier_of(other, &key).bearer(&sign(&key, &claims(other, NOW)))));
    }
}

#[test]
fn jwt_a24_a_stranger_and_a_forger_get_the_same_answer() {
    let key = key();
    let verifier = verifier(&key);
    let stranger = at_once(verifier.bearer(&sign(&key, &claims("https://other.example", NOW)))).expect_err("refused");
    let forged =
        sign_with(&crate::support::key(), &good(), |header| drop(header.insert("kid".into(), key.key_id().into())));
    let forger = at_once(verifier.bearer(&forged)).expect_err("refused");
    assert_eq!(stranger.kind(), &RefusalKind::InvalidToken);
    assert_eq!(stranger.kind(), forger.kind());
    assert_eq!((stranger.check(), forger.check()), ("iss", "signature"));
}

#[test]
fn nothing_that_prints_shows_the_token() {
    let key = key();
    let verifier = verifier(&key);
    let mut wrong = good();
    wrong["aud"] = json!("payments");
    for token in [sign(&key, &good()), sign(&key, &wrong), sign(&crate::support::key(), &good())] {
        let verification = verifier.bearer(&token);
        let printed = format!("{verifier:?} {verification:?}") + &format!("{:?}", verification.try_now());
        for part in token.split('.') {
            assert!(!printed.contains(part), "{printed}");
        }
    }
}
