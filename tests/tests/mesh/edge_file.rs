//! An edge that a settings file describes: what it makes of whom, over real HTTP, and what a service inside takes that for.

use axum::{Json, Router, http::HeaderMap, routing::get};
use axum_identity::Caller;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tower_identity::{Audience, KeySetEndpoint, KeyedHash, Pairwise, SecretToken, Settings, SigningKey, UserNames};
use tower_identity_testkit::{TestAuthority, TestCaller, TestIssuer};

use crate::servers::Server;

const SECRET: &str = "quite a long secret of 32 bytes!";

/// Two issuers outside, and a folder in which the edge's files are.
struct Shop {
    login: TestIssuer,
    partner: TestIssuer,
    folder: tempfile::TempDir,
    key: SigningKey,
}

/// The edge, which answers the internal identity of each request, and its keys.
struct Edge {
    outside: Server,
    keys: Server,
}

impl Shop {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let key = TestAuthority::new(&tower_identity::system_clock()).certificate().build().key_pem();
        std::fs::write(folder.path().join("edge.secret"), SECRET).expect("written");
        std::fs::write(folder.path().join("mint.pem"), &key).expect("written");
        let key = SigningKey::from_pem(&key).expect("a key");
        Self { login: TestIssuer::start(), partner: TestIssuer::start(), folder, key }
    }

    async fn edge(&self, change: (&str, &str)) -> Edge {
        let text = format!(
            "[inbound]\nedge = true\n\
             [[inbound.issuer]]\nissuer = '{}'\naudience = 'shop'\n\
             [[inbound.issuer]]\nissuer = '{}'\naudience = 'shop'\n\
             [edge]\ntrust_domain = 'shop.internal'\nrequesting_workload = 'storefront'\nusers = 'pairwise'\n\
             secret_file = 'edge.secret'\nkey_files = ['mint.pem']\nforwarding = true\n\
             [[edge.scope]]\noutside = 'orders:write'\ninside = 'orders:place'\n",
            self.login.issuer(),
            self.partner.issuer(),
        );
        assert!(text.contains(change.0), "{change:?}");
        let file = self.folder.path().join("storefront.toml").display().to_string();
        let edge = Settings::parse(&text.replacen(change.0, change.1, 1), file).expect("a good file");
        let edge = edge.edge().expect("there");
        let identity = get(|fields: HeaderMap| async move {
            let identity = fields.get("txn-token").map(|field| field.to_str().expect("text").to_owned());
            identity.unwrap_or_default()
        });
        let keys = Router::new().route_service(KeySetEndpoint::PATH, edge.key_set());
        let outside = Router::new().route("/", identity).layer(edge.layer());
        Edge { outside: Server::start(outside).await, keys: Server::start(keys).await }
    }

    /// Of an issuer's user, who has more of everything than crosses.
    fn token(issuer: &TestIssuer, user: &str) -> SecretToken {
        let token = issuer.token().subject(user).client("browser").audience("shop").scope("openid orders:write");
        token.claim("roles", json!(["buyer"])).claim("name", "Alice").claim("email", "a@example.com").build()
    }

    /// The name of an issuer's user inside, as code says it.
    fn name(issuer: &TestIssuer, user: &str) -> String {
        let names = Pairwise::new(KeyedHash::new(SECRET).expect("long enough"));
        let caller = TestCaller::workload("browser").issuer(issuer.issuer().as_str()).user(user).context();
        let shop = Audience::parse("shop.internal").expect("a name");
        names.name(caller.principal(), &shop).expect("everybody has one").to_string()
    }
}

impl Edge {
    /// The internal identity of whom a token names.
    async fn identity(&self, token: &SecretToken) -> Result<String, StatusCode> {
        let client = Client::builder().no_proxy().build().expect("client");
        let answer = client.get(self.outside.url("/")).bearer_auth(token.expose()).send().await.expect("answered");
        match answer.status() {
            StatusCode::OK => Ok(answer.text().await.expect("text")),
            refused => Err(refused),
        }
    }

    /// What it says, and for how long it is good in the place of when.
    async fn claims(&self, token: &SecretToken) -> Result<Value, StatusCode> {
        let mut claims = part(&self.identity(token).await?, 1);
        let said = claims.as_object_mut().expect("claims");
        for one_of_its_kind in ["txn", "rctx"] {
            said.remove(one_of_its_kind).expect("there");
        }
        let [iat, exp] = ["iat", "exp"].map(|time| said.remove(time).and_then(|time| time.as_u64()).expect("a time"));
        said.insert("seconds".to_owned(), json!(exp - iat));
        Ok(claims)
    }
}

/// The header of a token, or its claims.
fn part(token: &str, at: usize) -> Value {
    let text = token.split('.').nth(at).expect("three parts");
    serde_json::from_slice(&base64_simd::URL_SAFE_NO_PAD.decode_to_vec(text).expect("base64url")).expect("JSON")
}

