//! What an issuer revokes ends at every place of a service, and of nobody else: pushed over real HTTP.

use std::sync::Arc;

use axum::{Router, extract::State, routing::get};
use axum_identity::{Caller, Problem};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tower_identity::{AuthLayer, EventReceiver, HttpClient, SecretToken, SecurityEvents, Verifier};
use tower_identity_jose::{Algorithm, SigningKey};
use tower_identity_testkit::{Endpoint, TestIssuer, TokenBuilder};

use crate::servers::{Recorder, Server, exchanging_client, verifier};

const RECEIVER: &str = "https://orders.example/events";

/// Orders, which listens to events, in front of payments, whose calls are counted.
struct Shop {
    issuer: TestIssuer,
    payments: Recorder,
    orders: Server,
    verifier: Verifier,
    client: Client,
    gate: Arc<Notify>,
}

#[derive(Clone)]
struct Calls {
    http: HttpClient,
    payments: String,
    gate: Arc<Notify>,
}

async fn order(_: Caller, State(calls): State<Calls>) -> Result<String, Problem> {
    Ok(calls.http.get(&calls.payments).send().await?.text().await?)
}

/// Takes its time before it calls on.
async fn late_order(caller: Caller, State(calls): State<Calls>) -> Result<String, Problem> {
    calls.gate.notified().await;
    order(caller, State(calls)).await
}

impl Shop {
    async fn start() -> Self {
        let issuer = TestIssuer::start();
        let payments = Recorder::start().await;
        let verifier = verifier(&issuer, "orders");
        let events = SecurityEvents::new(EventReceiver::builder(&verifier, RECEIVER).build().expect("valid"));
        let gate = Arc::new(Notify::new());
        let calls = Calls {
            http: exchanging_client(&issuer, &[(&payments.server.origin(), "payments")]),
            payments: payments.server.url("/charges"),
            gate: Arc::clone(&gate),
        };
        let guarded = Router::new()
            .route("/orders", get(order))
            .route("/late", get(late_order))
            .with_state(calls)
            .layer(AuthLayer::new(verifier.clone()));
        let orders = Server::start(guarded.route_service(events.path(), events.clone())).await;
        let client = Client::builder().no_proxy().build().expect("client");
        Self { issuer, payments, orders, verifier, client, gate }
    }

    fn token(&self, user: &str) -> SecretToken {
        self.issuer.token().subject(user).client("web").audience("orders").build()
    }

    fn get(&self, path: &str, token: &SecretToken) -> impl Future<Output = Seen> + Send + use<> {
        let sent = self.client.get(self.orders.url(path)).bearer_auth(token.expose()).send();
        async { Seen::of(&sent.await.expect("answered")) }
    }

    /// What is answered, and what the calls so far are: of orders at payments, and at the token endpoint.
    async fn orders(&self, token: &SecretToken) -> (Seen, [usize; 2]) {
        (self.get("/orders", token).await, self.calls())
    }

    fn calls(&self) -> [usize; 2] {
        [self.payments.seen().len(), self.issuer.calls(Endpoint::Token)]
    }

    fn event(&self, user: &str) -> TokenBuilder {
        self.issuer.user_revoked(user).audience(RECEIVER)
    }

    async fn push(&self, event: TokenBuilder) -> (u16, String) {
        let request = self.client.post(self.orders.url("/security-events"));
        let request = request.header("content-type", "application/secevent+jwt");
        let answer = request.body(event.build().expose().to_owned()).send().await.expect("answered");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    }
}

#[derive(Debug, PartialEq)]
struct Seen {
    status: u16,
    challenge: Option<String>,
}

impl Seen {
    fn of(answer: &Response) -> Self {
        let challenge = answer.headers().get("www-authenticate");
        let challenge = challenge.map(|value| value.to_str().expect("ascii").to_owned());
        Self { status: answer.status().as_u16(), challenge }
    }

    fn good() -> Self {
        Self { status: 200, challenge: None }
    }
}

