//! An issuer that answers wrongly, late or not at all, as a test says.

use http::StatusCode;
use serde_json::Value;
use tower_identity_core::Scopes;
use tower_identity_testkit::{Endpoint, Failure, ManualClock, TestIssuer};

use super::{ACCESS_TOKEN, CLIENT_CREDENTIALS, client, exchange, get, json, opened, post};

#[tokio::test]
async fn each_failure_is_what_it_says_and_passes() {
    let issuer = TestIssuer::start();
    let ask = async || post(&issuer, &[CLIENT_CREDENTIALS, ("scope", "a")]).await;
    let cases = [
        (Failure::Status(StatusCode::NOT_FOUND), 404, ""),
        (Failure::Unavailable { retry_after: 9 }, 503, ""),
        (
            Failure::TooManyRequests { retry_after: 9 },
            429,
            r#"{"status":429,"title":"Too Many Requests","type":"about:blank"}"#,
        ),
        (
            Failure::Error { status: StatusCode::BAD_REQUEST, code: "invalid_grant" },
            400,
            r#"{"error":"invalid_grant"}"#,
        ),
        (Failure::Html, 200, "<html><body>Please sign in</body></html>"),
        (Failure::Redirect("https://evil.example/".to_owned()), 302, ""),
        (Failure::Body("[".into()), 200, "["),
    ];
    for (failure, status, body) in cases {
        issuer.fail_once(Endpoint::Token, failure.clone());
        let response = ask().await;
        let headers = response.headers().clone();
        let header = |name| headers.get(name).map(|value| value.to_str().expect("text"));
        assert_eq!(header("retry-after"), [429, 503].contains(&status).then_some("9"));
        assert_eq!(header("location"), (status == 302).then_some("https://evil.example/"));
        assert_eq!((response.status().as_u16(), response.text().await.expect("text").as_str()), (status, body));
        assert_eq!(ask().await.status(), StatusCode::OK, "once: {failure:?}");
    }
}

#[tokio::test]
async fn a_spoiled_answer_differs_in_one_member() {
    let issuer = TestIssuer::builder().clock(ManualClock::new().clock()).start();
    let wider = Scopes::parse("admin").expect("a scope");
    let cases = [
        (Failure::wrong_token_type(), json!({"token_type": "N_A"})),
        (Failure::Member("expires_in", Value::Null), json!({"expires_in": null})),
        (Failure::WiderScope(wider), json!({"scope": "a admin"})),
        (Failure::Without("scope"), json!({})),
    ];
    let right = json!({"token_type": "Bearer", "expires_in": 300, "scope": "a"});
    for (failure, changed) in cases {
        let mut expected = right.clone();
        expected.as_object_mut().expect("an object").extend(changed.as_object().expect("an object").clone());
        if let Failure::Without(name) = failure {
            expected.as_object_mut().expect("an object").remove(name);
        }
        issuer.fail(Endpoint::Token, failure);
        let (status, mut answer) = json(post(&issuer, &[CLIENT_CREDENTIALS, ("scope", "a")]).await).await;
        let claims = opened(&issuer, &answer).await;
        assert_eq!(claims["scope"], *answer.get("scope").unwrap_or(&json!("a")), "the token says so too");
        answer.as_object_mut().expect("an object").remove("access_token");
        assert_eq!((status, answer), (StatusCode::OK, expected));
    }
    issuer.fail(Endpoint::Token, Failure::wrong_issued_token_type());
    let (_, answer) = exchange(&issuer, &issuer.token().build(), &[]).await;
    assert_eq!(answer["issued_token_type"], "urn:ietf:params:oauth:token-type:refresh_token");
    issuer.recover(Endpoint::Token);
    let (_, answer) = exchange(&issuer, &issuer.token().build(), &[]).await;
    assert_eq!(answer["issued_token_type"], ACCESS_TOKEN);
}

#[tokio::test]
async fn failures_are_per_endpoint_and_in_order() {
    let issuer = TestIssuer::start();
    issuer.fail(Endpoint::Keys, Failure::Status(StatusCode::FORBIDDEN));
    issuer.fail_once(Endpoint::Keys, Failure::Status(StatusCode::NOT_FOUND));
    issuer.fail_once(Endpoint::Keys, Failure::Oversize);
    let mut seen = Vec::new();
    for _ in 0..4 {
        let response = get(&issuer, Endpoint::Keys).await;
        seen.push((response.status().as_u16(), response.bytes().await.expect("a body").len() > 1 << 20));
    }
    assert_eq!(seen, [(404, false), (200, true), (403, false), (403, false)]);
    assert_eq!(get(&issuer, Endpoint::Metadata).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn closing_gives_no_answer_but_counts() {
    let issuer = TestIssuer::start();
    issuer.fail_once(Endpoint::Keys, Failure::Close);
    let error = client().get(issuer.url(Endpoint::Keys)).send().await.expect_err("no answer");
    assert!(error.is_request() && !error.is_connect(), "{error:?}");
    assert_eq!(issuer.calls(Endpoint::Keys), 1);
    assert_eq!(get(&issuer, Endpoint::Keys).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_held_endpoint_answers_when_it_is_let_go() {
    let issuer = TestIssuer::start();
    let held = issuer.hold(Endpoint::Keys);
    let waiting = tokio::spawn(client().get(issuer.url(Endpoint::Keys)).send());
    issuer.arrived(Endpoint::Keys, 1).await;
    assert_eq!(get(&issuer, Endpoint::Metadata).await.status(), StatusCode::OK, "others go on");
    assert!(!waiting.is_finished());
    held.release();
    assert_eq!(waiting.await.expect("a task").expect("an answer").status(), StatusCode::OK);
    assert_eq!(get(&issuer, Endpoint::Keys).await.status(), StatusCode::OK, "later ones do not wait");
}

#[tokio::test]
async fn a_stopped_issuer_refuses_keeps_its_port_and_comes_back_as_it_was() {
    let issuer = TestIssuer::start();
    let key = issuer.rotate_key();
    let _held = issuer.hold(Endpoint::Token);
    let waiting = tokio::spawn(client().post(issuer.url(Endpoint::Token)).send());
    issuer.arrived(Endpoint::Token, 1).await;
    issuer.stop();
    issuer.stop();
    assert!(waiting.await.expect("a task").is_err(), "open connections close");
    let refused = client().get(issuer.url(Endpoint::Keys)).send().await.expect_err("refused");
    assert!(refused.is_connect(), "{refused:?}");
    let address = issuer.issuer().as_str().trim_start_matches("http://").parse().expect("an address");
    let taken = tokio::net::TcpSocket::new_v4().expect("a socket").bind(address);
    assert_eq!(taken.map_err(|error| error.kind()), Err(std::io::ErrorKind::AddrInUse));

    issuer.restart();
    issuer.restart();
    let (_, keys) = json(get(&issuer, Endpoint::Keys).await).await;
    assert_eq!(keys["keys"][1]["kid"], key.key_id());
    assert_eq!((issuer.calls(Endpoint::Keys), issuer.calls(Endpoint::Token)), (1, 1));
}
