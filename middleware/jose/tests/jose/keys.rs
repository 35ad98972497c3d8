//! Reading keys: jwt_a7.

use serde_json::{Value, json};
use tower_identity_jose::{Algorithm, KeyRejected, VerifyingKey};

use crate::{ED, ES, RSA, changed, encode};

fn read(jwk: &Value) -> Result<Vec<Algorithm>, KeyRejected> {
    VerifyingKey::from_jwk(jwk).map(|key| key.algorithms().collect())
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

#[test]
fn jwt_a10_a_key_says_which_issuer_it_is_for() {
    let issuer = |issuer: Value| {
        let mut jwk = ES.public_jwk();
        jwk["issuer"] = issuer;
        VerifyingKey::from_jwk(&jwk).map(|key| key.issuer().map(str::to_owned))
    };
    const TEMPLATE: &str = "https://login.example/{tenantid}/v2.0";
    assert_eq!(issuer(json!(TEMPLATE)), Ok(Some(TEMPLATE.to_owned())));
    assert_eq!(VerifyingKey::from_jwk(&ES.public_jwk()).map(|key| key.issuer().map(str::to_owned)), Ok(None));
    for malformed in [json!(null), json!(5), json!([TEMPLATE]), json!({})] {
        assert_eq!(issuer(malformed.clone()), Err(KeyRejected::Malformed), "{malformed}");
    }
}