#[track_caller]
fn assert_ended(seen: &Seen) {
    let challenge = seen.challenge.as_deref().unwrap_or_default();
    assert!(seen.status == 401 && challenge.contains("error=\"invalid_token\""), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ssf_a2_whom_an_event_names_is_refused_at_once_and_nothing_of_hers_is_sent() {
    let shop = Shop::start().await;
    let [alice, bob] = ["alice", "bob"].map(|user| shop.token(user));
    for (token, calls) in [(&alice, [1, 1]), (&bob, [2, 2]), (&alice, [3, 2]), (&bob, [4, 2])] {
        assert_eq!(shop.orders(token).await, (Seen::good(), calls), "warm from the second on");
    }
    // A request of hers that was let in before, and calls on after.
    let late = tokio::spawn(shop.get("/late", &alice));
    let of_bob = tokio::spawn(shop.get("/late", &bob));

    let event = shop.event("alice");
    assert_eq!(shop.push(event.clone()).await, (202, String::new()));
    assert_ended(&shop.orders(&alice).await.0);
    assert_eq!(shop.calls(), [4, 2]);
    assert_eq!(shop.orders(&bob).await, (Seen::good(), [5, 2]));

    shop.gate.notify_waiters();
    shop.gate.notify_one();
    shop.gate.notify_one();
    let (late, of_bob) = (late.await.expect("answered"), of_bob.await.expect("answered"));
    assert_eq!(of_bob, Seen::good());
    assert_ended(&late);
    assert_eq!(shop.calls(), [6, 2], "bob's alone");

    let epoch = shop.verifier.revocations().epoch();
    assert_eq!(shop.push(event).await, (202, String::new()), "again");
    assert_eq!(shop.verifier.revocations().epoch(), epoch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ssf_a2_an_exchange_in_flight_of_whom_an_event_names_is_discarded() {
    let shop = Shop::start().await;
    let [alice, bob] = ["alice", "bob"].map(|user| shop.token(user));
    let held = shop.issuer.hold(Endpoint::Token);
    let waiting = [&alice, &bob].map(|token| tokio::spawn(shop.get("/orders", token)));
    shop.issuer.arrived(Endpoint::Token, 2).await;
    assert_eq!(shop.push(shop.event("alice")).await.0, 202);
    held.release();
    let [of_alice, of_bob] = waiting;
    assert_ended(&of_alice.await.expect("answered"));
    assert_eq!(of_bob.await.expect("answered"), Seen::good());
    assert_eq!(shop.calls(), [1, 2], "bob's alone is sent");
    assert_ended(&shop.orders(&alice).await.0);
    assert_eq!(shop.orders(&bob).await, (Seen::good(), [2, 2]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ssf_a1_a_forged_event_is_answered_with_its_fault_and_changes_nothing() {
    let shop = Shop::start().await;
    let alice = shop.token("alice");
    assert_eq!(shop.orders(&alice).await, (Seen::good(), [1, 1]));
    let stranger = SigningKey::generate(Algorithm::Es256).expect("a key");
    let kid = shop.issuer.key().key_id().to_owned();
    let event = || shop.event("alice");
    for (what, event, err) in [
        ("another key", event().sign_with(&stranger).header("kid", kid), "invalid_key"),
        ("another audience", event().audience("https://payments.example/events"), "invalid_audience"),
        ("another issuer", event().claim("iss", "https://stranger.example"), "invalid_issuer"),
        ("sub", event().claim("sub", "alice"), "invalid_request"),
        ("exp", event().claim("exp", 4_102_444_800_u64), "invalid_request"),
        ("her own access token", shop.issuer.token().subject("alice").audience(RECEIVER), "invalid_request"),
    ] {
        let (status, body) = shop.push(event).await;
        let body: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!((status, &body["err"]), (400, &json!(err)), "{what}");
    }
    assert_eq!((shop.verifier.revocations().epoch(), shop.orders(&alice).await), (0, (Seen::good(), [2, 1])));
    assert_eq!(shop.push(event()).await.0, 202, "the control");
    assert_ended(&shop.orders(&alice).await.0);
}
