//! Metadata: found at either location, of exactly the issuer, and kept while the issuer is down.

use std::time::Duration;

use axum::http::{StatusCode, header};
use serde_json::json;
use tower_identity_core::Issuer;
use tower_identity_oauth::{
    Discovery, DiscoveryError, DiscoveryFailure, DiscoveryOrder, METADATA_FRESH, METADATA_USABLE, MetadataError,
};

use crate::support::{self, Arrived, ManualTime, Server, html};

const OAUTH: &str = "/.well-known/oauth-authorization-server/t1";
const OIDC: &str = "/t1/.well-known/openid-configuration";

fn issuer(server: &Server) -> Issuer {
    server.url("/t1").parse().expect("issuer")
}

fn document(server: &Server) -> String {
    json!({"issuer": server.url("/t1"), "token_endpoint": server.url("/token")}).to_string()
}

/// Answers at this path only.
fn only_at(path: &'static str, document: String) -> impl Fn(&Arrived) -> axum::response::Response {
    move |arrived| {
        if arrived.uri.path() == path { support::json(document.clone()) } else { html() }
    }
}

fn discovery(server: &Server, time: &ManualTime) -> Discovery {
    Discovery::new(issuer(server), time.http()).expect("loopback")
}

async fn token_endpoint(discovery: &Discovery) -> Result<String, DiscoveryError> {
    let metadata = discovery.metadata().await?;
    Ok(metadata.token_endpoint().expect("the document names one").to_string())
}

#[tokio::test]
async fn rfc8414_a4_either_location_does_in_the_order_that_was_chosen() {
    use DiscoveryOrder::{OauthFirst, OidcFirst};
    let cases: [(&str, DiscoveryOrder, &[&str]); 4] = [
        (OAUTH, OauthFirst, &[OAUTH]),
        (OIDC, OauthFirst, &[OAUTH, OIDC]),
        (OIDC, OidcFirst, &[OIDC]),
        (OAUTH, OidcFirst, &[OIDC, OAUTH]),
    ];
    for (place, order, asked) in cases {
        let server = Server::start().await;
        server.answer(only_at(place, document(&server)));
        let discovery = Discovery::in_order(order, issuer(&server), ManualTime::new().http()).expect("loopback");
        let found = token_endpoint(&discovery).await.expect("found");
        assert_eq!(found, server.url("/token"));
        assert_eq!(server.paths(), asked, "{place} {order:?}");
    }
}

#[tokio::test]
async fn rfc8414_a1_a_document_of_another_issuer_ends_the_search() {
    let server = Server::start().await;
    let other = document(&server).replace("/t1", "/t1/");
    server.answer(move |_| support::json(other.clone()));
    let refused = token_endpoint(&discovery(&server, &ManualTime::new())).await.expect_err("another issuer");
    let expected = MetadataError::OtherIssuer { expected: issuer(&server), found: server.url("/t1/") };
    match refused.failure() {
        DiscoveryFailure::Document(found) => assert_eq!(found, &expected),
        other => panic!("{other:?}"),
    }
    assert!(!refused.is_transient());
    assert_eq!(server.paths(), [OAUTH]);

    server.forget_answers().answer(only_at(OAUTH, document(&server)));
    let control = token_endpoint(&discovery(&server, &ManualTime::new())).await;
    assert_eq!(control.expect("the control"), server.url("/token"));
}

#[tokio::test]
async fn a_server_without_metadata_is_told_from_one_that_is_down() {
    let server = Server::start().await;
    let error = token_endpoint(&discovery(&server, &ManualTime::new())).await.expect_err("404");
    assert_eq!(
        error.to_string(),
        format!("no usable metadata of issuer {} at {} or {}", issuer(&server), server.url(OAUTH), server.url(OIDC))
    );
    assert!(!error.is_transient());
    assert_eq!(server.paths(), [OAUTH, OIDC]);

    server.answer(|_| (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "9")]));
    let error = token_endpoint(&discovery(&server, &ManualTime::new())).await.expect_err("503");
    assert!(error.is_transient());
    assert_eq!(error.retry_after(), Some(Duration::from_secs(9)));
    assert_eq!(server.paths(), [OAUTH], "the other location is the same server's");
}

#[tokio::test]
async fn equal_waiters_share_one_fetch_and_its_failure() {
    let (server, time) = (Server::start().await, ManualTime::new());
    server.answer(|_| StatusCode::SERVICE_UNAVAILABLE);
    let shared = discovery(&server, &time);
    let [first, second] = [shared.metadata(), shared.clone().metadata()];
    let (first, second) = tokio::join!(first, second);
    assert!(first.is_err_and(|error| error.is_transient()) && second.is_err_and(|error| error.is_transient()));
    assert_eq!(server.paths(), [OAUTH]);

    server.forget_answers().answer(only_at(OAUTH, document(&server)));
    assert!(token_endpoint(&shared).await.is_err(), "the failure stands for a little");
    assert_eq!(server.paths().len(), 0);
    time.advance(Duration::from_secs(2));
    assert_eq!(token_endpoint(&shared).await.expect("up again"), server.url("/token"));
}

#[tokio::test]
async fn the_last_good_document_outlives_an_outage_up_to_its_limit() {
    let (server, time) = (Server::start().await, ManualTime::new());
    server.answer(only_at(OAUTH, document(&server)));
    let discovery = discovery(&server, &time);
    assert!(token_endpoint(&discovery).await.is_ok());
    assert_eq!(server.paths(), [OAUTH]);
    time.advance(METADATA_FRESH - Duration::from_secs(1));
    assert!(token_endpoint(&discovery).await.is_ok());
    assert_eq!(server.paths().len(), 0, "nobody asks for what is fresh");

    server.forget_answers().answer(|_| StatusCode::SERVICE_UNAVAILABLE);
    time.advance(METADATA_USABLE - METADATA_FRESH);
    assert!(token_endpoint(&discovery).await.is_ok(), "a second before the limit");
    time.advance(Duration::from_secs(60));
    assert!(token_endpoint(&discovery).await.is_err_and(|error| error.is_transient()), "beyond the limit");
}
