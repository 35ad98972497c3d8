//! The demo, in which a user is revoked at the authority: what ends at every hop, for whom, and by whose word alone.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use demo_mesh::{Addresses, Mesh};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tower_identity::{SigningKey, system_clock};
use tower_identity_jose::{Algorithm, MediaType, random_id};

use crate::{
    demo::{Moved, PARTS, Person, client_of, exchanged, service},
    servers::Server,
};

const PATIENCE: Duration = Duration::from_secs(30);

fn rewrite(shop: &Moved, part: &str, from: &str, to: &str) {
    let text = fs::read_to_string(shop.file(part)).expect("a file");
    assert!(text.contains(from), "{part} says {from}");
    fs::write(shop.file(part), text.replace(from, to)).expect("written");
}

async fn started(shop: &Moved) -> Mesh {
    Mesh::start(shop.directory(), Addresses::default(), "the test").await.expect("started")
}

async fn revoke(person: &Person<'_>, user: &str) -> Value {
    let request = person.client.post(person.shop.url("authority", "/dev/revoke")).json(&json!({ "user": user }));
    request.send().await.expect("answered").json().await.expect("JSON")
}

/// What a stream says until it ends.
async fn to_its_end(mut stream: reqwest::Response) -> String {
    let mut said = String::new();
    let read = async {
        while let Some(chunk) = stream.chunk().await.expect("it ends as a body does") {
            said.push_str(std::str::from_utf8(&chunk).expect("text"));
        }
    };
    system_clock().within(PATIENCE, read).await.expect("the stream ends");
    said
}

/// What a stream says next, other than that it is still there.
async fn next_event(stream: &mut reqwest::Response) -> Bytes {
    let read = async {
        loop {
            let chunk = stream.chunk().await.expect("read").expect("it goes on");
            if !chunk.starts_with(b":") {
                return chunk;
            }
        }
    };
    system_clock().within(PATIENCE, read).await.expect("in time")
}

/// Stands before payments, counts what it is asked, and passes it on.
struct Counted {
    server: Server,
    calls: Arc<AtomicUsize>,
}

