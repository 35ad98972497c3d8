//! Each row of the error map, over real HTTP, with a control that differs in one thing and passes.

use axum::{
    Json, Router,
    routing::{any, get},
};
use axum_identity::{Caller, Problem};
use reqwest::{StatusCode, header};
use serde_json::{Value, json};
use tower_identity::{
    AuthLayer, HttpClient, RequireLayer,
    rule::{callers, scope, user},
};
use tower_identity_testkit::{Endpoint, Failure, TestIssuer, TokenBuilder};

use crate::{
    answers::{PASSED, answer, refused},
    servers::{Server, exchanging_client, leaf, verifier},
};

fn bearer(challenge: &str) -> Option<String> {
    Some(format!("Bearer realm=\"orders\"{challenge}"))
}

/// `orders`, with a rule before its handler.
async fn orders(issuer: &TestIssuer) -> Server {
    let rule = scope("orders:write").and(user()).and(callers(["storefront"]));
    let router = Router::new()
        .route("/", any(|caller: Caller| async { Json(caller) }).layer(RequireLayer::new(rule)))
        .layer(AuthLayer::new(verifier(issuer, "orders")).realm("orders"));
    Server::start(router).await
}

fn good(issuer: &TestIssuer) -> TokenBuilder {
    issuer.token().subject("alice").client("storefront").audience("orders").scope("orders:write")
}

#[tokio::test]
async fn e1_to_e4_and_e11_are_the_callers_fault() {
    let issuer = TestIssuer::start();
    let server = orders(&issuer).await;
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let send = |values: Vec<String>| {
        let request = values
            .into_iter()
            .fold(client.get(server.url("/")), |request, value| request.header(header::AUTHORIZATION, value));
        async { answer(request.send().await.expect("sent")).await }
    };
    let with = |token: TokenBuilder| vec![format!("Bearer {}", token.build().expose())];
    let token = || good(&issuer);
    let twice = || [with(token()), with(token())].concat();

    let invalid =
        || refused(StatusCode::UNAUTHORIZED, bearer(", error=\"invalid_token\"").as_deref(), None, "Unauthorized");
    let malformed =
        || refused(StatusCode::BAD_REQUEST, bearer(", error=\"invalid_request\"").as_deref(), None, "Bad Request");
    let denied = || refused(StatusCode::FORBIDDEN, None, None, "Forbidden");
    let cases = [
        ("e1 nothing", vec![], refused(StatusCode::UNAUTHORIZED, bearer("").as_deref(), None, "Unauthorized")),
        ("e2 two credentials", twice(), malformed()),
        ("e2 a comma", vec![with(token())[0].clone() + ", x"], malformed()),
        ("e3 no token", vec!["Bearer x".to_owned()], invalid()),
        ("e3 another audience", with(token().audience("payments")), invalid()),
        ("e3 a tampered signature", with(token().tampered()), invalid()),
        ("e3 unsigned", with(token().unsigned()), invalid()),
        ("e3 an id token", with(token().header("typ", "JWT")), invalid()),
        ("e3 bound to a key", with(token().claim("cnf", json!({ "jkt": "x" }))), invalid()),
        ("e3 another issuer", with(token().claim("iss", "https://elsewhere.example")), invalid()),
        (
            "e4 another scope",
            with(token().scope("orders:read")),
            refused(
                StatusCode::FORBIDDEN,
                bearer(", error=\"insufficient_scope\", scope=\"orders:write\"").as_deref(),
                None,
                "Forbidden",
            ),
        ),
        ("e11 no user", with(token().subject("storefront")), denied()),
        ("e11 another caller", with(token().client("reports")), denied()),
        ("the control", with(token()), PASSED),
    ];
    for (name, values, expected) in cases {
        assert_eq!(send(values).await, expected, "{name}");
    }
}

