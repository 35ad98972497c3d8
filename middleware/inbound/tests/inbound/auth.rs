//! The layer in front of a real issuer on loopback.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_identity_core::ambient;
use tower_identity_inbound::{
    AuthBody, AuthLayer, Inbound, RequireLayer,
    rule::{scope, user},
};
use tower_identity_testkit::{Endpoint, LogCapture, TestCaller, TestIssuer, TokenBuilder};
use tower_identity_verify::{TrustedIssuer, Verifier};
use tower_test::mock;

use crate::support::{header, refused};

fn layer(issuer: &TestIssuer) -> AuthLayer {
    let home = TrustedIssuer::discover(issuer.issuer().as_str()).audience("orders");
    AuthLayer::new(Verifier::builder(home).build().expect("a verifier"))
}

/// A layer whose verifier has its keys already: it decides without waiting.
async fn warm(issuer: &TestIssuer) -> AuthLayer {
    let layer = layer(issuer);
    let response = through(&layer, request([issuer_token(issuer).bearer()])).await;
    assert_eq!(response.status(), 200);
    layer
}

fn issuer_token(issuer: &TestIssuer) -> TokenBuilder {
    issuer.token().client("storefront").subject("alice").audience("orders").scope("orders:write")
}

fn request(authorization: impl IntoIterator<Item = HeaderValue>) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    for value in authorization {
        request.headers_mut().append(AUTHORIZATION, value);
    }
    request
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("a header value")
}

/// What a handler found in its request and around it.
#[derive(Debug, Clone, PartialEq)]
struct Found {
    user: Option<String>,
    ambient: Option<String>,
    headers: HeaderMap,
}

fn user_of(context: &tower_identity_core::CallerContext) -> String {
    context.principal().user().expect("a user").id.to_string()
}

/// Tells what it finds, at the call and at the poll.
async fn through(layer: &AuthLayer, request: Request<Full<Bytes>>) -> Response<AuthBody<Full<Bytes>>> {
    let handler = service_fn(|request: Request<Full<Bytes>>| {
        let ambient = ambient::current().as_ref().map(user_of);
        async move {
            assert_eq!(ambient::current().as_ref().map(user_of), ambient, "at the call and at the poll");
            let user = Inbound::of(request.extensions()).expect("always there").caller().map(user_of);
            let mut response = Response::new(Full::default());
            response.extensions_mut().insert(Found { user, ambient, headers: request.headers().clone() });
            Ok::<_, Infallible>(response)
        }
    });
    let Ok(response) = layer.layer(handler).oneshot(request).await;
    assert!(ambient::current().is_none(), "the scope ends with the call");
    response
}

fn found<B>(response: &Response<B>) -> Option<Found> {
    response.extensions().get().cloned()
}

#[tokio::test]
async fn rfc6750_a10_the_handler_finds_the_caller_around_it_and_in_the_request_and_no_credential() {
    let issuer = TestIssuer::start();
    let layer = layer(&issuer);
    for temperature in ["cold", "warm"] {
        let mut request = request([issuer_token(&issuer).bearer()]);
        request.headers_mut().insert("accept", value("*/*"));
        let alice = Some("alice".to_owned());
        let headers = HeaderMap::from_iter([(http::header::ACCEPT, value("*/*"))]);
        let expected = Found { user: alice.clone(), ambient: alice, headers };
        assert_eq!(found(&through(&layer, request).await), Some(expected), "{temperature}");
    }
    assert_eq!(issuer.calls(Endpoint::Keys), 1);
}

type Refused = (u16, Option<&'static str>, &'static str);