#[tokio::test]
async fn edge_b1_each_row_of_a_file_says_what_crosses_and_what_does_not_cross_without_it() {
    let shop = Shop::new();
    let alice = Shop::token(&shop.login, "alice");
    let same_name = Shop::token(&shop.partner, "alice");
    let base = |with: Value| {
        let mut claims = json!({
            "aud": "shop.internal",
            "sub": Shop::name(&shop.login, "alice"),
            "scope": "orders:place",
            "req_wl": "storefront",
            "seconds": 60,
        });
        claims.as_object_mut().expect("claims").append(&mut with.as_object().expect("claims").clone());
        claims
    };
    let listed = format!("[{{ issuer = '{}', subject = 'alice', name = 'customer-7' }}]", shop.login.issuer());
    let of_partner = format!("issuer = '{}'\noutside", shop.partner.issuer());
    let of_nobody = Err(StatusCode::FORBIDDEN);
    let partners = json!({ "sub": Shop::name(&shop.partner, "alice") });
    let said = "issuer = 'https://shop.internal'\nlifetime_seconds = 10\nattributes = ['roles']\nforwarding";
    let cases = [
        ("", "", &alice, Ok(base(json!({})))),
        ("", "", &same_name, Ok(base(partners.clone()))),
        ("outside", &of_partner, &alice, Ok(base(json!({ "scope": "" })))),
        ("outside", &of_partner, &same_name, Ok(base(partners))),
        ("'pairwise'", &listed, &alice, Ok(base(json!({ "sub": "customer-7" })))),
        ("'pairwise'", &listed, &same_name, of_nobody),
        (
            "forwarding",
            said,
            &alice,
            Ok(base(json!({ "iss": "https://shop.internal", "seconds": 10, "roles": ["buyer"] }))),
        ),
    ];
    for (from, to, token, expected) in cases {
        assert_eq!(shop.edge((from, to)).await.claims(token).await, expected, "{to}");
    }
}

#[tokio::test]
async fn edge_b1_of_a_file_are_whether_the_identity_goes_on_or_is_answered_and_how_many_are_remembered() {
    let shop = Shop::new();
    let alice = Shop::token(&shop.login, "alice");
    assert_eq!(shop.edge(("forwarding = true", "")).await.identity(&alice).await, Ok(String::new()));
    // Whoever asks is no proxy that is answered.
    let answering = shop.edge(("forwarding", "answering = true\nforwarding")).await;
    assert_eq!(answering.identity(&alice).await, Err(StatusCode::INTERNAL_SERVER_ERROR));
    for (remember, is_one) in
        [("forwarding", true), ("remember = 1\nforwarding", true), ("remember = 0\nforwarding", false)]
    {
        let edge = shop.edge(("forwarding", remember)).await;
        let [one, other] = [edge.identity(&alice).await, edge.identity(&alice).await];
        assert_eq!(one == other, is_one, "{remember}");
        assert!(one.is_ok_and(|one| !one.is_empty()));
    }
}

#[tokio::test]
async fn edge_b1_a_service_inside_takes_what_the_file_has_signed() {
    let shop = Shop::new();
    for (key, is_of_the_file) in [("key_files = ['mint.pem']", true), ("generated_key = 'ES256'", false)] {
        let edge = shop.edge(("key_files = ['mint.pem']", key)).await;
        let identity = edge.identity(&Shop::token(&shop.login, "alice")).await.expect("an identity");
        assert_eq!(part(&identity, 0)["kid"] == shop.key.key_id(), is_of_the_file);
        let text = format!(
            "[[inbound.issuer]]\nissuer = '{login}'\naudience = 'orders'\n\
             [[inbound.transaction_tokens]]\ntrust_domain = 'shop.internal'\nkeys = {{ url = '{keys}' }}\n\
             workloads_of = '{login}'\n",
            login = shop.login.issuer(),
            keys = edge.keys.url(KeySetEndpoint::PATH),
        );
        let orders = Settings::parse(&text, "orders.toml").expect("a good file").auth_layer().expect("there");
        let whoami = get(|caller: Caller| async { Json(caller) });
        let orders = Server::start(Router::new().route("/", whoami).layer(orders)).await;
        let carried_by = async |workload: &str| {
            let own = shop.login.token().subject(workload).client(workload).audience("orders").build();
            let client = Client::builder().no_proxy().build().expect("client");
            let request = client.get(orders.url("/")).bearer_auth(own.expose()).header("txn-token", &identity);
            let answer = request.send().await.expect("answered");
            (answer.status(), answer.json::<Value>().await.expect("JSON"))
        };
        let (status, caller) = carried_by("storefront").await;
        assert_eq!((status, &caller["scopes"]), (StatusCode::OK, &json!(["orders:place"])), "{caller}");
        assert_eq!(caller["user"], json!({ "id": Shop::name(&shop.login, "alice"), "issuer": "shop.internal" }));
        assert_eq!(carried_by("reports").await.0, StatusCode::FORBIDDEN, "it was not its edge");
    }
}