#[tokio::test]
async fn e10_an_issuer_that_is_out_of_reach_is_503_until_it_is_back() {
    let issuer = TestIssuer::start();
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let token = good(&issuer).build();
    let ask = async |server: &Server| {
        answer(client.get(server.url("/")).bearer_auth(token.expose()).send().await.expect("sent")).await
    };

    issuer.stop();
    let cold = orders(&issuer).await;
    let refusal = ask(&cold).await;
    let retry_after = refusal.retry_after.clone().expect("says when to come back");
    assert!((1..=30).contains(&retry_after.parse::<u64>().expect("seconds")), "{retry_after}");
    assert_eq!(refusal, refused(StatusCode::SERVICE_UNAVAILABLE, None, Some(&retry_after), "Service Unavailable"));

    issuer.restart();
    let warm = orders(&issuer).await;
    assert_eq!(ask(&warm).await, PASSED);
    issuer.stop();
    assert_eq!(ask(&warm).await, PASSED, "known keys go on verifying");
}

#[tokio::test]
async fn e12_layers_in_the_wrong_order_are_500_and_never_a_bypass() {
    let issuer = TestIssuer::start();
    let token = good(&issuer).build();
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let handler = || any(|| async { Json("reached") });
    let auth = || AuthLayer::new(verifier(&issuer, "orders"));

    let wrong = refused(StatusCode::INTERNAL_SERVER_ERROR, None, None, "Internal Server Error");
    for (name, router, expected) in [
        (
            "require outside of auth",
            Router::new().route("/", handler()).layer(auth()).layer(RequireLayer::new(user())),
            &wrong,
        ),
        ("require without auth", Router::new().route("/", handler()).layer(RequireLayer::new(user())), &wrong),
        ("an extractor without auth", Router::new().route("/", get(|caller: Caller| async { Json(caller) })), &wrong),
        ("authenticated twice", Router::new().route("/", handler()).layer(auth()).layer(auth()), &wrong),
        ("the control", Router::new().route("/", handler()).layer(RequireLayer::new(user())).layer(auth()), &PASSED),
    ] {
        let server = Server::start(router).await;
        let response = client.get(server.url("/")).bearer_auth(token.expose()).send().await.expect("sent");
        assert_eq!(&answer(response).await, expected, "{name}");
    }
}

#[tokio::test]
async fn e10_e12_e13_of_a_downstream_token_reach_our_caller_and_the_target_gets_nothing() {
    let issuer = TestIssuer::start();
    let leaf = leaf(&issuer, "a").await;
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let rejected = |code| Failure::Error { status: StatusCode::BAD_REQUEST, code };

    let bad_gateway = || refused(StatusCode::BAD_GATEWAY, None, None, "Bad Gateway");
    let unavailable =
        |seconds: &str| refused(StatusCode::SERVICE_UNAVAILABLE, None, Some(seconds), "Service Unavailable");
    for (name, failure, expected) in [
        ("html", Some(Failure::Html), bad_gateway()),
        ("not a bearer token", Some(Failure::wrong_token_type()), bad_gateway()),
        ("another type than asked for", Some(Failure::wrong_issued_token_type()), bad_gateway()),
        ("oversize", Some(Failure::Oversize), bad_gateway()),
        (
            "wider than asked for",
            Some(Failure::WiderScope("admin".parse().map(|s| [s].into_iter().collect()).expect("scope"))),
            bad_gateway(),
        ),
        ("overloaded", Some(Failure::Unavailable { retry_after: 7 }), unavailable("7")),
        (
            "a target that it does not know",
            Some(rejected("invalid_target")),
            refused(StatusCode::INTERNAL_SERVER_ERROR, None, None, "Internal Server Error"),
        ),
        ("no", Some(rejected("access_denied")), refused(StatusCode::FORBIDDEN, None, None, "Forbidden")),
        ("the control", None, PASSED),
    ] {
        let http: HttpClient = exchanging_client(&issuer, &[(&leaf.origin(), "a")]);
        let address = leaf.url("/");
        let call_on = move || {
            let sent = http.get(&address).send();
            async move { Ok::<_, Problem>(Json(sent.await?.json::<Value>().await?)) }
        };
        let router = Router::new().route("/", get(call_on)).layer(AuthLayer::new(verifier(&issuer, "orders")));
        let middle = Server::start(router).await;
        issuer.recover(Endpoint::Token);
        if let Some(failure) = failure {
            issuer.fail(Endpoint::Token, failure);
        }
        let token = good(&issuer).build();
        let response = client.get(middle.url("/")).bearer_auth(token.expose()).send().await.expect("sent");
        assert_eq!(answer(response).await, expected, "{name}");
    }
}
