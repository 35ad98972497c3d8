//! Which key verifies a token, and which never does.

use std::{io::ErrorKind, net::TcpListener};

use aws_lc_rs::hmac;
use serde_json::{Value, json};
use tower_identity_jose::{
    Accept, Algorithm, KeySet, Limits, MediaType, OpenError, ParseError, SigningKey, Unopened, Unverified,
};

use super::unknown;
use crate::{
    ED, ES, RSA, RSA_PEM, Refused, access_tokens, alice, changed, document, encode, generated, open, refused, set,
    token, vectors, with_signature,
};

#[test]
fn jwt_a5_a_key_is_used_for_its_own_algorithm_only() {
    let keys = set(&[&ES, &ED, &RSA]);
    let claims_to_be = |key: &SigningKey, name: &str| open(&token(key, json!({"alg": name})), &keys, &access_tokens());
    for (key, name) in [(&*ES, "RS256"), (&*ES, "ES384"), (&*ES, "EdDSA"), (&*RSA, "ES256"), (&*ED, "ES256")] {
        assert_eq!(claims_to_be(key, name), refused(OpenError::KeyAlgorithm), "{name}");
    }
    for (key, name) in [(&*ES, "ES256"), (&*RSA, "RS256"), (&*ED, "Ed25519")] {
        assert_eq!(claims_to_be(key, name), alice(), "{name}");
    }

    // A good PS256 signature by a key that is published for RS256, and by the same key published for PS256.
    let pss = RSA.clone().with_algorithm(Algorithm::Ps256).expect("an RSA key");
    assert_eq!(open(&token(&pss, json!({})), &keys, &access_tokens()), refused(OpenError::KeyAlgorithm));
    assert_eq!(open(&token(&pss, json!({})), &set(&[&pss]), &access_tokens()), alice());
}

#[test]
fn jwt_a5_a_curve_has_one_algorithm() {
    let examples = vectors::examples();
    let of = |name: &str| examples.iter().find(|example| example["alg"] == name).expect("an example");
    for (name, other) in [("ES256", "ES384"), ("ES384", "ES512"), ("ES512", "ES256")] {
        // `alg` is not what tells the keys apart.
        let jwk = changed(of(name)["jwk"].clone(), json!({"alg": null}));
        let keys = KeySet::parse(&document(&[jwk])).expect("a key");
        let token_of = |name: &str| of(name)["token"].as_str().expect("text").to_owned();
        assert_eq!(open(&token_of(name), &keys, &access_tokens()), alice(), "{name}");
        assert_eq!(open(&token_of(other), &keys, &access_tokens()), refused(OpenError::KeyAlgorithm), "{other}");
    }
}

#[test]
fn jwt_a5_a_key_without_alg_is_for_the_algorithms_of_its_type() {
    let mut jwk = RSA.public_jwk();
    jwk.as_object_mut().expect("an object").remove("alg");
    let keys = KeySet::parse(json!({"keys": [jwk]}).to_string().as_bytes()).expect("a key set");
    for algorithm in [Algorithm::Rs256, Algorithm::Rs384, Algorithm::Rs512, Algorithm::Ps256, Algorithm::Ps512] {
        let key = RSA.clone().with_algorithm(algorithm).expect("an RSA key");
        assert_eq!(open(&token(&key, json!({})), &keys, &access_tokens()), alice(), "{algorithm}");
    }
    let confused = token(&RSA, json!({"alg": "ES256"}));
    assert_eq!(open(&confused, &keys, &access_tokens()), refused(OpenError::KeyAlgorithm));
}

#[test]
fn jwt_a5_a_public_key_is_never_a_shared_secret() {
    let header = json!({"alg": "HS256", "typ": "at+jwt", "kid": "rsa"}).to_string();
    let signed = format!("{}.{}", encode(header), encode(r#"{"sub":"alice"}"#));
    let secrets = [RSA_PEM.to_owned(), RSA.public_jwk()["n"].to_string(), RSA.public_jwk().to_string()];
    for secret in secrets {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), signed.as_bytes());
        let forged = format!("{signed}.{}", encode(tag));
        let expected = refused(OpenError::Algorithm { found: "HS256".into() });
        assert_eq!(open(&forged, &set(&[&RSA]), &access_tokens()), expected);
    }
    assert_eq!(open(&token(&RSA, json!({})), &set(&[&RSA]), &access_tokens()), alice());
}

