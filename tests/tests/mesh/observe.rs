//! The whole corpus of refusals through layers that only observe: every answer is that of the bare service to the byte,
//! and each request is told to be refused once.

use std::fmt::Write;

use axum::{Router, routing::any};
use tower_identity::{
    AuthLayer, RequireLayer, Rule, Source, Verifier,
    rule::{acr, callers, scope, user},
};
use tower_identity_testkit::{LogCapture, TestIssuer, TokenBuilder};

use crate::{
    refusals::presented,
    servers::{Server, verifier},
    wire::exchange,
};

type Fields = Vec<(String, String)>;

fn fields<const N: usize>(fields: [(&str, String); N]) -> Fields {
    fields.map(|(name, value)| (name.to_owned(), value)).into()
}

fn rule() -> Rule {
    scope("orders:write").and(user()).and(callers(["storefront"]))
}

fn bare() -> Router {
    Router::new().route("/", any(|| async { ([("x-served-by", "the handler")], "untouched") }))
}

/// `bare`, below layers that observe, this rule among them.
fn observed(verifier: Verifier, rule: Rule) -> Router {
    let sources = [Source::authorization(), Source::cookie("session").expect("a cookie")];
    let auth = AuthLayer::new(verifier).realm("orders").sources(sources).expect("valid").edge();
    bare().layer(RequireLayer::new(rule).observe()).layer(auth.observe())
}

/// An answer to its last byte, but for the time.
async fn answer(server: &Server, method: &str, fields: &Fields) -> String {
    let mut request = format!("{method} / HTTP/1.1\r\nhost: shop.example\r\nconnection: close\r\n");
    for (name, value) in fields {
        write!(request, "{name}: {value}\r\n").expect("written");
    }
    request.push_str("\r\n");
    let answer = exchange(server, &request).await;
    answer.lines().filter(|line| !line.starts_with("date: ")).collect::<Vec<_>>().join("\n")
}

/// What was told to be refused and was not.
fn would_be_refusals(logs: &LogCapture) -> usize {
    let text = logs.text();
    let refused =
        text.lines().filter(|line| line.contains("tower_identity::decision") && line.contains("outcome=\"refused\""));
    refused
        .inspect(|line| assert!(line.contains("enforced=false") && !line.contains("correlation_id"), "{line}"))
        .count()
}

fn good(issuer: &TestIssuer) -> TokenBuilder {
    issuer.token().subject("alice").client("storefront").acted_by("storefront").audience("orders").scope("orders:write")
}

#[tokio::test]
async fn obs_a1_every_refusal_that_could_be_is_the_answer_of_the_bare_service_and_told_once() {
    let issuer = TestIssuer::start();
    let verifier = verifier(&issuer, "orders");
    let bearer = |token: TokenBuilder| format!("Bearer {}", token.build().expose());
    let token = || good(&issuer).build().expose().to_owned();
    verifier.bearer(&token()).await.expect("the keys are at hand");

    let mut corpus: Vec<_> = presented(&issuer)
        .into_iter()
        .map(|(name, values, expected)| {
            let values = values.into_iter().map(|value| ("authorization".to_owned(), value)).collect::<Fields>();
            (name, "GET", values, usize::from(expected.status != 200))
        })
        .collect();
    let own = || bearer(good(&issuer));
    let cross_site = || [("sec-fetch-site", "cross-site".to_owned()), ("origin", "https://evil.example".to_owned())];
    let [site, origin] = cross_site();
    corpus.extend([
        ("another scheme", "GET", fields([("authorization", "Basic abc".to_owned())]), 1),
        ("not ascii", "GET", fields([("authorization", "Bearer é".to_owned())]), 1),
        ("two sources", "GET", fields([("authorization", own()), ("cookie", format!("session={}", token()))]), 1),
        ("a malformed cookie", "GET", fields([("cookie", "session=".to_owned())]), 1),
        ("a cookie twice", "GET", fields([("cookie", format!("session={0}; session={0}", token()))]), 1),
        ("another site", "POST", fields([("cookie", format!("session={}", token())), site, origin]), 1),
        ("the control", "POST", fields([("authorization", own()), ("x-user", "alice".to_owned())]), 0),
    ]);
    assert!(corpus.len() > 20);

    let (bare, observed) = (Server::start(bare()).await, Server::start(observed(verifier, rule())).await);
    for (name, method, fields, refusals) in corpus {
        let expected = answer(&bare, method, &fields).await;
        assert!(expected.starts_with("HTTP/1.1 200 OK\n") && expected.ends_with("\n\nuntouched"), "{expected}");
        let logs = LogCapture::start();
        assert_eq!(answer(&observed, method, &fields).await, expected, "{name}");
        assert_eq!(would_be_refusals(&logs), refusals, "{name}: {}", logs.text());
    }
}

