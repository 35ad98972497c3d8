//! What the endpoint of security events answers (RFC 8935), and that nothing but an event changes anything.

use std::{net::SocketAddr, time::Duration};

use axum::Router;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::ServiceExt;
use tower_identity_inbound::SecurityEvents;
use tower_identity_jose::{Algorithm, SigningKey};
use tower_identity_testkit::{Endpoint, Failure, ManualClock, TestIssuer, TokenBuilder};
use tower_identity_verify::{EventReceiver, TrustedIssuer, Verifier};

use super::support::eventually;

const RECEIVER: &str = "https://orders.example/events";
const EVENT: &str = "application/secevent+jwt";

struct Post {
    clock: ManualClock,
    issuer: TestIssuer,
    verifier: Verifier,
    events: SecurityEvents,
}

#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

fn sent(method: Method, types: &[&str], body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri("/security-events");
    let request = types.iter().fold(request, |request, value| request.header(CONTENT_TYPE, *value));
    request.body(Full::new(body.into())).expect("a request")
}

impl Post {
    fn new() -> Self {
        let clock = ManualClock::new();
        let issuer = TestIssuer::builder().clock(clock.clock()).start();
        let home = TrustedIssuer::discover(issuer.issuer().as_str()).audience("orders");
        let verifier = Verifier::builder(home).clock(clock.clock()).build().expect("valid");
        let receiver = EventReceiver::builder(&verifier, RECEIVER).build().expect("valid");
        Self { clock, issuer, verifier, events: SecurityEvents::new(receiver) }
    }

    fn event(&self) -> TokenBuilder {
        self.issuer.user_revoked("alice").audience(RECEIVER)
    }

    async fn answer(&self, request: Request<Full<Bytes>>) -> Answer {
        let response = self.events.clone().oneshot(request).await.expect("answers");
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let body = String::from_utf8(body.to_vec()).expect("text");
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }

    /// Answers over HTTP, on loopback.
    async fn serve(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("an address");
        let app: Router = Router::new().route_service(self.events.path(), self.events.clone());
        tokio::spawn(async { axum::serve(listener, app).await });
        address
    }

    async fn push(&self, event: TokenBuilder) -> Answer {
        self.answer(sent(Method::POST, &[EVENT], event.build().expose().to_owned())).await
    }
}

#[tokio::test]
async fn rfc8935_a1_an_event_is_accepted_without_a_word_and_again_without_effect() {
    let post = Post::new();
    let event = post.event();
    for (epoch, _) in [(1, "first"), (1, "again")] {
        let answer = post.push(event.clone()).await;
        assert_eq!(answer, Answer { status: 202, headers: HeaderMap::new(), body: String::new() });
        assert_eq!(post.verifier.revocations().epoch(), epoch);
    }
    let said = [&*EVENT.to_uppercase(), "application/secevent+jwt; charset=utf-8"];
    for content_type in said {
        let body = post.event().build().expose().to_owned();
        assert_eq!(post.answer(sent(Method::POST, &[content_type], body)).await.status, 202, "{content_type}");
    }
}

#[tokio::test]
async fn rfc8935_a2_what_is_refused_is_told_by_its_code_and_nothing_of_it_is_echoed() {
    let post = Post::new();
    let stranger = SigningKey::generate(Algorithm::Es256).expect("a key");
    let event = || post.event();
    let alien = json!({"format": "iss_sub", "iss": "https://stranger.example", "sub": "alice"});
    for (what, event, err) in [
        ("no type", event().header("typ", "at+jwt"), "invalid_request"),
        ("sub", event().claim("sub", "alice"), "invalid_request"),
        ("exp", event().claim("exp", 4_102_444_800_u64), "invalid_request"),
        ("no subject", event().without("sub_id"), "invalid_request"),
        ("no JSON", event().payload(*b"alice"), "invalid_request"),
        ("another key", event().sign_with(&stranger), "invalid_key"),
        ("changed", event().tampered(), "invalid_key"),
        ("unsigned", event().unsigned().signature(*b"signed"), "invalid_key"),
        ("another issuer", event().claim("iss", "https://stranger.example"), "invalid_issuer"),
        ("another receiver", event().audience("https://payments.example/events"), "invalid_audience"),
        ("another's tokens", post.issuer.revoked(alien).audience(RECEIVER), "access_denied"),
    ] {
        let answer = post.push(event).await;
        let body: Value = serde_json::from_str(&answer.body).expect("JSON");
        assert_eq!((answer.status, &body["err"]), (400, &json!(err)), "{what}");
        assert_eq!(answer.headers[CONTENT_TYPE], "application/json", "{what}");
        let members: Vec<_> = body.as_object().expect("an object").keys().collect();
        assert_eq!(members, ["description", "err"], "{what}");
        assert!(!answer.body.contains("alice") && !answer.body.contains("example"), "{what}: {}", answer.body);
    }
    assert_eq!(post.verifier.revocations().epoch(), 0);
    assert_eq!(post.push(event()).await.status, 202, "the control");
}

