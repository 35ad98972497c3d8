use reqwest::Method;
use serde_json::{Value, json};
use tower_identity_jose::{Limits, Unverified};

use crate::support::{
    Answer, As, Form, ORDERS, Outcome, Running, STOREFRONT_SECRET, TOKEN_EXCHANGE, accepted, ledger_assertion, refused,
};

const SETTLE: [(&str, &str); 3] =
    [("grant_type", "client_credentials"), ("audience", "payments"), ("scope", "payments:settle")];

#[tokio::test]
async fn rfc9068_c1_a_clients_own_token_says_whom_it_is_for_and_names_no_user() {
    let authority = Running::start().await;
    let answer = authority.token(ORDERS, &SETTLE).await;
    let claims = authority.claims(&answer.token()).await;
    let expected = json!({
        "iss": authority.issuer, "sub": "orders", "client_id": "orders", "aud": "payments", "scope": "payments:settle",
        "iat": authority.now(), "exp": authority.now() + 300, "jti": claims["jti"],
    });
    assert_eq!(claims, expected);
    assert_eq!(claims["jti"].as_str().map(str::len), Some(22));
}

#[tokio::test]
async fn rfc9068_c2_scopes_of_two_audiences_are_not_put_into_one_token() {
    let authority = Running::start().await;
    let ask = async |more: Form<'_>| {
        let assertion = ledger_assertion(&authority);
        let form = [&[("grant_type", "client_credentials")], more].concat();
        authority.token(As::Assertion(&assertion), &form).await
    };
    let audience = async |answer: Answer| authority.claims(&answer.token()).await["aud"].clone();
    assert_eq!(audience(ask(&[("scope", "payments:read")]).await).await, "payments");
    assert_eq!(audience(ask(&[("scope", "orders:read")]).await).await, "orders");
    assert_eq!(audience(ask(&[("audience", "orders")]).await).await, "orders");
    assert_eq!(ask(&[("scope", "payments:read orders:read")]).await.outcome(), refused("invalid_scope"));
    assert_eq!(ask(&[]).await.outcome(), refused("invalid_target"));
}

#[tokio::test]
async fn rfc6749_c7_the_answer_holds_no_refresh_token() {
    let authority = Running::start().await;
    let answer = authority.token(ORDERS, &SETTLE).await;
    let token = answer.token();
    let expected =
        json!({ "access_token": token, "token_type": "Bearer", "expires_in": 300, "scope": "payments:settle" });
    assert_eq!(answer.body, expected);
}