#[tokio::test]
async fn obs_a1_a_sign_in_that_would_have_to_be_stronger_is_told_and_asked_of_nobody() {
    let issuer = TestIssuer::start();
    let verifier = verifier(&issuer, "orders");
    let bearer = |token: TokenBuilder| fields([("authorization", format!("Bearer {}", token.build().expose()))]);
    verifier.bearer(good(&issuer).build().expose()).await.expect("the keys are at hand");
    let observed = observed(verifier, rule().and(acr(["gold"])));
    let (bare, observed) = (Server::start(bare()).await, Server::start(observed).await);
    for (token, refusals) in [(good(&issuer), 1), (good(&issuer).claim("acr", "gold"), 0)] {
        let fields = bearer(token);
        let expected = answer(&bare, "GET", &fields).await;
        let logs = LogCapture::start();
        assert_eq!(answer(&observed, "GET", &fields).await, expected);
        assert_eq!(would_be_refusals(&logs), refusals, "{}", logs.text());
        assert_eq!(logs.text().matches("check=\"sign_in\"").count(), refusals, "{}", logs.text());
    }
}

#[tokio::test]
async fn obs_a1_two_credentials_that_would_be_refused_go_on_as_they_came() {
    let issuer = TestIssuer::start();
    let verifier = verifier(&issuer, "orders");
    let own = |client: &str| issuer.token().subject(client).client(client).audience("orders").build();
    let alice = good(&issuer).build();
    verifier.bearer(alice.expose()).await.expect("the keys are at hand");
    let auth = AuthLayer::new(verifier).user_source(Source::header("x-user-token").expect("a header")).expect("valid");
    let (plain, server) = (Server::start(bare()).await, Server::start(bare().layer(auth.observe())).await);
    let with_user = |caller: Option<&str>| {
        let caller = caller.map(|client| ("authorization".to_owned(), format!("Bearer {}", own(client).expose())));
        let user = ("x-user-token".to_owned(), alice.expose().to_owned());
        caller.into_iter().chain([user]).collect::<Fields>()
    };
    for (caller, refusals) in [(None, 1), (Some("reports"), 1), (Some("storefront"), 0)] {
        let fields = with_user(caller);
        let expected = answer(&plain, "GET", &fields).await;
        let logs = LogCapture::start();
        assert_eq!(answer(&server, "GET", &fields).await, expected, "{caller:?}");
        assert_eq!(would_be_refusals(&logs), refusals, "{caller:?}: {}", logs.text());
    }
}

#[tokio::test]
async fn obs_a5_an_issuer_that_is_out_of_reach_changes_nothing_either() {
    let issuer = TestIssuer::start();
    let fields = fields([("authorization", format!("Bearer {}", good(&issuer).build().expose()))]);
    issuer.stop();
    let verifier = verifier(&issuer, "orders");
    let (bare, observed) = (Server::start(bare()).await, Server::start(observed(verifier, rule())).await);
    for _ in 0..3 {
        let logs = LogCapture::start();
        assert_eq!(answer(&observed, "GET", &fields).await, answer(&bare, "GET", &fields).await);
        assert_eq!(would_be_refusals(&logs), 1, "{}", logs.text());
        assert!(logs.text().contains("kind=\"unavailable\""), "{}", logs.text());
    }
}

#[tokio::test]
async fn obs_a1_layers_in_the_wrong_order_are_told_and_refuse_nothing() {
    let issuer = TestIssuer::start();
    let verifier = || verifier(&issuer, "orders");
    let token = good(&issuer).build();
    let fields = fields([("authorization", format!("Bearer {}", token.expose()))]);
    let rule = || RequireLayer::new(user()).observe();
    let plain = Server::start(bare()).await;
    let expected = answer(&plain, "GET", &fields).await;
    let warm = verifier();
    warm.bearer(token.expose()).await.expect("the keys are at hand");
    for (name, router) in [
        ("require outside of auth", bare().layer(AuthLayer::new(warm.clone()).observe()).layer(rule())),
        ("require without auth", bare().layer(rule())),
        ("authenticated twice", bare().layer(AuthLayer::new(warm.clone()).observe()).layer(AuthLayer::new(warm))),
    ] {
        let server = Server::start(router).await;
        let logs = LogCapture::start();
        assert_eq!(answer(&server, "GET", &fields).await, expected, "{name}");
        assert_eq!(would_be_refusals(&logs), 1, "{name}: {}", logs.text());
    }
}
