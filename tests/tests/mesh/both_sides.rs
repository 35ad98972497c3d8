//! One process that serves outside and inside, as docs/edge.md has it, and a service inside that it calls and is called by.
//!
//! ```text
//!            ┌─ storefront ──────────┐ Txn-Token, of the edge       ┌─ stock ─┐
//! browser ──▶│ outside: POST /orders │ ────────────────────────────▶│ /held   │
//!            │ inside:  GET  /orders │◀──────────────────────────── │         │
//!            │ inside:  the keys     │ the same, byte for byte      └─────────┘
//!            └───────────────────────┘
//! ```

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::State,
    http::HeaderMap,
    routing::{get, post},
};
use axum_identity::{Caller, Problem};
use reqwest::{Client, StatusCode, header::WWW_AUTHENTICATE};
use tokio::net::TcpListener;
use tower_identity::{
    Algorithm, AuthLayer, ClientAuth, DecryptionKey, EdgeLayer, HttpClient, KeyRing, KeySetEndpoint, KeyedHash, Mint,
    Outbound, Pairwise, Plaintext, Rotation, Target, TokenEndpoint, TransactionToken, TransactionTokens, TrustDomain,
    TrustedIssuer, Verifier, system_clock,
};
use tower_identity_core::{Audience, SecretToken};
use tower_identity_testkit::{TestCaller, TestIssuer};

use crate::servers::Server;

const SHOP: &str = "shop.internal";

/// Issuers of users outside and of workloads inside, and who stands between them.
struct House {
    users: TestIssuer,
    workloads: TestIssuer,
    mint: Mint,
    /// What the services of the trust domain read its tokens by, if they are encrypted.
    key: Option<DecryptionKey>,
    outside: Server,
    inside: Server,
    _stock: Server,
    /// The tokens that stock was called with.
    held: Arc<Mutex<Vec<SecretToken>>>,
}

/// What a caller is to a service.
fn told(caller: &Caller) -> String {
    let principal = caller.principal();
    let user = principal.user().map_or("nobody", |user| user.id.as_str());
    format!("{} for {user}: {}", principal.workload().id, principal.scopes())
}

/// Calls as this workload: with its own token, and the transaction token of whoever it works for.
fn calling(workloads: &TestIssuer, client: &str, target: &str, audience: &str) -> HttpClient {
    let auth = ClientAuth::client_secret_basic(client, "secret").expect("valid");
    let server = TokenEndpoint::discover(workloads.issuer().as_str(), auth);
    let target = Target::origin(target).expect("an origin").audience(audience);
    let outbound = Outbound::builder(server).plaintext(Plaintext::Loopback);
    let outbound = outbound.target(target.strategy(TransactionToken::of(SHOP))).build().expect("valid");
    outbound.reqwest(Client::builder()).expect("valid")
}

impl House {
    async fn start(key: Option<DecryptionKey>) -> Self {
        let (users, workloads) = (TestIssuer::start(), TestIssuer::start());
        let secret = || KeyedHash::new([7; 32]).expect("32 bytes");
        let domain = TrustDomain::new(SHOP, Pairwise::new(secret())).scope("orders:write", "orders:place");
        let domain = key.iter().fold(domain, |domain, key| domain.encrypted_to(key.encryption_key().clone()));
        let keys = KeyRing::generated(Algorithm::Es256, Rotation::default(), system_clock()).expect("valid");
        let mint = Mint::builder("storefront", keys, secret()).trust_domain(domain).build().expect("valid");

        let port = || TcpListener::bind("127.0.0.1:0");
        let (inside, stock) = (port().await.expect("free"), port().await.expect("free"));
        let origin = |listener: &TcpListener| format!("http://{}", listener.local_addr().expect("bound"));
        let (own, theirs) = (origin(&inside), origin(&stock));
        let verifier = |audience: &str| {
            let home = TrustedIssuer::discover(workloads.issuer().as_str()).audience(audience);
            let shop = TransactionTokens::of(SHOP, format!("{own}{}", KeySetEndpoint::PATH));
            let shop = shop.workloads_of(workloads.issuer().as_str()).carriers(["stock"]);
            let shop = key.iter().fold(shop, |shop, key| shop.encrypted_to([key.clone()]));
            let verifier = Verifier::builder(home).transaction_tokens(shop).build().expect("valid");
            AuthLayer::new(verifier).transaction_tokens().expect("it trusts a domain")
        };

        let of_users = TrustedIssuer::discover(users.issuer().as_str()).audience("shop");
        let edge = AuthLayer::new(Verifier::builder(of_users).build().expect("valid")).edge();
        let place_order = async |caller: Caller, State((http, url)): State<(HttpClient, String)>| {
            let answer = http.get(url).send().await?.error_for_status()?.text().await?;
            Ok::<_, Problem>(format!("{} | {answer}", told(&caller)))
        };
        let outside = Router::new()
            .route("/orders", post(place_order))
            .layer(EdgeLayer::new(edge, mint.clone(), SHOP).expect("one of the mint's"))
            .with_state((calling(&workloads, "storefront", &theirs, "stock"), format!("{theirs}/held")));

        let list_orders = get(async |caller: Caller| told(&caller));
        let within = Router::new()
            .route("/orders", list_orders)
            .layer(verifier("storefront"))
            .route_service(KeySetEndpoint::PATH, KeySetEndpoint::new(mint.keys().clone()));

        let held: Arc<Mutex<Vec<SecretToken>>> = Arc::default();
        let holds = Arc::clone(&held);
        let hold = async move |caller: Caller, State((http, url)): State<(HttpClient, String)>| {
            holds.lock().expect("not poisoned").extend(caller.context().token().token().cloned());
            let answer = http.get(url).send().await?.error_for_status()?.text().await?;
            Ok::<_, Problem>(format!("{} | {answer}", told(&caller)))
        };
        let stocks = Router::new()
            .route("/held", get(hold))
            .layer(verifier("stock"))
            .with_state((calling(&workloads, "stock", &own, "storefront"), format!("{own}/orders")));

        let _stock = Server::on(stock, stocks);
        let (outside, inside) = (Server::start(outside).await, Server::on(inside, within));
        Self { users, workloads, mint, key, outside, inside, _stock, held }
    }