const INVALID_REQUEST: Refused = (400, Some(r#"Bearer realm="orders", error="invalid_request""#), "malformed_request");
const INVALID_TOKEN: Refused = (401, Some(r#"Bearer realm="orders", error="invalid_token""#), "invalid_token");
const NO_CREDENTIAL: Refused = (401, Some(r#"Bearer realm="orders""#), "no_credential");

#[tokio::test]
async fn e1_e2_e3_what_is_presented_badly_is_refused_and_the_handler_not_called() {
    let issuer = TestIssuer::start();
    let stranger = TestIssuer::start();
    let layer = warm(&issuer).await.realm("orders");
    let good = || issuer_token(&issuer).build();
    let bearer = |token: &str| value(&format!("Bearer {token}"));
    let good_bearer = || bearer(good().expose());
    let at = |uri: &'static str, mut request: Request<Full<Bytes>>| {
        *request.uri_mut() = http::Uri::from_static(uri);
        request
    };

    let passes = [
        ("a good token", request([good_bearer()])),
        ("the scheme in another case", request([value(&format!("bEARER {}", good().expose()))])),
        ("several spaces", request([value(&format!("Bearer   {}", good().expose()))])),
        ("a query without a token", at("/?token=x", request([good_bearer()]))),
    ];
    for (name, request) in passes {
        assert_eq!(through(&layer, request).await.status(), 200, "{name}");
    }

    let refuses = [
        ("nothing", request([]), NO_CREDENTIAL),
        ("another scheme", request([value("Basic b3JkZXJzOnNlY3JldA==")]), NO_CREDENTIAL),
        ("a token without its scheme", request([value(good().expose())]), NO_CREDENTIAL),
        ("a token in the query alone", at("/?access_token=x", request([])), NO_CREDENTIAL),
        ("a token in the query too", at("/?access_token=x", request([good_bearer()])), INVALID_REQUEST),
        ("two fields", request([good_bearer(), good_bearer()]), INVALID_REQUEST),
        ("a second scheme", request([good_bearer(), value("DPoP abc")]), INVALID_REQUEST),
        ("fields joined", request([value(&format!("Bearer {}, Bearer x", good().expose()))]), INVALID_REQUEST),
        ("an empty token", request([value("Bearer ")]), INVALID_REQUEST),
        ("no token at all", request([bearer("mF_9.B5f-4.1JqM")]), INVALID_TOKEN),
        ("of a stranger", request([issuer_token(&stranger).bearer()]), INVALID_TOKEN),
        ("for another service", request([issuer_token(&issuer).audience("payments").bearer()]), INVALID_TOKEN),
        ("tampered with", request([issuer_token(&issuer).tampered().bearer()]), INVALID_TOKEN),
        ("without a signature", request([issuer_token(&issuer).unsigned().bearer()]), INVALID_TOKEN),
    ];
    for (name, request, (status, challenge, code)) in refuses {
        let response = through(&layer, request).await;
        assert_eq!(found(&response), None, "{name}");
        assert_eq!(refused(response).await, (status, challenge.map(str::to_owned), code.to_owned()), "{name}");
    }
}

#[tokio::test]
async fn cve_2021_21378_optional_means_no_credential_and_never_a_bad_one() {
    let issuer = TestIssuer::start();
    let stranger = TestIssuer::start();
    let required = warm(&issuer).await;
    let optional = required.clone().optional();
    let nobody = Found { user: None, ambient: None, headers: HeaderMap::new() };

    // Whoever runs around the layer, a request without a credential runs in the scope of nobody.
    let around = TestCaller::workload("around").user("bob").context();
    let mut in_a_scope = pin!(around.scope(async {
        let look = service_fn(|_: Request<Full<Bytes>>| async {
            Ok::<_, Infallible>(Response::new(Full::from(format!("{}", ambient::current().is_none()))))
        });
        let Ok(response) = optional.layer(look).oneshot(request([])).await;
        response.into_body().collect().await.map(http_body_util::Collected::to_bytes)
    }));
    assert_eq!(in_a_scope.as_mut().await, Ok(Bytes::from("true")));

    assert_eq!(found(&through(&optional, request([])).await), Some(nobody));
    let control = through(&optional, request([issuer_token(&issuer).bearer()])).await;
    assert_eq!(found(&control).and_then(|found| found.user), Some("alice".to_owned()));

    let bad = [
        (value("Basic b3JkZXJzOnNlY3JldA=="), 401),
        (value("Bearer "), 400),
        (value("Bearer nonsense"), 401),
        (issuer_token(&stranger).bearer(), 401),
        (issuer_token(&issuer).audience("payments").bearer(), 401),
        (issuer_token(&issuer).tampered().bearer(), 401),
    ];
    for (authorization, status) in bad {
        for layer in [&optional, &required] {
            let response = through(layer, request([authorization.clone()])).await;
            assert_eq!((found(&response), response.status().as_u16()), (None, status), "{authorization:?}");
        }
    }
}

#[tokio::test]
async fn e10_an_issuer_that_is_down_is_503_and_neither_401_nor_anonymous() {
    let issuer = TestIssuer::start();
    let token = issuer_token(&issuer).bearer();
    issuer.stop();
    for layer in [layer(&issuer), layer(&issuer).optional()] {
        let response = through(&layer, request([token.clone()])).await;
        assert_eq!(found(&response), None);
        let retry_after: u64 = header(response.headers(), "retry-after").expect("a time").parse().expect("seconds");
        assert!(retry_after >= 1);
        assert_eq!(refused(response).await, (503, None, "unavailable".to_owned()));
    }
    issuer.restart();
    assert_eq!(through(&layer(&issuer), request([token])).await.status(), 200);
}

#[tokio::test]
async fn the_realm_stands_in_the_challenges_further_in_too_and_breaks_out_of_none() {
    let issuer = TestIssuer::start();
    let layer = layer(&issuer).realm("or\"ders\r\nset-cookie: a=b").optional();
    let inner = RequireLayer::new(scope("charge")).layer(service_fn(|_: Request<Full<Bytes>>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    }));
    let realm = r#"Bearer realm="or\"dersset-cookie: a=b""#;
    let cases = [
        (request([]), 401, realm.to_owned()),
        (
            request([issuer_token(&issuer).bearer()]),
            403,
            format!(r#"{realm}, error="insufficient_scope", scope="charge""#),
        ),
        (request([value("Bearer x")]), 401, format!(r#"{realm}, error="invalid_token""#)),
    ];
    for (request, status, challenge) in cases {
        let Ok(response) = layer.layer(inner.clone()).oneshot(request).await;
        assert_eq!(response.headers().get("set-cookie"), None);
        let seen = (response.status().as_u16(), header(response.headers(), "www-authenticate"));
        assert_eq!(seen, (status, Some(challenge)));
    }
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn after_a_wait_the_very_service_that_was_ready_is_called() {
    let issuer = TestIssuer::start();
    let held = issuer.hold(Endpoint::Keys);
    // The mock panics when it is called without having been polled ready, and so would a fresh clone of it.
    let (inner, mut handle) = mock::pair::<Request<Full<Bytes>>, Response<Full<Bytes>>>();
    let mut service = layer(&issuer).layer(inner);

    handle.allow(1);
    let mut calling = pin!(service.ready().await.expect("ready").call(request([issuer_token(&issuer).bearer()])));
    assert!(poll_once(calling.as_mut()).is_pending());
    assert_eq!(format!("{calling:?}"), "AuthFuture::Verifying");
    issuer.arrived(Endpoint::Keys, 1).await;
    // The readiness went with the call: what stayed behind has to be polled anew.
    handle.allow(0);
    assert!(poll_once(pin!(service.ready())).is_pending());

    held.release();
    let (response, ()) = tokio::join!(calling.as_mut(), async {
        let (request, answer) = handle.next_request().await.expect("the call");
        assert_eq!(request.headers().get(AUTHORIZATION), None);
        answer.send_response(Response::new(Full::default()));
    });
    assert_eq!(response.expect("a response").status(), 200);

    // With keys at hand the service itself is called, at once.
    handle.allow(1);
    let calling = service.ready().await.expect("ready").call(request([issuer_token(&issuer).bearer()]));
    assert_eq!(format!("{calling:?}"), "AuthFuture::Calling");
    handle.next_request().await.expect("the call").1.send_response(Response::new(Full::default()));
    assert_eq!(calling.await.expect("a response").status(), 200);
}

#[tokio::test]
async fn a_refusal_calls_nobody_and_uses_no_readiness_up() {
    let issuer = TestIssuer::start();
    let layer = warm(&issuer).await;
    let (inner, mut handle) = mock::pair::<Request<Full<Bytes>>, Response<Full<Bytes>>>();
    let mut service = layer.layer(inner);
    handle.allow(1);

    let refused = service.ready().await.expect("ready").call(request([value("Bearer x")]));
    assert_eq!(format!("{refused:?}"), "AuthFuture::Refused");
    assert_eq!(refused.await.expect("a response").status(), 401);
    assert!(poll_once(pin!(handle.next_request())).is_pending());

    let calling = service.ready().await.expect("still ready").call(request([issuer_token(&issuer).bearer()]));
    handle.next_request().await.expect("the call").1.send_response(Response::new(Full::default()));
    assert_eq!(calling.await.expect("a response").status(), 200);
}

#[tokio::test]
async fn a_client_that_leaves_while_keys_are_fetched_calls_nobody_and_frees_what_it_held() {
    let issuer = TestIssuer::start();
    let held = issuer.hold(Endpoint::Keys);
    let alive = Arc::new(());
    let inner = service_fn({
        let alive = Arc::clone(&alive);
        move |_: Request<Full<Bytes>>| {
            let alive = Arc::clone(&alive);
            async move {
                drop(alive);
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
            }
        }
    });
    let mut service = layer(&issuer).layer(inner);
    let before = Arc::strong_count(&alive);
    let mut calling = Box::pin(service.call(request([issuer_token(&issuer).bearer()])));
    assert!(poll_once(calling.as_mut()).is_pending());
    assert_eq!(Arc::strong_count(&alive), before + 1, "the service that was ready is in the future");
    drop(calling);
    assert_eq!(Arc::strong_count(&alive), before);

    drop(held);
    let response = service.ready().await.map(|service| service.call(request([issuer_token(&issuer).bearer()])));
    let Ok(calling) = response;
    assert_eq!(calling.await.map(|response| response.status()), Ok(http::StatusCode::OK));
}

#[tokio::test]
async fn the_scope_is_closed_after_a_handler_that_panics_or_is_dropped() {
    let issuer = TestIssuer::start();
    let layer = warm(&issuer).await;
    let bearer = issuer_token(&issuer).bearer();

    let at_call = service_fn(|_: Request<Full<Bytes>>| -> std::future::Ready<Result<Response<()>, Infallible>> {
        assert!(ambient::current().is_some());
        panic!("at the call");
    });
    let mut service = layer.layer(at_call);
    let panicked = catch_unwind(AssertUnwindSafe(|| drop(service.call(request([bearer.clone()])))));
    assert_eq!(panicked.expect_err("panics").downcast_ref(), Some(&"at the call"));
    assert!(ambient::current().is_none());

    let at_poll = service_fn(|_: Request<Full<Bytes>>| async {
        assert!(ambient::current().is_some());
        panic!("at the poll") as Result<Response<()>, Infallible>
    });
    let mut calling = Box::pin(layer.layer(at_poll).call(request([bearer.clone()])));
    let panicked = catch_unwind(AssertUnwindSafe(|| poll_once(calling.as_mut()).is_ready()));
    assert_eq!(panicked.expect_err("panics").downcast_ref(), Some(&"at the poll"));
    assert!(ambient::current().is_none());

    let polls = Arc::new(AtomicUsize::new(0));
    let never = {
        let polls = Arc::clone(&polls);
        service_fn(move |_: Request<Full<Bytes>>| {
            let polls = Arc::clone(&polls);
            std::future::poll_fn(move |_| {
                assert!(ambient::current().is_some());
                polls.fetch_add(1, Ordering::Relaxed);
                Poll::<Result<Response<()>, Infallible>>::Pending
            })
        })
    };
    let mut calling = Box::pin(layer.layer(never).call(request([bearer])));
    for _ in 0..2 {
        assert!(poll_once(calling.as_mut()).is_pending());
        assert!(ambient::current().is_none(), "between polls");
    }
    drop(calling);
    assert!(ambient::current().is_none());
    assert_eq!(polls.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn e12_rules_and_authentication_in_the_wrong_order_open_nothing() {
    let issuer = TestIssuer::start();
    let layer = warm(&issuer).await;
    let handler =
        service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
    let call = || request([issuer_token(&issuer).bearer()]);

    let Ok(wrong) = RequireLayer::new(user()).layer(layer.layer(handler)).oneshot(call()).await;
    assert_eq!(refused(wrong).await, (500, None, "misconfigured".to_owned()));
    let Ok(right) = layer.layer(RequireLayer::new(user()).layer(handler)).oneshot(call()).await;
    assert_eq!(right.status(), 200);
    // Twice is a mistake too, and one that closes: the outer has taken the credential away.
    let Ok(twice) = layer.layer(layer.layer(handler)).oneshot(call()).await;
    assert_eq!(twice.status(), 401);
}

#[tokio::test]
async fn every_decision_leaves_one_event_that_its_answer_points_to_and_no_token() {
    let issuer = TestIssuer::start();
    let layer = warm(&issuer).await.optional();
    let good = issuer_token(&issuer).build();
    let for_another = issuer_token(&issuer).audience("payments").build();
    let bearer = |token: &str| value(&format!("Bearer {token}"));
    let cases = [
        (request([]), "DEBUG", r#"outcome="anonymous""#, None),
        (request([bearer(good.expose())]), "DEBUG", r#"outcome="accepted""#, Some(issuer.issuer().as_str())),
        (request([value("Basic abc")]), "DEBUG", r#"kind="no_credential" check="scheme" fault="caller""#, None),
        (request([value("Bearer ")]), "INFO", r#"kind="malformed_request" check="token68" fault="caller""#, None),
        (
            request([bearer(for_another.expose())]),
            "INFO",
            r#"kind="invalid_token" check="aud" fault="caller""#,
            Some(issuer.issuer().as_str()),
        ),
    ];
    for (request, level, fields, named) in cases {
        let logs = LogCapture::start();
        let response = through(&layer, request).await;
        let text = logs.text();
        let events: Vec<_> = text.lines().filter(|line| line.contains("tower_identity::decision")).collect();
        let [event] = events[..] else { panic!("not one event but {events:?}") };
        assert!(event.trim_start().starts_with(level), "{event}");
        assert!(event.contains(r#"stage="authentication""#) && event.contains(fields), "{event}");
        assert_eq!(named.is_some(), event.contains("issuer="), "{event}");
        assert!(named.is_none_or(|issuer| event.contains(issuer)), "{event}");
        let correlation = header(response.headers(), "x-correlation-id");
        assert_eq!(correlation.is_some(), event.contains("correlation_id="), "{event}");
        assert!(correlation.is_none_or(|id| event.contains(&id)), "{event}");
        logs.assert_hides([good.expose(), for_another.expose()]);
    }
}

#[tokio::test]
async fn a_correlation_id_is_ours_and_never_the_peers() {
    let issuer = TestIssuer::start();
    let mut request = request([]);
    request.headers_mut().insert("x-correlation-id", value("chosen-by-the-peer"));
    let response = through(&layer(&issuer), request).await;
    let ours = header(response.headers(), "x-correlation-id").expect("an id");
    assert!(ours.len() == 32 && ours.bytes().all(|b| b.is_ascii_hexdigit()), "{ours}");
}

/// Bodies of no framework, in and out.
#[derive(Debug, PartialEq)]
struct OwnBody;

#[tokio::test]
async fn the_layer_asks_nothing_of_the_bodies_that_it_passes_through() {
    let issuer = TestIssuer::start();
    let inner = service_fn(|_: Request<OwnBody>| async { Ok::<_, Infallible>(Response::new(OwnBody)) });
    let answer: Result<Response<AuthBody<OwnBody>>, Infallible> =
        layer(&issuer).optional().layer(inner).oneshot(Request::new(OwnBody)).await;
    assert_eq!(answer.map(|response| response.status()), Ok(http::StatusCode::OK));
}
