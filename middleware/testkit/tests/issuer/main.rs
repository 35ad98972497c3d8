//! The test issuer, seen by a client that knows nothing of it.

mod failures;

use std::{sync::LazyLock, time::Duration};

use http::StatusCode;
use reqwest::{Client, Response, redirect::Policy};
use serde_json::{Map, Value, json};
use tower_identity_core::SecretToken;
use tower_identity_jose::{Accept, Algorithm, KeySet, Limits, MediaType, SigningKey, Unverified};
use tower_identity_testkit::{ClientAuthentication, Endpoint, ManualClock, TestIssuer, assert_hides};

const CLIENT_CREDENTIALS: (&str, &str) = ("grant_type", "client_credentials");
const TOKEN_EXCHANGE: (&str, &str) = ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Does not pool connections, follow redirects or read the environment. One for all: reading the trust store is slow.
fn client() -> &'static Client {
    static CLIENT: LazyLock<Client> = LazyLock::new(|| {
        let client = Client::builder().no_proxy().redirect(Policy::none()).pool_max_idle_per_host(0);
        client.build().expect("a client")
    });
    &CLIENT
}

async fn get(issuer: &TestIssuer, endpoint: Endpoint) -> Response {
    client().get(issuer.url(endpoint)).send().await.expect("an answer")
}

async fn post(issuer: &TestIssuer, form: &[(&str, &str)]) -> Response {
    let request = client().post(issuer.url(Endpoint::Token)).basic_auth("orders", Some("hunter2-hunter2")).form(form);
    request.send().await.expect("an answer")
}

async fn json(response: Response) -> (StatusCode, Value) {
    (response.status(), response.json().await.expect("JSON"))
}

async fn exchange(issuer: &TestIssuer, subject: &SecretToken, more: &[(&str, &str)]) -> (StatusCode, Value) {
    let inputs = [TOKEN_EXCHANGE, ("subject_token", subject.expose()), ("subject_token_type", ACCESS_TOKEN)];
    json(post(issuer, &[&inputs, more].concat()).await).await
}

fn refused(code: &str) -> (StatusCode, Value) {
    (StatusCode::BAD_REQUEST, json!({ "error": code }))
}

/// The claims of an issued token, verified by the keys that the issuer publishes.
async fn opened(issuer: &TestIssuer, answer: &Value) -> Map<String, Value> {
    let keys = KeySet::parse(&get(issuer, Endpoint::Keys).await.bytes().await.expect("keys")).expect("a key set");
    let token = answer["access_token"].as_str().expect("a token");
    let token = Unverified::<Map<String, Value>>::parse(token, &Limits::default()).expect("a token");
    let accept = Accept::new([MediaType::ACCESS_TOKEN], [Algorithm::Es256]);
    token.open(&keys, &accept).expect("signed by the issuer").into_claims()
}

#[tokio::test]
async fn rfc8414_a3_metadata_is_found_at_both_places_and_names_the_issuer() {
    let issuer = TestIssuer::builder().path("/tenant").start();
    let at = |path: &str| issuer.issuer().as_str().replace("/tenant", path);
    assert_eq!(issuer.url(Endpoint::Metadata), at("/.well-known/oauth-authorization-server/tenant"));
    assert_eq!(issuer.url(Endpoint::OpenIdMetadata), at("/tenant/.well-known/openid-configuration"));
    for endpoint in [Endpoint::Metadata, Endpoint::OpenIdMetadata] {
        let (status, metadata) = json(get(&issuer, endpoint).await).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(metadata["issuer"], issuer.issuer().as_str());
        assert_eq!(metadata["jwks_uri"], at("/tenant/jwks"));
        assert_eq!(metadata["token_endpoint"], at("/tenant/token"));
        assert_eq!(issuer.calls(endpoint), 1);
    }
    assert_eq!(issuer.calls(Endpoint::Keys), 0);
}

