//! Work on its way: a request comes, is handed over by a queue, and is done by a worker that calls on as itself.

use std::time::Duration;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Request, StatusCode},
    routing::{get, post},
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tower::ServiceExt;
use tower_identity::{
    Algorithm, AuthLayer, Binding, Caller, CallerContext, ClientAuth, Clock, HandOff, HandOffs, HttpClient, Inbound,
    Outbound, Plaintext, Problem, Producer, RequireLayer, Revocation, Revocations, Settings, SigningKey, Target,
    TokenEndpoint, TrustedIssuer, UserCaller, Verifier, ambient,
    rule::{callers_of, deferred_user, user},
    system_clock,
};
use tower_identity_testkit::{Endpoint, ManualClock, TestIssuer};

const ORDERS: &str = "https://orders.internal";
const BODY: &str = r#"{"order": "o-17"}"#;

/// What a queue keeps of one piece of work.
#[derive(Debug, Clone, PartialEq)]
struct Message {
    record: String,
    payload: Bytes,
}

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async { axum::serve(listener, router).await });
    url
}

#[derive(Clone)]
struct Orders {
    billing: HandOffs,
    queue: UnboundedSender<Message>,
}

async fn place_order(caller: Caller, State(orders): State<Orders>, payload: Bytes) -> Result<StatusCode, Problem> {
    let record = caller.hand_off(&orders.billing, "invoices", &payload)?.expose().to_owned();
    orders.queue.send(Message { record, payload })?;
    Ok(StatusCode::ACCEPTED)
}

/// All of it, but the worker.
struct Shop {
    clock: Clock,
    login: TestIssuer,
    orders: Router,
    keys: String,
    queue: UnboundedReceiver<Message>,
}

impl Shop {
    async fn open(clock: &Clock) -> Self {
        let login = TestIssuer::builder().clock(clock.clone()).start();
        let home = TrustedIssuer::keys_at(login.issuer().as_str(), login.url(Endpoint::Keys)).audience("orders");
        let verifier = Verifier::builder(home).clock(clock.clone()).build().expect("valid");
        let key = SigningKey::generate(Algorithm::Es256).expect("a key");
        let billing = HandOffs::new(ORDERS, key, "billing").expect("names").clock(clock.clone());
        let published = billing.clone();
        let keys = serve(Router::new().route("/keys", get(async move || published.key_set()))).await;
        let (sender, queue) = unbounded_channel();
        let orders = Router::new()
            .route("/orders", post(place_order))
            .layer(AuthLayer::new(verifier))
            .with_state(Orders { billing, queue: sender });
        Self { clock: clock.clone(), login, orders, keys: format!("{keys}/keys"), queue }
    }

    fn token(&self, subject: &str) -> String {
        let token = self.login.token().subject(subject).client("storefront").audience("orders").scope("orders:write");
        token.build().expose().to_owned()
    }

    async fn order(&self, token: &str) -> StatusCode {
        let request = Request::post("/orders").header("authorization", format!("Bearer {token}"));
        let request = request.body(Body::from(BODY)).expect("a request");
        self.orders.clone().oneshot(request).await.expect("infallible").status()
    }

    /// What is in the queue once alice has ordered.
    async fn ordered(&mut self) -> Message {
        assert_eq!(self.order(&self.token("alice")).await, StatusCode::ACCEPTED);
        self.queue.try_recv().expect("handed over")
    }

    /// The verifier of billing.
    fn worker(&self, list: &Revocations) -> Verifier {
        let orders = TrustedIssuer::keys_at(ORDERS, &self.keys).audience("billing");
        let producer = Producer::new(orders).topics(["invoices"]).users_of([self.login.issuer().as_str()]);
        let home = TrustedIssuer::keys_at(self.login.issuer().as_str(), self.login.url(Endpoint::Keys));
        let builder = Verifier::builder(home.audience("billing")).handed_off_by(producer);
        builder.clock(self.clock.clone()).revocations(list.clone()).build().expect("valid")
    }

    fn revocations(&self) -> Revocations {
        Revocations::new(self.clock.clone())
    }

    /// A client of the ledger, as billing.
    fn client(&self, ledger: &str) -> HttpClient {
        let us = ClientAuth::client_secret_basic("billing", "s3cr3t").expect("a secret");
        let ledger = Target::origin(ledger).expect("origin").audience("ledger").token_exchange();
        let outbound = Outbound::builder(TokenEndpoint::discover(self.login.issuer().as_str(), us));
        let outbound = outbound.plaintext(Plaintext::Loopback).clock(self.clock.clone()).target(ledger);
        outbound.build().expect("valid").reqwest(reqwest::Client::builder()).expect("a client")
    }
}

