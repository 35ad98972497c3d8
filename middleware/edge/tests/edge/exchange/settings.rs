//! What an exchange may be told, and what is wrong with it.

use std::time::Duration;

use serde_json::json;
use tower_identity_edge::{Exchange, ExchangeBuilder};
use tower_identity_oauth::TokenEndpoint;
use tower_identity_verify::TransactionTokens;

use super::world::{World, gateway};
use crate::support::SHOP;

fn builder() -> ExchangeBuilder {
    let server = TokenEndpoint::discover("https://login.example", gateway());
    Exchange::builder(server, TransactionTokens::of(SHOP, "https://login.example/keys"))
}

#[test]
fn what_is_wrong_with_an_exchange_is_said_by_its_field() {
    let good = || builder().scope("orders:write", "orders:place");
    assert_eq!(good().build().expect("nothing is wrong").trust_domain(), SHOP);
    let wrong = |builder: ExchangeBuilder| builder.build().expect_err("something is").to_string();
    assert_eq!(wrong(builder()), "scopes: is missing: what an internal identity may allow");
    assert_eq!(
        wrong(good().scope("a", "b c")),
        "scopes[1]: a scope is one or more visible ASCII characters without quote and backslash"
    );
    assert_eq!(wrong(good().deadline(Duration::ZERO)), "deadline: is zero");
    assert_eq!(wrong(good().context("web")), "context: is no JSON object");
    assert_eq!(wrong(good().details(7)), "details.request_details: is no JSON object");
    let both = good().context(json!({"req_ip": "192.0.2.7"}));
    assert_eq!(wrong(both.peer_address()), "context: says req_ip, which is the peer's address");
    let plain = TokenEndpoint::discover("http://login.example", gateway());
    let plain = Exchange::builder(plain, TransactionTokens::of(SHOP, "https://login.example/keys"));
    let rule = r#"server.issuer: "http://login.example" is neither https nor http on a loopback address"#;
    assert_eq!(wrong(plain.scope("a", "b")), rule);
    let server = TokenEndpoint::discover("https://login.example", gateway());
    let nowhere = Exchange::builder(server, TransactionTokens::of("", "https://login.example/keys"));
    assert_eq!(wrong(nowhere.scope("a", "b")), "transaction_tokens[0].trust_domain: issuer is empty");
}

#[test]
fn nothing_secret_is_printed() {
    let world = World::new();
    let (exchange, layer) = (world.build(world.builder()), world.layer());
    let printed = format!("{exchange:?} {layer:?} {:?}", builder());
    assert!(printed.contains(SHOP) && !printed.contains("s3cr3t"), "{printed}");
}
