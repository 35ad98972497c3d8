use serde_json::{Value, json};
use tower_identity_core::{BoxFuture, Moment, TimeSource, Timestamp};
use tower_identity_jose::{Accept, Algorithm, KeySet, Limits, Unverified};

use super::*;

struct Noon;

impl TimeSource for Noon {
    fn wall(&self) -> Timestamp {
        Timestamp::from_secs(1_800_000_000)
    }

    fn monotonic(&self) -> Moment {
        Moment::default()
    }

    fn sleep_until(&self, _: Moment) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

fn proof(auth: &ClientAuth) -> (Option<String>, Vec<(String, String)>) {
    let mut form = Serializer::new(String::new());
    let issuer = "https://as.example/".parse().expect("issuer");
    let header = auth.append_to(&mut form, &issuer, &Clock::new(Noon)).expect("signed").cloned();
    let header = header.map(|value| {
        assert!(value.is_sensitive(), "HPACK must not index it");
        value.to_str().expect("ascii").to_owned()
    });
    (header, form_urlencoded::parse(form.finish().as_bytes()).into_owned().collect())
}

fn basic_of(client_id: &str, secret: &str) -> String {
    let (header, form) = proof(&ClientAuth::client_secret_basic(client_id, secret.to_owned()).expect("usable"));
    assert_eq!(form, [], "one mechanism in one request");
    let header = header.expect("a header");
    let encoded = header.strip_prefix("Basic ").expect("the scheme");
    String::from_utf8(base64_simd::STANDARD.decode_to_vec(encoded).expect("base64")).expect("utf-8")
}

#[test]
fn rfc6749_b1_id_and_secret_are_form_encoded_before_they_are_joined() {
    let cases = [
        ("orders", "secret", "orders:secret"),
        ("my-orders_1.a*", "gateway-secret_0123.x*", "my-orders_1.a*:gateway-secret_0123.x*"),
        ("https://orders.example/", "a:b%c+d e", "https%3A%2F%2Forders.example%2F:a%3Ab%25c%2Bd+e"),
        ("orders", "~!é&=", "orders:%7E%21%C3%A9%26%3D"),
    ];
    for (client_id, secret, expected) in cases {
        assert_eq!(basic_of(client_id, secret), expected);
    }
}

#[test]
fn a_secret_in_the_form_is_not_in_the_header() {
    let (header, form) = proof(&ClientAuth::client_secret_post("orders", "a:b%".to_owned()).expect("usable"));
    let expected = [("client_id", "orders"), ("client_secret", "a:b%")].map(|(n, v)| (n.to_owned(), v.to_owned()));
    assert_eq!((header, form), (None, expected.to_vec()));
}

#[test]
fn rfc7523_b1_an_assertion_names_the_issuer_alone_and_is_fresh_each_time() {
    let key = SigningKey::generate(Algorithm::Es256).expect("key");
    let keys = KeySet::from_keys([key.verifying_key()]).expect("one key");
    let auth = ClientAuth::private_key_jwt("orders", key).expect("usable");
    let accept = Accept::new([MediaType::CLIENT_AUTHENTICATION], [Algorithm::Es256]);
    let mut seen = Vec::new();
    for _ in 0..2 {
        let (header, form) = proof(&auth);
        assert_eq!(header, None);
        let [(type_name, assertion_type), (name, assertion)] = &form[..] else { panic!("{form:?}") };
        assert_eq!((type_name.as_str(), name.as_str()), ("client_assertion_type", "client_assertion"));
        assert_eq!(assertion_type, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");

        let unverified = Unverified::<Value>::parse(assertion, &Limits::default()).expect("a token");
        let mut claims = unverified.open(&keys, &accept).expect("our own key and typ").into_claims();
        let jti = claims["jti"].take();
        assert_eq!(
            claims,
            json!({
                "iss": "orders", "sub": "orders", "aud": "https://as.example/", "jti": null,
                "iat": 1_800_000_000, "exp": 1_800_000_060,
            })
        );
        seen.push(jti.as_str().expect("a string").to_owned());
    }
    assert_ne!(seen[0], seen[1], "servers refuse an assertion that they have seen");
}

#[test]
fn empty_and_padded_ids_and_secrets_are_refused_by_field() {
    let refused = |result: Result<ClientAuth, InvalidSetting>| result.expect_err("refused").to_string();
    let basic = |id: &str, secret: &str| ClientAuth::client_secret_basic(id, secret.to_owned());
    let post = |id: &str, secret: &str| ClientAuth::client_secret_post(id, secret.to_owned());
    for with_secret in [&basic as &dyn Fn(&str, &str) -> _, &post] {
        assert_eq!(refused(with_secret("", "secret")), "client_id: client id is empty");
        assert_eq!(refused(with_secret("orders", "")), "client_secret: is empty");
        assert_eq!(refused(with_secret("orders", "hunter2\n")), "client_secret: has white space around it");
    }
    let control = basic("orders", "hunter2").expect("the control");
    assert_eq!((control.client_id().as_str(), control.method()), ("orders", "client_secret_basic"));
}

#[test]
fn nothing_secret_prints() {
    let auths = [
        ClientAuth::client_secret_basic("orders", "hunter2").expect("usable"),
        ClientAuth::client_secret_post("orders", "hunter2").expect("usable"),
    ];
    for auth in auths {
        let expected = format!("ClientAuth {{ client_id: \"orders\", method: {} }}", auth.method());
        assert_eq!(format!("{auth:?}"), expected);
    }
}

#[test]
fn out_b1_a_fingerprint_differs_by_client_method_and_key() {
    let key = || SigningKey::generate(Algorithm::Es256).expect("key");
    let same = key();
    let auth = |id, key| ClientAuth::private_key_jwt(id, key).expect("usable").fingerprint();
    let all = [
        ClientAuth::client_secret_basic("orders", "a".to_owned()).expect("usable").fingerprint(),
        ClientAuth::client_secret_basic("payments", "a".to_owned()).expect("usable").fingerprint(),
        ClientAuth::client_secret_post("orders", "a".to_owned()).expect("usable").fingerprint(),
        auth("orders", same.clone()),
        auth("orders", key()),
        auth("payments", same.clone()),
    ];
    for (at, one) in all.iter().enumerate() {
        assert!(!all[at + 1..].contains(one), "{at}");
    }
    assert_eq!(auth("orders", same.clone()), auth("orders", same));
}
