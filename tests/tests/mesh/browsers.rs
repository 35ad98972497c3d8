//! What a browser sends: cookies for credentials, preflights, handshakes; and the same layer for whoever has none.

use axum::{
    Router,
    http::{Method, StatusCode, header},
    response::IntoResponse,
    routing::any,
};
use h2::ext::Protocol;
use http::Request;
use tokio::net::TcpStream;
use tower_http::cors::CorsLayer;
use tower_identity::{AuthLayer, RequireLayer, Source, rule::user};
use tower_identity_testkit::TestIssuer;

use crate::{
    servers::{Server, verifier},
    wire::exchange,
};

const SHOP: &str = "https://shop.example";
const APP: &str = "https://app.example";

fn token(issuer: &TestIssuer) -> String {
    issuer.token().subject("alice").client("shop").audience("orders").build().expose().to_owned()
}

/// A service for browsers at `SHOP`, and for pages of `APP`.
async fn service(issuer: &TestIssuer, allowed: &[&str]) -> Server {
    let sources = [Source::authorization(), Source::cookie("__Host-session").expect("a cookie")];
    let auth = AuthLayer::new(verifier(issuer, "orders")).sources(sources).expect("valid");
    // It would switch protocols for everybody who asks.
    let handshake = any(|method: Method| async move {
        if method == Method::CONNECT {
            return StatusCode::OK.into_response();
        }
        let switched = [(header::CONNECTION, "upgrade"), (header::UPGRADE, "websocket")];
        (StatusCode::SWITCHING_PROTOCOLS, switched).into_response()
    });
    let cors = CorsLayer::new()
        .allow_origin([APP.parse().expect("an origin")])
        .allow_credentials(true)
        .allow_methods([Method::POST]);
    let router = Router::new()
        .route("/orders", any(|| async { "placed" }))
        .route("/ws", handshake)
        .layer(RequireLayer::new(user()))
        .layer(auth.allowed_origins(allowed).expect("valid"))
        .layer(cors);
    Server::start(router).await
}

/// The status line, and the origin to which the answer is open.
async fn ask(server: &Server, first: &str, fields: &[(&str, &str)]) -> (u16, Option<String>) {
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let answer = exchange(server, &format!("{first} HTTP/1.1\r\nhost: shop.example\r\n{fields}\r\n")).await;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect(&answer);
    let open = answer.lines().find_map(|line| line.strip_prefix("access-control-allow-origin: "));
    (status, open.map(str::to_owned))
}

const CLOSE: (&str, &str) = ("connection", "close");

#[tokio::test]
async fn csrf_a1_a_page_of_another_site_cannot_post_with_the_cookie_and_one_of_this_site_can() {
    let issuer = TestIssuer::start();
    let server = service(&issuer, &[]).await;
    let session = format!("theme=dark; __Host-session={}", token(&issuer));
    let post = async |site: &str, origin: &str| {
        let fields =
            [CLOSE, ("cookie", &session), ("sec-fetch-site", site), ("origin", origin), ("content-length", "0")];
        ask(&server, "POST /orders", &fields).await.0
    };
    assert_eq!(post("cross-site", "https://evil.example").await, 403);
    assert_eq!(post("same-site", "https://blog.shop.example").await, 403);
    assert_eq!(post("same-origin", SHOP).await, 200);
    // Who has the token itself is no browser that was misled.
    let bearer = format!("Bearer {}", token(&issuer));
    let fields =
        [CLOSE, ("authorization", &bearer), ("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")];
    assert_eq!(ask(&server, "POST /orders", &fields).await.0, 200);
}

#[tokio::test]
async fn csrf_a2_a_websocket_opens_for_pages_of_this_site_only() {
    let issuer = TestIssuer::start();
    let session = format!("__Host-session={}", token(&issuer));
    let handshake = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let own = service(&issuer, &[]).await;
    let and_app = service(&issuer, &[APP]).await;
    for (server, origin, expected) in [
        (&own, "https://evil.example", 403),
        (&own, "null", 403),
        (&own, SHOP, 101),
        (&own, APP, 403),
        (&and_app, APP, 101),
        (&and_app, "https://evil.example", 403),
    ] {
        let with_cookie = [&handshake[..], &[("cookie", session.as_str()), ("origin", origin)]].concat();
        assert_eq!(ask(server, "GET /ws", &with_cookie).await.0, expected, "{origin}");
    }
    // The cookie is what is guarded, and the handshake is what it is guarded for.
    let bearer = format!("Bearer {}", token(&issuer));
    let evil = ("origin", "https://evil.example");
    let by_header = [&handshake[..], &[("authorization", bearer.as_str()), evil]].concat();
    assert_eq!(ask(&own, "GET /ws", &by_header).await.0, 101);
    assert_eq!(ask(&own, "GET /orders", &[CLOSE, ("cookie", &session), evil]).await.0, 200);
}

#[tokio::test]
async fn csrf_a2_a_websocket_over_http2_is_a_handshake_too() {
    let issuer = TestIssuer::start();
    let server = service(&issuer, &[]).await;
    let session = format!("__Host-session={}", token(&issuer));
    let stream = TcpStream::connect(server.origin().replace("http://", "")).await.expect("connected");
    let (requests, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let mut requests = requests.ready().await.expect("ready");
    let mut connect = async |origin: &str| {
        let request = Request::builder()
            .method(Method::CONNECT)
            .uri("https://shop.example/ws")
            .extension(Protocol::from_static("websocket"))
            .header("cookie", "theme=dark")
            .header("cookie", &session)
            .header("origin", origin)
            .body(())
            .expect("a request");
        while !requests.is_extended_connect_protocol_enabled() {
            tokio::task::yield_now().await;
        }
        let (response, _stream) = requests.send_request(request, false).expect("sent");
        response.await.expect("answered").status().as_u16()
    };
    assert_eq!(connect("https://evil.example").await, 403);
    assert_eq!(connect(SHOP).await, 200);
    connection.abort();
}

#[tokio::test]
async fn csrf_a4_cors_says_who_may_read_and_the_guard_who_may_send() {
    let issuer = TestIssuer::start();
    let (closed, open) = (service(&issuer, &[]).await, service(&issuer, &[APP, "https://write.example"]).await);
    let session = format!("__Host-session={}", token(&issuer));
    let post = async |server: &Server, origin: &str| {
        let fields = [
            CLOSE,
            ("cookie", &session),
            ("sec-fetch-site", "cross-site"),
            ("origin", origin),
            ("content-length", "0"),
        ];
        ask(server, "POST /orders", &fields).await
    };
    // The page may read that it was refused.
    assert_eq!(post(&closed, APP).await, (403, Some(APP.to_owned())));
    assert_eq!(post(&open, APP).await, (200, Some(APP.to_owned())));
    assert_eq!(post(&open, "https://write.example").await, (200, None));
    assert_eq!(post(&open, "https://evil.example").await, (403, None));
    // A preflight brings no cookie, and is answered before anybody asks for one.
    let preflight = [CLOSE, ("origin", APP), ("access-control-request-method", "POST")];
    assert_eq!(ask(&closed, "OPTIONS /orders", &preflight).await, (200, Some(APP.to_owned())));
}
