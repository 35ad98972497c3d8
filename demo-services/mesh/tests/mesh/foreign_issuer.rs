//! The three services against somebody else's authorization server, by their files alone.

use std::collections::BTreeMap;

use demo_kit::Run;
use demo_mesh::Part;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_identity::Settings;
use tower_identity_testkit::{Endpoint, TestIssuer};

use crate::support::{shipped, text_of};

const SERVICES: [(Part, Run); 3] =
    [(Part::Storefront, demo_storefront::run), (Part::Orders, demo_orders::run), (Part::Payments, demo_payments::run)];

/// The table of which every file has one here.
const INBOUND: &str = "[inbound]\n";

/// The storefront asks our own authority what its users' tokens are. The tokens of others are JWTs.
const INTROSPECTION: &str = "\n[inbound.issuer.introspection]\nclient_id = \"storefront\"\n\
                             client_secret = \"storefront: demo only, 100% public\"\nremember_seconds = 3\n";

/// Starts the three services from their shipped files, with these changes, and gives their origins.
async fn start(changes: &[(&str, String)]) -> BTreeMap<&'static str, String> {
    let mut listeners = Vec::new();
    let mut moves = Vec::new();
    for (at, (part, run)) in SERVICES.into_iter().enumerate() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let origin = format!("http://{}", listener.local_addr().expect("bound"));
        moves.push((part.name(), format!("http://127.0.0.1:{}", 7001 + at), origin));
        listeners.push((part, run, listener));
    }
    for (part, run, listener) in listeners {
        let file = format!("{}.toml", part.name());
        let mut text = text_of(&file);
        for (_, from, to) in &moves {
            text = text.replace(from, to);
        }
        if !text.contains(INBOUND) {
            text = text.replace("[[inbound.issuer]]", &format!("{INBOUND}\n[[inbound.issuer]]"));
        }
        text = text.replace(INTROSPECTION, "");
        for (from, to) in changes {
            text = text.replace(from, to);
        }
        let settings = Settings::parse(&text, shipped().join(file).display().to_string()).expect("good settings");
        let serving = run(&settings, listener.into(), Box::pin(std::future::pending())).expect("good settings");
        tokio::spawn(serving);
    }
    moves.into_iter().map(|(name, _, origin)| (name, origin)).collect()
}

/// Orders something for alice, and checks whom each service saw.
async fn alice_orders(issuer: &TestIssuer, origins: &BTreeMap<&str, String>) {
    let scopes = "catalog:read orders:read orders:write";
    let token = issuer.token().subject("alice").client("shop-web").audience("storefront").scope(scopes).build();
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let storefront = &origins["storefront"];

    let order = http
        .post(format!("{storefront}/orders"))
        .bearer_auth(token.expose())
        .json(&json!({ "lines": [{ "sku": "tea", "quantity": 1 }] }))
        .send()
        .await
        .expect("answered");
    assert_eq!(order.status(), 201);
    let order: Value = order.json().await.expect("an order");
    assert_eq!((&order["cents"], &order["charge"]), (&json!(1250), &json!("charge-1")));

    let trace = http.get(format!("{storefront}/trace")).bearer_auth(token.expose()).send().await.expect("answered");
    let trace: Value = trace.json().await.expect("a trace");
    let saw = |at: usize| {
        let principal = &trace[at]["principal"];
        (principal["caller"]["id"].as_str(), principal["user"].clone(), principal["audience"].as_str())
    };
    let alice = json!({ "id": "alice", "issuer": issuer.issuer() });
    assert_eq!(saw(0), (Some("shop-web"), alice.clone(), Some("storefront")));
    assert_eq!(saw(1), (Some("storefront"), alice.clone(), Some("orders")));
    assert_eq!(saw(2), (Some("orders"), alice, Some("payments")));
    assert_eq!(issuer.calls(Endpoint::Token), 2, "one exchange for orders and one for payments");
}

#[tokio::test]
async fn found_by_discovery() {
    let issuer = TestIssuer::start();
    let origins = start(&[("http://127.0.0.1:7000", issuer.issuer().to_string())]).await;
    alice_orders(&issuer, &origins).await;
}

#[tokio::test]
async fn with_keys_and_token_endpoint_at_addresses_of_their_own() {
    let issuer = TestIssuer::builder().named("https://login.example/tenant").start();
    let name = format!("issuer = \"{}\"", issuer.issuer());
    let inbound = format!("{name}\nkeys.url = \"{}\"\nalgorithms = [\"ES256\"]", issuer.url(Endpoint::Keys));
    let outbound = format!("{name}\ntoken_endpoint = \"{}\"\nclient_id", issuer.url(Endpoint::Token));
    let origins = start(&[
        ("subjects_of = [\"http://127.0.0.1:7000\"]", format!("subjects_of = [\"{}\"]", issuer.issuer())),
        ("issuer = \"http://127.0.0.1:7000\"\nclient_id", outbound),
        ("issuer = \"http://127.0.0.1:7000\"", inbound),
    ])
    .await;
    alice_orders(&issuer, &origins).await;
}

#[tokio::test]
async fn rfc9728_a2_a_file_says_what_clients_may_know_and_that_refusals_are_explained() {
    let issuer = TestIssuer::start();
    let ours = ("http://127.0.0.1:7000", issuer.issuer().to_string());
    let development = (INBOUND, format!("{INBOUND}development = true\n"));
    let table = "[inbound.resource]\nidentifier = \"https://shop.example\"\n";
    let resource = ("[inbound.events]", format!("{table}[inbound.events]"));
    let said = start(&[ours.clone(), development, resource]).await;
    let unsaid = start(&[ours]).await;
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let token = issuer.token().subject("alice").client("shop-web").audience("elsewhere").build();

    let url = "https://shop.example/.well-known/oauth-protected-resource";
    for (origins, named, document, check) in [
        (&said, format!(", resource_metadata=\"{url}\""), 200, json!("aud")),
        // What is no route is behind the door like the rest.
        (&unsaid, String::new(), 401, Value::Null),
    ] {
        for (part, _) in SERVICES {
            let name = part.name();
            let refused = http.get(format!("{}/whoami", origins[name])).bearer_auth(token.expose());
            let refused = refused.send().await.expect("answered");
            let challenge = refused.headers()["www-authenticate"].to_str().expect("text").to_owned();
            assert_eq!(challenge, format!("Bearer realm=\"{name}\"{named}, error=\"invalid_token\""));
            let problem: Value = refused.json().await.expect("a problem");
            assert_eq!(problem["explanation"]["check"], check, "{name}: {problem}");

            let found = http.get(format!("{}/.well-known/oauth-protected-resource", origins[name]));
            assert_eq!(found.send().await.expect("answered").status(), document, "{name}");
        }
    }
}
