//! Proxies that ask a service of ours whether a request may pass, as docs/forward-auth.md has them: what is let through, and
//! whom the service behind sees by it.

use serde_json::{Value, json};

use super::shop::{ANOTHER_SITE, Shop};

/// What a client would like the question to say, and the answer.
const FORGED: &str = "X-Forwarded-Method: GET\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: other.test\r\n\
    X-Forwarded-Uri: /stock\r\nX-Original-URI: /stock\r\nX-Original-Method: GET\r\nTxn-Token: forged\r\n\
    Content-Type: application/grpc\r\n";

async fn asks_first(name: &'static str) {
    let Some(mut shop) = Shop::start(name).await else { return };
    let (writes, reads) = (shop.token("alice", "orders:write"), shop.token("alice", "orders:read"));
    let challenge = Some("Bearer realm=\"shop\"".to_owned());
    for forged in ["", FORGED] {
        let with = |token: &str| format!("{token}{forged}");
        // A refusal of gRPC is rendered by some as such.
        let sent = shop.send("POST /orders/7?all=1", forged).await;
        if name != "envoy" || forged.is_empty() {
            assert_eq!(sent, (401, challenge.clone(), None), "{name}");
        }
        assert_eq!((&sent.1, &sent.2), (&challenge, &None), "{name}");
        let passed = shop.passed("POST /orders/7?all=1", Some("alice"), "orders:place");
        assert_eq!(shop.send("POST /orders/7?all=1", &with(&writes)).await, passed, "{name}");
        let passed = shop.passed("GET /stock", Some("alice"), "");
        assert_eq!(shop.send("GET /stock", &with(&reads)).await, passed, "{name}");
        let sent = shop.send("POST /orders/7", &with(&reads)).await;
        assert_eq!(sent.2, None, "{name}: a rule of the path that was asked for");
        assert!(sent.0 == 403 || (name == "envoy" && !forged.is_empty()), "{name}: {sent:?}");
    }
    for path in ["/stock/../orders/7", "/stock/%2e%2e/orders/7", "//orders/7", "/%6frders/7", "/stock%2f..%2forders/7"]
    {
        let (status, _, told) = shop.send(&format!("GET {path}"), &reads).await;
        assert_eq!(told, None, "{name}: {path}");
        assert!(status >= 400, "{name}: {path} {status}");
    }
    let (status, _, told) = shop.send("GET /nowhere", &writes).await;
    assert!(status >= 400 && told.is_none(), "{name}: {status}");

    shop.stop_the_edge().await;
    let closed = match name {
        "nginx" | "traefik" => 500,
        "caddy" => 502,
        _ => 503,
    };
    assert_eq!(shop.send("GET /stock", &reads).await, (closed, None, None), "{name}");
}

#[tokio::test]
async fn fauth_a4_nginx_asks_first_and_lets_nobody_pass_unanswered() {
    asks_first("nginx").await;
}

#[tokio::test]
async fn fauth_a4_haproxy_asks_first_and_lets_nobody_pass_unanswered() {
    asks_first("haproxy").await;
}

#[tokio::test]
async fn fauth_a4_envoy_asks_first_and_lets_nobody_pass_unanswered() {
    asks_first("envoy").await;
}

#[tokio::test]
async fn fauth_a4_traefik_asks_first_and_lets_nobody_pass_unanswered() {
    asks_first("traefik").await;
}

#[tokio::test]
async fn fauth_a4_caddy_asks_first_and_lets_nobody_pass_unanswered() {
    asks_first("caddy").await;
}

