//! Key sets: jwt_a13, svid_a1, and what two sets make together.

use std::time::Duration;

use serde_json::{Value, json};
use tower_identity_jose::{
    KeyRejected, KeySet, KeySetError, SigningKey, SkippedKey, Thumbprint, VerifyingKey, json::JsonErrorKind,
};

use crate::{ED, ES, RSA, access_tokens, alice, changed, document, open, set, token};

const UNSUPPORTED: &str = include_str!("fixtures/unsupported-keys.json");

fn skipped(keys: &KeySet) -> Vec<(Option<&str>, KeyRejected)> {
    keys.skipped().iter().map(|key| (key.key_id.as_deref(), key.reason)).collect()
}

fn thumbprints<'k>(keys: impl IntoIterator<Item = &'k VerifyingKey>) -> Vec<Thumbprint> {
    keys.into_iter().map(VerifyingKey::thumbprint).collect()
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
fn svid_a1_a_trust_bundle_has_keys_for_svids_and_others() {
    let svid = |changes: Value| changed(changed(ES.public_jwk(), json!({"use": "jwt-svid"})), changes);
    let entries = [
        svid(json!({"kid": "missing-use", "use": null})),
        svid(json!({"kid": "signing", "use": "sig"})),
        svid(json!({"kid": "x509", "use": "x509-svid"})),
        svid(json!({"kid": "unknown", "use": "JWT-SVID"})),
        svid(json!({"kid": null})),
        svid(json!({"kid": ""})),
        svid(json!({"kid": "private", "d": "AAAA"})),
        svid(json!({})),
    ];
    let bundle = |entries: &[Value]| KeySet::parse_trust_bundle(&document(entries));
    let keys = bundle(&entries).expect("one good key");
    let expected = [
        (Some("missing-use"), KeyRejected::OtherUse),
        (Some("signing"), KeyRejected::OtherUse),
        (Some("x509"), KeyRejected::OtherUse),
        (Some("unknown"), KeyRejected::OtherUse),
        (None, KeyRejected::Nameless),
        (Some(""), KeyRejected::Nameless),
        (Some("private"), KeyRejected::Private),
    ];
    assert_eq!(skipped(&keys), expected);
    assert_eq!(thumbprints(keys.keys()), [ES.thumbprint()]);
    assert_eq!(open(&token(&ES, json!({})), &keys, &access_tokens()), alice());

    // The same key is of use in one kind of document alone.
    let own_use = [svid(json!({}))];
    assert!(matches!(KeySet::parse(&document(&own_use)), Err(KeySetError::NoUsableKey { .. })));
    assert!(matches!(bundle(&[ES.public_jwk()]), Err(KeySetError::NoUsableKey { .. })));
}

#[test]
fn svid_a1_a_trust_bundle_says_when_it_wants_to_be_fetched_again() {
    let jwk = changed(ES.public_jwk(), json!({"use": "jwt-svid"}));
    let hint = |hint: Value| {
        let bundle = json!({"keys": [jwk], "spiffe_sequence": 7, "spiffe_refresh_hint": hint}).to_string();
        KeySet::parse_trust_bundle(bundle.as_bytes()).map(|keys| keys.refresh_hint())
    };
    assert_eq!(hint(json!(300)), Ok(Some(Duration::from_secs(300))));
    assert_eq!(
        KeySet::parse_trust_bundle(&document(std::slice::from_ref(&jwk))).map(|keys| keys.refresh_hint()),
        Ok(None)
    );
    for wrong in [json!("300"), json!(-1), json!(1.5), json!(null)] {
        assert!(matches!(hint(wrong.clone()), Err(KeySetError::Json(_))), "{wrong}");
    }

    // A member of other documents that happens to have the name means nothing.
    let other = json!({"keys": [ES.public_jwk()], "spiffe_refresh_hint": "soon"}).to_string();
    assert_eq!(KeySet::parse(other.as_bytes()).map(|keys| (keys.len(), keys.refresh_hint())), Ok((1, None)));
}

#[test]
fn a_set_is_pinned_to_the_keys_that_are_listed() {
    let keys = set(&[&ES, &ED, &RSA]);
    let pinned = keys.clone().pinned_to(&[RSA.thumbprint(), ES.thumbprint()]).expect("two keys");
    assert_eq!(thumbprints(pinned.keys()), [ES.thumbprint(), RSA.thumbprint()]);
    assert_eq!(skipped(&pinned), [(Some("ed"), KeyRejected::NotPinned)]);
    assert_eq!(skipped(&keys.clone().pinned_to(&keys.thumbprints().collect::<Vec<_>>()).expect("all")), []);

    // The name does not help.
    let impostor = crate::generated(ES.algorithm(), "es");
    let error = set(&[&impostor]).pinned_to(&[ES.thumbprint()]).map(drop);
    let Err(KeySetError::NoUsableKey { skipped }) = error else { panic!("{error:?}") };
    let [SkippedKey { key_id: Some(key_id), reason: KeyRejected::NotPinned, .. }] = &skipped[..] else {
        panic!("{skipped:?}")
    };
    assert_eq!(&**key_id, "es");
}

#[test]
fn what_a_newer_set_added_and_took_away() {
    let renamed = ED.clone().with_key_id("ed-2");
    let (old, new) = (set(&[&ES, &ED]), set(&[&RSA, &renamed, &ES]));
    let names = |keys: &mut dyn Iterator<Item = &VerifyingKey>| {
        keys.map(|key| key.key_id().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&mut old.difference(&new)), ["ed"]);
    assert_eq!(names(&mut new.difference(&old)), ["rsa", "ed-2"]);
    assert_eq!(names(&mut new.difference(&new)), [""; 0]);
    assert_eq!((new.contains(&ES.verifying_key()), new.contains(&ED.verifying_key())), (true, false));

    // A key that took over another one's name is another one.
    let successor = set(&[&crate::generated(ES.algorithm(), "es")]);
    assert_eq!(names(&mut successor.difference(&new)), ["es"]);
}

#[test]
fn keys_of_an_older_set_are_tried_behind_the_newer_ones() {
    let (old, new) = (set(&[&ES, &ED]), set(&[&RSA, &ES]));
    let by = |key: &SigningKey, keys: &KeySet| open(&token(key, json!({})), keys, &access_tokens());
    assert_ne!(by(&ED, &new), alice());
    let both = new.clone().union(old.difference(&new).cloned());
    assert_eq!((by(&ED, &both), by(&ES, &both), by(&RSA, &both)), (alice(), alice(), alice()));
    assert_eq!(thumbprints(both.keys()), [RSA.thumbprint(), ES.thumbprint(), ED.thumbprint()]);

    let twice = both.clone().union(both.keys().cloned());
    assert_eq!(twice.len(), 3);
}
