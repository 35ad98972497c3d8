use serde_json::{Map, Value, json};

use super::*;
use crate::{Limits, MediaType, SigningKey};

/// ES256 alone, `kid` required, and nothing but `alg`, `kid` and `typ`.
fn strict() -> Accept {
    Accept::new([MediaType::ACCESS_TOKEN], [Algorithm::Es256]).require_key_id().nothing_else_in_header()
}

fn es256(key_id: &str) -> SigningKey {
    SigningKey::generate(Algorithm::Es256).expect("generated").with_key_id(key_id)
}

/// The header that this key writes, changed by these members; null takes one away.
fn token(key: &SigningKey, changes: &Value) -> Unverified<Map<String, Value>> {
    let mut header = key.header(&MediaType::ACCESS_TOKEN);
    for (name, value) in changes.as_object().expect("an object") {
        match value {
            Value::Null => header.remove(name),
            value => header.insert(name.clone(), value.clone()),
        };
    }
    let signed = key.sign_with_header(&header, &json!({})).expect("signed");
    Unverified::parse(signed.expose(), &Limits::default()).expect("a token")
}

fn checks(faults: &[OpenError]) -> Vec<&'static str> {
    faults.iter().map(OpenError::check).collect()
}

#[test]
fn every_fault_is_found_and_the_first_is_the_refusal() {
    let (key, stranger) = (es256("es"), es256("es"));
    let ed25519 = SigningKey::generate(Algorithm::Ed25519).expect("generated").with_key_id("ed");
    let keys = KeySet::from_keys([key.verifying_key(), ed25519.verifying_key()]).expect("keys");
    let cases: [(&SigningKey, Value, &[&str]); 11] = [
        (&key, json!({}), &[]),
        (&stranger, json!({}), &["signature"]),
        (&stranger, json!({"crit": ["x"], "typ": "JWT", "cty": "JWT"}), &["header", "crit", "typ", "typ", "signature"]),
        (&key, json!({"x": 1}), &["header"]),
        (&key, json!({"typ": "JWT"}), &["typ"]),
        (&key, json!({"typ": null, "kid": "other"}), &["typ", "key"]),
        (&key, json!({"kid": null}), &["key"]),
        (&stranger, json!({"kid": null}), &["key", "key"]),
        // Not accepted, and yet looked for; of no algorithm at all there is no key.
        (&ed25519, json!({"typ": "JWT"}), &["typ", "alg"]),
        (&key, json!({"alg": "ES384"}), &["alg", "key"]),
        (&key, json!({"alg": "none"}), &["alg"]),
    ];
    for (key, changes, expected) in cases {
        let token = token(key, &changes);
        let faults = token.faults(Some(&keys), &strict());
        assert_eq!(checks(&faults), expected, "{changes}");
        let refused = token.open(&keys, &strict()).map(drop).map_err(Unopened::into_error);
        assert_eq!(refused.err(), faults.into_iter().next(), "{changes}");
    }
}

#[test]
fn without_keys_the_header_is_judged_alone() {
    let (key, changes) = (es256("es"), json!({"typ": "JWT", "kid": "other"}));
    assert_eq!(checks(&token(&key, &changes).faults(None, &strict())), ["typ"]);
    assert_eq!(checks(&token(&key, &json!({})).faults(None, &strict())), [""; 0]);
}