#[tokio::test]
async fn rfc8935_a1_what_is_no_post_of_one_event_is_not_read() {
    let post = Post::new();
    let event = post.event().build().expose().to_owned();
    let long = format!("{event}{}", "A".repeat(16 * 1024));
    for (what, request, status) in [
        ("GET", sent(Method::GET, &[EVENT], event.clone()), 405),
        ("PUT", sent(Method::PUT, &[EVENT], event.clone()), 405),
        ("another type", sent(Method::POST, &["application/jwt"], event.clone()), 415),
        ("JSON", sent(Method::POST, &["application/json"], event.clone()), 415),
        ("no type", sent(Method::POST, &[], event.clone()), 415),
        ("two types", sent(Method::POST, &[EVENT, "application/json"], event.clone()), 415),
        ("too long", sent(Method::POST, &[EVENT], long), 413),
        ("nothing", sent(Method::POST, &[EVENT], ""), 400),
        ("no text", sent(Method::POST, &[EVENT], vec![0xff; 8]), 400),
    ] {
        let answer = post.answer(request).await;
        assert_eq!(answer.status, status, "{what}");
        let allow = answer.headers.get("allow").map(|allow| allow.to_str().expect("ascii"));
        assert_eq!(allow, (status == 405).then_some("POST"), "{what}");
    }
    assert_eq!(post.verifier.revocations().epoch(), 0);
    assert_eq!(post.answer(sent(Method::POST, &[EVENT], event)).await.status, 202, "the control");
}

#[tokio::test]
async fn rfc8935_a3_what_cannot_be_judged_is_to_be_sent_again() {
    let post = Post::new();
    post.issuer.fail(Endpoint::Keys, Failure::Unavailable { retry_after: 7 });
    let answer = post.push(post.event()).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::SERVICE_UNAVAILABLE.as_u16(), ""));
    let seconds: u64 = answer.headers["retry-after"].to_str().expect("ascii").parse().expect("seconds");
    assert!((1..=30).contains(&seconds), "{seconds}");
    post.issuer.recover(Endpoint::Keys);
    post.clock.advance(Duration::from_secs(30));
    assert_eq!(post.push(post.event()).await.status, 202);
}

#[tokio::test]
async fn rfc8935_a1_an_event_that_does_not_come_to_its_end_is_waited_for_ten_seconds() {
    for (millis, status, accepted) in [(9_999, "202", 1), (10_000, "408", 0)] {
        let post = Post::new();
        let mut connection = TcpStream::connect(post.serve().await).await.expect("connected");
        let event = post.event().build().expose().to_owned();
        let (first, rest) = event.split_at(event.len() / 2);
        let length = event.len();
        let begun = format!(
            "POST /security-events HTTP/1.1\r\nhost: orders.example\r\nconnection: close\r\n\
             content-type: {EVENT}\r\ncontent-length: {length}\r\n\r\n{first}"
        );
        connection.write_all(begun.as_bytes()).await.expect("sent");
        eventually(|| post.clock.asleep() == 1).await;
        post.clock.advance(Duration::from_millis(millis));
        if accepted == 0 {
            eventually(|| post.clock.asleep() == 0).await;
        }
        // An end that comes too late is of no use; by then the connection may be closed.
        let sent = connection.write_all(rest.as_bytes()).await;
        assert!(sent.is_ok() || accepted == 0, "{sent:?}");
        let mut answer = [0; 12];
        connection.read_exact(&mut answer).await.expect("a status line");
        assert_eq!(std::str::from_utf8(&answer), Ok(&*format!("HTTP/1.1 {status}")), "after {millis} ms");
        assert_eq!(post.verifier.revocations().epoch(), accepted, "after {millis} ms");
    }
}

#[test]
fn the_endpoint_is_where_it_is_said_to_be() {
    let events = Post::new().events;
    assert_eq!(events.path(), "/security-events");
    assert_eq!(events.clone().at("/v1/events").expect("a path").path(), "/v1/events");
    for path in ["", "events", "/events?x", "/{events}", "/e vents"] {
        assert_eq!(
            events.clone().at(path).map(drop).map_err(|wrong| wrong.to_string()),
            Err("path: is no path such as /security-events".to_owned()),
            "{path:?}"
        );
    }
}
