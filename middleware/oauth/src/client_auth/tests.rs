use form_urlencoded::Serializer;
use serde_json::{Value, json};
use tower_identity_core::{BoxFuture, Clock, Moment, TimeSource, Timestamp};
use tower_identity_jose::{Accept, Algorithm, KeySet, Limits, MediaType, Unverified};

use super::*;
use crate::Http;

const ENDPOINT: &str = "https://as.example/t/token";

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
    let endpoint = Endpoint::parse(ENDPOINT).expect("an endpoint");
    let recipient = Recipient { issuer: &issuer, token_endpoint: Some(&endpoint) };
    let http = Http::new(Clock::new(Noon)).expect("TLS can be set up");
    let prover = auth.prover(&http).expect("no files");
    let header = prover.prove(&mut form, &recipient, &http, None, &None).expect("signed").header;
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
        let [(id_name, id), (type_name, assertion_type), (name, assertion)] = &form[..] else { panic!("{form:?}") };
        assert_eq!((id_name.as_str(), id.as_str()), ("client_id", "orders"));
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
fn rfc6749_b1_a_server_that_does_not_decode_is_sent_id_and_secret_as_they_are() {
    let sent = |client_id: &str, secret: &str| {
        let auth = ClientAuth::client_secret_basic(client_id, secret.to_owned()).expect("usable");
        let (header, _) = proof(&auth.basic_encoding(BasicEncoding::None)?);
        let encoded = header.expect("a header").strip_prefix("Basic ").expect("the scheme").to_owned();
        let joined = base64_simd::STANDARD.decode_to_vec(encoded).expect("base64");
        Ok::<_, InvalidSetting>(String::from_utf8(joined).expect("utf-8"))
    };
    assert_eq!(sent("orders", "a:b%c+d e~!é&=").expect("usable"), "orders:a:b%c+d e~!é&=");
    let colon = sent("https://orders.example/", "a").expect_err("the id would end there");
    let rule = "basic_encoding: is none, and the client_id has a colon, which ends it there";
    assert_eq!(colon.to_string(), rule);
    assert_eq!(basic_of("orders", "a:b%c+d e~"), "orders:a%3Ab%25c%2Bd+e%7E", "the control");
}

/// Header and claims of the assertion that is sent.
fn assertion(auth: &ClientAuth) -> (Value, Value) {
    let (_, form) = proof(auth);
    let (_, assertion) = form.last().expect("an assertion");
    let part = |at: usize| {
        let part = assertion.split('.').nth(at).expect("a part");
        serde_json::from_slice(&base64_simd::URL_SAFE_NO_PAD.decode_to_vec(part).expect("base64url")).expect("JSON")
    };
    (part(0), part(1))
}

#[test]
fn rfc7523_b1_audience_and_kind_are_of_the_servers_liking_and_one_at_a_time() {
    let key = SigningKey::generate(Algorithm::Es256).expect("key");
    let styled = |style: AssertionStyle| {
        let auth =
            ClientAuth::private_key_jwt("orders", key.clone()).expect("usable").assertion(style).expect("usable");
        let (header, claims) = assertion(&auth);
        (header["typ"].clone(), claims["aud"].clone())
    };
    let (kind, issuer) = (json!("client-authentication+jwt"), json!("https://as.example/"));
    assert_eq!(styled(AssertionStyle::new()), (kind.clone(), issuer.clone()));
    assert_eq!(styled(AssertionStyle::new().typ(AssertionTyp::Jwt)), (json!("JWT"), issuer));
    let at_endpoint = AssertionStyle::new().audience(AssertionAudience::TokenEndpoint);
    assert_eq!(styled(at_endpoint), (kind.clone(), json!(ENDPOINT)));
    let other = AssertionStyle::new().audience(AssertionAudience::Other("urn:as".to_owned()));
    assert_eq!(styled(other), (kind, json!("urn:as")));
}

/// Generated for this test: an RSA key and a self-signed certificate of it.
const RSA_WITH_CERTIFICATE: &str = include_str!("rsa_with_certificate.pem");

/// As `openssl` has it: of the DER, base64url.
const CERTIFICATE_SHA256: &str = "LxhUbRABXN9Wjv_O_jR_lHbKpXYe23k7Gb1oR7q2kyU";

#[test]
fn rfc7523_b1_a_key_is_named_by_its_certificate_where_the_server_knows_it_so() {
    let style = || AssertionStyle::new().typ(AssertionTyp::Jwt).algorithm(Algorithm::Ps256);
    let auth = || ClientAuth::private_key_pem("orders", RSA_WITH_CERTIFICATE).expect("an RSA key");
    let (header, _) = assertion(&auth().assertion(style().certificate()).expect("usable"));
    let expected = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": CERTIFICATE_SHA256});
    assert_eq!(header, expected);

    let (header, _) = assertion(&auth().assertion(style()).expect("usable"));
    assert_eq!((header["alg"].clone(), header.get("x5t#S256")), (json!("PS256"), None));
    assert!(header["kid"].is_string(), "named by kid where nothing is said");

    let alone = SigningKey::generate(Algorithm::Es256).expect("key").to_pem().expect("pem");
    let refused =
        ClientAuth::private_key_pem("orders", alone).expect("usable").assertion(AssertionStyle::new().certificate());
    let rule =
        "assertion.certificate: is demanded, and the key came without one; put it into the key's file, beside the key";
    assert_eq!(refused.expect_err("no certificate").to_string(), rule);
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
    let secret =
        |secret: &str| ClientAuth::client_secret_basic("orders", secret.to_owned()).expect("usable").fingerprint();
    assert_ne!(secret("a"), secret("b"), "tokens of a secret that was replaced are not found");
    assert_eq!(secret("a"), secret("a"));
    let files = |names: &[&str]| ClientAuth::client_secret_basic_files("orders", names).expect("usable").fingerprint();
    assert!(files(&["a"]) != files(&["b"]) && files(&["a", "b"]) != files(&["b", "a"]) && files(&["a"]) != secret("a"));
    assert_eq!(files(&["a", "b"]), files(&["a", "b"]));
}
