//! A key set that is shown only to who has a token.

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
