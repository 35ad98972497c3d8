//! Sign-ins that are over before their time, and how receivers of events learn of it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc};
use tower_identity_jose::{Accept, Algorithm, KeySet, Limits, MediaType, Unverified};

use crate::support::{Answer, ORDERS, Running, STOREFRONT, accepted, refused};

const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

/// Takes events, and answers what it is told to: 202 once that is used up.
struct Receiver {
    url: String,
    events: mpsc::UnboundedReceiver<(Option<String>, String)>,
}

type Told = (Arc<Mutex<VecDeque<u16>>>, mpsc::UnboundedSender<(Option<String>, String)>);

async fn take(State((answers, events)): State<Told>, headers: HeaderMap, event: Bytes) -> StatusCode {
    let content_type = headers.get("content-type").map(|value| value.to_str().expect("text").to_owned());
    let event = String::from_utf8(event.into()).expect("text");
    events.send((content_type, event)).expect("the test reads");
    let answer = answers.lock().expect("whole").pop_front().unwrap_or(202);
    StatusCode::from_u16(answer).expect("a status")
}

impl Receiver {
    async fn start(answers: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/events", listener.local_addr().expect("bound"));
        let (sender, events) = mpsc::unbounded_channel();
        let told: Told = (Arc::new(Mutex::new(answers.iter().copied().collect())), sender);
        let app = Router::new().route("/events", post(take)).with_state(told);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, events }
    }

    /// The claims of the next event, which the authority has signed as one.
    async fn event(&mut self, authority: &Running) -> Value {
        let (content_type, event) = self.events.recv().await.expect("an event");
        assert_eq!(content_type.as_deref(), Some("application/secevent+jwt"));
        let keys = authority.http.get(format!("{}/jwks", authority.issuer)).send().await.expect("sent");
        let keys = KeySet::parse(&keys.bytes().await.expect("read")).expect("keys");
        let accept = Accept::new([MediaType::SECURITY_EVENT], [Algorithm::Es256]);
        let opened = Unverified::<Value>::parse(&event, &Limits::default()).expect("a token").open(&keys, &accept);
        opened.expect("signed by the authority").into_claims()
    }
}

async fn with_receivers(receivers: &[&Receiver]) -> Running {
    let rows = receivers.iter().enumerate().map(|(at, receiver)| json!({ "url": receiver.url, "audience": name(at) }));
    let rows: Vec<_> = rows.collect();
    Running::with(|settings| {
        settings["sign_in"]["cookie"] = json!("session");
        settings["receiver"] = json!(rows);
    })
    .await
}

fn name(at: usize) -> String {
    format!("receiver-{at}")
}

async fn revoke(authority: &Running, user: &str) -> Answer {
    let url = format!("{}/dev/revoke", authority.issuer);
    Answer::read(authority.http.post(url).json(&json!({ "user": user }))).await
}

#[tokio::test]
async fn nothing_is_issued_any_more_on_what_a_user_has_signed_in_for() {
    let authority = with_receivers(&[]).await;
    let sessions = [authority.sign_in("alice").await, authority.sign_in("alice").await];
    let bobs = authority.sign_in("bob").await;
    let to_orders = [("audience", "orders")];
    let hers = authority.exchange(STOREFRONT, &sessions[0], &to_orders).await.token();
    let his = authority.exchange(STOREFRONT, &bobs, &to_orders).await.token();

    let revoked = revoke(&authority, "alice").await;
    assert_eq!((revoked.outcome(), revoked.header("cache-control")), (accepted(), Some("no-store")));
    assert_eq!(revoked.body, json!({ "user": "alice", "pushed": [] }));
    for session in &sessions {
        assert_eq!(authority.introspect(STOREFRONT, session).await.body, json!({ "active": false }));
        let exchanged = authority.exchange(STOREFRONT, session, &to_orders).await;
        assert_eq!(exchanged.outcome(), refused("invalid_request"));
    }
    let onward = [("audience", "payments")];
    assert_eq!(authority.introspect(ORDERS, &hers).await.body, json!({ "active": false }));
    assert_eq!(authority.exchange(ORDERS, &hers, &onward).await.outcome(), refused("invalid_request"));
    assert_eq!(authority.introspect(STOREFRONT, &bobs).await.body["active"], true);
    assert_eq!(authority.exchange(ORDERS, &his, &onward).await.outcome(), accepted());

    for (user, expected) in [("mallory", 404), ("orders", 404), ("", 422)] {
        assert_eq!(revoke(&authority, user).await.status, expected, "{user}");
    }
}

#[tokio::test]
async fn who_signs_in_within_the_second_of_a_revocation_waits_for_the_next() {
    let authority = with_receivers(&[]).await;
    revoke(&authority, "alice").await;
    let again = {
        let (http, url) = (authority.http.clone(), format!("{}/dev/sign-in", authority.issuer));
        tokio::spawn(async move { Answer::read(http.post(url).json(&json!({ "user": "alice" }))).await.token() })
    };
    authority.clock.sleepers(1).await;
    let bobs = authority.sign_in("bob").await;
    assert_eq!(authority.introspect(STOREFRONT, &bobs).await.body["active"], true, "he waits for nothing");
    let second = authority.now();
    authority.advance(1);
    let told = authority.introspect(STOREFRONT, &again.await.expect("signed in")).await.body;
    assert_eq!(
        (&told["active"], &told["auth_time"], &told["iat"]),
        (&json!(true), &json!(second + 1), &json!(second + 1))
    );
}