#[tokio::test]
async fn another_name_is_in_the_metadata_and_the_tokens_but_not_in_the_urls() {
    let issuer = TestIssuer::builder().named("https://login.example").start();
    let (_, metadata) = json(get(&issuer, Endpoint::Metadata).await).await;
    assert_eq!(metadata["issuer"], "https://login.example");
    assert_eq!(metadata["jwks_uri"], issuer.url(Endpoint::Keys));
    assert!(issuer.url(Endpoint::Keys).starts_with("http://127.0.0.1:"));
    assert_eq!(issuer.token().claims()["iss"], "https://login.example");
}

#[tokio::test]
async fn keys_are_rotated_withdrawn_and_joined_by_garbage() {
    let issuer = TestIssuer::start();
    let published = async || {
        let response = get(&issuer, Endpoint::Keys).await;
        let age = response.headers().get("cache-control").map(|age| age.to_str().expect("text").to_owned());
        let (_, keys) = json(response).await;
        let ids = keys["keys"].as_array().expect("keys").iter().map(|key| key["kid"].clone()).collect::<Vec<_>>();
        (age, ids)
    };
    let max_age = Some("public, max-age=300".to_owned());
    let first = issuer.key();
    assert_eq!(published().await, (max_age.clone(), vec![json!(first.key_id())]));

    let before = issuer.rotate_key();
    let second = issuer.key();
    assert_eq!((before.key_id(), second.key_id() == first.key_id()), (first.key_id(), false));
    assert_eq!(published().await, (max_age, vec![json!(second.key_id()), json!(first.key_id())]));

    issuer.withdraw_key(first.key_id());
    issuer.publish_jwk(json!({"kty": "AKP", "kid": "later"}));
    issuer.key_max_age(None);
    assert_eq!(published().await, (None, vec![json!("later"), json!(second.key_id())]));
}

#[tokio::test]
async fn client_credentials_are_for_the_client_itself() {
    let clock = ManualClock::new();
    let issuer = TestIssuer::builder().clock(clock.clock()).start();
    issuer.token_lifetime(Duration::from_secs(60));
    let response = post(&issuer, &[CLIENT_CREDENTIALS, ("audience", "payments"), ("scope", "b a")]).await;
    assert_eq!(response.headers()["cache-control"], "no-store");
    let (status, mut answer) = json(response).await;
    assert_eq!(status, StatusCode::OK);
    let claims = opened(&issuer, &answer).await;
    answer.as_object_mut().expect("an object").remove("access_token");
    assert_eq!(answer, json!({"token_type": "Bearer", "expires_in": 60, "scope": "a b"}));
    let expected = json!({
        "iss": issuer.issuer(), "sub": "orders", "client_id": "orders", "aud": "payments", "scope": "a b",
        "iat": 1_767_225_600, "exp": 1_767_225_660, "jti": claims["jti"],
    });
    assert_eq!(Value::Object(claims), expected);
}

#[tokio::test]
async fn te_c8_an_exchange_puts_the_client_outermost_and_keeps_the_subject() {
    let issuer = TestIssuer::start();
    let subject = issuer.token().subject("alice").acted_by("storefront").claim("auth_time", 7).claim("email", "a@b.c");
    let (status, answer) = exchange(&issuer, &subject.build(), &[("audience", "payments")]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer["issued_token_type"], ACCESS_TOKEN);
    let claims = opened(&issuer, &answer).await;
    let iss = issuer.issuer();
    let act = json!({"iss": iss, "sub": "orders", "act": {"iss": iss, "sub": "storefront"}});
    let kept = ["sub", "client_id", "aud", "auth_time", "act"].map(|name| claims[name].clone());
    assert_eq!(kept, [json!("alice"), json!("orders"), json!("payments"), json!(7), act]);
    assert!(!claims.contains_key("email") && !claims.contains_key("scope"), "{claims:?}");
}

