//! What the room promises, by the ids of its requirements. Every refusal stands beside a control that differs from it
//! in one thing and passes. The private keys in `fixtures` were made for these tests and are used for nothing else.

mod compact;
mod encryption;
mod key_sets;
mod keys;
mod opening;
mod signing;
mod vectors;

use std::sync::LazyLock;

use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use tower_identity_jose::{
    Accept, Algorithm, KeySet, Limits, MediaType, OpenError, ParseError, SigningKey, Unopened, Unverified,
};

pub(crate) const RSA_PEM: &str = include_str!("fixtures/rsa-2048.pem");

/// Of `kid` "es", "ed" and "rsa".
pub(crate) static ES: LazyLock<SigningKey> = LazyLock::new(|| generated(Algorithm::Es256, "es"));
pub(crate) static ED: LazyLock<SigningKey> = LazyLock::new(|| generated(Algorithm::Ed25519, "ed"));
pub(crate) static RSA: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::from_pem(RSA_PEM).expect("an RSA key").with_key_id("rsa"));

pub(crate) fn generated(algorithm: Algorithm, key_id: &str) -> SigningKey {
    SigningKey::generate(algorithm).expect("keys of this algorithm are generated").with_key_id(key_id)
}

/// The public parts of these keys.
pub(crate) fn set(keys: &[&SigningKey]) -> KeySet {
    KeySet::from_keys(keys.iter().map(|key| key.verifying_key())).expect("at least one key")
}

pub(crate) fn access_tokens() -> Accept {
    Accept::new([MediaType::ACCESS_TOKEN], Algorithm::ALL)
}

/// The header that the key would write, changed by these members; null takes one away.
pub(crate) fn header(key: &SigningKey, changes: Value) -> Map<String, Value> {
    let mut header = key.header(&MediaType::ACCESS_TOKEN);
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    for (name, value) in changes {
        match value {
            Value::Null => header.remove(&name),
            value => header.insert(name, value),
        };
    }
    header
}

/// A token of the key about alice, whose header is changed.
pub(crate) fn token(key: &SigningKey, changes: Value) -> String {
    let signed = key.sign_with_header(&header(key, changes), &json!({"sub": "alice"}));
    signed.expect("claims that serialize").expose().to_owned()
}

/// A compact token of these texts. Its signature is of no key.
pub(crate) fn unsigned(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    format!("{}.{}.AAAA", encode(header), encode(payload))
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

pub(crate) fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode_to_vec(text).expect("base64url")
}

/// The same token with another signature.
pub(crate) fn with_signature(token: &str, signature: &[u8]) -> String {
    let (signed, _) = token.rsplit_once('.').expect("three parts");
    format!("{signed}.{}", encode(signature))
}

pub(crate) fn parse(token: &str) -> Result<Unverified<Value>, ParseError> {
    Unverified::parse(token, &Limits::default())
}

#[derive(Debug, PartialEq)]
pub(crate) enum Refused {
    Unparsed(ParseError),
    Unopened(OpenError),
}

/// Parses and opens: the token's subject, or the error as a whole.
pub(crate) fn open(token: &str, keys: &KeySet, accept: &Accept) -> Result<String, Refused> {
    let opened = parse(token).map_err(Refused::Unparsed)?.open(keys, accept);
    let opened = opened.map_err(Unopened::into_error).map_err(Refused::Unopened)?;
    Ok(opened.claims()["sub"].as_str().unwrap_or_default().to_owned())
}

/// An entry of a key set with members changed; null takes one away.
pub(crate) fn changed(mut jwk: Value, changes: Value) -> Value {
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

/// A JWKS document of these entries.
pub(crate) fn document(keys: &[Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}

pub(crate) fn alice() -> Result<String, Refused> {
    Ok("alice".to_owned())
}

pub(crate) fn refused(error: OpenError) -> Result<String, Refused> {
    Err(Refused::Unopened(error))
}
