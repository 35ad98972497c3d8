//! Reading keys and key sets: jwt_a7, a13.

use serde_json::{Value, json};
use tower_identity_jose::{Algorithm, KeyRejected, KeySet, KeySetError, SkippedKey, VerifyingKey, json::JsonErrorKind};

use crate::{ED, ES, RSA, access_tokens, alice, encode, open, token};

const UNSUPPORTED: &str = include_str!("fixtures/unsupported-keys.json");

/// The public key in the shape of an entry, with members changed; null takes one away.
fn changed(mut jwk: Value, changes: Value) -> Value {
    let members = jwk.as_object_mut().expect("an object");
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    for (name, value) in changes {
        match value {
            Value::Null => members.remove(&name),
            value => members.insert(name, value),
        };
    }
    jwk
}

fn read(jwk: &Value) -> Result<Vec<Algorithm>, KeyRejected> {
    VerifyingKey::from_jwk(jwk).map(|key| key.algorithms().collect())
}

fn document(keys: &[Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}

#[test]
fn jwt_a13_unusable_entries_are_skipped_and_the_rest_is_kept() {
    let Value::Array(mut entries) = serde_json::from_str::<Value>(UNSUPPORTED).expect("json")["keys"].take() else {
        panic!("a list of keys")
    };
    entries.extend([
        changed(ES.public_jwk(), json!({"kid": "no-y", "y": null})),
        changed(ES.public_jwk(), json!({"kid": "for-encryption", "use": "enc"})),
        changed(ES.public_jwk(), json!({"kid": "svid", "use": "jwt-svid"})),
        json!({"kid": "shared", "kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}),
        json!({"kid": "typeless"}),
        json!("not an object"),
        ES.public_jwk(),
    ]);
    let keys = KeySet::parse(&document(&entries)).expect("one good key");
    let skipped: Vec<_> = keys.skipped().iter().map(|key| (key.key_id.as_deref(), key.reason)).collect();
    let expected = [
        (Some("post-quantum"), KeyRejected::Unsupported),
        (Some("secp256k1"), KeyRejected::Unsupported),
        (Some("p521"), KeyRejected::Unsupported),
        (Some("ed448"), KeyRejected::Unsupported),
        (Some("rsa-1024"), KeyRejected::Size),
        (Some("no-y"), KeyRejected::Malformed),
        (Some("for-encryption"), KeyRejected::OtherUse),
        (Some("svid"), KeyRejected::OtherUse),
        (Some("shared"), KeyRejected::Symmetric),
        (Some("typeless"), KeyRejected::Malformed),
        (None, KeyRejected::Malformed),
    ];
    assert_eq!(skipped, expected);
    assert_eq!((keys.len(), keys.contains_key_id("es"), keys.contains_key_id("svid")), (1, true, false));
    assert_eq!(keys.thumbprints().collect::<Vec<_>>(), [ES.thumbprint()]);
    assert_eq!(open(&token(&ES, json!({})), &keys, &access_tokens()), alice());
}

#[test]
fn jwt_a13_a_set_without_a_usable_key_is_an_error() {
    let none = |skipped| Err(KeySetError::NoUsableKey { skipped });
    assert_eq!(KeySet::parse(&document(&[])).map(drop), none(vec![]));
    assert_eq!(KeySet::from_keys([]).map(drop), none(vec![]));
    let error = KeySet::parse(&document(&[changed(ES.public_jwk(), json!({"use": "enc"}))])).expect_err("no key");
    let KeySetError::NoUsableKey { skipped } = &error else { panic!("{error}") };
    let [SkippedKey { key_id: Some(key_id), reason: KeyRejected::OtherUse, .. }] = &skipped[..] else {
        panic!("{skipped:?}")
    };
    assert_eq!(&**key_id, "es");
    assert_eq!(error.to_string(), "the key set has no usable key (1 skipped)");
}

#[test]
fn jwt_a13_a_document_that_is_no_key_set_is_an_error() {
    let kind = |document: &[u8]| match KeySet::parse(document) {
        Err(KeySetError::Json(error)) => error.kind().clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(kind(b"{}"), JsonErrorKind::Missing("keys"));
    assert_eq!(kind(b"[]"), JsonErrorKind::NotAnObject);
    assert_eq!(kind(b"<html>"), JsonErrorKind::NotAnObject);
    assert_eq!(kind(br#"{"keys":[],"keys":[]}"#), JsonErrorKind::DuplicateName);
    assert_eq!(kind(br#"{"keys":[{"kty":"EC","kty":"RSA"}]}"#), JsonErrorKind::DuplicateName);
    assert!(matches!(kind(br#"{"keys":{}}"#), JsonErrorKind::WrongType { .. }));
    assert_eq!(kind(b"\xff"), JsonErrorKind::NotAnObject);
    assert_eq!(kind(b"{\"\xff"), JsonErrorKind::NotUtf8);
}

#[test]
fn a_key_is_for_what_it_says() {
    let es = |changes: Value| read(&changed(ES.public_jwk(), changes));
    let good = Ok(vec![Algorithm::Es256]);
    for changes in [
        json!({}),
        json!({"use": null}),
        json!({"alg": null}),
        json!({"key_ops": ["verify"]}),
        json!({"key_ops": ["sign", "verify"]}),
        json!({"kid": null, "x5c": 5, "other": {}}),
    ] {
        assert_eq!(es(changes.clone()), good, "{changes}");
    }
    let refused = [
        (json!({"use": "enc"}), KeyRejected::OtherUse),
        (json!({"use": "SIG"}), KeyRejected::OtherUse),
        (json!({"use": "jwt-svid"}), KeyRejected::OtherUse),
        (json!({"key_ops": ["sign"]}), KeyRejected::OtherUse),
        (json!({"key_ops": []}), KeyRejected::OtherUse),
        (json!({"alg": "RS256"}), KeyRejected::Mismatch(Algorithm::Rs256)),
        (json!({"alg": "ES384"}), KeyRejected::Mismatch(Algorithm::Es384)),
        (json!({"alg": "HS256"}), KeyRejected::Unsupported),
        (json!({"alg": "none"}), KeyRejected::Unsupported),
        (json!({"crv": "P-256K"}), KeyRejected::Unsupported),
        (json!({"crv": null}), KeyRejected::Malformed),
        (json!({"kty": "ec"}), KeyRejected::Unsupported),
        (json!({"kty": "oct", "k": "AAAA"}), KeyRejected::Symmetric),
        (json!({"kty": "oct", "k": ""}), KeyRejected::Symmetric),
        (json!({"d": "AAAA"}), KeyRejected::Private),
        (json!({"kid": 5}), KeyRejected::Malformed),
        (json!({"key_ops": "verify"}), KeyRejected::Malformed),
    ];
    for (changes, expected) in refused {
        assert_eq!(es(changes.clone()), Err(expected), "{changes}");
    }
}

#[test]
fn a_point_lies_on_its_curve() {
    let (x, y) = (ES.public_jwk()["x"].clone(), ES.public_jwk()["y"].clone());
    let es = |changes: Value| read(&changed(ES.public_jwk(), changes));
    assert_eq!(es(json!({"x": x, "y": y})), Ok(vec![Algorithm::Es256]));
    assert_eq!(es(json!({"x": y, "y": x})), Err(KeyRejected::Invalid));
    assert_eq!(es(json!({"x": encode([0; 32]), "y": encode([0; 32])})), Err(KeyRejected::Invalid));
    assert_eq!(es(json!({"x": encode([0xff; 32])})), Err(KeyRejected::Invalid));
    let short = encode(&crate::decode(x.as_str().expect("text"))[1..]);
    let padded = format!("{}=", y.as_str().expect("text"));
    for malformed in [json!({"x": short}), json!({"y": ""}), json!({"y": padded}), json!({"x": 5}), json!({"x": null})]
    {
        assert_eq!(es(malformed.clone()), Err(KeyRejected::Malformed), "{malformed}");
    }
    let ed = |changes: Value| read(&changed(ED.public_jwk(), changes));
    assert_eq!(ed(json!({})), Ok(vec![Algorithm::EdDsa, Algorithm::Ed25519]));
    assert_eq!(ed(json!({"x": encode([0; 31])})), Err(KeyRejected::Malformed));
    assert_eq!(ed(json!({"crv": "X25519"})), Err(KeyRejected::Unsupported));
}

#[test]
fn jwt_a7_an_rsa_key_is_of_a_safe_size() {
    let rsa = |changes: Value| read(&changed(RSA.public_jwk(), changes));
    let good = Ok(vec![Algorithm::Rs256]);
    assert_eq!(rsa(json!({})), good);
    assert_eq!(rsa(json!({"e": "Aw"})), good);
    let modulus = crate::decode(RSA.public_jwk()["n"].as_str().expect("text"));
    assert_eq!(rsa(json!({"n": encode([&[0], &modulus[..]].concat())})), good);

    let sizes = [
        json!({"n": encode([&[0x7f], &modulus[1..]].concat())}),
        json!({"n": encode([&[0], &modulus[1..]].concat())}),
        json!({"n": encode([0xff; 1025])}),
        json!({"n": ""}),
        json!({"e": ""}),
        json!({"e": encode([1])}),
        json!({"e": encode([0, 0, 1])}),
        json!({"e": encode([2])}),
        json!({"e": encode([1, 0, 0, 0, 1])}),
    ];
    for changes in sizes {
        assert_eq!(rsa(changes.clone()), Err(KeyRejected::Size), "{changes}");
    }
    assert_eq!(rsa(json!({"n": null})), Err(KeyRejected::Malformed));
    assert_eq!(rsa(json!({"n": "!"})), Err(KeyRejected::Malformed));
}