#[tokio::test]
async fn ssf_a1_every_receiver_is_told_in_an_event_of_its_own() {
    let (mut first, mut second) = (Receiver::start(&[]).await, Receiver::start(&[]).await);
    let authority = with_receivers(&[&first, &second]).await;
    let revoked = revoke(&authority, "alice").await;
    let acknowledged = |at| json!({ "receiver": name(at), "acknowledged": true });
    assert_eq!(revoked.body, json!({ "user": "alice", "pushed": [acknowledged(0), acknowledged(1)] }));
    let events = [first.event(&authority).await, second.event(&authority).await];
    let now = authority.now();
    for (at, event) in events.iter().enumerate() {
        let expected = json!({
            "iss": authority.issuer, "aud": name(at), "iat": now, "jti": event["jti"],
            "sub_id": { "format": "iss_sub", "iss": authority.issuer, "sub": "alice" },
            "events": { SESSION_REVOKED: { "event_timestamp": now, "initiating_entity": "admin" } },
        });
        assert_eq!(*event, expected);
    }
    assert_ne!(events[0]["jti"], events[1]["jti"]);
}

#[tokio::test]
async fn ssf_a1_a_sign_out_tells_of_its_session_and_what_was_issued_on_it_ends() {
    let mut receiver = Receiver::start(&[]).await;
    let authority = with_receivers(&[&receiver]).await;
    let (session, other) = (authority.sign_in("alice").await, authority.sign_in("alice").await);
    let sid = authority.introspect(STOREFRONT, &session).await.body["sid"].clone();
    let issued = async |session: &str| authority.exchange(STOREFRONT, session, &[("audience", "orders")]).await.token();
    let (over, goes_on) = (issued(&session).await, issued(&other).await);

    let cookie = format!("session={session}");
    assert_eq!(authority.sign_out(&[("cookie", &cookie)]).await.status, 204);
    let event = receiver.event(&authority).await;
    let expected = json!({
        "format": "complex",
        "user": { "format": "iss_sub", "iss": authority.issuer, "sub": "alice" },
        "session": { "format": "opaque", "id": sid },
    });
    assert_eq!(event["sub_id"], expected);
    assert_eq!(event["events"][SESSION_REVOKED]["initiating_entity"], "user");
    assert_eq!(authority.introspect(ORDERS, &over).await.body, json!({ "active": false }));
    assert_eq!(authority.introspect(ORDERS, &goes_on).await.body["active"], true);

    assert_eq!(authority.sign_out(&[("cookie", &cookie)]).await.status, 204);
    assert!(receiver.events.try_recv().is_err(), "what is over ends no second time");
}

#[tokio::test]
async fn who_cannot_take_an_event_is_told_again_and_who_does_not_want_it_is_not() {
    let (mut refusing, mut busy) = (Receiver::start(&[400]).await, Receiver::start(&[503, 503]).await);
    let authority = with_receivers(&[&refusing, &busy]).await;
    let revoked = revoke(&authority, "alice").await;
    let not_yet = |at| json!({ "receiver": name(at), "acknowledged": false });
    assert_eq!(revoked.body["pushed"], json!([not_yet(0), not_yet(1)]));
    refusing.event(&authority).await;
    let event = busy.event(&authority).await;

    authority.clock.sleepers(1).await;
    assert_eq!((authority.clock.asleep(), authority.clock.next_wake().map(|pause| pause.as_secs())), (1, Some(1)));
    authority.advance(1);
    assert_eq!(busy.event(&authority).await, event, "the same one");
    authority.clock.sleepers(1).await;
    assert_eq!(authority.clock.next_wake().map(|pause| pause.as_secs()), Some(4));
    authority.advance(4);
    assert_eq!(busy.event(&authority).await, event);

    // Acknowledged by now: the next that either is told is another one.
    authority.advance(600);
    revoke(&authority, "alice").await;
    assert_ne!(busy.event(&authority).await["jti"], event["jti"]);
    assert_eq!(refusing.event(&authority).await["iat"], authority.now());
}

#[tokio::test]
async fn a_page_in_a_browser_on_this_machine_revokes_nobody() {
    let authority = with_receivers(&[]).await;
    let session = authority.sign_in("alice").await;
    let url = format!("{}/dev/revoke", authority.issuer);
    let request = authority.http.post(url).json(&json!({ "user": "alice" })).header("origin", "https://page.example");
    assert_eq!(Answer::read(request).await.status, 403);
    assert_eq!(authority.introspect(STOREFRONT, &session).await.body["active"], true);
}

/// Whoever accepts transaction tokens knows their users by the trust domain: the event names her both ways.
#[tokio::test]
async fn ssf_a1_where_transaction_tokens_are_issued_a_user_is_named_as_they_name_her_too() {
    let mut receiver = Receiver::start(&[]).await;
    let authority = Running::with(|settings| {
        settings["receiver"] = json!([{ "url": receiver.url, "audience": name(0) }]);
        settings["transactions"] = json!({ "trust_domain": "shop.internal" });
    });
    let authority = authority.await;
    revoke(&authority, "alice").await;
    let named = |iss: &str| json!({ "format": "iss_sub", "iss": iss, "sub": "alice" });
    let expected = json!({ "format": "aliases", "identifiers": [named(&authority.issuer), named("shop.internal")] });
    assert_eq!(receiver.event(&authority).await["sub_id"], expected);
}
