//! The metadata of a resource: the document at its place, and its URL in every challenge.

use std::convert::Infallible;

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};
use tower_identity_inbound::{AuthLayer, RequireLayer, ResourceMetadata, ResourceSettings, rule::scope};
use tower_identity_jose::{Algorithm, KeySet, SigningKey};
use tower_identity_testkit::TestIssuer;
use tower_identity_verify::{TrustedIssuer, Verifier};

use crate::support::{header, issuer_token, layer, request, value};

fn verifier() -> Verifier {
    let keys = KeySet::from_keys([SigningKey::generate(Algorithm::Ed25519).expect("a key").verifying_key()]);
    let workloads = TrustedIssuer::keys("spiffe://example.org", keys.expect("a set")).audience("orders");
    Verifier::builder(TrustedIssuer::discover("https://login.example.com").audience("orders"))
        .issuer(TrustedIssuer::discover("https://partner.example/realms/a").audience("orders"))
        .issuer(workloads)
        .build()
        .expect("a verifier")
}

/// What a client sees: status, the headers that are ours, and the body.
async fn ask(router: &Router, method: Method, path: &str) -> (u16, [Option<String>; 4], Bytes) {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).expect("a request");
    let Ok(response) = router.clone().oneshot(request).await;
    let names = ["content-type", "cache-control", "content-length", "allow"];
    let headers = names.map(|name| header(response.headers(), name));
    (response.status().as_u16(), headers, response.into_body().collect().await.expect("a body").to_bytes())
}

fn document(body: &Bytes) -> Value {
    serde_json::from_slice(body).expect("a JSON body")
}

#[tokio::test]
async fn rfc9728_a1_the_document_is_at_its_place_for_everybody() {
    let verifier = verifier();
    let metadata = ResourceMetadata::builder("https://orders.example.com/v1")
        .scope("orders:write orders:read")
        .scope("orders:read")
        .name("Orders")
        .documentation("https://docs.example.com/orders")
        .build(&verifier)
        .expect("good");
    let router = Router::new()
        .route("/v1", get(|| async { "guarded" }))
        .layer(AuthLayer::new(verifier).resource(&metadata))
        .route_service(metadata.path(), metadata.clone());

    let own = |text: &str| Some(text.to_owned());
    let (status, headers, body) = ask(&router, Method::GET, "/.well-known/oauth-protected-resource/v1").await;
    let length = own(&body.len().to_string());
    assert_eq!(status, 200);
    assert_eq!(headers, [own("application/json"), own("public, max-age=3600"), length.clone(), None]);
    assert_eq!(
        document(&body),
        json!({
            "resource": "https://orders.example.com/v1",
            // The issuer of workloads is no URL, so no client can go there.
            "authorization_servers": ["https://login.example.com", "https://partner.example/realms/a"],
            "scopes_supported": ["orders:read", "orders:write"],
            "bearer_methods_supported": ["header"],
            "resource_name": "Orders",
            "resource_documentation": "https://docs.example.com/orders",
        })
    );

    let (status, headers, body) = ask(&router, Method::HEAD, metadata.path()).await;
    assert_eq!(status, 200);
    assert_eq!(headers, [own("application/json"), own("public, max-age=3600"), length, None]);
    assert_eq!(body, Bytes::new());

    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let (status, headers, body) = ask(&router, method.clone(), metadata.path()).await;
        assert_eq!((status, &headers[3], body), (405, &own("GET, HEAD"), Bytes::new()), "{method}");
        assert_eq!(headers[1], None, "{method}");
    }
    // The control: beside it the door is closed.
    assert_eq!(ask(&router, Method::GET, "/v1").await.0, 401);
}

#[tokio::test]
async fn rfc9728_a1_what_there_is_nothing_of_is_left_out() {
    let verifier = verifier();
    let metadata = ResourceMetadata::builder("https://orders.example.com")
        .authorization_servers([] as [&str; 0])
        .build(&verifier)
        .expect("good");
    let router = Router::new().route_service(metadata.path(), metadata.clone());
    let (status, _, body) = ask(&router, Method::GET, "/.well-known/oauth-protected-resource").await;
    let expected = json!({"resource": "https://orders.example.com", "bearer_methods_supported": ["header"]});
    assert_eq!((status, document(&body)), (200, expected));
}

#[tokio::test]
async fn rfc9728_a1_a_file_says_the_same_as_code() {
    let verifier = verifier();
    let text = json!({
        "identifier": "https://orders.example.com", "authorization_servers": ["https://login.example.com"],
        "scope": ["orders:read"], "name": "Orders", "documentation": "https://docs.example.com",
    });
    let settings: ResourceSettings = serde_json::from_value(text).expect("reads");
    let from_file = settings.build(&verifier).expect("good");
    let from_code = ResourceMetadata::builder("https://orders.example.com")
        .authorization_servers(["https://login.example.com"])
        .scope("orders:read")
        .name("Orders")
        .documentation("https://docs.example.com")
        .build(&verifier)
        .expect("good");
    assert_eq!(format!("{from_file:?}"), format!("{from_code:?}"));

    let alone: ResourceSettings =
        serde_json::from_str(r#"{"identifier": "https://orders.example.com"}"#).expect("reads");
    let default = ResourceMetadata::builder("https://orders.example.com").build(&verifier).expect("good");
    assert_eq!(format!("{:?}", alone.build(&verifier).expect("good")), format!("{default:?}"));
    let unknown = r#"{"identifier": "https://orders.example.com", "scopes": "a"}"#;
    let refused = serde_json::from_str::<ResourceSettings>(unknown).expect_err("no such field").to_string();
    assert!(refused.starts_with("unknown field `scopes`"), "{refused}");
}

/// Every row of the map that has a challenge, at the door and further in.
#[tokio::test]
async fn rfc9728_a2_every_challenge_says_where_the_metadata_is() {
    let issuer = TestIssuer::start();
    let metadata = ResourceMetadata::builder("https://orders.example.com").build(&verifier()).expect("good");
    let named = r#"resource_metadata="https://orders.example.com/.well-known/oauth-protected-resource""#;
    let handler =
        service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
    let inner = RequireLayer::new(scope("charge")).layer(handler);
    let bearer = || issuer_token(&issuer).bearer();
    let cases = [
        (request([]), 401, ""),
        (request([value("Bearer x")]), 401, r#", error="invalid_token""#),
        (request([value("Bearer ")]), 400, r#", error="invalid_request""#),
        (request([bearer()]), 403, r#", error="insufficient_scope", scope="charge""#),
    ];
    for (request, status, rest) in cases {
        for (layer, before) in [
            (layer(&issuer).resource(&metadata), String::new()),
            (layer(&issuer).resource(&metadata).realm("orders"), r#"realm="orders", "#.to_owned()),
            (layer(&issuer).realm("orders").resource(&metadata), r#"realm="orders", "#.to_owned()),
        ] {
            let Ok(response) = layer.layer(inner.clone()).oneshot(request.clone()).await;
            let seen = (response.status().as_u16(), header(response.headers(), "www-authenticate"));
            assert_eq!(seen, (status, Some(format!("Bearer {before}{named}{rest}"))));
        }
    }
    // The control: who names no metadata tells of none.
    let Ok(response) = layer(&issuer).layer(inner).oneshot(request([])).await;
    assert_eq!(header(response.headers(), "www-authenticate").as_deref(), Some(r#"Bearer realm="api""#));
}
