//! What is let through, and what is refused, in front of a real issuer on loopback.

use std::{convert::Infallible, pin::pin};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt, service_fn};
use tower_identity_core::{SecretToken, ambient};
use tower_identity_inbound::{
    AuthLayer, RequireLayer,
    rule::{scope, user},
};
use tower_identity_testkit::{Endpoint, Failure, TestCaller, TestIssuer};

use crate::support::{Found, found, header, issuer_token, layer, refused, request, through, value, warm};

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

fn bearer(token: &SecretToken) -> HeaderValue {
    value(&format!("Bearer {}", token.expose()))
}

fn at(uri: &'static str, mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    *request.uri_mut() = http::Uri::from_static(uri);
    request
}

/// Each is refused so before the handler is called.
async fn each_is_refused(
    layer: &AuthLayer,
    cases: impl IntoIterator<Item = (&str, Request<Full<Bytes>>)>,
    (status, challenge, code): Refused,
) {
    for (name, request) in cases {
        let response = through(layer, request).await;
        assert_eq!(found(&response), None, "{name}");
        assert_eq!(refused(response).await, (status, challenge.map(str::to_owned), code.to_owned()), "{name}");
    }
}

#[tokio::test]
async fn what_is_presented_well_in_whatever_spelling_reaches_the_handler() {
    let issuer = TestIssuer::start();
    let layer = warm(&issuer).await.realm("orders");
    let good = issuer_token(&issuer).build();
    let passes = [
        ("a good token", request([bearer(&good)])),
        ("the scheme in another case", request([value(&format!("bEARER {}", good.expose()))])),
        ("several spaces", request([value(&format!("Bearer   {}", good.expose()))])),
        ("a query without a token", at("/?token=x", request([bearer(&good)]))),
    ];
    for (name, request) in passes {
        assert_eq!(through(&layer, request).await.status(), 200, "{name}");
    }
}

#[tokio::test]
async fn e1_nothing_that_we_read_as_a_credential_is_401_without_an_error() {
    let issuer = TestIssuer::start();
    let layer = warm(&issuer).await.realm("orders");
    let good = issuer_token(&issuer).build();
    let cases = [
        ("nothing", request([])),
        ("another scheme", request([value("Basic b3JkZXJzOnNlY3JldA==")])),
        ("a token without its scheme", request([value(good.expose())])),
        ("a token in the query alone", at("/?access_token=x", request([]))),
    ];
    each_is_refused(&layer, cases, NO_CREDENTIAL).await;
}

#[tokio::test]
async fn e2_a_credential_that_cannot_be_read_in_one_way_only_is_400() {
    let issuer = TestIssuer::start();
    let layer = warm(&issuer).await.realm("orders");
    let good = issuer_token(&issuer).build();
    let cases = [
        ("a token in the query too", at("/?access_token=x", request([bearer(&good)]))),
        ("two fields", request([bearer(&good), bearer(&good)])),
        ("a second scheme", request([bearer(&good), value("DPoP abc")])),
        ("fields joined", request([value(&format!("Bearer {}, Bearer x", good.expose()))])),
        ("an empty token", request([value("Bearer ")])),
    ];
    each_is_refused(&layer, cases, INVALID_REQUEST).await;
}

#[tokio::test]
async fn e3_a_token_that_fails_whatever_check_is_401_and_always_the_same() {
    let (issuer, stranger) = (TestIssuer::start(), TestIssuer::start());
    let layer = warm(&issuer).await.realm("orders");
    let cases = [
        ("no token at all", request([value("Bearer mF_9.B5f-4.1JqM")])),
        ("of a stranger", request([issuer_token(&stranger).bearer()])),
        ("for another service", request([issuer_token(&issuer).audience("payments").bearer()])),
        ("tampered with", request([issuer_token(&issuer).tampered().bearer()])),
        ("without a signature", request([issuer_token(&issuer).unsigned().bearer()])),
    ];
    each_is_refused(&layer, cases, INVALID_TOKEN).await;
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
async fn cve_2025_64527_repeated_fields_ask_no_issuer_for_keys_however_many_come_at_once() {
    let issuer = TestIssuer::start();
    let bearer = issuer_token(&issuer).bearer();
    issuer.fail(Endpoint::Keys, Failure::Status(StatusCode::INTERNAL_SERVER_ERROR));
    let layer = layer(&issuer);
    let repeated: JoinSet<_> = (0..16)
        .map(|_| {
            let (layer, request) = (layer.clone(), request([bearer.clone(), bearer.clone()]));
            async move { through(&layer, request).await.status() }
        })
        .collect();
    assert_eq!(repeated.join_all().await, [StatusCode::BAD_REQUEST; 16]);
    assert_eq!((issuer.calls(Endpoint::Metadata), issuer.calls(Endpoint::Keys)), (0, 0));
    // The control: one field, which needs the keys that cannot be had.
    assert_eq!(through(&layer, request([bearer])).await.status(), 503);
    assert_eq!(issuer.calls(Endpoint::Keys), 1);
}

#[tokio::test]
async fn cve_2021_32701_one_token_is_judged_by_each_routes_own_rule() {
    let issuer = TestIssuer::start();
    let layer = warm(&issuer).await;
    let bearer = issuer_token(&issuer).bearer();
    let handler = service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(())) });
    for (needs, status) in [("orders:write", 200), ("orders:admin", 403), ("orders:write", 200)] {
        let route = layer.layer(RequireLayer::new(scope(needs)).layer(handler));
        let Ok(response) = route.oneshot(request([bearer.clone()])).await;
        assert_eq!(response.status(), status, "{needs}");
    }
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
    // Twice is a mistake too, and one that closes: the outer layer has taken the credential away.
    let Ok(twice) = layer.layer(layer.layer(handler)).oneshot(call()).await;
    assert_eq!(refused(twice).await, (500, None, "misconfigured".to_owned()));
}

/// A gateway that asks by `GET` whether to let somebody in, headers passed on, and a cache: both go by the status.
#[tokio::test]
async fn g8_nobody_turns_a_refusal_into_a_200_by_a_content_type() {
    let layer = layer(&TestIssuer::start()).realm("orders");
    let status_of = async |method: Method| {
        let mut request = request([]);
        *request.method_mut() = method;
        request.headers_mut().insert(CONTENT_TYPE, value("application/grpc"));
        let response = through(&layer, request).await;
        (response.status().as_u16(), header(response.headers(), "grpc-status"))
    };
    assert_eq!(status_of(Method::GET).await, (401, None));
    assert_eq!(status_of(Method::HEAD).await, (401, None));
    assert_eq!(status_of(Method::POST).await, (200, Some("16".to_owned())));
}