#[tokio::test]
async fn te_c11_an_exchanged_token_does_not_outlive_its_subject() {
    let clock = ManualClock::new();
    let issuer = TestIssuer::builder().clock(clock.clock()).start();
    for (subject, expected) in [(100, 100), (1_000, 300)] {
        let subject = issuer.token().lifetime(Duration::from_secs(subject)).build();
        let (_, answer) = exchange(&issuer, &subject, &[]).await;
        assert_eq!(answer["expires_in"], expected);
    }
    let short = issuer.token().lifetime(Duration::from_secs(100)).build();
    clock.advance(Duration::from_secs(100));
    assert_eq!(exchange(&issuer, &short, &[]).await, refused("invalid_request"));
}

#[tokio::test]
async fn te_c1_a_subject_token_must_be_genuine() {
    let (issuer, other) = (TestIssuer::start(), TestIssuer::start());
    let good = issuer.token().subject("alice");
    let retired = good.clone().build();
    issuer.rotate_key();
    for fine in [retired, issuer.token().build()] {
        assert_eq!(exchange(&issuer, &fine, &[]).await.0, StatusCode::OK);
    }
    let foreign_key = SigningKey::generate(Algorithm::Es256).expect("a key");
    let attacks = [
        good.clone().tampered().build(),
        good.clone().unsigned().build(),
        good.clone().sign_with(&foreign_key).header("kid", issuer.key().key_id()).build(),
        good.header("typ", "JWT").build(),
        other.token().build(),
        SecretToken::new("opaque"),
    ];
    for attack in attacks {
        assert_eq!(exchange(&issuer, &attack, &[]).await, refused("invalid_request"));
    }
    issuer.accept(&other);
    assert_eq!(exchange(&issuer, &other.token().build(), &[]).await.0, StatusCode::OK);
}

#[tokio::test]
async fn te_c3_an_actor_token_has_a_type_and_is_the_clients_own() {
    let issuer = TestIssuer::start();
    let subject = issuer.token().subject("alice").build();
    let (ours, theirs) = (issuer.token().client("orders").build(), issuer.token().client("storefront").build());
    let ask = async |more: &[(&str, &str)]| exchange(&issuer, &subject, more).await;
    let typed = ("actor_token_type", ACCESS_TOKEN);
    assert_eq!(ask(&[("actor_token", ours.expose()), typed]).await.0, StatusCode::OK);
    assert_eq!(ask(&[("actor_token", ours.expose())]).await, refused("invalid_request"));
    assert_eq!(ask(&[typed]).await, refused("invalid_request"));
    assert_eq!(ask(&[("actor_token", theirs.expose()), typed]).await, refused("invalid_request"));
}

#[tokio::test]
async fn te_c4_a_resource_is_absolute_without_fragment_and_one() {
    let issuer = TestIssuer::start();
    let ask =
        async |targets: &[(&str, &str)]| json(post(&issuer, &[&[CLIENT_CREDENTIALS], targets].concat()).await).await;
    let good = ("resource", "https://api.example/");
    assert_eq!(opened(&issuer, &ask(&[good]).await.1).await["aud"], "https://api.example/");
    assert_eq!(ask(&[good, ("audience", "https://api.example/")]).await.0, StatusCode::OK);
    for bad in [&[("resource", "/orders")][..], &[("resource", "https://api.example/#x")], &[good, ("audience", "b")]] {
        assert_eq!(ask(bad).await, refused("invalid_target"), "{bad:?}");
    }
}

