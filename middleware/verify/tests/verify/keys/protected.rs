//! A key set that is shown only to who has a token.

use std::{fs, path::Path};

use tower_identity_core::Scopes;
use tower_identity_oauth::{ClientAuth, TargetService, TokenEndpoint};
use tower_identity_testkit::{Endpoint, Failure, LogCapture, TestIssuer};
use tower_identity_verify::TrustedIssuer;

use crate::support::{HOUR, MINUTE, SECOND, Stage, accepted, refused, text, unavailable};

fn server(issuer: &TestIssuer) -> TokenEndpoint {
    let auth = ClientAuth::client_secret_basic("orders", "hunter2-hunter2").expect("usable");
    TokenEndpoint::at(issuer.issuer().as_str(), issuer.url(Endpoint::Token), auth)
}

fn may_read_keys() -> TargetService {
    TargetService { scopes: Scopes::parse("keys:read").expect("scopes"), ..TargetService::default() }
}

/// A stage whose key set demands a token, which the same issuer issues.
fn protected() -> Stage {
    let stage = Stage::new();
    stage.issuer.protect_keys("keys:read");
    stage.issuer.token_lifetime(HOUR);
    let target = server(&stage.issuer);
    Stage::again(stage.clock, stage.issuer, |issuer: TrustedIssuer| issuer.keys_server(target, may_read_keys()))
}

#[tokio::test]
async fn jwks_a8_a_key_set_is_fetched_with_a_token_of_our_own() {
    let without = Stage::new();
    without.issuer.protect_keys("keys:read");
    assert_eq!(refused(without.verifier.bearer(&without.token()).await), unavailable(2 * SECOND));

    let logs = LogCapture::start();
    let stage = protected();
    accepted(stage.verifier.bearer(&stage.token()).await);
    let calls = stage.issuer.token_calls();
    let [call] = &calls[..] else { panic!("{} token requests", calls.len()) };
    assert_eq!((call.field("grant_type"), call.field("scope")), (Some("client_credentials"), Some("keys:read")));
    // The same token serves the next fetch.
    stage.replace_key();
    accepted(stage.verifier.bearer(&stage.token()).await);
    assert_eq!((stage.fetches(), stage.issuer.calls(Endpoint::Token)), (2, 1));
    logs.assert_hides(["hunter2-hunter2"]);
    assert!(!logs.text().contains("eyJ"), "{}", logs.text());
}

#[tokio::test]
async fn jwks_a8_a_token_that_ended_is_replaced() {
    let stage = protected();
    stage.issuer.key_max_age(Some(24 * HOUR));
    stage.issuer.token_lifetime(5 * MINUTE);
    accepted(stage.verifier.bearer(&stage.token()).await);
    stage.clock.advance(6 * MINUTE);
    stage.replace_key();
    accepted(stage.verifier.bearer(&stage.token()).await);
    assert_eq!((stage.fetches(), stage.issuer.calls(Endpoint::Token)), (2, 2));
}

#[tokio::test]
async fn jwks_a8_a_token_that_is_refused_is_dropped_once() {
    let stage = protected();
    accepted(stage.verifier.bearer(&stage.token()).await);
    stage.issuer.refuse_tokens_for_keys();
    stage.replace_key();
    accepted(stage.verifier.bearer(&stage.token()).await);
    assert_eq!((stage.fetches(), stage.issuer.calls(Endpoint::Token)), (3, 2));

    // When the next one is refused too, that is the end of it.
    stage.issuer.fail(Endpoint::Keys, Failure::Status(http::StatusCode::UNAUTHORIZED));
    stage.clock.advance(MINUTE);
    stage.replace_key();
    assert_eq!(refused(stage.verifier.bearer(&stage.token()).await), unavailable(30 * SECOND));
    assert_eq!((stage.fetches(), stage.issuer.calls(Endpoint::Token)), (5, 3));

    // Any other refusal keeps the token.
    stage.issuer.fail(Endpoint::Keys, Failure::Status(http::StatusCode::FORBIDDEN));
    stage.clock.advance(MINUTE);
    assert_eq!(refused(stage.verifier.bearer(&stage.token()).await), unavailable(30 * SECOND));
    assert_eq!(stage.issuer.calls(Endpoint::Token), 3);
}

