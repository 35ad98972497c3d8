//! A service's own word, from the file of the one that signs to the file of the one that takes it.

use axum::{Router, extract::State, http::HeaderMap, routing::get};
use tower_identity::{Algorithm, Binding, Inbound, Settings, SigningKey, TrustedIssuer, Verifier, rule};
use tower_identity_testkit::{Endpoint, TestIssuer};

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async { axum::serve(listener, router).await });
    url
}

#[tokio::test]
async fn said_b1_said_a1_what_one_file_has_signed_another_takes_at_its_word() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = SigningKey::generate(Algorithm::Ed25519).expect("a key");
    std::fs::write(folder.path().join("orders.pem"), key.to_pem().expect("exported").expose()).expect("written");
    let login = TestIssuer::start();

    // Payments answers with what was presented.
    let echo = |headers: HeaderMap| async move { headers["authorization"].to_str().expect("ascii").to_owned() };
    let payments = serve(Router::new().route("/charges", get(echo))).await;
    let orders_toml = format!(
        r#"
        [outbound]
        plaintext = "loopback"

        [outbound.server.login]
        issuer = "https://login.example.com"
        client_id = "orders"
        client_secret = "hidden"

        [[outbound.target]]
        origin = "{payments}"
        audience = "payments"
        scope = "payments:charge"
        strategy = {{ signed = {{ issuer = "https://orders.internal", key_file = "orders.pem" }} }}
        "#
    );
    let file = folder.path().join("orders.toml");
    std::fs::write(&file, orders_toml).expect("written");
    let outbound = Settings::from_path(&file).expect("good").outbound().expect("outbound").clone();
    assert!(outbound.signs());
    let key_set = |State(outbound): State<tower_identity::Outbound>| async move { outbound.key_set() };
    let orders = serve(Router::new().route("/keys", get(key_set)).with_state(outbound.clone())).await;

    // Alice calls orders, which calls payments for her.
    let home = TrustedIssuer::keys_at(login.issuer().as_str(), login.url(Endpoint::Keys)).audience("orders");
    let verifier = Verifier::builder(home).build().expect("valid");
    let alices =
        login.token().subject("alice").client("storefront").audience("orders").scope("payments:charge").build();
    let alice = verifier.bearer(alices.expose()).await.expect("good");
    let http = outbound.reqwest(reqwest::Client::builder()).expect("client");
    let sent = http.get(format!("{payments}/charges")).on_behalf_of(&alice).send().await.expect("sent");
    let sent = sent.text().await.expect("a body");
    let word = sent.strip_prefix("Bearer ").expect("a bearer token");

    let payments_toml = format!(
        r#"
        [[inbound.issuer]]
        issuer = "{issuer}"
        audience = "payments"
        keys = {{ url = "{keys}" }}

        [[inbound.self_asserted]]
        issuer = "https://orders.internal"
        audience = "payments"
        users_of = ["{issuer}"]
        keys = {{ url = "{orders}/keys" }}

        [[inbound.workload]]
        is = ["orders", {{ issuer = "https://orders.internal", id = "https://orders.internal" }}]

        [inbound.rule]
        charge = {{ all = [{{ scope = "payments:charge" }}, {{ callers = ["orders"] }}, "self_asserted_user"] }}
        "#,
        issuer = login.issuer(),
        keys = login.url(Endpoint::Keys),
    );
    let settings = Settings::parse(&payments_toml, "payments.toml").expect("good");
    let caller = settings.verifier().expect("inbound").bearer(word).await.expect("listed");
    let principal = caller.principal();
    assert_eq!((principal.workload().id.as_str(), principal.binding()), ("orders", Binding::SelfAsserted));
    let user = principal.user().expect("a user");
    assert_eq!((user.id.as_str(), &user.issuer), ("alice", login.issuer()));

    let inbound = Inbound::Caller(caller);
    assert!(rule::callers(["orders"]).and(rule::user()).check(&inbound).is_err());
    settings.rule("charge").expect("in the file").check(&inbound).expect("it says so");
    // Nor is it worth anything where nobody is taken at their word, or to whom it was not said.
    let refused = verifier.bearer(word).await.expect_err("orders takes nobody at their word");
    assert_eq!(refused.check(), "iss");
}
