//! A token endpoint that is as it should be, and one that is not, in every way that was seen.

use std::{pin::pin, time::Duration};

use axum::{
    body::Bytes,
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde_json::{Value, json};
use tower_identity_core::{Fault, RefusalKind, Scopes, SecretToken};
use tower_identity_oauth::{
    ClientAuth, ClientCredentials, ConfigurationProblem, DEADLINE, DEFAULT_RETRY_AFTER, Grant, IssuedToken, Nonsense,
    ServerSettings, TargetService, TokenClient, TokenEndpoint, TokenError, TokenErrorKind, TokenExchange,
};

use crate::support::{self, Arrived, ManualTime, Server, html, poll_once, raw_server};

fn auth() -> ClientAuth {
    ClientAuth::client_secret_basic("orders", "hunter2").expect("usable")
}

fn client(server: &Server) -> TokenClient {
    client_at(&server.url("/token"))
}

fn client_at(url: &str) -> TokenClient {
    TokenEndpoint::at("https://as.example", url, auth()).connect(&ManualTime::new().http()).expect("loopback")
}

fn target() -> TargetService {
    TargetService {
        audience: Some("payments".parse().expect("audience")),
        scopes: Scopes::parse("charge").expect("scopes"),
        ..TargetService::default()
    }
}

fn exchange() -> Grant {
    TokenExchange::new(SecretToken::new("users-token"), target()).expect("exchangeable").into()
}

fn success() -> Value {
    json!({
        "access_token": "issued-token",
        "token_type": "Bearer",
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "expires_in": 300,
    })
}

fn issues(body: Value) -> impl Fn(&Arrived) -> axum::response::Response {
    move |_| support::json(body.to_string())
}

/// What can be compared of a token.
fn parts(token: &IssuedToken) -> (&str, String, Option<Duration>) {
    (token.access_token().expose(), token.scopes().to_string(), token.expires_in())
}

fn the_token() -> (&'static str, String, Option<Duration>) {
    ("issued-token", "charge".to_owned(), Some(Duration::from_secs(300)))
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Asks once, sees that it fails, that nothing asked a second time, and that a server which answers as it should
/// gives the same client a token.
async fn failure(server: &Server) -> TokenError {
    let client = client(server);
    let error = client.request(&exchange()).await.expect_err("a failure");
    assert_eq!(server.arrived().len(), 1, "nothing below us tries again");
    server.forget_answers().answer(issues(success()));
    let control = client.request(&exchange()).await.expect("the control");
    assert_eq!(parts(&control), the_token());
    server.arrived();
    server.forget_answers();
    error
}

fn nonsense(what: Nonsense) -> (TokenErrorKind, RefusalKind, Fault) {
    (TokenErrorKind::Nonsense { what }, RefusalKind::BadUpstream, Fault::AuthorizationServer)
}

fn unavailable(retry_after: Duration) -> (TokenErrorKind, RefusalKind, Fault) {
    let refusal = RefusalKind::Unavailable { retry_after };
    (TokenErrorKind::Unavailable { retry_after }, refusal, Fault::AuthorizationServer)
}

fn seen(error: &TokenError) -> (TokenErrorKind, RefusalKind, Fault) {
    (error.kind().clone(), error.refusal().kind().clone(), error.fault())
}

#[tokio::test]
async fn an_exchange_on_the_wire_names_subject_target_and_us() {
    let server = Server::start().await;
    server.answer(issues(success()));
    let client = client(&server);
    // In a task of its own, as a cache would: the request can be sent between threads.
    let asking = tokio::spawn(async move { client.request(&exchange()).await });
    let token = asking.await.expect("no panic").expect("a token");
    assert_eq!(parts(&token), the_token());

    let arrived = server.arrived();
    let [request] = &arrived[..] else { panic!("{} requests", arrived.len()) };
    assert_eq!(request.headers[header::CONTENT_TYPE], "application/x-www-form-urlencoded");
    assert_eq!(request.headers[header::AUTHORIZATION], "Basic b3JkZXJzOmh1bnRlcjI=");
    let access = "urn:ietf:params:oauth:token-type:access_token";
    let expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", "users-token"),
        ("subject_token_type", access),
        ("requested_token_type", access),
        ("audience", "payments"),
        ("scope", "charge"),
    ];
    assert_eq!(request.form(), pairs(&expected));
}

#[tokio::test]
async fn client_credentials_from_a_file_are_the_same_on_the_wire() {
    let server = Server::start().await;
    server.answer(issues(json!({"access_token": "issued-token", "token_type": "bearer", "refresh_token": null})));
    let folder = std::env::temp_dir().join(format!("tower-identity-oauth-wire-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("secret"), "hunter2\r\n").expect("written");
    let settings: ServerSettings = serde_json::from_value(json!({
        "issuer": "https://as.example",
        "token_endpoint": server.url("/token"),
        "client_id": "orders",
        "client_secret_file": "secret",
    }))
    .expect("the shape");
    let endpoint = settings.token_endpoint(&folder).expect("usable");
    let client = endpoint.connect(&ManualTime::new().http()).expect("usable");
    std::fs::remove_dir_all(&folder).expect("removed");
    let token = client.request(&ClientCredentials::new(target()).into()).await.expect("a token");
    assert_eq!(parts(&token), ("issued-token", "charge".to_owned(), None));
    let arrived = server.arrived();
    let [request] = &arrived[..] else { panic!("{} requests", arrived.len()) };
    assert_eq!(request.headers[header::AUTHORIZATION], "Basic b3JkZXJzOmh1bnRlcjI=");
    let expected = [("grant_type", "client_credentials"), ("audience", "payments"), ("scope", "charge")];
    assert_eq!(request.form(), pairs(&expected));
}

#[tokio::test]
async fn html_is_nonsense() {
    let server = Server::start().await;
    server.answer(|_| html());
    assert_eq!(seen(&failure(&server).await), nonsense(Nonsense::NotJson));
    server.answer(|_| (StatusCode::BAD_REQUEST, html()));
    assert_eq!(seen(&failure(&server).await), nonsense(Nonsense::Status(StatusCode::BAD_REQUEST)));
}

#[tokio::test]
async fn ten_megabytes_are_nonsense() {
    let server = Server::start().await;
    server.answer(|_| support::json(Bytes::from(vec![b' '; 10 << 20])));
    assert_eq!(seen(&failure(&server).await), nonsense(Nonsense::TooLarge));
}

#[tokio::test]
async fn a_redirect_is_nonsense_and_no_token_goes_where_it_points() {
    let (server, canary) = (Server::start().await, Server::start().await);
    canary.answer(issues(success()));
    for status in [StatusCode::FOUND, StatusCode::TEMPORARY_REDIRECT, StatusCode::PERMANENT_REDIRECT] {
        let to = canary.url("/token");
        server.answer(move |_| (status, [(header::LOCATION, to.clone())]));
        assert_eq!(seen(&failure(&server).await), nonsense(Nonsense::Redirect(status)));
    }
    assert_eq!(canary.arrived().len(), 0);
}

#[tokio::test]
async fn out_b5_a_token_of_another_kind_or_wider_than_asked_is_nonsense() {
    let jwt = "urn:ietf:params:oauth:token-type:jwt";
    let cases = [
        ("token_type", "N_A", Nonsense::TokenType("N_A".into())),
        ("token_type", "DPoP", Nonsense::TokenType("DPoP".into())),
        ("issued_token_type", jwt, Nonsense::IssuedTokenType(jwt.into())),
        (
            "scope",
            "charge admin",
            Nonsense::WiderScope {
                accepted: Scopes::parse("charge").expect("scopes"),
                granted: Scopes::parse("admin charge").expect("scopes"),
            },
        ),
    ];
    let server = Server::start().await;
    for (member, value, what) in cases {
        let mut body = success();
        body[member] = value.into();
        server.answer(issues(body));
        assert_eq!(seen(&failure(&server).await), nonsense(what), "{member}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_unavailable() {
    let (url, mut arrivals) = raw_server(b"", false).await;
    let time = ManualTime::new();
    let client = TokenEndpoint::at("https://as.example", url, auth()).connect(&time.http()).expect("loopback");
    let grant = exchange();
    let mut asking = pin!(client.request(&grant));
    tokio::select! {
        early = &mut asking => panic!("{early:?}"),
        arrived = arrivals.recv() => assert_eq!(arrived, Some(())),
    }
    time.advance(DEADLINE);
    let ended = poll_once(asking.as_mut()).await.expect("the deadline is over, and another attempt would be too late");
    let error = ended.expect_err("nothing came");
    assert_eq!(seen(&error), unavailable(DEFAULT_RETRY_AFTER));
}

#[tokio::test]
async fn out_b4_retry_after_is_honoured_in_seconds_up_to_a_minute() {
    let server = Server::start().await;
    for (status, header_value, retry_after) in [
        (StatusCode::SERVICE_UNAVAILABLE, Some("7"), Duration::from_secs(7)),
        (StatusCode::TOO_MANY_REQUESTS, Some("30"), Duration::from_secs(30)),
        (StatusCode::SERVICE_UNAVAILABLE, Some("3600"), Duration::from_secs(60)),
        (StatusCode::INTERNAL_SERVER_ERROR, Some("soon"), DEFAULT_RETRY_AFTER),
        (StatusCode::INTERNAL_SERVER_ERROR, None, DEFAULT_RETRY_AFTER),
        (StatusCode::TOO_MANY_REQUESTS, None, DEFAULT_RETRY_AFTER),
    ] {
        server.answer(move |_| match header_value {
            Some(value) => (status, [(header::RETRY_AFTER, value)]).into_response(),
            None => status.into_response(),
        });
        let error = failure(&server).await;
        assert_eq!(seen(&error), unavailable(retry_after), "{header_value:?}");
        assert_eq!(error.retry_after(), Some(retry_after));
    }
}

#[tokio::test]
async fn out_b7_an_error_code_says_whose_fault_it_is() {
    let server = Server::start().await;
    for (code, refusal, fault) in [
        ("invalid_grant", RefusalKind::InvalidToken, Fault::Caller),
        ("invalid_request", RefusalKind::Denied, Fault::Caller),
        ("invalid_client", RefusalKind::Misconfigured, Fault::Configuration),
        ("invalid_target", RefusalKind::Misconfigured, Fault::Configuration),
    ] {
        server.answer(move |_| (StatusCode::BAD_REQUEST, support::json(json!({"error": code}).to_string())));
        let (_, seen_refusal, seen_fault) = seen(&failure(&server).await);
        assert_eq!((seen_refusal, seen_fault), (refusal, fault), "{code}");
    }
    server.answer(|_| StatusCode::FORBIDDEN);
    let problem = ConfigurationProblem::Status(StatusCode::FORBIDDEN);
    let expected = (TokenErrorKind::OurConfiguration { problem }, RefusalKind::Misconfigured, Fault::Configuration);
    assert_eq!(seen(&failure(&server).await), expected, "an empty 403");
}

#[tokio::test]
async fn a_discovered_endpoint_is_used_and_a_missing_one_is_somebodys_fault() {
    let server = Server::start().await;
    let metadata = json!({"issuer": server.url(""), "token_endpoint": server.url("/found")}).to_string();
    let document = move |_: &Arrived| support::json(metadata.clone());
    server.answer(document.clone()).answer(document).answer(issues(success()));
    let time = ManualTime::new();
    let connect = || TokenEndpoint::discover(server.url(""), auth()).connect(&time.http()).expect("loopback");
    let token = connect().request(&exchange()).await.expect("a token");
    assert_eq!(parts(&token), the_token());
    let [oauth, oidc] = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];
    assert_eq!(server.paths(), [oauth, oidc, "/found"]);

    let nameless = json!({"issuer": server.url("")}).to_string();
    server.forget_answers().answer(move |_| support::json(nameless.clone()));
    let error = connect().request(&exchange()).await.expect_err("no endpoint");
    assert_eq!(seen(&error), nonsense(Nonsense::Metadata));

    server.forget_answers();
    let error = connect().request(&exchange()).await.expect_err("no metadata");
    let problem = ConfigurationProblem::Discovery;
    let expected = (TokenErrorKind::OurConfiguration { problem }, RefusalKind::Misconfigured, Fault::Configuration);
    assert_eq!(seen(&error), expected);

    server.answer(|_| StatusCode::SERVICE_UNAVAILABLE);
    let error = connect().request(&exchange()).await.expect_err("down");
    assert_eq!(seen(&error), unavailable(DEFAULT_RETRY_AFTER));
}
