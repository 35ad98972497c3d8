//! The test issuer's key set: caching, demands, and answers that break off.

use std::sync::LazyLock;

use http::{HeaderMap, StatusCode, header};
use reqwest::{Client, Response};
use serde_json::Value;
use tower_identity_testkit::{Endpoint, Failure, TestIssuer};

fn client() -> &'static Client {
    static CLIENT: LazyLock<Client> =
        LazyLock::new(|| Client::builder().no_proxy().pool_max_idle_per_host(0).build().expect("a client"));
    &CLIENT
}

async fn get(issuer: &TestIssuer, headers: &[(header::HeaderName, &str)]) -> Response {
    let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().expect("a value")));
    let request = client().get(issuer.url(Endpoint::Keys)).headers(headers.collect::<HeaderMap>());
    request.send().await.expect("an answer")
}

fn text(response: &Response, name: header::HeaderName) -> Option<String> {
    response.headers().get(name).map(|value| value.to_str().expect("text").to_owned())
}

#[tokio::test]
async fn jwks_a1_who_has_the_keys_is_told_so() {
    let issuer = TestIssuer::start();
    assert_eq!(text(&get(&issuer, &[]).await, header::ETAG), None);
    issuer.tag_keys();
    let first = get(&issuer, &[]).await;
    let tag = text(&first, header::ETAG).expect("a tag");
    assert_eq!(first.status(), StatusCode::OK);

    let again = get(&issuer, &[(header::IF_NONE_MATCH, &tag)]).await;
    assert_eq!((again.status(), issuer.keys_not_modified()), (StatusCode::NOT_MODIFIED, 1));
    assert_eq!(text(&again, header::ETAG), Some(tag.clone()));
    assert_eq!(text(&again, header::CACHE_CONTROL).as_deref(), Some("public, max-age=300"));
    assert_eq!(get(&issuer, &[(header::IF_NONE_MATCH, "\"other\"")]).await.status(), StatusCode::OK);

    issuer.rotate_key();
    let changed = get(&issuer, &[(header::IF_NONE_MATCH, &tag)]).await;
    assert_eq!((changed.status(), issuer.keys_not_modified()), (StatusCode::OK, 1));
    assert_ne!(text(&changed, header::ETAG), Some(tag));
}

#[tokio::test]
async fn it_says_of_its_life_what_the_test_says() {
    let issuer = TestIssuer::start();
    issuer.key_cache_control("no-store");
    assert_eq!(text(&get(&issuer, &[]).await, header::CACHE_CONTROL).as_deref(), Some("no-store"));
    issuer.key_max_age(None);
    assert_eq!(text(&get(&issuer, &[]).await, header::CACHE_CONTROL), None);
}

#[tokio::test]
async fn protected_keys_are_for_who_has_a_token() {
    let issuer = TestIssuer::start();
    issuer.protect_keys("keys:read");
    let bearer = |scope: &str| format!("Bearer {}", issuer.token().scope(scope).build().expose());
    let status = async |authorization: &str| get(&issuer, &[(header::AUTHORIZATION, authorization)]).await.status();
    let refused = get(&issuer, &[]).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(text(&refused, header::WWW_AUTHENTICATE).as_deref(), Some("Bearer error=\"invalid_token\""));
    let good = bearer("keys:read");
    assert_eq!(status(&good).await, StatusCode::OK);
    assert_eq!(status(&bearer("other")).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status("Bearer made-up").await, StatusCode::UNAUTHORIZED);

    issuer.refuse_tokens_for_keys();
    assert_eq!(status(&good).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&bearer("keys:read")).await, StatusCode::OK, "another one");
}

#[tokio::test]
async fn an_answer_breaks_off_in_the_middle() {
    let issuer = TestIssuer::start();
    issuer.fail_once(Endpoint::Keys, Failure::BreakOff);
    let mut response = get(&issuer, &[]).await;
    let whole = response.content_length().expect("announced");
    let mut half = 0;
    let error = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => half += chunk.len() as u64,
            Ok(None) => panic!("it came whole"),
            Err(error) => break error,
        }
    };
    assert_eq!((response.status(), half), (StatusCode::OK, whole / 2), "{error}");
    assert_eq!(get(&issuer, &[]).await.bytes().await.expect("whole").len() as u64, whole);
}

#[tokio::test]
async fn a_silent_endpoint_answers_nobody_and_others_are_answered() {
    let issuer = TestIssuer::start();
    issuer.fail_once(Endpoint::Keys, Failure::Silence);
    let waiting = tokio::spawn(client().get(issuer.url(Endpoint::Keys)).send());
    issuer.arrived(Endpoint::Keys, 1).await;
    assert_eq!(get(&issuer, &[]).await.status(), StatusCode::OK);
    assert!(!waiting.is_finished());
    issuer.stop();
    assert!(waiting.await.expect("a task").is_err(), "until it stops");
}

#[tokio::test]
async fn a_key_set_without_keys_is_an_answer() {
    let issuer = TestIssuer::start();
    issuer.fail_once(Endpoint::Keys, Failure::no_keys());
    let keys: Value = get(&issuer, &[]).await.json().await.expect("JSON");
    assert_eq!(keys, serde_json::json!({"keys": []}));
}