    fn alice(&self) -> SecretToken {
        self.users.token().subject("alice").client("browser").audience("shop").scope("orders:write openid").build()
    }

    /// A workload's own.
    fn own(&self, client: &str) -> SecretToken {
        self.workloads.token().client(client).audience("storefront").build()
    }

    /// What alice is inside, in a token of the edge's.
    fn internal(&self) -> SecretToken {
        let alice = TestCaller::workload("browser").user("alice").context();
        let shop = Audience::parse(SHOP).expect("a name");
        self.mint.mint(&alice, &shop).expect("an identity").token().clone()
    }
}

/// The status, the scheme of the challenge, and the text.
async fn answered(request: reqwest::RequestBuilder) -> (StatusCode, bool, String) {
    let answer = request.send().await.expect("answered");
    let (status, challenged) = (answer.status(), answer.headers().contains_key(WWW_AUTHENTICATE));
    (status, challenged, answer.text().await.expect("text"))
}

async fn ask(house: &House, path: &str, bearer: &SecretToken, internal: Option<&SecretToken>) -> (u16, bool) {
    let client = Client::builder().no_proxy().build().expect("client");
    let request = match path {
        "outside" => client.post(house.outside.url("/orders")),
        _ => client.get(house.inside.url("/orders")),
    };
    let headers: HeaderMap = internal
        .iter()
        .map(|token| ("txn-token".parse().expect("a name"), token.expose().parse().expect("text")))
        .collect();
    let (status, challenged, _) = answered(request.bearer_auth(bearer.expose()).headers(headers)).await;
    (status.as_u16(), challenged)
}

/// From outside to a service inside and back to the inside of the process that it began at.
async fn goes_round(key: Option<DecryptionKey>) {
    let house = House::start(key).await;
    let client = Client::builder().no_proxy().build().expect("client");
    let request = || client.post(house.outside.url("/orders")).bearer_auth(house.alice().expose());
    let (status, _, text) = answered(request()).await;
    let user = text.split(" for ").nth(1).and_then(|rest| rest.split(':').next()).expect("a user").to_owned();
    assert_eq!((status.as_u16(), user.len()), (200, 43), "{text}");
    let each = ["browser", "storefront", "stock"].map(|caller| format!("{caller} for {user}: orders:place"));
    assert_eq!(text, each.join(" | "));

    let held = house.held.lock().expect("not poisoned").clone();
    let parts: Vec<_> = held.iter().map(|token| token.expose().split('.').count()).collect();
    assert_eq!(parts, [if house.key.is_some() { 5 } else { 3 }]);
}

#[tokio::test]
async fn edge_c1_one_process_serves_both_sides_and_a_request_goes_round() {
    goes_round(None).await;
}

#[tokio::test]
async fn edge_c1_so_does_it_where_nobody_reads_the_tokens_on_their_way() {
    goes_round(Some(DecryptionKey::generate())).await;
}

#[tokio::test]
async fn edge_a4_each_of_two_listeners_refuses_what_is_good_at_the_other() {
    let house = House::start(None).await;
    let (alice, storefront, internal) = (house.alice(), house.own("storefront"), house.internal());
    for (name, side, bearer, txn, expected) in [
        ("the control", "outside", &alice, None, (200, false)),
        ("a workload's own", "outside", &storefront, None, (401, true)),
        ("an internal one in its place", "outside", &internal, None, (401, true)),
        ("one beside a workload's own", "outside", &storefront, Some(&internal), (401, true)),
        ("one beside a user's, where it is taken away", "outside", &alice, Some(&internal), (200, false)),
        ("the control", "inside", &storefront, Some(&internal), (200, false)),
        ("a user's", "inside", &alice, None, (401, true)),
        ("a user's beside an internal one", "inside", &alice, Some(&internal), (401, true)),
        ("a user's in the place of the internal one", "inside", &storefront, Some(&alice), (400, false)),
        ("an internal one alone", "inside", &internal, None, (401, true)),
        ("in the hands of another workload", "inside", &house.own("reports"), Some(&internal), (403, false)),
    ] {
        assert_eq!(ask(&house, side, bearer, txn).await, expected, "{name}, {side}");
    }
}

#[tokio::test]
async fn tx_a12_inside_a_plain_one_is_refused_where_they_are_encrypted_and_the_other_way_round() {
    let key = DecryptionKey::generate();
    let (encrypting, plain) = (House::start(Some(key.clone())).await, House::start(None).await);
    let encrypted = key.encryption_key().encrypt(&plain.internal());
    let own = |house: &House| house.own("storefront");
    assert_eq!(ask(&encrypting, "inside", &own(&encrypting), Some(&encrypting.internal())).await, (200, false));
    assert_eq!(ask(&plain, "inside", &own(&plain), Some(&plain.internal())).await, (200, false));
    assert_eq!(ask(&plain, "inside", &own(&plain), Some(&encrypted)).await, (400, false));
    let inside = tower_identity_jose::DecryptionKeys::new([key]);
    let signed = inside.decrypt(encrypting.internal().expose(), &Default::default()).expect("ours");
    assert_eq!(ask(&encrypting, "inside", &own(&encrypting), Some(&signed)).await, (400, false));
}
