use serde_json::{Value, json};
use tower_identity_testkit::{ManualClock, assert_hides};

use crate::support::{ORDERS_SECRET, STOREFRONT_SECRET, authority, settings};

type Change = fn(&mut Value);

/// What is wrong with the settings after this change; `None` when nothing is.
fn wrong(change: impl FnOnce(&mut Value)) -> Option<String> {
    let mut settings = settings("http://127.0.0.1:7000");
    change(&mut settings);
    authority(settings, ManualClock::new().clock()).err().map(|invalid| invalid.to_string())
}

#[test]
fn rfc9068_c4_a_client_is_not_named_like_a_user() {
    assert_eq!(wrong(|_| ()), None);
    let named = wrong(|settings| settings["client"][2]["id"] = json!("alice"));
    assert_eq!(named.as_deref(), Some("client[2].id: alice is a user's name"));
    let named = wrong(|settings| settings["users"] = json!(["alice", "orders"]));
    assert_eq!(named.as_deref(), Some("client[1].id: orders is a user's name"));
    let named = wrong(|settings| settings["sign_in"]["client"] = json!("bob"));
    assert_eq!(named.as_deref(), Some("sign_in.client: bob is a user's name"));
}

#[test]
fn rfc8414_a2_the_issuer_is_an_origin_and_secure() {
    let issuer = |issuer: &str| wrong(|settings| settings["issuer"] = json!(issuer));
    for good in ["https://login.example", "https://login.example:8443", "http://localhost:7000", "http://[::1]:7000"] {
        assert_eq!(issuer(good), None, "{good}");
    }
    for bad in [
        "http://login.example",
        "http://127.0.0.1.example",
        "http://127.0.0.1@login.example",
        "http://localhost.example:80",
    ] {
        assert!(issuer(bad).is_some_and(|rule| rule.starts_with("issuer: ")), "{bad}");
    }
    for bad in [
        "https://login.example/",
        "https://login.example/t1",
        "https://login.example?a",
        "login.example",
        "ftp://login.example",
    ] {
        assert!(issuer(bad).is_some_and(|rule| rule.starts_with("issuer: ")), "{bad}");
    }
}

fn grant(client: &str, to: &str) -> Value {
    json!([{ "client": client, "from": "orders", "to": to, "scopes": { "orders:write": ["credit:check"] } }])
}

fn trusted(client: &str, user: &str) -> Value {
    json!([{ "issuer": "https://a.example", "client": client, "to": "payments", "scopes": ["payments:read"],
             "users": { "alice": user } }])
}

#[test]
fn a_row_that_cannot_apply_is_refused() {
    let cases: &[(Change, &str)] = &[
        (|s| s["policy"][1]["client"] = json!("nobody"), "policy[1].client: nobody is not registered"),
        (|s| s["policy"][1]["to"] = json!("nowhere"), "policy[1].to: nowhere is no client's audience"),
        (|s| s["policy"][1]["from"] = json!("payments"), "policy[1].from: payments is no audience of orders"),
        (|s| s["policy"][1]["scopes"] = json!({}), "policy[1].scopes: grants nothing"),
        (
            |s| s["policy"][1]["access_token_seconds"] = json!(0),
            "policy[1].access_token_seconds: is not between 1 second and a day",
        ),
        (|s| s["client_credentials"][0]["to"] = json!("x"), "client_credentials[0].to: x is no client's audience"),
        (|s| s["client_credentials"][0]["scopes"] = json!([]), "client_credentials[0].scopes: grants nothing"),
        (
            |s| s["client"][1]["audience"] = json!(["storefront"]),
            "client[1].audience: storefront belongs to another client",
        ),
        (
            |s| s["policy"][0]["embeds"] = json!(["payments", "ledger"]),
            "policy[0].embeds[1]: no row leads orders from orders to ledger",
        ),
        (
            |s| s["sign_in"]["audience"] = json!(["storefront", "nowhere"]),
            "sign_in.audience: nowhere is no client's audience",
        ),
        (|s| s["sign_in"]["cookie"] = json!("a b"), "sign_in.cookie: is no name of a cookie"),
        (
            |s| s["receiver"] = json!([{ "url": "http://orders.example/events", "audience": "x" }]),
            "receiver[0].url: is http on an address that is not loopback",
        ),
        (|s| s["receiver"] = json!([{ "url": "/events", "audience": "x" }]), "receiver[0].url: is no URL"),
        (
            |s| s["receiver"] = json!([{ "url": "ftp://localhost/events", "audience": "x" }]),
            "receiver[0].url: is neither https nor http",
        ),
        (|s| s["grant"] = grant("nobody", "https://b.example"), "grant[0].client: nobody is not registered"),
        (|s| s["grant"] = grant("ledger", "https://b.example"), "grant[0].from: orders is no audience of ledger"),
        (|s| s["grant"] = grant("orders", "payments"), "grant[0].to: payments is no other authorization server"),
        (
            |s| s["grant"] = grant("orders", "http://127.0.0.1:7000"),
            "grant[0].to: http://127.0.0.1:7000 is no other authorization server",
        ),
        (|s| s["trusted"] = trusted("nobody", "bob"), "trusted[0].client: nobody is not registered"),
        (|s| s["trusted"] = trusted("orders", "carol"), "trusted[0].users: carol is no user here"),
        (
            |s| s["trusted"] = json!([trusted("orders", "bob")[0], trusted("orders", "bob")[0]]),
            "trusted[1].issuer: stands twice for orders",
        ),
        (
            |s| {
                s["trusted"] = trusted("orders", "bob");
                s["trusted"][0]["issuer"] = json!("http://127.0.0.1:7000");
            },
            "trusted[0].issuer: is this server itself",
        ),
        (|s| s["access_token_seconds"] = json!(0), "access_token_seconds: is not between 1 second and a day"),
    ];
    for (change, expected) in cases {
        assert_eq!(wrong(change).as_deref(), Some(*expected));
    }
    assert_eq!(wrong(|s| s["grant"] = grant("orders", "https://b.example")), None);
    assert_eq!(wrong(|s| s["trusted"] = trusted("orders", "bob")), None);
}