#[tokio::test]
async fn jwks_a8_without_a_token_there_are_no_keys_and_no_verdict() {
    let stage = protected();
    stage.issuer.fail(Endpoint::Token, Failure::Error { status: http::StatusCode::BAD_REQUEST, code: "invalid_scope" });
    let refusal = stage.verifier.bearer(&text(stage.good())).await.expect_err("no keys");
    assert_eq!(refused(Err(refusal.clone())), unavailable(2 * SECOND));
    let causes: Vec<_> = std::iter::successors(std::error::Error::source(&refusal), |cause| cause.source())
        .map(ToString::to_string)
        .collect();
    assert_eq!(causes[1], "there is no token of our own for the key set");
    assert_eq!(stage.fetches(), 0, "nobody asks for keys without it");
    stage.issuer.recover(Endpoint::Token);
    stage.clock.advance(2 * SECOND);
    accepted(stage.verifier.bearer(&stage.token()).await);
}

/// A stage whose key set demands a token, which is in this file.
fn reads_a_file(file: &Path) -> Stage {
    let stage = Stage::new();
    stage.issuer.protect_keys("keys:read");
    Stage::again(stage.clock, stage.issuer, |issuer: TrustedIssuer| issuer.keys_token_file(file))
}

/// A token that the key set is shown for.
fn may_read(stage: &Stage) -> String {
    text(stage.issuer.token().subject("orders").client("orders").audience("keys").scope("keys:read"))
}

/// Why a token could not be judged, innermost last.
async fn causes(stage: &Stage) -> Vec<String> {
    let refusal = stage.verifier.bearer(&stage.token()).await.expect_err("no keys");
    assert_eq!(refused(Err(refusal.clone())), unavailable(2 * SECOND));
    std::iter::successors(std::error::Error::source(&refusal), |cause| cause.source())
        .map(ToString::to_string)
        .collect()
}

#[tokio::test]
async fn jwks_a8_a_token_in_a_file_is_read_for_each_fetch() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    let (logs, stage) = (LogCapture::start(), reads_a_file(&file));
    let [first, second] = [may_read(&stage), may_read(&stage)];
    fs::write(&file, format!("{first}\n")).expect("written");
    accepted(stage.verifier.bearer(&stage.token()).await);

    // It has ended, and nobody has replaced it yet.
    stage.issuer.refuse_tokens_for_keys();
    stage.replace_key();
    assert_eq!(refused(stage.verifier.bearer(&stage.token()).await), unavailable(30 * SECOND));
    fs::write(&file, &second).expect("written");
    stage.clock.advance(30 * SECOND);
    accepted(stage.verifier.bearer(&stage.token()).await);
    assert_eq!(stage.fetches(), 3);
    logs.assert_hides([first.as_str(), &second]);
}

#[tokio::test]
async fn jwks_a8_a_file_without_a_token_is_no_verdict_and_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    let path = file.display();
    let longest = "a".repeat(8192);
    let cases = [
        (None, format!("cannot read {path}")),
        (Some(" \n".to_owned()), format!("{path} is empty")),
        (Some("two words".to_owned()), format!("{path} holds no bearer token")),
        (Some("a\r\nx-injected: b".to_owned()), format!("{path} holds no bearer token")),
        (Some(longest.clone() + "a"), format!("{path} holds no bearer token")),
        (Some(" ".repeat(64 * 1024 + 1)), format!("{path} is larger than 65536 bytes")),
    ];
    for (content, expected) in cases {
        if let Some(content) = content {
            fs::write(&file, content).expect("written");
        }
        let stage = reads_a_file(&file);
        assert_eq!(causes(&stage).await[1..3], ["there is no token of our own for the key set".to_owned(), expected]);
        assert_eq!(stage.fetches(), 0, "nobody asks for keys without it");
        fs::write(&file, &longest).expect("written");
        stage.clock.advance(2 * SECOND);
        assert_eq!(causes(&stage).await.last().expect("a cause"), "the server answers 401 Unauthorized", "the control");
        fs::write(&file, may_read(&stage)).expect("written");
        stage.clock.advance(2 * SECOND);
        accepted(stage.verifier.bearer(&stage.token()).await);
    }
}

#[tokio::test]
async fn jwks_a8_a_token_in_a_file_follows_no_redirect() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    let (stage, canary) = (reads_a_file(&file), Stage::new());
    fs::write(&file, may_read(&stage)).expect("written");
    stage.issuer.fail(Endpoint::Keys, Failure::Redirect(canary.issuer.url(Endpoint::Keys)));
    assert!(causes(&stage).await.last().expect("a cause").starts_with("the server redirects (30"));
    assert_eq!((stage.fetches(), canary.fetches()), (1, 0));
    stage.issuer.recover(Endpoint::Keys);
    stage.clock.advance(2 * SECOND);
    accepted(stage.verifier.bearer(&stage.token()).await);
}