/// The client has a genuine identity of bob's, from wherever, and writes it in every way.
async fn hands_on_the_answer(name: &'static str) {
    let Some(shop) = Shop::start(name).await else { return };
    let (alice, bob) = (shop.token("alice", "orders:write"), shop.token("bob", "orders:write"));
    let stolen = shop.stolen("bob");
    let forged = [
        String::new(),
        "Txn-Token: forged\r\n".to_owned(),
        format!("Txn-Token: {stolen}\r\n"),
        format!("TXN-TOKEN: {stolen}\r\ntxn-token: {stolen}\r\n"),
        format!("Txn_Token: {stolen}\r\n"),
        format!("Connection: Txn-Token\r\nTxn-Token: {stolen}\r\n"),
    ];
    for forged in &forged {
        let passed = shop.passed("GET /orders/7", Some("alice"), "orders:place");
        assert_eq!(shop.send("GET /orders/7", &format!("{alice}{forged}")).await, passed, "{name}: {forged}");
        // Where the answer names nobody, what the client wrote is not taken for it.
        assert_eq!(shop.send("GET /open", forged).await, shop.passed("GET /open", None, ""), "{name}: {forged}");
        let (status, _, told) = shop.send("GET /stock", forged).await;
        assert_eq!((status, told), (401, None), "{name}: {forged}");
    }
    let passed = shop.passed("GET /orders/7", Some("bob"), "orders:place");
    assert_eq!(shop.send("GET /orders/7", &bob).await, passed, "{name}");
    let passed = shop.passed("GET /open", Some("alice"), "orders:place");
    assert_eq!(shop.send("GET /open", &alice).await, passed, "{name}");

    // Past the proxy it is worth nothing without the proxy's own key.
    let (gateway, stock) = (shop.of("gateway"), shop.of("stock"));
    assert_eq!(shop.send_directly(None, &stolen).await, (401, json!("no_credential")), "{name}");
    assert_eq!(shop.send_directly(Some(&stock), &stolen).await, (403, json!("unrelated_credentials")), "{name}");
    assert_eq!(shop.send_directly(Some(&gateway), &stolen).await, (200, Value::Null), "{name}");
    let refused = (400, json!("invalid_transaction_token"));
    assert_eq!(shop.send_directly(Some(&gateway), "forged").await, refused, "{name}");
}

#[tokio::test]
async fn fauth_a5_nginx_hands_on_the_internal_identity_of_the_answer() {
    hands_on_the_answer("nginx").await;
}

#[tokio::test]
async fn fauth_a5_haproxy_hands_on_the_internal_identity_of_the_answer() {
    hands_on_the_answer("haproxy").await;
}

#[tokio::test]
async fn fauth_a5_envoy_hands_on_the_internal_identity_of_the_answer() {
    hands_on_the_answer("envoy").await;
}

#[tokio::test]
async fn fauth_a5_traefik_hands_on_the_internal_identity_of_the_answer() {
    hands_on_the_answer("traefik").await;
}

#[tokio::test]
async fn fauth_a5_caddy_hands_on_the_internal_identity_of_the_answer() {
    hands_on_the_answer("caddy").await;
}

const HANDSHAKE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A page of another site opens a WebSocket with the cookies of this one; some proxies ask without its `Upgrade`.
async fn guards_handshakes(name: &'static str) {
    let Some(shop) = Shop::start(name).await else { return };
    let cookie = shop.cookie("alice");
    let from = |site: &str, more: &str| format!("{cookie}Origin: {site}\r\n{more}");
    let (status, _, told) = shop.get("/stock", &from(ANOTHER_SITE, HANDSHAKE)).await;
    assert_eq!((status, told), (403, None), "{name}");
    let passed = shop.passed("GET /stock", Some("alice"), "orders:place");
    // Envoy takes no handshakes where it is not told to.
    if name != "envoy" {
        assert_eq!(shop.get("/stock", &from("https://shop.test", HANDSHAKE)).await, passed, "{name}");
    }
    assert_eq!(shop.get("/stock", &from(ANOTHER_SITE, "")).await, passed, "{name}: what it reads, it cannot see");
}

#[tokio::test]
async fn csrf_a2_a_handshake_by_way_of_nginx_comes_from_this_origin() {
    guards_handshakes("nginx").await;
}

#[tokio::test]
async fn csrf_a2_a_handshake_by_way_of_haproxy_comes_from_this_origin() {
    guards_handshakes("haproxy").await;
}

#[tokio::test]
async fn csrf_a2_a_handshake_by_way_of_envoy_comes_from_this_origin() {
    guards_handshakes("envoy").await;
}

#[tokio::test]
async fn csrf_a2_a_handshake_by_way_of_traefik_comes_from_this_origin() {
    guards_handshakes("traefik").await;
}

#[tokio::test]
async fn csrf_a2_a_handshake_by_way_of_caddy_comes_from_this_origin() {
    guards_handshakes("caddy").await;
}
