use std::{net::SocketAddr, sync::Arc};

use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{Request, StatusCode},
};
use demo_authority::app;
use serde_json::json;
use tower::ServiceExt;
use tower_identity_testkit::ManualClock;

use crate::support::{Answer, Running, authority, settings};

#[tokio::test]
async fn a_user_is_signed_in_and_the_token_says_how_little_that_means() {
    let running = Running::start().await;
    let request = running.http.post(format!("{}/dev/sign-in", running.issuer)).json(&json!({ "user": "alice" }));
    let answer = Answer::read(request).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let token = answer.token();
    let expected = json!({ "access_token": token, "token_type": "Bearer", "expires_in": 900,
                "scope": "orders:read orders:write" });
    assert_eq!(answer.body, expected);

    let claims = running.claims(&token).await;
    let now = running.now();
    let expected = json!({
        "iss": running.issuer, "sub": "alice", "aud": "storefront", "client_id": "storefront-web",
        "scope": "orders:read orders:write", "iat": now, "exp": now + 900, "jti": claims["jti"],
        "auth_time": now, "acr": "0", "amr": ["dev"], "sid": claims["sid"],
    });
    assert_eq!(claims, expected);
}

#[tokio::test]
async fn only_users_are_signed_in() {
    let running = Running::start().await;
    for (user, expected) in [("alice", 200), ("mallory", 404), ("orders", 404), ("storefront-web", 404), ("", 422)] {
        let request = running.http.post(format!("{}/dev/sign-in", running.issuer)).json(&json!({ "user": user }));
        assert_eq!(Answer::read(request).await.status, expected, "{user}");
    }
}

#[tokio::test]
async fn nobody_is_signed_in_from_another_machine_or_on_another_address() {
    let outcome = async |listening_on: &str, peer: &str, sign_in: bool| {
        let mut settings = settings("https://login.example");
        if !sign_in {
            settings.as_object_mut().expect("an object").remove("sign_in");
        }
        let authority = authority(settings, ManualClock::new().clock()).expect("good settings");
        let app = app(Arc::new(authority), listening_on.parse().expect("an address"));
        let peer: SocketAddr = peer.parse().expect("an address");
        let ask = async |path: &str| {
            let request = Request::post(path)
                .header("host", "localhost:7000")
                .header("content-type", "application/json")
                .extension(ConnectInfo(peer))
                .body(Body::from(r#"{"user": "alice"}"#))
                .expect("a request");
            app.clone().oneshot(request).await.expect("answered").status()
        };
        let outcome = ask("/dev/sign-in").await;
        assert_eq!(ask("/dev/revoke").await, outcome, "and revoked by the same");
        outcome
    };
    assert_eq!(outcome("127.0.0.1:7000", "127.0.0.1:50000", true).await, StatusCode::OK);
    assert_eq!(outcome("127.0.0.1:7000", "192.0.2.1:50000", true).await, StatusCode::FORBIDDEN);
    assert_eq!(outcome("[::1]:7000", "[::ffff:127.0.0.1]:50000", true).await, StatusCode::OK);
    assert_eq!(outcome("0.0.0.0:7000", "127.0.0.1:50000", true).await, StatusCode::NOT_FOUND);
    assert_eq!(outcome("192.0.2.7:7000", "127.0.0.1:50000", true).await, StatusCode::NOT_FOUND);
    assert_eq!(outcome("127.0.0.1:7000", "127.0.0.1:50000", false).await, StatusCode::NOT_FOUND);
}

/// A page's own name can be made to mean this machine, and the browser then takes the page for ours (DNS rebinding).
#[tokio::test]
async fn a_page_in_a_browser_on_this_machine_signs_nobody_in() {
    let running = Running::start().await;
    let sign_in = async |more: &[(&str, &str)]| {
        let request = running.http.post(format!("{}/dev/sign-in", running.issuer)).json(&json!({ "user": "alice" }));
        let request = more.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        Answer::read(request).await.status
    };
    assert_eq!(sign_in(&[("host", "rebound.example")]).await, StatusCode::FORBIDDEN);
    assert_eq!(sign_in(&[("origin", "http://rebound.example")]).await, StatusCode::FORBIDDEN);
    assert_eq!(sign_in(&[("x-forwarded-for", "192.0.2.1")]).await, StatusCode::FORBIDDEN);
    assert_eq!(sign_in(&[]).await, StatusCode::OK);
}