#[test]
fn jwt_a6_a_shared_secret_in_a_key_set_verifies_nothing() {
    let secret = b"a secret of the length that SHA-256 asks for";
    let symmetric = json!({"kty": "oct", "kid": "shared", "alg": "HS256", "k": encode(secret)});
    let signed = format!(
        "{}.{}",
        encode(json!({"alg": "HS256", "typ": "at+jwt", "kid": "shared"}).to_string()),
        encode(r#"{"sub":"alice"}"#),
    );
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    let keys = KeySet::parse(&document(&[symmetric, ES.public_jwk()])).expect("one key is public");
    let expected = refused(OpenError::Algorithm { found: "HS256".into() });
    assert_eq!(open(&format!("{signed}.{}", encode(tag)), &keys, &access_tokens()), expected);
    assert_eq!(open(&token(&ES, json!({})), &keys, &access_tokens()), alice());
    assert_eq!((keys.len(), keys.contains_key_id("shared")), (1, false));
}

#[test]
fn jwt_a7_an_ecdsa_signature_is_two_numbers_of_the_fields_size() {
    let good = token(&ES, json!({}));
    let keys = set(&[&ES]);
    let raw = crate::decode(good.rsplit('.').next().expect("three parts"));
    let (r, s) = raw.split_at(32);
    let integer = |bytes: &[u8]| {
        let mut content = bytes[bytes.iter().take_while(|byte| **byte == 0).count()..].to_vec();
        if content.first().is_none_or(|byte| byte & 0x80 != 0) {
            content.insert(0, 0);
        }
        [vec![2, u8::try_from(content.len()).expect("short")], content].concat()
    };
    let numbers = [integer(r), integer(s)].concat();
    let der = [vec![0x30, u8::try_from(numbers.len()).expect("short")], numbers].concat();
    let zero = [0; 32];
    let signatures = [
        ("DER", der),
        ("psychic: r and s are zero", [zero, zero].concat()),
        ("r is zero", [&zero, s].concat()),
        ("s is zero", [r, &zero].concat()),
        ("short", raw[..63].to_vec()),
        ("long", [&raw[..], &[0]].concat()),
        ("of P-384's length", [&[0; 16], r, &[0; 16], s].concat()),
        ("one byte", vec![0]),
    ];
    for (name, signature) in signatures {
        let forged = with_signature(&good, &signature);
        assert_eq!(open(&forged, &keys, &access_tokens()), refused(OpenError::Signature), "{name}");
    }
    assert_eq!(open(&with_signature(&good, &raw), &keys, &access_tokens()), alice());
}

#[test]
fn jwt_a7_both_names_of_eddsa_open_with_one_key() {
    let keys = set(&[&ED]);
    for name in ["Ed25519", "EdDSA"] {
        assert_eq!(open(&token(&ED, json!({"alg": name})), &keys, &access_tokens()), alice(), "{name}");
    }
    let only_one = Accept::new([MediaType::ACCESS_TOKEN], [Algorithm::Ed25519]);
    let expected = refused(OpenError::Algorithm { found: "EdDSA".into() });
    assert_eq!(open(&token(&ED, json!({"alg": "EdDSA"})), &keys, &only_one), expected);
}

#[test]
fn jwt_a9_no_header_says_where_its_key_comes_from() {
    let attacker = generated(Algorithm::Es256, "es");
    let canary = TcpListener::bind("127.0.0.1:0").expect("a free port");
    canary.set_nonblocking(true).expect("a socket");
    let url = |path: &str| format!("http://{}/{path}", canary.local_addr().expect("bound"));
    let pointers = json!({
        "jku": url("keys"),
        "x5u": url("certificate"),
        "jwk": attacker.public_jwk(),
        "x5c": ["MIIB"],
    });
    let keys = set(&[&ES]);
    assert_eq!(open(&token(&attacker, pointers.clone()), &keys, &access_tokens()), refused(OpenError::Signature));
    assert_eq!(open(&token(&ES, pointers), &keys, &access_tokens()), alice());

    let asked = canary.accept().map(drop).map_err(|error| error.kind());
    assert_eq!(asked, Err(ErrorKind::WouldBlock), "nobody came");
}

#[test]
fn jwt_a11_a_kid_is_only_compared() {
    let keys = set(&[&ES]);
    let long = "k".repeat(4000);
    for key_id in ["../../x", "' OR '1'='1", "ES", "es ", "", "es\u{0}", "https://attacker.example/"] {
        let expected = refused(unknown(Some(key_id)));
        assert_eq!(open(&token(&ES, json!({"kid": key_id})), &keys, &access_tokens()), expected, "{key_id:?}");
    }
    let expected = refused(unknown(Some(&long[..64])));
    assert_eq!(open(&token(&ES, json!({"kid": long})), &keys, &access_tokens()), expected);
    assert_eq!(open(&token(&ES, json!({"kid": "es"})), &keys, &access_tokens()), alice());
}

#[test]
fn jwt_a11_a_kid_of_any_length_is_an_unknown_one() {
    let long = token(&ES, json!({"kid": "k".repeat(10_000)}));
    assert_eq!(
        open(&long, &set(&[&ES]), &access_tokens()),
        Err(Refused::Unparsed(ParseError::TooLong { limit: 8192 }))
    );

    let limits = Limits::default().with_token_bytes(65_536).expect("a limit");
    let unopened = Unverified::<Value>::parse(&long, &limits).expect("a token").open(&set(&[&ES]), &access_tokens());
    let error = unopened.map(drop).map_err(Unopened::into_error);
    assert_eq!(error, Err(unknown(Some(&"k".repeat(64)))));

    let named = ES.clone().with_key_id("k".repeat(10_000));
    let opened = Unverified::<Value>::parse(&long, &limits).expect("a token").open(&set(&[&named]), &access_tokens());
    assert_eq!(opened.map(|opened| opened.key().thumbprint()).map_err(Unopened::into_error), Ok(ES.thumbprint()));
}

#[test]
fn jwt_a12_without_a_kid_the_fitting_keys_are_tried() {
    let nameless = token(&ES, json!({"kid": null}));
    let stranger = generated(Algorithm::Es256, "stranger");
    assert_eq!(open(&nameless, &set(&[&ES]), &access_tokens()), alice());
    assert_eq!(open(&nameless, &set(&[&RSA, &ED, &ES]), &access_tokens()), alice());
    assert_eq!(open(&nameless, &set(&[&stranger, &ES]), &access_tokens()), alice());
    assert_eq!(open(&nameless, &set(&[&stranger, &RSA]), &access_tokens()), refused(unknown(None)));
    assert_eq!(open(&nameless, &set(&[&RSA, &ED]), &access_tokens()), refused(unknown(None)));

    let strict = access_tokens().require_key_id();
    assert_eq!(open(&nameless, &set(&[&ES]), &strict), refused(OpenError::KeyIdMissing));
    assert_eq!(open(&token(&ES, json!({})), &set(&[&ES]), &strict), alice());
}

#[test]
fn jwt_a12_four_keys_are_tried_and_no_more() {
    let nameless = token(&ES, json!({"kid": null}));
    let strangers: Vec<_> = (0..4).map(|n| generated(Algorithm::Es256, &n.to_string())).collect();
    let before = |count: usize| {
        let keys: Vec<_> = strangers[..count].iter().chain([&*ES]).collect();
        open(&nameless, &set(&keys), &access_tokens())
    };
    assert_eq!(before(3), alice());
    assert_eq!(before(4), refused(unknown(None)));
}

#[test]
fn jwt_a12_keys_that_share_a_kid_are_told_apart_by_algorithm() {
    let named = |key: &SigningKey| key.clone().with_key_id("same");
    let (es, ed, rsa) = (named(&ES), named(&ED), named(&RSA));
    let keys = set(&[&rsa, &generated(Algorithm::Es256, "same"), &ed, &es]);
    for key in [&es, &ed, &rsa] {
        assert_eq!(open(&token(key, json!({})), &keys, &access_tokens()), alice(), "{:?}", key.algorithm());
    }
    let stranger = generated(Algorithm::Es256, "same");
    assert_eq!(open(&token(&stranger, json!({})), &keys, &access_tokens()), refused(OpenError::Signature));
}
