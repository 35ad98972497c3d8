//! Metadata: found at either location, of exactly the issuer, and kept while the issuer is down.

use std::time::Duration;

use axum::http::{StatusCode, header};
use serde_json::json;
use tower_identity_core::Issuer;
use tower_identity_oauth::{
    Discovery, DiscoveryError, DiscoveryFailure, DiscoveryOptions, DiscoveryOrder, METADATA_FRESH, METADATA_USABLE,
    MetadataError,
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

fn in_order(order: DiscoveryOrder, server: &Server, time: &ManualTime) -> Discovery {
    Discovery::with(&DiscoveryOptions::default().order(order), issuer(server), time.http()).expect("loopback")
}

async fn token_endpoint(discovery: &Discovery) -> Result<String, DiscoveryError> {
    let metadata = discovery.metadata().await?;
    Ok(metadata.token_endpoint().expect("the document names one").to_string())
}

#[tokio::test]
async fn rfc8414_a4_either_location_does_in_the_order_that_was_chosen() {
    use DiscoveryOrder::{OauthFirst, OauthOnly, OidcFirst, OidcOnly};
    let cases: [(&str, DiscoveryOrder, bool, &[&str]); 8] = [
        (OAUTH, OauthFirst, true, &[OAUTH, OIDC]),
        (OIDC, OauthFirst, true, &[OAUTH, OIDC]),
        (OIDC, OidcFirst, true, &[OIDC, OAUTH]),
        (OAUTH, OidcFirst, true, &[OIDC, OAUTH]),
        (OAUTH, OauthOnly, true, &[OAUTH]),
        (OIDC, OauthOnly, false, &[OAUTH]),
        (OIDC, OidcOnly, true, &[OIDC]),
        (OAUTH, OidcOnly, false, &[OIDC]),
    ];
    for (place, order, is_found, asked) in cases {
        let server = Server::start().await;
        server.answer(only_at(place, document(&server)));
        let discovery = in_order(order, &server, &ManualTime::new());
        let found = token_endpoint(&discovery).await.ok();
        assert_eq!(found, is_found.then(|| server.url("/token")), "{place} {order:?}");
        assert_eq!(server.paths(), asked, "{place} {order:?}");
    }
}

/// Answers each location with a document of its own.
fn at_both(oauth: String, oidc: String) -> impl Fn(&Arrived) -> axum::response::Response {
    move |arrived| support::json(if arrived.uri.path() == OAUTH { oauth.clone() } else { oidc.clone() })
}

#[tokio::test]
async fn rfc8414_a4_two_documents_that_do_not_agree_are_none() {
    let server = Server::start().await;
    let of = |issuer: &str, members: &[(&str, &str)]| {
        let mut document = json!({"issuer": server.url(issuer)});
        members.iter().for_each(|(member, path)| document[member] = server.url(path).into());
        document.to_string()
    };
    let both = |members| of("/t1", members);
    let first = || both(&[("token_endpoint", "/token"), ("jwks_uri", "/jwks")]);
    let cases = [
        (first(), None),
        (both(&[("jwks_uri", "/jwks"), ("introspection_endpoint", "/introspect")]), None),
        (both(&[]), None),
        ("<!doctype html>".to_owned(), None),
        (of("/t2", &[("jwks_uri", "/jwks")]), Some("issuer")),
        (both(&[("jwks_uri", "/planted")]), Some("jwks_uri")),
        (both(&[("jwks_uri", "/jwks"), ("token_endpoint", "/planted")]), Some("token_endpoint")),
    ];
    for (second, disagreement) in cases {
        server.forget_answers().answer(at_both(first(), second.clone()));
        let found = token_endpoint(&discovery(&server, &ManualTime::new())).await;
        assert_eq!(server.paths(), [OAUTH, OIDC], "{second}");
        let refused = found.as_ref().err().map(|error| match error.failure() {
            DiscoveryFailure::Disagreement { member } => (*member, error.is_transient()),
            other => panic!("{second}: {other:?}"),
        });
        assert_eq!(refused, disagreement.map(|member| (member, false)), "{second}");

        let only = in_order(DiscoveryOrder::OauthOnly, &server, &ManualTime::new());
        assert_eq!(token_endpoint(&only).await.expect("one place is asked"), server.url("/token"));
        assert_eq!(server.paths(), [OAUTH], "{second}");
    }
}

#[tokio::test]
async fn rfc8414_a4_documents_are_compared_when_something_is_new() {
    let (server, time) = (Server::start().await, ManualTime::new());
    server.answer(at_both(document(&server), document(&server)));
    let discovery = discovery(&server, &time);
    let asked_an_hour_later = async |count: usize| {
        time.advance(METADATA_FRESH);
        let mut paths = Vec::new();
        for _ in 0..1_000_000 {
            assert_eq!(token_endpoint(&discovery).await.expect("kept"), server.url("/token"));
            paths.extend(server.paths());
            if paths.len() == count {
                return paths;
            }
            tokio::task::yield_now().await;
        }
        panic!("only {paths:?} were asked for");
    };
    assert_eq!(token_endpoint(&discovery).await.expect("found"), server.url("/token"));
    assert_eq!(server.paths(), [OAUTH, OIDC]);
    for _ in 0..3 {
        assert_eq!(asked_an_hour_later(1).await, [OAUTH], "nothing is new");
    }

    let moved = document(&server).replace("/token", "/moved");
    server.forget_answers().answer(at_both(moved.clone(), document(&server)));
    assert_eq!(asked_an_hour_later(2).await, [OAUTH, OIDC], "the other place knows of no move");
    server.forget_answers().answer(at_both(moved.clone(), moved));
    for at in 0..1_000_000 {
        if at % 10_000 == 0 {
            time.advance(METADATA_FRESH);
        }
        if token_endpoint(&discovery).await.is_ok_and(|found| found == server.url("/moved")) {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("both know of the move");
}

#[tokio::test]
async fn rfc8414_a1_a_document_at_another_issuers_url_names_this_one_all_the_same() {
    let server = Server::start().await;
    let pattern: Issuer = server.url("/{tenantid}").parse().expect("issuer");
    let found_at = || DiscoveryOptions::default().found_at(issuer(&server));
    let of = |issuer: &str| json!({"issuer": issuer, "token_endpoint": server.url("/token")}).to_string();
    let find = async |document: String| {
        server.forget_answers().answer(only_at(OAUTH, document));
        let discovery = Discovery::with(&found_at(), pattern.clone(), ManualTime::new().http()).expect("loopback");
        token_endpoint(&discovery).await.map_err(|error| format!("{:?}", error.failure()))
    };
    assert_eq!(find(of(pattern.as_str())).await, Ok(server.url("/token")));
    assert_eq!(server.paths(), [OAUTH, OIDC]);
    let refused = find(of(issuer(&server).as_str())).await.expect_err("the document of where it was found");
    assert!(refused.contains("OtherIssuer"), "{refused}");
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
    let (first, second) = (first.expect_err("503"), second.expect_err("503"));
    assert_eq!((first.is_transient(), first.to_string()), (true, second.to_string()));
    assert_eq!(server.paths(), [OAUTH]);

    server.forget_answers().answer(only_at(OAUTH, document(&server)));
    let stands = token_endpoint(&shared).await.expect_err("the failure stands for a little");
    assert_eq!(stands.to_string(), first.to_string());
    assert_eq!(server.paths().len(), 0);
    time.advance(Duration::from_secs(2));
    assert_eq!(token_endpoint(&shared).await.expect("up again"), server.url("/token"));
}

#[tokio::test]
async fn the_last_good_document_outlives_an_outage_up_to_its_limit() {
    let (server, time) = (Server::start().await, ManualTime::new());
    server.answer(only_at(OAUTH, document(&server)));
    let (discovery, known) = (discovery(&server, &time), server.url("/token"));
    assert_eq!(token_endpoint(&discovery).await.expect("known"), known);
    assert_eq!(server.paths(), [OAUTH, OIDC]);
    time.advance(METADATA_FRESH - Duration::from_secs(1));
    assert_eq!(token_endpoint(&discovery).await.expect("known"), known);
    assert_eq!(server.paths().len(), 0, "nobody asks for what is fresh");

    server.forget_answers().answer(|_| StatusCode::SERVICE_UNAVAILABLE);
    time.advance(METADATA_USABLE - METADATA_FRESH);
    assert_eq!(token_endpoint(&discovery).await.expect("a second before the limit"), known);
    time.advance(Duration::from_secs(60));
    let beyond = token_endpoint(&discovery).await.expect_err("beyond the limit");
    assert_eq!((beyond.is_transient(), beyond.retry_after()), (true, None));
}