#[tokio::test]
async fn rfc6750_c1_an_answer_with_a_token_is_kept_by_nobody() {
    let authority = Running::start().await;
    let answer = authority.token(ORDERS, &SETTLE).await;
    assert_eq!(answer.outcome(), accepted());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn jwt_c1_an_access_token_says_its_kind_and_audience_and_authenticates_no_client() {
    let authority = Running::start().await;
    let token = authority.token(ORDERS, &SETTLE).await.token();
    let parsed = Unverified::<Value>::parse(&token, &Limits::default()).expect("a token");
    assert_eq!(parsed.header().typ(), Some("at+jwt"));
    assert_eq!(authority.claims(&token).await["aud"], "payments");

    let as_assertion = authority.token(As::Assertion(&token), &SETTLE).await;
    assert_eq!(as_assertion.outcome(), refused("invalid_client"));
    let assertion = ledger_assertion(&authority);
    let exchanged = authority.exchange(ORDERS, &assertion, &[("audience", "payments")]).await;
    assert_eq!(exchanged.outcome(), refused("invalid_request"));
    // The controls: each where its kind belongs.
    let read = [("grant_type", "client_credentials"), ("scope", "payments:read")];
    assert_eq!(authority.token(As::Assertion(&assertion), &read).await.outcome(), accepted());
    let subject = authority.orders_token(json!({}));
    assert_eq!(authority.exchange(ORDERS, &subject, &[("audience", "payments")]).await.outcome(), accepted());
}

#[tokio::test]
async fn rfc6749_c6_what_is_granted_is_said() {
    let authority = Running::start().await;
    let cases = [
        ("payments:settle", "payments:settle"),
        ("payments:settle admin", "payments:settle"),
        ("payments:settle payments:read", "payments:read payments:settle"),
        ("", "payments:read payments:settle"),
    ];
    for (asked, granted) in cases {
        let form = [("grant_type", "client_credentials"), ("audience", "payments"), ("scope", asked)];
        let answer = authority.token(ORDERS, &form).await;
        assert_eq!(authority.claims(&answer.token()).await["scope"], granted, "{asked}");
        assert_eq!(answer.body["scope"], granted, "{asked}");
    }
}

#[tokio::test]
async fn rfc6749_c1_only_a_posted_form_with_each_parameter_once() {
    let authority = Running::start().await;
    let url = format!("{}/token", authority.issuer);
    let send = async |method, query: &str, media_type: &str, body: &str| {
        let request = authority
            .http
            .request(method, format!("{url}{query}"))
            .basic_auth("orders", Some("orders-secret-of-the-test"));
        Answer::read(request.header("content-type", media_type).body(body.to_owned())).await.outcome()
    };
    let form = "application/x-www-form-urlencoded";
    let good = "grant_type=client_credentials&audience=payments&scope=payments:settle";
    let invalid = refused("invalid_request");

    assert_eq!(send(Method::POST, "", form, good).await, accepted());
    assert_eq!(send(Method::POST, "", form, &format!("{good}&unknown=1")).await, accepted());
    assert_eq!(send(Method::POST, "", form, &format!("{good}&scope=")).await, accepted());
    assert_eq!(send(Method::GET, "", form, good).await.0, 405);
    assert_eq!(send(Method::POST, "", "application/json", good).await, invalid);
    assert_eq!(send(Method::POST, "?scope=admin", form, good).await, invalid);
    assert_eq!(send(Method::POST, "", form, &format!("{good}&scope=payments:settle")).await, invalid);
    assert_eq!(send(Method::POST, "", form, &format!("{good}&grant_type=client_credentials")).await, invalid);
    assert_eq!(send(Method::POST, "", form, "audience=payments").await, invalid);
}

#[tokio::test]
async fn rfc6749_c2_two_ways_of_authenticating_are_refused_together() {
    let authority = Running::start().await;
    let with = async |more: Form<'_>| authority.token(ORDERS, &[&SETTLE[..], more].concat()).await.outcome();
    let invalid = refused("invalid_request");
    assert_eq!(with(&[]).await, accepted());
    assert_eq!(with(&[("client_secret", "orders-secret-of-the-test")]).await, invalid);
    assert_eq!(with(&[("client_assertion", "x")]).await, invalid);
    assert_eq!(with(&[("client_assertion_type", "x")]).await, invalid);
    assert_eq!(with(&[("client_id", "orders")]).await, accepted());
    assert_eq!(with(&[("client_id", "payments")]).await, refused("invalid_client"));
}

#[tokio::test]
async fn rfc6749_c2_two_authorization_headers_are_refused() {
    let authority = Running::start().await;
    let request = |times: usize| {
        let request = authority.http.post(format!("{}/token", authority.issuer)).form(&SETTLE);
        (0..times).fold(request, |request, _| {
            request.header("authorization", "Basic b3JkZXJzOm9yZGVycy1zZWNyZXQtb2YtdGhlLXRlc3Q=")
        })
    };
    assert_eq!(Answer::read(request(1)).await.outcome(), accepted());
    assert_eq!(Answer::read(request(2)).await.outcome(), refused("invalid_request"));
}

#[tokio::test]
async fn rfc6749_c3_whoever_does_not_authenticate_gets_a_challenge_and_no_reason() {
    let authority = Running::start().await;
    assert_eq!(authority.token(ORDERS, &SETTLE).await.outcome(), accepted());
    let mut bodies = Vec::new();
    for client in [
        As::Basic("orders", "orders-secret-of-the-tesT"),
        As::Basic("nobody", "orders-secret-of-the-test"),
        As::Basic("ledger", "orders-secret-of-the-test"),
        As::Basic("orders", ""),
    ] {
        let answer = authority.token(client, &SETTLE).await;
        assert_eq!(answer.outcome(), (401, "invalid_client".to_owned()));
        assert_eq!(answer.header("www-authenticate"), Some(r#"Basic realm="authority""#));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        bodies.push(answer.body);
    }
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "{bodies:?}");

    let answer = authority.token(As::Nobody, &SETTLE).await;
    assert_eq!(answer.outcome(), (401, "invalid_client".to_owned()));
    assert_eq!(answer.header("www-authenticate"), Some(r#"Basic realm="authority""#));
}

#[tokio::test]
async fn rfc6749_c4_basic_credentials_are_form_encoded_inside() {
    let authority = Running::start().await;
    let token = authority.sign_in("alice").await;
    let form = [
        ("grant_type", TOKEN_EXCHANGE),
        ("subject_token", &token),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("audience", "orders"),
    ];
    let encoded = authority.token(As::Basic("storefront", STOREFRONT_SECRET), &form).await;
    assert_eq!(encoded.outcome(), accepted());
    let raw = authority.token(As::RawBasic("storefront", STOREFRONT_SECRET), &form).await;
    assert_eq!(raw.outcome(), (401, "invalid_client".to_owned()));
}

#[tokio::test]
async fn rfc6749_c5_every_refusal_has_its_code_and_is_kept_by_nobody() {
    let authority = Running::start().await;
    let cases: [(As<'_>, Form<'_>, Outcome); 7] = [
        (ORDERS, &[("grant_type", "password")], refused("unsupported_grant_type")),
        (ORDERS, &[("audience", "payments")], refused("invalid_request")),
        (ORDERS, &[("grant_type", "client_credentials"), ("scope", "admin")], refused("invalid_scope")),
        (ORDERS, &[("grant_type", "client_credentials"), ("scope", "\"")], refused("invalid_scope")),
        (ORDERS, &[("grant_type", "client_credentials"), ("audience", "ledger")], refused("invalid_target")),
        (
            As::Basic("storefront", STOREFRONT_SECRET),
            &[("grant_type", "client_credentials"), ("audience", "payments")],
            refused("unauthorized_client"),
        ),
        (As::Nobody, &[("client_secret", "x"), ("client_id", "orders")], refused("invalid_client")),
    ];
    for (client, form, expected) in cases {
        let answer = authority.token(client, form).await;
        assert_eq!(answer.outcome(), expected, "{form:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let description = answer.body["error_description"].as_str().expect("a description");
        assert!(description.bytes().all(|b| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)), "{description}");
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_not_read() {
    let authority = Running::start().await;
    let long = "x".repeat(64 * 1024);
    let answer = authority.token(ORDERS, &[&SETTLE[..], &[("unknown", &long)]].concat()).await;
    assert_eq!(answer.status, 413);
    let short = "x".repeat(63 * 1024);
    let answer = authority.token(ORDERS, &[&SETTLE[..], &[("unknown", &short)]].concat()).await;
    assert_eq!(answer.outcome(), accepted());
}
