//! What a file says of the door: clients are told where to get a token, and tokens have a longest length.

use axum::{Router, routing::get};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tower_identity::{AuthLayer, Settings};
use tower_identity_testkit::{Endpoint, LogCapture, TestIssuer, TokenBuilder};

use crate::servers::{Server, verifier};

const ISSUER: &str = "[[inbound.issuer]]\nissuer = \"https://login.example.com\"\naudience = \"orders\"\n";

fn with(table: &str) -> Result<Settings, String> {
    Settings::parse(&format!("{ISSUER}{table}"), "orders.toml").map_err(|refused| refused.to_string())
}

#[test]
fn rfc9728_a1_what_clients_may_know_is_a_table_beside_the_issuers() {
    let settings = with("[inbound.resource]\nidentifier = \"https://orders.example.com/v1\"\nscope = \"orders:read\"");
    let url = "https://orders.example.com/.well-known/oauth-protected-resource/v1";
    assert_eq!(settings.expect("good").resource().expect("there").url(), url);

    let missing = with("").expect("good").resource().expect_err("none");
    assert_eq!(missing.to_string(), "orders.toml: inbound.resource: the file has no such table");
    let cases = [
        ("identifier = \"orders\"", "orders.toml:5: inbound.resource.identifier: is neither https nor http"),
        ("id = \"orders\"", "orders.toml:5: inbound.resource.id: unknown field `id`"),
        ("scope = \"a\"", "orders.toml:4: inbound.resource: missing field `identifier`"),
    ];
    for (field, expected) in cases {
        let refused = with(&format!("[inbound.resource]\n{field}")).expect_err(expected);
        assert!(refused.starts_with(expected), "expected {expected}\n     got {refused}");
    }
}

/// What a service whose `[inbound]` table has these fields answers to a token.
async fn status(issuer: &TestIssuer, fields: &str, token: &TokenBuilder) -> u16 {
    let text =
        format!("[inbound]\n{fields}\n[[inbound.issuer]]\nissuer = \"{}\"\naudience = \"orders\"", issuer.issuer());
    let verifier = Settings::parse(&text, "orders.toml").expect("a good file").verifier().expect("there");
    let server = Server::start(Router::new().route("/", get(|| async {})).layer(AuthLayer::new(verifier))).await;
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let token = token.clone().build();
    client.get(server.url("/")).bearer_auth(token.expose()).send().await.expect("sent").status().as_u16()
}

#[tokio::test]
async fn rfc6750_a8_how_long_a_token_may_be_is_a_setting() {
    let issuer = TestIssuer::start();
    let token = issuer.token().subject("alice").client("storefront").audience("orders");
    let length = |token: &TokenBuilder| token.clone().build().expose().len();
    let long = token.clone().claim("note", "x".repeat(6000));
    let longest = length(&long);
    assert!(longest > 8192 - 200 && longest < 16_384, "{longest}");
    let at_most = |bytes: usize| format!("max_token_bytes = {bytes}");
    assert_eq!(status(&issuer, &at_most(longest), &long).await, 200);
    assert_eq!(status(&issuer, &at_most(longest - 1), &long).await, 400);
    // The default, and the controls around it.
    let longer = token.clone().claim("note", "x".repeat(7000));
    assert!(length(&longer) > 8192);
    assert_eq!(status(&issuer, "", &longer).await, 400);
    assert_eq!(status(&issuer, "max_token_bytes = 65536", &longer).await, 200);
    assert_eq!(status(&issuer, "", &token).await, 200);
}

#[tokio::test]
async fn jwt_a21_how_deep_a_payload_may_be_is_a_setting() {
    let issuer = TestIssuer::start();
    let nested = |levels: usize| {
        let value = (0..levels).fold(serde_json::json!(0), |inner, _| serde_json::json!([inner]));
        issuer.token().subject("alice").client("storefront").audience("orders").claim("note", value)
    };
    // The payload itself is the first level.
    for (fields, deepest) in [("", 15), ("max_json_depth = 4", 3), ("max_json_depth = 64", 63)] {
        assert_eq!(status(&issuer, fields, &nested(deepest)).await, 200, "{fields}");
        assert_eq!(status(&issuer, fields, &nested(deepest + 1)).await, 401, "{fields}");
    }
}

#[test]
fn limits_out_of_reason_are_refused_with_their_line() {
    let with = |field: &str| {
        let text = format!("[inbound]\n{field}\n{ISSUER}");
        Settings::parse(&text, "orders.toml").map(drop).map_err(|refused| refused.to_string())
    };
    let refused = |text: &str| Err(format!("orders.toml:2: inbound.{text}"));
    assert_eq!(with("max_token_bytes = 0"), refused("max_token_bytes: is not from 1 to 65536"));
    assert_eq!(with("max_json_depth = 65"), refused("max_json_depth: is not from 2 to 64"));
    assert_eq!(with("max_token_bytes = 1\nmax_json_depth = 2"), Ok(()));
}

/// What a server says to a request with a field of this length, to its last byte; empty where it hung up instead.
async fn answer_to_a_field_of(server: &Server, bytes: usize) -> String {
    let address = server.origin().replace("http://", "");
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let field = "a".repeat(bytes);
    let request = format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer {field}\r\n\r\n");
    let mut answer = Vec::new();
    // It may hang up before it has read all, and what it said may be lost by that.
    let _ = stream.write_all(request.as_bytes()).await;
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).expect("text")
}

/// The server's own limit comes first: hyper reads no more than some 400 KB of headers, and answers 431 or hangs up. What
/// it lets through is refused by ours.
#[tokio::test]
async fn rfc6750_a8_a_field_of_a_megabyte_harms_nobody_and_is_not_repeated() {
    let issuer = TestIssuer::start();
    let router = Router::new().route("/", get(|| async {})).layer(AuthLayer::new(verifier(&issuer, "orders")));
    let server = Server::start(router).await;
    let logs = LogCapture::start();
    for bytes in [10_000, 300_000] {
        let answer = answer_to_a_field_of(&server, bytes).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{bytes}: {answer}");
        assert!(answer.contains(r#"www-authenticate: Bearer error="invalid_request""#), "{bytes}: {answer}");
        assert!(answer.len() < 1000 && !answer.contains("aaaa"), "{bytes}: {answer}");
    }
    assert!(!logs.text().contains("aaaa"));
    let answer = answer_to_a_field_of(&server, 1_000_000).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert!(!answer.contains("aaaa"), "{answer}");
    assert_eq!((issuer.calls(Endpoint::Metadata), issuer.calls(Endpoint::Keys)), (0, 0));

    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let token = issuer.token().subject("alice").client("storefront").audience("orders").build();
    let control = client.get(server.url("/")).bearer_auth(token.expose()).send().await.expect("sent");
    assert_eq!(control.status(), 200);
}
