//! Who we are at a server, as it arrives there: at one that checks it, and at one that fails first.

use std::collections::HashSet;

use axum::http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use tower_identity_core::Scopes;
use tower_identity_jose::{Algorithm, SigningKey};
use tower_identity_oauth::{
    AssertionAudience, AssertionStyle, AssertionTyp, BasicEncoding, ClientAuth, ClientCredentials,
    ConfigurationProblem, Grant, Introspection, Parameters, TargetService, TokenEndpoint, TokenErrorKind,
};

use crate::support::{self, Arrived, ManualTime, Server, failing};

const ISSUER: &str = "https://as.example";

fn grant() -> Grant {
    grant_with(Parameters::default())
}

fn grant_with(parameters: Parameters) -> Grant {
    let scopes = Scopes::parse("charge").expect("scopes");
    ClientCredentials::new(TargetService { scopes, parameters, ..TargetService::default() }).into()
}

fn issues() -> axum::response::Response {
    support::json(json!({"access_token": "issued-token", "token_type": "Bearer", "expires_in": 300}).to_string())
}

/// A token for whoever presents exactly this header, and `invalid_client` for everybody else.
fn issues_to(authorization: &'static str) -> impl Fn(&Arrived) -> axum::response::Response {
    move |arrived| {
        let presented = arrived.headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        if presented == Some(authorization.as_bytes()) { issues() } else { invalid_client() }
    }
}

fn invalid_client() -> axum::response::Response {
    let mut response = support::json(json!({"error": "invalid_client"}).to_string());
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response
}

fn field(arrived: &Arrived, name: &str) -> Option<String> {
    let form = arrived.form();
    assert!(form.iter().filter(|(n, _)| n == name).count() <= 1, "{name} is there once");
    form.into_iter().find(|(n, _)| n == name).map(|(_, value)| value)
}

/// Header and claims of the assertion that arrived.
fn assertion(arrived: &Arrived) -> (Value, Value) {
    let assertion = field(arrived, "client_assertion").expect("an assertion");
    let part = |at: usize| {
        let part = assertion.split('.').nth(at).expect("a part");
        serde_json::from_slice(&base64_simd::URL_SAFE_NO_PAD.decode_to_vec(part).expect("base64url")).expect("JSON")
    };
    (part(0), part(1))
}

#[tokio::test]
async fn rfc6749_b1_each_server_gets_the_header_that_it_reads() {
    // `orders:a+b%` as it is, and with its parts form-encoded.
    let (as_it_is, encoded) = ("Basic b3JkZXJzOmErYiU=", "Basic b3JkZXJzOmElMkJiJTI1");
    for (encoding, expected, other) in
        [(BasicEncoding::None, as_it_is, encoded), (BasicEncoding::Form, encoded, as_it_is)]
    {
        let server = Server::start().await;
        let auth = ClientAuth::client_secret_basic("orders", "a+b%").expect("usable");
        let auth = auth.basic_encoding(encoding).expect("basic");
        let endpoint = TokenEndpoint::at(ISSUER, server.url("/token"), auth);
        let client = endpoint.connect(&ManualTime::new().http()).expect("loopback");
        server.answer(issues_to(expected));
        client.request(&grant()).await.expect("a token");
        server.forget_answers().answer(issues_to(other));
        let error = client.request(&grant()).await.expect_err("the control");
        let TokenErrorKind::OurConfiguration { problem: ConfigurationProblem::Code(code) } = error.kind() else {
            panic!("{error}")
        };
        assert_eq!(code.as_str(), "invalid_client");
    }
}

#[tokio::test]
async fn rfc7523_b1_an_attempt_after_a_failure_carries_an_assertion_of_another_id() {
    let server = Server::start().await;
    let key = SigningKey::generate(Algorithm::Ed25519).expect("key");
    let auth = ClientAuth::private_key_jwt("orders", key).expect("usable");
    let time = ManualTime::new();
    let client = TokenEndpoint::at(ISSUER, server.url("/token"), auth).connect(&time.http()).expect("loopback");
    let busy = |_: &Arrived| (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "0")]);
    server.answer(busy).answer(busy).answer(|_| issues());
    let asking = tokio::spawn(async move { client.request(&grant()).await });
    failing::until(|| {
        time.advance(std::time::Duration::from_millis(1));
        asking.is_finished().then_some(())
    })
    .await;
    asking.await.expect("no panic").expect("a token");
    let arrived = server.arrived();
    let ids: HashSet<_> = arrived.iter().map(|arrived| assertion(arrived).1["jti"].to_string()).collect();
    assert_eq!((arrived.len(), ids.len()), (3, 3));
    for arrived in &arrived {
        let (header, claims) = assertion(arrived);
        assert_eq!((&header["typ"], &claims["aud"]), (&json!("client-authentication+jwt"), &json!(ISSUER)));
        assert_eq!(field(arrived, "client_id").as_deref(), Some("orders"));
    }
}

