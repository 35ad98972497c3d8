//! Where the keys are published.

use http::{Method, Request};
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_identity_edge::KeySetEndpoint;
use tower_identity_testkit::ManualClock;

use crate::support::ring;

async fn answer(method: Method) -> (u16, Vec<(String, String)>, String) {
    let endpoint = KeySetEndpoint::new(ring(&ManualClock::new()));
    let request = Request::builder().method(method).uri(KeySetEndpoint::PATH).body(()).expect("a request");
    let Ok(response) = endpoint.oneshot(request).await;
    let (head, body) = response.into_parts();
    let text = |value: &http::HeaderValue| value.to_str().expect("text").to_owned();
    let fields = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let body = body.collect().await.expect("a body").to_bytes();
    (head.status.as_u16(), fields, String::from_utf8(body.to_vec()).expect("text"))
}

#[tokio::test]
async fn ring_c4_the_key_set_says_for_how_long_it_is_good_and_that_is_shorter_than_a_key_waits() {
    let (status, fields, body) = answer(Method::GET).await;
    let field = |name: &str| fields.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
    assert_eq!((status, field("content-type")), (200, Some("application/jwk-set+json")));
    assert_eq!(field("cache-control"), Some("public, max-age=300"));
    assert_eq!(field("content-length"), Some(body.len().to_string().as_str()));
    assert!(ring(&ManualClock::new()).max_age() < tower_identity_edge::Rotation::default().wait());
    let keys: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(1));
    assert_eq!(keys["keys"][0].get("d"), None, "the private part stays here");
}

#[tokio::test]
async fn ring_c4_it_is_asked_by_get_and_head() {
    let (status, fields, body) = answer(Method::HEAD).await;
    assert_eq!((status, body.as_str()), (200, ""));
    assert!(fields.iter().any(|(name, value)| name == "content-length" && value != "0"));
    let (status, fields, _) = answer(Method::POST).await;
    assert_eq!((status, fields.contains(&("allow".to_owned(), "GET, HEAD".to_owned()))), (405, true));
}