#[tokio::test]
async fn defer_b1_defer_a2_an_hour_later_a_worker_knows_for_whom_and_calls_on_as_itself() {
    let clock = ManualClock::new();
    let mut shop = Shop::open(&clock.clock()).await;
    let message = shop.ordered().await;
    assert_eq!(message.payload, BODY.as_bytes());
    let worker = shop.worker(&shop.revocations());

    // Alice's token has ended by now.
    clock.advance(Duration::from_secs(2 * 3600));
    let caller = worker.handed_off(&message.record, "invoices", &message.payload).await.expect("in order");
    let principal = caller.principal();
    assert_eq!(principal.user().map(|user| (user.id.as_str(), &user.issuer)), Some(("alice", shop.login.issuer())));
    assert_eq!((principal.workload().id.as_str(), principal.binding()), (ORDERS, Binding::Deferred));

    // The ledger answers with who calls.
    let whose = async |headers: HeaderMap| headers["authorization"].to_str().expect("ascii").to_owned();
    let ledger = serve(Router::new().route("/entries", post(whose))).await;
    let (http, url) = (shop.client(&ledger), format!("{ledger}/entries"));
    let done = caller.scope(async move {
        assert!(ambient::current().is_some(), "it is done in the caller's scope");
        let for_alice = http.post(&url).send().await.map(drop).expect_err("she is no subject any more");
        assert!(for_alice.to_string().contains("nothing ties the caller to the user"), "{for_alice}");
        http.post(&url).as_service().send().await.expect("sent").text().await.expect("a body")
    });
    let presented = tokio::spawn(done).await.expect("done");
    let ledger =
        TrustedIssuer::keys_at(shop.login.issuer().as_str(), shop.login.url(Endpoint::Keys)).audience("ledger");
    let ledger = Verifier::builder(ledger).clock(shop.clock.clone()).build().expect("valid");
    let seen = ledger.bearer(presented.strip_prefix("Bearer ").expect("a token")).await.expect("good");
    assert_eq!((seen.principal().workload().id.as_str(), seen.principal().user()), ("billing", None));
}

#[tokio::test]
async fn defer_a4_defer_a2_what_was_revoked_meanwhile_and_what_was_exchanged_in_the_queue_is_not_done() {
    let mut shop = Shop::open(&ManualClock::new().clock()).await;
    let (message, list) = (shop.ordered().await, shop.revocations());
    let worker = shop.worker(&list);
    let check = async |record: &str, topic: &str, payload: &[u8]| {
        let decision = worker.handed_off(record, topic, payload).await;
        decision.map(drop).map_err(|refusal| refusal.check())
    };
    let Message { record, payload } = message;
    assert_eq!(check(&record, "invoices", &payload).await, Ok(()));
    assert_eq!(check(&record, "invoices", b"{}").await, Err("payload"));
    assert_eq!(check(&record, "receipts", &payload).await, Err("topic"));
    assert_eq!(check(&shop.token("alice"), "invoices", &payload).await, Err("iss"), "a token is no record");
    list.revoke(Revocation::subject(shop.login.issuer().clone(), "alice".parse().expect("id")));
    assert_eq!(check(&record, "invoices", &payload).await, Err("revoked"));
}

#[tokio::test]
async fn defer_b2_a_record_is_no_credential_and_nobody_without_a_user_hands_over() {
    let mut shop = Shop::open(&ManualClock::new().clock()).await;
    let message = shop.ordered().await;
    assert_eq!(shop.order(&message.record).await, StatusCode::UNAUTHORIZED);
    assert_eq!(shop.order(&shop.token("storefront")).await, StatusCode::FORBIDDEN);
    assert!(shop.queue.try_recv().is_err(), "nothing more was handed over");
    assert_eq!(shop.order(&shop.token("bob")).await, StatusCode::ACCEPTED, "the control");
}

/// What a worker that is a tower service answers, behind a layer with this rule.
async fn worked(caller: &CallerContext, rule: tower_identity::Rule) -> (StatusCode, Bytes) {
    let invoice = async |caller: UserCaller| format!("an invoice for {}", caller.user().id);
    let app = Router::new().route("/invoices", post(invoice)).layer(RequireLayer::new(rule));
    let mut request = Request::post("/invoices").body(Body::empty()).expect("a request");
    request.extensions_mut().insert(Inbound::Caller(caller.clone()));
    let (head, body) = app.oneshot(request).await.expect("infallible").into_parts();
    (head.status, axum::body::to_bytes(body, 4096).await.expect("a body"))
}

