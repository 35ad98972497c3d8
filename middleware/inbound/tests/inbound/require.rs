use std::{
    convert::Infallible,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, header::CONTENT_TYPE};
use http_body::Body;
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_identity_core::{Refusal, RefusalKind, Scopes};
use tower_identity_inbound::{
    AuthBody, Inbound, RequireLayer, Rule,
    rule::{acr, max_age, no_user, scope, user},
};
use tower_identity_testkit::{LogCapture, TestCaller, with_caller, without_caller};
use tower_test::mock;

use crate::support::{Seen, header, refused, see};

type Answer = Result<Response<Full<Bytes>>, Infallible>;

async fn handler(_: Request<Full<Bytes>>) -> Answer {
    Ok(Response::new(Full::from("\"handled\"")))
}

/// What must not be reached.
async fn behind_the_door(_: Request<Full<Bytes>>) -> Answer {
    panic!("the handler was called")
}

fn request() -> Request<Full<Bytes>> {
    Request::new(Full::default())
}

fn alice() -> TestCaller {
    TestCaller::workload("storefront").user("alice").scope("orders:write")
}

/// What a caller gets at a rule, in front of a handler that must not be called.
async fn turned_away(caller: TestCaller, rule: Rule) -> (u16, Option<String>, String) {
    let inner = RequireLayer::new(rule).layer(service_fn(behind_the_door));
    let Ok(response) = with_caller(caller).layer(inner).oneshot(request()).await;
    refused(response).await
}

fn answer(status: u16, challenge: Option<&str>, code: &str) -> (u16, Option<String>, String) {
    (status, challenge.map(str::to_owned), code.to_owned())
}

#[tokio::test]
async fn what_a_rule_allows_is_called() {
    let service = RequireLayer::new(scope("orders:write").and(user())).layer(service_fn(handler));
    let Ok(allowed) = with_caller(alice()).layer(service).oneshot(request()).await;
    assert_eq!(see(allowed).await, Seen { status: 200, challenge: None, body: "handled".into() });
}

#[tokio::test]
async fn e4_a_scope_that_is_missing_is_403_and_named() {
    let without = TestCaller::workload("storefront").user("alice");
    let challenge = r#"Bearer error="insufficient_scope", scope="orders:write""#;
    let expected = answer(403, Some(challenge), "insufficient_scope");
    assert_eq!(turned_away(without, scope("orders:write").and(user())).await, expected);
}

#[tokio::test]
async fn e5_a_sign_in_that_is_too_weak_or_too_old_is_401_with_what_would_do() {
    let rule = acr(["gold"]).and(max_age(Duration::from_secs(300)));
    let challenge = r#"Bearer error="insufficient_user_authentication", acr_values="gold", max_age="300""#;
    let expected = answer(401, Some(challenge), "insufficient_user_authentication");
    assert_eq!(turned_away(alice(), rule).await, expected);
}

#[tokio::test]
async fn e11_what_a_rule_forbids_is_403_without_a_challenge() {
    let alone = TestCaller::workload("storefront").scope("orders:write");
    assert_eq!(turned_away(alone, scope("orders:write").and(user())).await, answer(403, None, "denied"));
}