#[test]
fn a_client_has_one_credential_of_some_strength() {
    let cases: &[(Change, &str)] = &[
        (|s| s["client"][1]["client_secret"] = json!("short"), "client[1].client_secret: is shorter than 16 bytes"),
        (
            |s| s["client"][1]["client_secret"] = Value::Null,
            "client[1].client_secret: needs a secret, or keys in its place",
        ),
        (
            |s| s["client"][3]["client_secret"] = json!("long enough to be one"),
            "client[3].keys: stands beside client_secret: choose one",
        ),
        (|s| s["client"][3]["keys"] = json!([]), "client[3].keys: the key set has no usable key (0 skipped)"),
        (|s| s["client"][3]["id"] = json!("orders"), "client[3].id: orders is registered twice"),
    ];
    for (change, expected) in cases {
        assert_eq!(wrong(change).as_deref(), Some(*expected));
    }
}

#[test]
fn no_secret_prints() {
    let authority = authority(settings("http://127.0.0.1:7000"), ManualClock::new().clock()).expect("good settings");
    assert_hides(&authority, [STOREFRONT_SECRET, ORDERS_SECRET]);
}

#[test]
fn tx_c5_a_trust_domain_is_no_service_and_its_rows_are_of_registered_clients() {
    let good = || {
        json!({
            "trust_domain": "shop.internal",
            "policy": [
                { "client": "orders", "from": "orders", "scopes": { "orders:write": ["orders:write"] } },
                { "client": "orders", "from": "shop.internal", "scopes": { "orders:write": ["orders:write"] } },
            ],
            "asserting": [{ "client": "ledger", "scopes": ["orders:write"] }],
        })
    };
    let wrong = |change: Change| {
        let mut transactions = good();
        change(&mut transactions);
        wrong(|settings| settings["transactions"] = transactions)
    };
    assert_eq!(wrong(|_| ()), None);
    let cases: [(Change, &str); 7] = [
        (
            |it| it["trust_domain"] = json!("payments"),
            "transactions.trust_domain: is the name of a service; a domain has one of its own",
        ),
        (
            |it| it["trust_domain"] = json!("http://127.0.0.1:7000"),
            "transactions.trust_domain: is the name of a service; a domain has one of its own",
        ),
        (|it| it["seconds"] = json!(0), "transactions.seconds: is not between 1 second and a day"),
        (|it| it["policy"][1]["client"] = json!("stock"), "transactions.policy[1].client: stock is not registered"),
        (
            |it| it["policy"][0]["from"] = json!("payments"),
            "transactions.policy[0].from: payments is no audience of orders, nor the trust domain",
        ),
        (|it| it["policy"][0]["scopes"] = json!({}), "transactions.policy[0].scopes: grants nothing"),
        (
            |it| it["asserting"][0]["client"] = json!("stock"),
            "transactions.asserting[0].client: stock is not registered",
        ),
    ];
    for (change, expected) in cases {
        assert_eq!(wrong(change).as_deref(), Some(expected));
    }
}
