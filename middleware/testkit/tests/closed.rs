//! Routers with a hole, which is found and named, and the same without it.

use axum::{
    Router,
    http::StatusCode,
    routing::{any, get, post},
};
use tower_identity_inbound::{AuthLayer, RequireLayer, rule::user};
use tower_identity_testkit::{assert_closed, assert_closed_or_not_found, without_caller};
use tower_identity_verify::{TrustedIssuer, Verifier};

const ORDERS: [&str; 2] = ["GET /orders", "POST /orders"];

fn auth() -> AuthLayer {
    let home = TrustedIssuer::discover("https://login.example.com").audience("orders");
    AuthLayer::new(Verifier::builder(home).build().expect("a verifier"))
}

fn orders() -> Router {
    Router::new().route("/orders", get(|| async { "orders" }).post(|| async { "placed" }))
}

/// What is open of a router, one request a line.
async fn open(router: Router, requests: &'static [&'static str]) -> Vec<String> {
    told(tokio::spawn(assert_closed(router, requests)).await)
}

async fn open_or_unknown(router: Router, requests: &'static [&'static str]) -> Vec<String> {
    told(tokio::spawn(assert_closed_or_not_found(router, requests)).await)
}

fn told(asserted: Result<(), tokio::task::JoinError>) -> Vec<String> {
    let Err(failed) = asserted else { return Vec::new() };
    let panic = failed.into_panic();
    let text = panic.downcast_ref::<String>().expect("a message");
    let list = text.strip_prefix("not closed to a request without a credential:\n").expect(text);
    list.lines().map(|line| line.trim().to_owned()).collect()
}

#[tokio::test]
async fn a_route_that_was_added_after_the_layer_is_found() {
    let closed = || orders().route("/health", get(|| async { "up" })).layer(auth());
    assert_eq!(open(closed(), &ORDERS).await, [""; 0]);
    let holed = || orders().layer(auth()).route("/health", get(|| async { "up" }));
    // What is not asked for is not seen; what is, is.
    assert_eq!(open(holed(), &ORDERS).await, [""; 0]);
    assert_eq!(open(closed(), &["GET /orders", "GET /health"]).await, [""; 0]);
    let found = open(holed(), &["GET /orders", "GET /health"]).await;
    let expected = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE"].map(|method| match method {
        "GET" | "HEAD" => format!("{method} /health is answered 200 OK"),
        _ => format!("{method} /health is answered 405 Method Not Allowed"),
    });
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_method_that_was_added_after_the_layer_is_found() {
    let closed = || Router::new().route("/orders", get(|| async { "orders" }));
    let holed = || closed().layer(auth()).route("/orders", post(|| async { "placed" }));
    assert_eq!(open_or_unknown(holed(), &["GET /orders"]).await, ["POST /orders is answered 200 OK"]);
    assert!(open(holed(), &["GET /orders"]).await.contains(&"POST /orders is answered 200 OK".to_owned()));
    assert_eq!(
        open(closed().route("/orders", post(|| async { "placed" })).layer(auth()), &["GET /orders"]).await,
        [""; 0]
    );
}

#[tokio::test]
async fn what_answers_to_a_disguise_of_a_path_is_found() {
    let cases = [
        ("//orders", "GET //orders is answered 200 OK"),
        ("/orders/", "GET /orders/ is answered 200 OK"),
        ("/%2e/orders", "GET /%2e/orders is answered 200 OK"),
        ("/x/%2e%2e/orders", "GET /x/%2e%2e/orders is answered 200 OK"),
        ("/orders/%2e", "GET /orders/%2e is answered 200 OK"),
        ("/%6frders", "GET /%6frders is answered 200 OK"),
    ];
    for (path, expected) in cases {
        let holed = || orders().layer(auth()).route(path, any(|| async { "orders" }));
        assert_eq!(open(holed(), &["GET /orders"]).await, [expected]);
        assert_eq!(open_or_unknown(holed(), &["GET /orders"]).await, [expected]);
    }
}

#[tokio::test]
async fn a_fallback_outside_of_the_layer_is_found_and_one_that_knows_nothing_may_be_stated() {
    let unknown = "/assert-closed/no-such-route";
    let inside = orders().fallback(|| async { "made up" }).layer(auth());
    assert_eq!(open(inside, &["GET /orders"]).await, [""; 0]);
    let outside = || orders().layer(auth()).fallback(|| async { "made up" });
    assert!(open(outside(), &["GET /orders"]).await.contains(&format!("GET {unknown} is answered 200 OK")));
    assert!(open_or_unknown(outside(), &["GET /orders"]).await.contains(&format!("GET {unknown} is answered 200 OK")));
    // A router around it that knows nothing of these paths.
    let around = || orders().layer(auth()).fallback(|| async { StatusCode::NOT_FOUND });
    assert!(open(around(), &["GET /orders"]).await.contains(&format!("GET {unknown} is answered 404 Not Found")));
    assert_eq!(open_or_unknown(around(), &["GET /orders"]).await, [""; 0]);
    // What is stated has to be there.
    assert_eq!(open_or_unknown(around(), &["GET /none"]).await, ["GET /none is answered 404 Not Found"]);
}

#[tokio::test]
async fn only_our_own_refusal_for_want_of_a_credential_is_closed() {
    let made_up = Router::new().route("/orders", any(|| async { StatusCode::UNAUTHORIZED }));
    let found = open(made_up.layer(without_caller()), &["GET /orders"]).await;
    assert!(found.contains(&"GET /orders is answered 401 Unauthorized".to_owned()), "{found:?}");
    // Nobody has authenticated: closed for now, and for everybody, which is no way to leave it.
    let unwired = orders().layer(RequireLayer::new(user()));
    assert!(
        open(unwired, &["GET /orders"]).await.contains(&"GET /orders is answered 500 Internal Server Error".to_owned())
    );
    // A rule refuses nobody as well as authentication does.
    assert_eq!(open(orders().layer(RequireLayer::new(user())).layer(without_caller()), &ORDERS).await, [""; 0]);
    let optional = orders().layer(auth().optional());
    assert!(open(optional, &["GET /orders"]).await.contains(&"GET /orders is answered 200 OK".to_owned()));
}

#[tokio::test]
#[should_panic(expected = "\"/orders\" is not a method and a path, such as GET /orders")]
async fn a_request_that_is_none_is_the_tests_own_mistake() {
    assert_closed(orders().layer(auth()), ["/orders"]).await;
}

#[tokio::test]
#[should_panic(expected = "there is no request to assert anything of")]
async fn of_no_request_nothing_is_asserted() {
    assert_closed(orders().layer(auth()), [""; 0]).await;
}
