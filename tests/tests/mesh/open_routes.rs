//! What is open beside the door, and what browsers need: by the structure of the router, and by a layer around it.

use axum::{
    Router,
    http::{HeaderName, Method, StatusCode, header},
    routing::get,
};
use tower_http::cors::CorsLayer;
use tower_identity::{AuthLayer, RequireLayer, ResourceMetadata, rule::scope};
use tower_identity_testkit::{Endpoint, TestIssuer};

use crate::servers::{Server, verifier};

const SHOP: &str = "https://shop.example.com";

fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin([SHOP.parse().expect("an origin")])
        .allow_methods([Method::GET])
        .allow_headers([header::AUTHORIZATION])
        .expose_headers([header::WWW_AUTHENTICATE, HeaderName::from_static("x-correlation-id")])
}

fn guarded(issuer: &TestIssuer, metadata: &ResourceMetadata) -> Router {
    Router::new()
        .route("/orders", get(|| async { "orders" }).layer(RequireLayer::new(scope("orders:read"))))
        .layer(AuthLayer::new(verifier(issuer, "orders")).resource(metadata))
}

fn metadata(issuer: &TestIssuer) -> ResourceMetadata {
    ResourceMetadata::builder("https://orders.example.com").build(&verifier(issuer, "orders")).expect("good")
}

/// The stack of the documentation: what is open is merged beside what is guarded, and CORS is around both.
fn app(issuer: &TestIssuer) -> Router {
    let metadata = metadata(issuer);
    Router::new()
        .route("/health", get(|| async { "up" }))
        .route("/metrics", get(|| async { "counted" }))
        .route_service(metadata.path(), metadata.clone())
        .merge(guarded(issuer, &metadata))
        .layer(cors())
}

/// An answer, as far as it decides what a browser lets a page see.
#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    allowed_to: Option<String>,
    exposed: Option<String>,
    challenge: Option<String>,
}

async fn ask(server: &Server, method: Method, path: &str, fields: &[(HeaderName, &str)]) -> Answer {
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let request = client.request(method, server.url(path)).header(header::ORIGIN, SHOP);
    let request = fields.iter().fold(request, |request, (name, value)| request.header(name, *value));
    let response = request.send().await.expect("sent");
    let text = |name: HeaderName| response.headers().get(name).map(|v| v.to_str().expect("ascii").to_owned());
    Answer {
        status: response.status().as_u16(),
        allowed_to: text(header::ACCESS_CONTROL_ALLOW_ORIGIN),
        exposed: text(header::ACCESS_CONTROL_EXPOSE_HEADERS),
        challenge: text(header::WWW_AUTHENTICATE),
    }
}

fn open_to_the_shop(status: StatusCode, challenge: Option<&str>) -> Answer {
    Answer {
        status: status.as_u16(),
        allowed_to: Some(SHOP.to_owned()),
        exposed: Some("www-authenticate,x-correlation-id".to_owned()),
        challenge: challenge.map(str::to_owned),
    }
}

const PREFLIGHT: [(HeaderName, &str); 2] =
    [(header::ACCESS_CONTROL_REQUEST_METHOD, "GET"), (header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization")];

#[tokio::test]
async fn a_preflight_needs_no_credential_and_is_none_of_our_business() {
    let issuer = TestIssuer::start();
    let server = Server::start(app(&issuer)).await;
    // A preflight never has a credential (Fetch §4.8), and what is exposed is said in the answers themselves.
    let expected = Answer { exposed: None, ..open_to_the_shop(StatusCode::OK, None) };
    assert_eq!(ask(&server, Method::OPTIONS, "/orders", &PREFLIGHT).await, expected);
    assert_eq!((issuer.calls(Endpoint::Metadata), issuer.calls(Endpoint::Keys)), (0, 0));

    // The control: our layer answers no preflight, and lets none through. The one around it does.
    let metadata = metadata(&issuer);
    let wrong = Server::start(Router::new().merge(guarded(&issuer, &metadata))).await;
    let refused = ask(&wrong, Method::OPTIONS, "/orders", &PREFLIGHT).await;
    let challenge = format!("Bearer resource_metadata=\"{}\"", metadata.url());
    let closed = Answer { status: 401, allowed_to: None, exposed: None, challenge: Some(challenge) };
    assert_eq!(refused, closed);
}

#[tokio::test]
async fn a_page_can_read_why_it_was_refused_and_where_to_get_a_token() {
    let issuer = TestIssuer::start();
    let server = Server::start(app(&issuer)).await;
    let named = format!("Bearer resource_metadata=\"{}\"", metadata(&issuer).url());
    let token = |scope: &str| {
        let token = issuer.token().subject("alice").client("shop").audience("orders").scope(scope).build();
        format!("Bearer {}", token.expose())
    };
    let insufficient = format!(r#"{named}, error="insufficient_scope", scope="orders:read""#);
    let invalid = format!(r#"{named}, error="invalid_token""#);
    let cases = [
        (None, StatusCode::UNAUTHORIZED, Some(&named)),
        (Some("Bearer x".to_owned()), StatusCode::UNAUTHORIZED, Some(&invalid)),
        (Some(token("orders:write")), StatusCode::FORBIDDEN, Some(&insufficient)),
        (Some(token("orders:read")), StatusCode::OK, None),
    ];
    for (credential, status, challenge) in cases {
        let fields: Vec<_> = credential.iter().map(|value| (header::AUTHORIZATION, value.as_str())).collect();
        let expected = open_to_the_shop(status, challenge.map(String::as_str));
        assert_eq!(ask(&server, Method::GET, "/orders", &fields).await, expected);
    }
    // The way from the challenge to the authorization server.
    let expected = open_to_the_shop(StatusCode::OK, None);
    assert_eq!(ask(&server, Method::GET, metadata(&issuer).path(), &[]).await, expected);
}

#[tokio::test]
async fn what_is_open_is_open_by_where_it_stands_and_never_by_how_a_path_looks() {
    let issuer = TestIssuer::start();
    let server = Server::start(app(&issuer)).await;
    let bad = [(header::AUTHORIZATION, "Bearer x")];
    for path in ["/health", "/metrics", "/.well-known/oauth-protected-resource"] {
        for fields in [&[][..], &bad] {
            assert_eq!(ask(&server, Method::GET, path, fields).await.status, 200, "{path}");
        }
    }
    assert_eq!(ask(&server, Method::GET, "/orders", &[]).await.status, 401);
    // Without a credential none of these is told from a guarded route; with one they are what they are.
    let tricks = [
        ("/orders/health", 404),
        ("/orders/", 404),
        ("/orders;/health", 404),
        // A client resolves it before it sends it: it asks for `/orders`.
        ("/health/%2e%2e/orders", 200),
        ("/health%2f..%2forders", 404),
        ("//orders", 404),
        ("/orders%00/health", 404),
        ("/orders?/health", 200),
        ("/orders#/health", 200),
        ("/ORDERS", 404),
    ];
    let token = issuer.token().subject("alice").client("shop").audience("orders").scope("orders:read").build();
    let good = format!("Bearer {}", token.expose());
    for (path, expected) in tricks {
        assert_eq!(ask(&server, Method::GET, path, &[]).await.status, 401, "{path}");
        let with = ask(&server, Method::GET, path, &[(header::AUTHORIZATION, &good)]).await;
        assert_eq!(with.status, expected, "{path}, with a token");
    }
}
