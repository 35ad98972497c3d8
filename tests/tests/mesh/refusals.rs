//! Each row of the error map, over real HTTP, with a control that differs in one thing and passes.

use std::time::Duration;

use axum::{
    Json, Router,
    routing::{any, get},
};
use axum_identity::{Caller, Problem};
use reqwest::{StatusCode, header};
use serde_json::json;
use tower_identity::{
    AuthLayer, HttpClient, Profile, RequireLayer, Rule, TrustedIssuer, Verifier,
    rule::{acr, callers, group, max_age, scope, user},
};
use tower_identity_jose::Algorithm;
use tower_identity_testkit::{Endpoint, Failure, LogCapture, TestIssuer, TokenBuilder};

use crate::{
    answers::{Answer, PASSED, answer, refused},
    servers::{Recorder, Server, exchanging_client, verifier},
};

fn bearer(challenge: &str) -> Option<String> {
    Some(format!("Bearer realm=\"orders\"{challenge}"))
}

/// `orders`, with a rule before its handler.
fn behind(issuer: &TestIssuer, rule: Rule) -> Router {
    Router::new()
        .route("/", any(|caller: Caller| async { Json(caller) }).layer(RequireLayer::new(rule)))
        .layer(AuthLayer::new(verifier(issuer, "orders")).realm("orders"))
}

async fn orders(issuer: &TestIssuer) -> Server {
    Server::start(behind(issuer, scope("orders:write").and(user()).and(callers(["storefront"])))).await
}

fn good(issuer: &TestIssuer) -> TokenBuilder {
    let token = issuer.token().subject("alice").client("storefront").acted_by("storefront");
    token.audience("orders").scope("orders:write")
}

/// What a request presents as `Authorization`, by name, and what becomes of it before the rule of [`orders`].
pub(crate) fn presented(issuer: &TestIssuer) -> Vec<(&'static str, Vec<String>, Answer)> {
    let with = |token: TokenBuilder| vec![format!("Bearer {}", token.build().expose())];
    let token = || good(issuer);
    let twice = || [with(token()), with(token())].concat();

    let invalid =
        || refused(StatusCode::UNAUTHORIZED, bearer(", error=\"invalid_token\"").as_deref(), None, "Unauthorized");
    let malformed =
        || refused(StatusCode::BAD_REQUEST, bearer(", error=\"invalid_request\"").as_deref(), None, "Bad Request");
    let denied = || refused(StatusCode::FORBIDDEN, None, None, "Forbidden");
    vec![
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
        ("e11 another caller", with(token().acted_by("reports")), denied()),
        ("the control", with(token()), PASSED),
    ]
}

