//! Private keys, and what they sign: jwt_b1.

use serde_json::{Value, json};
use tower_identity_jose::{
    Accept, Algorithm, KeySet, MediaType, SignError, SigningKey, SigningKeyError, public_key_set,
};

use crate::{ED, ES, RSA, access_tokens, alice, decode, open, set};

fn fixture(name: &str) -> Result<(Algorithm, SigningKey), SigningKeyError> {
    let pem = match name {
        "rsa-2048" => crate::RSA_PEM,
        "rsa-2048-pkcs1" => include_str!("fixtures/rsa-2048-pkcs1.pem"),
        "rsa-1024" => include_str!("fixtures/rsa-1024.pem"),
        "p256" => include_str!("fixtures/p256.pem"),
        "p256-sec1" => include_str!("fixtures/p256-sec1.pem"),
        "p256-encrypted" => include_str!("fixtures/p256-encrypted.pem"),
        "p384" => include_str!("fixtures/p384.pem"),
        "ed25519" => include_str!("fixtures/ed25519.pem"),
        "ed448" => include_str!("fixtures/ed448.pem"),
        text => text,
    };
    SigningKey::from_pem(pem).map(|key| (key.algorithm(), key))
}

#[test]
fn jwt_b1_typ_alg_and_kid_are_always_written() {
    for key in [&*ES, &*ED, &*RSA] {
        let token = key.sign(&MediaType::ACCESS_TOKEN, &json!({"sub": "alice"})).expect("claims");
        let header: Value =
            serde_json::from_slice(&decode(token.expose().split('.').next().expect("a part"))).expect("json");
        let expected = json!({"alg": key.algorithm().as_str(), "kid": key.key_id(), "typ": "at+jwt"});
        assert_eq!(header, expected);
        assert_eq!(open(token.expose(), &set(&[key]), &access_tokens()), alice());
    }
}

#[test]
fn jwt_b1_no_two_ecdsa_signatures_share_a_nonce() {
    let signatures = [(); 2].map(|()| {
        let token = ES.sign(&MediaType::ACCESS_TOKEN, &json!({"sub": "alice"})).expect("claims");
        decode(token.expose().rsplit('.').next().expect("a part"))
    });
    assert_ne!(signatures[0][..32], signatures[1][..32]);
}

#[test]
fn claims_are_an_object() {
    let sign = |claims: Value| ES.sign(&MediaType::JWT, &claims).map(drop);
    for other in [json!([1]), json!("sub"), json!(null), json!(5)] {
        assert!(matches!(sign(other.clone()), Err(SignError::NotAnObject)), "{other}");
    }
    assert_eq!(sign(json!({})).map_err(|refused| refused.to_string()), Ok(()));
}

#[test]
fn keys_are_generated_for_ecdsa_eddsa_and_rsa() {
    for algorithm in Algorithm::ALL {
        let key = SigningKey::generate(algorithm).map(|key| key.algorithm());
        let expected = match algorithm {
            Algorithm::Es256 | Algorithm::EdDsa | Algorithm::Ed25519 | Algorithm::Rs256 | Algorithm::Ps256 => {
                Ok(algorithm)
            }
            other => Err(SigningKeyError::Algorithm(other)),
        };
        assert_eq!(key, expected);
    }
}

#[test]
fn a_new_key_goes_by_its_thumbprint() {
    let key = SigningKey::generate(Algorithm::Es256).expect("a key");
    assert_eq!(key.key_id(), key.thumbprint().to_string());
    assert_eq!(key.verifying_key().thumbprint(), key.thumbprint());
    assert_eq!(key.clone().with_key_id("other").thumbprint(), key.thumbprint());
}