#[tokio::test]
async fn defer_a3_defer_a5_a_file_says_who_hands_over_and_a_rule_what_that_may() {
    let mut shop = Shop::open(&system_clock()).await;
    let message = shop.ordered().await;
    let file = format!(
        r#"
        [[inbound.issuer]]
        issuer = "{issuer}"
        audience = "billing"
        keys = {{ url = "{login_keys}" }}

        [[inbound.handed_off_by]]
        issuer = "{ORDERS}"
        audience = "billing"
        topics = ["invoices"]
        users_of = ["{issuer}"]
        keys = {{ url = "{keys}" }}

        [inbound.rule]
        invoice = {{ all = [{{ callers_of = ["{ORDERS}"] }}, "deferred_user"] }}
        "#,
        issuer = shop.login.issuer(),
        login_keys = shop.login.url(Endpoint::Keys),
        keys = shop.keys,
    );
    let wrong = Settings::parse(&file.replace(r#"["invoices"]"#, "[]"), "billing.toml").expect_err("no topic");
    assert_eq!(wrong.to_string(), "billing.toml:10: inbound.handed_off_by[0].topics: names no topic");
    let settings = Settings::parse(&file, "billing.toml").expect("good");

    let worker = settings.verifier().expect("inbound");
    let caller = worker.handed_off(&message.record, "invoices", &message.payload).await.expect("in order");
    let rule = settings.rule("invoice").expect("in the file");
    assert_eq!(worked(&caller, rule).await, (StatusCode::OK, Bytes::from("an invoice for alice")));
    assert_eq!(worked(&caller, callers_of([ORDERS]).and(deferred_user())).await.0, StatusCode::OK);
    for closed in [user(), callers_of([ORDERS]), callers_of([ORDERS]).and(user())] {
        assert_eq!(worked(&caller, closed).await.0, StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn defer_b4_a_file_names_the_keys_that_sign_and_are_published() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = [Algorithm::Es256, Algorithm::Ed25519].map(|it| SigningKey::generate(it).expect("a key"));
    for (name, key) in ["now.pem", "next.pem"].iter().zip(&keys) {
        std::fs::write(folder.path().join(name), key.to_pem().expect("exported").expose()).expect("written");
    }
    let read = |key_file: &str, more: &str| {
        let file = format!(
            "[outbound.server.login]\nissuer = 'https://login.example.com'\nclient_id = 'orders'\nclient_secret = 'hidden'\n\
             [outbound.hand_off.billing]\nissuer = '{ORDERS}'\naudience = 'billing'\nkey_file = {key_file}\n{more}"
        );
        Settings::parse(&file, folder.path().join("orders.toml").display().to_string()).map_err(|wrong| {
            let told = wrong.to_string();
            told.split_once("orders.toml:").map(|(_, told)| told.to_owned()).expect("where it is")
        })
    };
    let settings = read("['now.pem', 'next.pem']", "valid_for_seconds = 60").expect("good");
    let billing = settings.hand_offs("billing").expect("in the file");
    let published = tower_identity::KeySet::parse(billing.key_set().as_bytes()).expect("a key set");
    assert_eq!(published.keys().count(), 2);
    assert!(keys.iter().all(|key| published.contains_key_id(key.key_id())));
    let missing = settings.hand_offs("stock").expect_err("not in the file").to_string();
    assert!(missing.ends_with("outbound.hand_off.stock: the file has no such table"), "{missing}");

    let wrong = |key_file: &str, more: &str| read(key_file, more).map(drop).expect_err("refused");
    assert_eq!(wrong("[]", ""), "8: outbound.hand_off.billing.key_file: names no key");
    let gone = wrong("'gone.pem'", "");
    assert!(
        gone.starts_with("8: outbound.hand_off.billing.key_file: no key in ") && gone.contains("gone.pem"),
        "{gone}"
    );
    let short = "9: outbound.hand_off.billing.valid_for_seconds: is not from 60 to 604800";
    assert_eq!(wrong("'now.pem'", "valid_for_seconds = 59"), short);
    assert!(wrong("'now.pem'", "key = 1").contains("unknown field `key`"));
}