#[tokio::test]
async fn what_the_caller_presents_or_lacks_is_its_own_fault() {
    let issuer = TestIssuer::start();
    let server = orders(&issuer).await;
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let send = |values: Vec<String>| {
        let request = values
            .into_iter()
            .fold(client.get(server.url("/")), |request, value| request.header(header::AUTHORIZATION, value));
        async { answer(request.send().await.expect("sent")).await }
    };
    for (name, values, expected) in presented(&issuer) {
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
async fn e5_a_sign_in_that_is_too_weak_or_too_old_is_401_with_what_would_do() {
    let issuer = TestIssuer::start();
    let rule = scope("orders:write").and(acr(["urn:example:mfa"])).and(max_age(Duration::from_secs(300)));
    let server = Server::start(behind(&issuer, rule)).await;
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let now = good(&issuer).claims()["iat"].as_u64().expect("a time");
    let signed_in = |class: &str, ago: u64| good(&issuer).claim("acr", class).claim("auth_time", now - ago);
    let again = |parameters: &str| {
        let parameters = format!(", error=\"insufficient_user_authentication\"{parameters}");
        refused(StatusCode::UNAUTHORIZED, bearer(&parameters).as_deref(), None, "Unauthorized")
    };
    let both = "acr_values=\"urn:example:mfa\", max_age=\"300\"";
    let cases = [
        ("nothing is said", good(&issuer), again(&format!(", {both}"))),
        (
            "a scope is missing too",
            good(&issuer).scope("orders:read"),
            again(&format!(", scope=\"orders:write\", {both}")),
        ),
        ("too weak", signed_in("urn:example:pwd", 0), again(", acr_values=\"urn:example:mfa\"")),
        ("too old", signed_in("urn:example:mfa", 900), again(", max_age=\"300\"")),
        ("signed in again", signed_in("urn:example:mfa", 0), PASSED),
    ];
    for (name, token, expected) in cases {
        let token = token.build();
        let response = client.get(server.url("/")).bearer_auth(token.expose()).send().await.expect("sent");
        assert_eq!(answer(response).await, expected, "{name}");
    }
}

/// Entra leaves groups out of a token where they are too many, and says so in one of two ways.
#[tokio::test]
async fn e11_groups_that_are_too_many_for_a_token_are_403_for_a_reason_of_their_own() {
    const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    const STAFF: &str = "0760b6cf-170e-4a14-91b3-4b78e0739963";
    let entra = TestIssuer::builder().named(format!("https://login.microsoftonline.com/{TENANT}/v2.0")).start();
    let trusted = TrustedIssuer::keys_at(entra.issuer().as_str(), entra.url(Endpoint::Keys)).audience("orders");
    let trusted = trusted.profile(Profile::EntraV2).algorithms([Algorithm::Es256]);
    let verifier = Verifier::builder(trusted).build().expect("valid");
    let router = Router::new()
        .route("/", any(|caller: Caller| async { Json(caller) }).layer(RequireLayer::new(group(STAFF))))
        .layer(AuthLayer::new(verifier).realm("orders"));
    let server = Server::start(router).await;
    let client = reqwest::Client::builder().no_proxy().build().expect("client");

    let token = || good(&entra).written_as(Profile::EntraV2);
    let denied = || refused(StatusCode::FORBIDDEN, None, None, "Forbidden");
    let overage = json!({ "groups": "src1" });
    let sources = json!({ "src1": { "endpoint": "https://graph.microsoft.com/v1.0/users/alice/getMemberObjects" } });
    for (name, token, expected, check) in [
        (
            "too many, of any number",
            token().claim("_claim_names", overage).claim("_claim_sources", sources),
            denied(),
            "groups_unknown",
        ),
        ("too many for the implicit flow", token().claim("hasgroups", true), denied(), "groups_unknown"),
        ("no member", token().claim("groups", json!(["another"])), denied(), "group"),
        ("a member", token().claim("groups", json!([STAFF])), PASSED, ""),
    ] {
        let logs = LogCapture::start();
        let token = token.build();
        let response = client.get(server.url("/")).bearer_auth(token.expose()).send().await.expect("sent");
        assert_eq!(answer(response).await, expected, "{name}");
        let text = logs.text();
        let refusals: Vec<_> = text.lines().filter_map(|line| line.split_once("kind=\"denied\" check=\"")).collect();
        let checks: Vec<_> = refusals.iter().filter_map(|(_, check)| check.split('"').next()).collect();
        assert_eq!(checks.join(" "), check, "{name}");
    }
    assert_eq!(entra.calls(Endpoint::Keys), 1);
}

/// What the caller of a middle gets that calls on with an exchanged token, where the authorization server fails so.
async fn each_failure_of_an_exchange(cases: impl IntoIterator<Item = (&str, Failure, Answer)>) {
    let issuer = TestIssuer::start();
    let leaf = Recorder::start().await;
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let ask = async || {
        // A client of its own each time: nothing is remembered of the failure before.
        let http: HttpClient = exchanging_client(&issuer, &[(&leaf.server.origin(), "a")]);
        let address = leaf.server.url("/");
        let call_on = move || {
            let sent = http.get(&address).send();
            async move { Ok::<_, Problem>(Json(sent.await?.text().await?)) }
        };
        let router = Router::new().route("/", get(call_on)).layer(AuthLayer::new(verifier(&issuer, "orders")));
        let middle = Server::start(router).await;
        let token = good(&issuer).build();
        answer(client.get(middle.url("/")).bearer_auth(token.expose()).send().await.expect("sent")).await
    };
    for (name, failure, expected) in cases {
        issuer.fail(Endpoint::Token, failure);
        assert_eq!(ask().await, expected, "{name}");
        assert_eq!(leaf.seen().len(), 0, "{name}: the target gets nothing");
        issuer.recover(Endpoint::Token);
    }
    assert_eq!((ask().await, leaf.seen().len()), (PASSED, 1), "the control");
}

fn rejected(code: &'static str) -> Failure {
    Failure::Error { status: StatusCode::BAD_REQUEST, code }
}

#[tokio::test]
async fn e10_a_downstream_token_that_cannot_be_had_now_is_503_with_the_servers_word() {
    let unavailable = refused(StatusCode::SERVICE_UNAVAILABLE, None, Some("7"), "Service Unavailable");
    each_failure_of_an_exchange([("overloaded", Failure::Unavailable { retry_after: 7 }, unavailable)]).await;
}

#[tokio::test]
async fn e12_a_downstream_token_that_our_configuration_cannot_get_is_500() {
    let ours = refused(StatusCode::INTERNAL_SERVER_ERROR, None, None, "Internal Server Error");
    each_failure_of_an_exchange([("a target that it does not know", rejected("invalid_target"), ours)]).await;
}

#[tokio::test]
async fn e11_a_downstream_token_that_the_user_may_not_have_is_403() {
    let no = refused(StatusCode::FORBIDDEN, None, None, "Forbidden");
    each_failure_of_an_exchange([("no", rejected("access_denied"), no)]).await;
}

#[tokio::test]
async fn e13_an_answer_about_a_downstream_token_that_makes_no_sense_is_502() {
    let wider = Failure::WiderScope("admin".parse().map(|scope| [scope].into_iter().collect()).expect("a scope"));
    let failures = [
        ("html", Failure::Html),
        ("not a bearer token", Failure::wrong_token_type()),
        ("another type than asked for", Failure::wrong_issued_token_type()),
        ("oversize", Failure::Oversize),
        ("wider than asked for", wider),
    ];
    let bad_gateway = || refused(StatusCode::BAD_GATEWAY, None, None, "Bad Gateway");
    each_failure_of_an_exchange(failures.map(|(name, failure)| (name, failure, bad_gateway()))).await;
}

#[tokio::test]
async fn e5_a_downstream_token_that_wants_the_user_to_sign_in_again_is_401() {
    let again = "Bearer error=\"insufficient_user_authentication\"";
    let again = refused(StatusCode::UNAUTHORIZED, Some(again), None, "Unauthorized");
    each_failure_of_an_exchange([("sign in again", rejected("interaction_required"), again)]).await;
}