#[tokio::test]
async fn rfc6749_c1_the_form_is_read_strictly() {
    let issuer = TestIssuer::start();
    let ask = async |form: &[(&str, &str)]| json(post(&issuer, form).await).await;
    assert_eq!(ask(&[CLIENT_CREDENTIALS, ("unknown", "ignored")]).await.0, StatusCode::OK);
    assert_eq!(ask(&[CLIENT_CREDENTIALS, CLIENT_CREDENTIALS]).await, refused("invalid_request"));
    assert_eq!(ask(&[]).await, refused("invalid_request"));
    assert_eq!(ask(&[("grant_type", "password")]).await, refused("unsupported_grant_type"));
    assert_eq!(ask(&[CLIENT_CREDENTIALS, ("scope", "a\"b")]).await, refused("invalid_scope"));
    let untyped = client().post(issuer.url(Endpoint::Token)).basic_auth("orders", Some("s"));
    let untyped = untyped.body("grant_type=client_credentials").send().await.expect("an answer");
    assert_eq!(json(untyped).await, refused("invalid_request"));
    assert_eq!(get(&issuer, Endpoint::Token).await.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn rfc6749_c2_every_way_to_authenticate_is_recorded() {
    let issuer = TestIssuer::start();
    let key = SigningKey::generate(Algorithm::Es256).expect("a key");
    let claims = json!({"iss": "orders", "sub": "orders", "aud": issuer.issuer()});
    let assertion = key.sign(&MediaType::CLIENT_AUTHENTICATION, &claims).expect("an assertion");
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let send = async |basic: Option<(&str, &str)>, form: &[(&str, &str)]| {
        let request = client().post(issuer.url(Endpoint::Token)).form(&[&[CLIENT_CREDENTIALS], form].concat());
        let request = match basic {
            Some((id, secret)) => request.basic_auth(id, Some(secret)),
            None => request,
        };
        let response = request.send().await.expect("an answer");
        let challenged = response.headers().contains_key("www-authenticate");
        let last = issuer.token_calls().pop().expect("recorded");
        (response.status(), challenged, last.client().clone())
    };
    let orders = || "orders".to_owned();
    let by_assertion = ClientAuthentication::Assertion {
        client_id: orders(),
        assertion_type: kind.to_owned(),
        header: Value::Object(key.header(&MediaType::CLIENT_AUTHENTICATION)),
        claims,
        assertion: assertion.clone(),
    };
    let (id, secret) = (("client_id", "orders"), ("client_secret", "s"));
    let assertion = [("client_assertion_type", kind), ("client_assertion", assertion.expose())];
    let cases = [
        (
            send(Some(("https%3A%2F%2Forders", "a%3Ab%2B+c")), &[]).await,
            StatusCode::OK,
            ClientAuthentication::Basic { client_id: "https://orders".to_owned(), secret: SecretToken::new("a:b+ c") },
        ),
        (
            send(None, &[id, secret]).await,
            StatusCode::OK,
            ClientAuthentication::Post { client_id: orders(), secret: SecretToken::new("s") },
        ),
        (send(None, &assertion).await, StatusCode::OK, by_assertion),
        (send(None, &[id]).await, StatusCode::UNAUTHORIZED, ClientAuthentication::None { client_id: Some(orders()) }),
        (send(Some(("orders", "s")), &[id, secret]).await, StatusCode::BAD_REQUEST, ClientAuthentication::Malformed),
    ];
    for ((status, challenged, recorded), expected_status, expected) in cases {
        assert_eq!((status, recorded), (expected_status, expected));
        assert_eq!(challenged, status == StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn recorded_secrets_do_not_print() {
    let issuer = TestIssuer::start();
    let subject = issuer.token().build();
    exchange(&issuer, &subject, &[("audience", "payments")]).await;
    let calls = issuer.token_calls();
    assert_eq!(calls[0].field("subject_token"), Some(subject.expose()));
    assert_eq!(calls[0].fields("audience").collect::<Vec<_>>(), ["payments"]);
    assert_hides(&calls, [subject.expose(), "hunter2-hunter2", "b3JkZXJzOmh1bnRlcjItaHVudGVyMg=="]);
    assert!(format!("{calls:?}").contains("payments"));
}

#[test]
fn one_issuer_serves_the_tests_of_many_runtimes() {
    let issuer = TestIssuer::start();
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        assert_eq!(runtime.block_on(get(&issuer, Endpoint::Keys)).status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn tokens_are_edited_as_the_test_says() {
    let issuer = TestIssuer::start();
    issuer.edit_tokens(|token| token.without("act").claim("azp", "orders"));
    let (_, answer) = exchange(&issuer, &issuer.token().subject("alice").build(), &[]).await;
    let claims = opened(&issuer, &answer).await;
    assert_eq!((claims.get("act"), &claims["azp"], &claims["sub"]), (None, &json!("orders"), &json!("alice")));
}