#[tokio::test]
async fn rfc7523_b1_an_assertion_for_the_endpoint_is_for_the_one_that_it_is_sent_to() {
    let (first, second) = (Server::start().await, Server::start().await);
    let key = SigningKey::generate(Algorithm::Es256).expect("key");
    let style = AssertionStyle::new().audience(AssertionAudience::TokenEndpoint).typ(AssertionTyp::Jwt);
    let auth = ClientAuth::private_key_jwt("orders", key).expect("usable").assertion(style).expect("usable");
    let endpoint = TokenEndpoint::at(ISSUER, first.url("/a"), auth.clone()).also_at(second.url("/b"));
    let client = endpoint.connect(&ManualTime::new().http()).expect("loopback");
    first.answer(|_| StatusCode::SERVICE_UNAVAILABLE);
    second.answer(|_| issues());
    client.request(&grant()).await.expect("a token");
    for (server, path) in [(&first, "/a"), (&second, "/b")] {
        let arrived = server.arrived();
        let [arrived] = &arrived[..] else { panic!("{} requests", arrived.len()) };
        let (header, claims) = assertion(arrived);
        assert_eq!((&header["typ"], &claims["aud"]), (&json!("JWT"), &json!(server.url(path))));
    }

    // Where metadata says the endpoint, whoever writes the metadata would choose the audience.
    let rule = "is missing: an assertion for another audience than the issuer goes nowhere that metadata says";
    let http = ManualTime::new().http();
    let found = TokenEndpoint::discover(ISSUER, auth.clone()).connect(&http).expect_err("refused");
    assert_eq!(found.to_string(), format!("token_endpoint: {rule}"));
    let issuer = ISSUER.parse().expect("an issuer");
    let looked_up = Introspection::discovered(auth.clone()).connect(&issuer, &http).expect_err("refused");
    let is_none = "assertion.audience: is token_endpoint, and this is none; write the audience itself";
    assert_eq!(looked_up.to_string(), is_none);
    let named = AssertionStyle::new().audience(AssertionAudience::Other("urn:as".to_owned()));
    let named = auth.assertion(named).expect("usable");
    let looked_up = Introspection::discovered(named.clone()).connect(&issuer, &http).expect_err("refused");
    assert_eq!(looked_up.to_string(), format!("url: {rule}"));
    Introspection::at("https://as.example/introspect", named).connect(&issuer, &http).expect("the control");
    let plain = ClientAuth::private_key_jwt("orders", SigningKey::generate(Algorithm::Es256).expect("key"));
    TokenEndpoint::discover(ISSUER, plain.expect("usable")).connect(&http).expect("the control");
}

#[tokio::test]
async fn cauth_b1_parameters_of_server_and_target_arrive_once_and_the_targets_win() {
    let server = Server::start().await;
    server.answer(|_| issues());
    let auth = ClientAuth::client_secret_post("orders", "hunter2").expect("usable");
    let of_server = Parameters::new([("realm", "all"), ("tenant_hint", "a b")]).expect("usable");
    let endpoint = || TokenEndpoint::at(ISSUER, server.url("/token"), auth.clone());
    let http = ManualTime::new().http();
    let client = endpoint().parameters(of_server.clone()).connect(&http).expect("loopback");
    let of_target = Parameters::new([("realm", "shop")]).expect("usable");
    client.request(&grant_with(of_target)).await.expect("a token");
    client.request(&grant()).await.expect("a token");
    let arrived = server.arrived();
    let sent = |at: usize| ["realm", "tenant_hint", "grant_type"].map(|name| field(&arrived[at], name));
    let expected = |realm: &str| [realm, "a b", "client_credentials"].map(|value| Some(value.to_owned()));
    assert_eq!([sent(0), sent(1)], [expected("shop"), expected("all")]);

    let plain = endpoint().connect(&http).expect("loopback");
    assert_ne!(plain.fingerprint(), client.fingerprint(), "part of the key");
    assert_eq!(endpoint().parameters(of_server).connect(&http).expect("loopback").fingerprint(), client.fingerprint());
}

#[tokio::test]
async fn cauth_b5_a_token_of_another_server_proves_who_we_are_and_is_kept() {
    let (tokens, server) = (Server::start().await, Server::start().await);
    let numbered = std::sync::atomic::AtomicUsize::new(0);
    tokens.answer(move |_| {
        let number = numbered.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        support::json(
            json!({"access_token": format!("bearer-{number}"), "token_type": "Bearer", "expires_in": 300}).to_string(),
        )
    });
    server.answer(issues_to("Bearer bearer-0"));
    let own = ClientAuth::client_secret_post("orders-1", "hunter2").expect("usable");
    let from = TokenEndpoint::at("https://tokens.example", tokens.url("/token"), own);
    let target = TargetService { scopes: Scopes::parse("as:clients").expect("scopes"), ..TargetService::default() };
    let auth = ClientAuth::bearer("orders", from, target).expect("usable");
    let http = ManualTime::new().http();
    let client = TokenEndpoint::at(ISSUER, server.url("/token"), auth.clone()).connect(&http).expect("loopback");
    for _ in 0..2 {
        client.request(&grant()).await.expect("a token");
    }
    let arrived = server.arrived();
    assert_eq!((arrived.len(), tokens.arrived().len()), (2, 1), "it is kept");
    assert_eq!(field(&arrived[0], "client_id").as_deref(), Some("orders"));
    assert_eq!((field(&arrived[0], "client_secret"), field(&arrived[0], "client_assertion")), (None, None));

    // Refused, it is fetched anew for the next call.
    server.forget_answers().answer(issues_to("Bearer bearer-1"));
    client.request(&grant()).await.expect_err("the server does not take it");
    client.request(&grant()).await.expect("a token");
    assert_eq!((server.arrived().len(), tokens.arrived().len()), (2, 1));

    // Without one nothing is sent.
    tokens.forget_answers().answer(|_| invalid_client());
    let poor = TokenEndpoint::at(ISSUER, server.url("/token"), auth).connect(&http).expect("loopback");
    let error = poor.request(&grant()).await.expect_err("no token");
    let problem = ConfigurationProblem::Credential;
    assert_eq!(error.kind(), &TokenErrorKind::OurConfiguration { problem });
    let why = std::error::Error::source(&error).expect("a cause").to_string();
    assert!(why.starts_with("no token by client_credentials from https://tokens.example: "), "{why}");
    assert_eq!(server.arrived().len(), 0);
}