impl Counted {
    async fn before(payments: String) -> Self {
        let calls = Arc::<AtomicUsize>::default();
        let to = (Client::builder().no_proxy().build().expect("client"), payments, Arc::clone(&calls));
        Self { server: Server::start(Router::new().fallback(pass_on).with_state(to)).await, calls }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

async fn pass_on(
    State((client, payments, calls)): State<(Client, String, Arc<AtomicUsize>)>,
    request: Request,
) -> Response {
    calls.fetch_add(1, Ordering::SeqCst);
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 64 * 1024).await.expect("a small request");
    let mut headers = parts.headers;
    headers.remove("host");
    let request = client.request(parts.method, format!("{payments}{}", parts.uri)).headers(headers).body(body);
    let answer = request.send().await.expect("payments is up");
    let status = answer.status();
    (status, [("content-type", "application/json")], Body::from(answer.bytes().await.expect("read"))).into_response()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ssf_a2_whom_the_authority_revokes_is_refused_at_every_hop_and_nobody_else_is() {
    let shop = Moved::new();
    let counted = Counted::before(shop.origin("payments")).await;
    rewrite(&shop, "orders", &shop.origin("payments"), &counted.server.origin());
    let mesh = started(&shop).await;
    let person = Person::of(&shop);
    let (alice, bob) = (person.sign_in("alice").await, person.sign_in("bob").await);
    let for_orders = exchanged(&client_of("storefront", &shop), &alice, service("orders", "orders:write")).await;
    let listen = async |token: &str| {
        let stream = person.get("storefront", "/orders/events", token).await;
        assert_eq!(
            (stream.status().as_u16(), &stream.headers()["content-type"]),
            (200, &"text/event-stream".parse().unwrap())
        );
        stream
    };
    let (hers, mut his) = (listen(&alice).await, listen(&bob).await);
    assert_eq!((person.order(&alice).await.status(), counted.calls()), (StatusCode::CREATED, 1));
    assert_eq!((person.get("orders", "/whoami", &for_orders).await.status(), counted.calls()), (StatusCode::OK, 1));

    let revoked = revoke(&person, "alice").await;
    let told =
        PARTS[1..].iter().map(|part| json!({ "receiver": shop.url(part, "/security-events"), "acknowledged": true }));
    assert_eq!(revoked, json!({ "user": "alice", "pushed": told.collect::<Vec<_>>() }));
    let heard = to_its_end(hers).await;
    assert_eq!((heard.matches("event: order\n").count(), heard.contains("\"id\":\"order-1\"")), (1, true), "{heard}");
    assert_eq!((person.order(&alice).await.status(), counted.calls()), (StatusCode::UNAUTHORIZED, 1));
    let direct = person.client.post(shop.url("orders", "/orders")).bearer_auth(&for_orders);
    let direct = direct.json(&json!({ "lines": [{ "sku": "tea", "quantity": 1 }] })).send().await.expect("answered");
    let challenge = direct.headers()["www-authenticate"].to_str().expect("text").to_owned();
    assert_eq!((direct.status(), counted.calls()), (StatusCode::UNAUTHORIZED, 1));
    assert_eq!(challenge, r#"Bearer realm="orders", error="invalid_token""#);

    assert_eq!((person.order(&bob).await.status(), counted.calls()), (StatusCode::CREATED, 2));
    let heard = next_event(&mut his).await;
    assert!(heard.starts_with(b"event: order\ndata: {"), "{heard:?}");
    let again = person.sign_in("alice").await;
    assert_eq!((person.order(&again).await.status(), counted.calls()), (StatusCode::CREATED, 3));
    drop(his);
    mesh.stop().await.expect("stopped");
}

/// Takes the events of all receivers.
async fn intercept() -> (Server, mpsc::UnboundedReceiver<String>) {
    let (sender, events) = mpsc::unbounded_channel();
    let take = post(async move |event: Bytes| {
        sender.send(String::from_utf8(event.into()).expect("text")).expect("the test reads");
        StatusCode::ACCEPTED
    });
    (Server::start(Router::new().fallback_service(take)).await, events)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ssf_a1_a_service_of_the_demo_takes_the_authoritys_events_for_itself_and_no_others() {
    let shop = Moved::new();
    let (interceptor, mut events) = intercept().await;
    for part in &PARTS[1..] {
        let url = |at: &str| format!("url = \"{at}/security-events\"");
        rewrite(&shop, "authority", &url(&shop.origin(part)), &url(&interceptor.origin()));
    }
    let mesh = started(&shop).await;
    let person = Person::of(&shop);
    let (storefront, orders) = (client_of("storefront", &shop), client_of("orders", &shop));
    let mut tokens = Vec::new();
    for user in ["alice", "bob"] {
        let for_orders = exchanged(&storefront, &person.sign_in(user).await, service("orders", "orders:write")).await;
        let for_payments = exchanged(&orders, &for_orders, service("payments", "payments:charge")).await;
        tokens.push([("orders", for_orders), ("payments", for_payments)]);
    }
    // What orders and payments say to tokens of alice, and to tokens of bob.
    let let_in = async || {
        let mut statuses = Vec::new();
        for (part, token) in tokens.iter().flatten() {
            statuses.push(person.get(part, "/whoami", token).await.status().as_u16());
        }
        statuses
    };
    let push = async |part: &str, event: &str| {
        let request = person.client.post(shop.url(part, "/security-events"));
        let request = request.header("content-type", "application/secevent+jwt").body(event.to_owned());
        let answer = request.send().await.expect("answered");
        let status = answer.status().as_u16();
        let body: Value = serde_json::from_slice(&answer.bytes().await.expect("read")).unwrap_or_default();
        (status, body["err"].as_str().unwrap_or("none").to_owned())
    };
    let refused = |err: &str| (400, err.to_owned());
    assert_eq!(let_in().await, [200; 4]);

    let pushed = revoke(&person, "alice").await["pushed"].clone();
    assert_eq!(pushed.as_array().map(Vec::len), Some(3));
    let mut genuine: Vec<(&str, String)> = Vec::new();
    for _ in &PARTS[1..] {
        let event = events.recv().await.expect("an event");
        let claims = event.split('.').nth(1).expect("a token");
        let claims = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(claims).expect("base64url");
        let claims: Value = serde_json::from_slice(&claims).expect("JSON");
        let part =
            PARTS.into_iter().find(|part| claims["aud"] == shop.url(part, "/security-events")).expect("a service");
        genuine.push((part, event));
    }

    let jwks: Value =
        person.client.get(shop.url("authority", "/jwks")).send().await.expect("sent").json().await.expect("keys");
    let stranger = SigningKey::generate(Algorithm::Es256).expect("a key");
    let stranger = stranger.with_key_id(jwks["keys"][0]["kid"].as_str().expect("a kid"));
    for (part, _) in &genuine {
        let now = system_clock().wall();
        let forged = json!({
            "iss": shop.origin("authority"), "aud": shop.url(part, "/security-events"), "iat": now, "jti": random_id(),
            "sub_id": { "format": "iss_sub", "iss": shop.origin("authority"), "sub": "bob" },
            "events": { "https://schemas.openid.net/secevent/caep/event-type/session-revoked": {} },
        });
        let forged = stranger.sign(&MediaType::SECURITY_EVENT, &forged).expect("signed");
        assert_eq!(push(part, forged.expose()).await, refused("invalid_key"), "{part}");
        assert_eq!(push(part, &tokens[1][0].1).await, refused("invalid_request"), "an access token at {part}");
        for (_, others) in genuine.iter().filter(|(of, _)| of != part) {
            assert_eq!(push(part, others).await, refused("invalid_audience"), "another's at {part}");
        }
    }
    assert_eq!(let_in().await, [200; 4], "nothing has changed");

    for (part, event) in &genuine {
        assert_eq!(push(part, event).await, (202, "none".to_owned()), "{part}");
        assert_eq!(push(part, event).await, (202, "none".to_owned()), "again, at {part}");
    }
    assert_eq!(let_in().await, [401, 401, 200, 200]);
    mesh.stop().await.expect("stopped");
}