#[tokio::test]
async fn e1_nobody_is_asked_for_a_credential() {
    let inner = RequireLayer::new(scope("orders:write")).layer(service_fn(behind_the_door));
    let Ok(response) = without_caller().layer(inner).oneshot(request()).await;
    assert_eq!(refused(response).await, (401, Some(r#"Bearer realm="api""#.to_owned()), "no_credential".to_owned()));
}

#[tokio::test]
async fn e12_without_authentication_around_it_a_rule_opens_nothing() {
    let logs = LogCapture::start();
    let Ok(response) = RequireLayer::new(user()).layer(service_fn(behind_the_door)).oneshot(request()).await;
    assert_eq!(refused(response).await, (500, None, "misconfigured".to_owned()));
    assert!(logs.text().contains("no AuthLayer has seen this request"), "{}", logs.text());

    // The wrong order: authentication inside of the rule, where it comes too late.
    let inner = with_caller(alice()).layer(service_fn(behind_the_door));
    let Ok(response) = RequireLayer::new(user()).layer(inner).oneshot(request()).await;
    assert_eq!(refused(response).await, (500, None, "misconfigured".to_owned()));

    let inner = RequireLayer::new(user()).layer(service_fn(handler));
    let Ok(response) = with_caller(alice()).layer(inner).oneshot(request()).await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn e12_a_rule_that_may_not_stand_opens_nothing_and_says_why_to_the_operator() {
    let rules: [(Rule, &str); 2] = [(no_user(), "no_user: stands only at the top"), (scope(""), "scope: is empty")];
    for (rule, reason) in rules {
        let logs = LogCapture::start();
        let layer = RequireLayer::new(rule);
        let told: Vec<_> = logs.text().lines().map(str::to_owned).collect();
        let [told] = &told[..] else { panic!("not one event but {told:?}") };
        assert!(told.contains("ERROR tower_identity::rule: the rule is not valid") && told.contains(reason), "{told}");
        let inner = layer.layer(service_fn(behind_the_door));
        let caller = TestCaller::workload("scheduler").scope("orders:write");
        let Ok(response) = with_caller(caller).layer(inner).oneshot(request()).await;
        assert_eq!(refused(response).await, (500, None, "misconfigured".to_owned()));
        assert!(logs.text().lines().skip(1).any(|line| line.contains(reason)), "{}", logs.text());
    }
    let logs = LogCapture::start();
    let _ = RequireLayer::new(user());
    assert_eq!(logs.text(), "", "of a rule that may stand there is nothing to tell");
}

#[tokio::test]
async fn g1_a_call_over_grpc_is_refused_in_its_own_language_and_ends_with_the_headers() {
    let mut call = request();
    *call.method_mut() = Method::POST;
    call.headers_mut().insert(CONTENT_TYPE, "application/grpc".parse().expect("header value"));
    let inner = RequireLayer::new(scope("charge")).layer(service_fn(behind_the_door));
    let Ok(response) = with_caller(alice()).layer(inner).oneshot(call).await;
    assert_eq!((response.status().as_u16(), header(response.headers(), "grpc-status")), (200, Some("7".to_owned())));
    assert!(response.body().is_end_stream());
    assert_eq!(response.body().size_hint().exact(), Some(0));
}

#[tokio::test]
async fn a_refusal_over_http_has_a_body_of_known_length_and_its_reason_as_extension() {
    let inner = RequireLayer::new(scope("charge")).layer(service_fn(behind_the_door));
    let Ok(response) = with_caller(alice()).layer(inner).oneshot(request()).await;
    assert!(!response.body().is_end_stream());
    let length = response.body().size_hint().exact().expect("a known length");
    let refusal = response.extensions().get::<Refusal>().expect("the reason").clone();
    assert_eq!(refusal.kind(), &RefusalKind::InsufficientScope { required: Scopes::parse("charge").expect("scope") });

    let mut body = pin!(response.into_body());
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Some(Ok(frame))) = body.as_mut().poll_frame(&mut cx) else { panic!("no frame") };
    assert_eq!(frame.into_data().expect("data").len() as u64, length);
    assert!(body.is_end_stream());
    assert!(matches!(body.poll_frame(&mut cx), Poll::Ready(None)));
}

#[tokio::test]
async fn the_inner_service_is_called_only_when_it_is_ready_and_a_refusal_uses_no_readiness_up() {
    // The mock panics when it is called without having been polled ready.
    let (inner, mut handle) = mock::pair::<Request<Full<Bytes>>, Response<Full<Bytes>>>();
    let mut service = RequireLayer::new(user()).layer(inner);
    handle.allow(0);
    assert!(pin!(service.ready()).as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    handle.allow(1);

    let refused = service.ready().await.expect("ready").call(request());
    assert_eq!(refused.await.expect("a response").status(), 500);

    let mut call = request();
    call.extensions_mut().insert(Inbound::Caller(alice().context()));
    let calling = service.ready().await.expect("still ready").call(call);
    handle.next_request().await.expect("the call").1.send_response(Response::new(Full::default()));
    assert_eq!(calling.await.expect("a response").status(), 200);
}

/// A body of no framework: it is passed through as it is.
#[derive(Debug, PartialEq)]
struct OwnBody;

#[tokio::test]
async fn the_layer_asks_nothing_of_the_bodies_that_it_passes_through() {
    let inner = service_fn(|_: Request<OwnBody>| async { Ok::<_, Infallible>(Response::new(OwnBody)) });
    let service = with_caller(alice()).layer(RequireLayer::new(user()).layer(inner));
    let answer: Result<Response<AuthBody<OwnBody>>, Infallible> = service.oneshot(Request::new(OwnBody)).await;
    let Ok(response) = answer;
    assert_eq!(response.status(), 200);
}