#[test]
fn private_keys_are_read_from_pem() {
    let cases = [
        ("rsa-2048", Ok(Algorithm::Rs256)),
        ("rsa-2048-pkcs1", Ok(Algorithm::Rs256)),
        ("p256", Ok(Algorithm::Es256)),
        ("ed25519", Ok(Algorithm::Ed25519)),
        ("rsa-1024", Err(SigningKeyError::Invalid)),
        ("p384", Err(SigningKeyError::Invalid)),
        ("p256-sec1", Err(SigningKeyError::Unreadable)),
        ("p256-encrypted", Err(SigningKeyError::Unreadable)),
        ("ed448", Err(SigningKeyError::Unreadable)),
        ("", Err(SigningKeyError::Unreadable)),
        ("not PEM", Err(SigningKeyError::Unreadable)),
    ];
    for (name, expected) in cases {
        assert_eq!(fixture(name).map(|(algorithm, _)| algorithm), expected, "{name}");
    }
    let thumbprint = |name| fixture(name).expect("a key").1.thumbprint();
    assert_eq!(thumbprint("rsa-2048"), thumbprint("rsa-2048-pkcs1"));
}

#[test]
fn a_key_survives_being_written_as_pem() {
    for key in [&*ES, &*ED, &*RSA] {
        let pem = key.to_pem().expect("exportable");
        assert!(pem.expose().lines().all(|line| line.len() <= 64));
        let again = SigningKey::from_pem(pem.expose()).expect("what was written");
        assert_eq!((again.thumbprint(), again.algorithm()), (key.thumbprint(), key.algorithm()));
    }
}

#[test]
fn an_algorithm_is_changed_within_the_type_only() {
    for algorithm in Algorithm::ALL {
        let rsa = RSA.clone().with_algorithm(algorithm).map(|key| key.algorithm());
        let of_rsa = algorithm.as_str().starts_with(['R', 'P']);
        assert_eq!(rsa, if of_rsa { Ok(algorithm) } else { Err(SigningKeyError::Algorithm(algorithm)) });
        let ed = ED.clone().with_algorithm(algorithm).map(|key| key.algorithm());
        let of_ed = matches!(algorithm, Algorithm::EdDsa | Algorithm::Ed25519);
        assert_eq!(ed, if of_ed { Ok(algorithm) } else { Err(SigningKeyError::Algorithm(algorithm)) });
    }
}

#[test]
fn every_signature_that_is_made_verifies() {
    let rsa = Algorithm::ALL.map(|algorithm| RSA.clone().with_algorithm(algorithm)).into_iter().flatten();
    for key in rsa.chain([ES.clone(), ED.clone(), ED.clone().with_algorithm(Algorithm::EdDsa).expect("Ed25519")]) {
        let token = key.sign(&MediaType::JWT, &json!({"sub": "alice"})).expect("claims");
        let accept = Accept::new([MediaType::JWT], [key.algorithm()]);
        assert_eq!(open(token.expose(), &set(&[&key]), &accept), alice(), "{}", key.algorithm());
    }
}

#[test]
fn a_published_set_holds_the_public_parts_and_nothing_else() {
    let document = public_key_set([&*ES, &*ED, &*RSA]);
    let keys = KeySet::parse(document.as_bytes()).expect("three keys");
    assert_eq!((keys.len(), keys.skipped()), (3, &[][..]));
    let members: Value = serde_json::from_str(&document).expect("json");
    let names = |at: usize| members["keys"][at].as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(0), ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    assert_eq!(names(1), ["alg", "crv", "kid", "kty", "use", "x"]);
    assert_eq!(names(2), ["alg", "e", "kid", "kty", "n", "use"]);
}

#[test]
fn a_private_key_is_never_shown() {
    let pem = ES.to_pem().expect("exportable");
    let secret = pem.expose().lines().nth(1).expect("a line of base64");
    let shown = format!("{:?} {:?} {pem:?}", *ES, ES.verifying_key());
    assert!(shown.starts_with(r#"SigningKey { key_id: "es", algorithm: Es256, .. }"#), "{shown}");
    assert!(!shown.contains(secret));
}
