//! Responses that are still going on when their caller's credential ends.

use std::{collections::BTreeMap, time::Duration};

use http::{HeaderMap, Response, StatusCode, header::CONTENT_TYPE};
use http_body::{Body, Frame, SizeHint};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tower::{Layer, ServiceExt, service_fn};
use tower_identity_core::{Revocation, Revocations, ambient};
use tower_identity_inbound::{AuthBody, AuthLayer, Streams, streams::STREAMS_ENDED};
use tower_identity_testkit::{LogCapture, ManualClock, TestIssuer, TokenBuilder};
use tower_identity_verify::{TrustedIssuer, Verifier};

use self::feed::{Fed, Feed, Reader, Said};
use crate::support::{header, issuer_token, request};

mod feed;

const EVENTS: &str = "text/event-stream";
const GRPC: &str = "application/grpc";
/// Of a token: less than whatever else sleeps here.
const LIFE: Duration = Duration::from_secs(20);

/// What ends a credential.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cause {
    Expiry,
    Revocation,
}

const ALL: [(Streams, Cause, bool); 6] = [
    (Streams::End, Cause::Expiry, true),
    (Streams::End, Cause::Revocation, true),
    (Streams::EndIfRevoked, Cause::Expiry, false),
    (Streams::EndIfRevoked, Cause::Revocation, true),
    (Streams::Finish, Cause::Expiry, false),
    (Streams::Finish, Cause::Revocation, false),
];

/// An issuer and a verifier of one clock, and the list of what is revoked.
struct Stage {
    manual: ManualClock,
    issuer: TestIssuer,
    list: Revocations,
    layer: AuthLayer,
}

impl Stage {
    fn new() -> Self {
        let manual = ManualClock::new();
        let issuer = TestIssuer::builder().clock(manual.clock()).start();
        let list = Revocations::new(manual.clock());
        let home = TrustedIssuer::discover(issuer.issuer().as_str()).audience("orders");
        let verifier = Verifier::builder(home).clock(manual.clock()).revocations(list.clone()).build();
        Self { layer: AuthLayer::new(verifier.expect("valid")), manual, issuer, list }
    }

    fn token(&self, user: &str) -> TokenBuilder {
        issuer_token(&self.issuer).subject(user).expires_at(self.manual.clock().wall().saturating_add(LIFE))
    }

    /// The answer of a service that answers at once.
    async fn answer(&self, streams: Streams, user: &str, response: Response<Fed>) -> Response<AuthBody<Fed>> {
        self.answer_after(streams, user, response, || {}).await
    }

    /// The answer of a service that something happens in.
    async fn answer_after(
        &self,
        streams: Streams,
        user: &str,
        response: Response<Fed>,
        meanwhile: impl Fn(),
    ) -> Response<AuthBody<Fed>> {
        let response = std::sync::Mutex::new(Some(response));
        let handler = service_fn(|_| {
            meanwhile();
            let response = response.lock().expect("not poisoned").take();
            async { Ok::<_, std::convert::Infallible>(response.expect("called once")) }
        });
        let request = request([self.token(user).bearer()]);
        let Ok(response) = self.layer.clone().streams(streams).layer(handler).oneshot(request).await;
        response
    }

    /// Whether a credential's end is waited for: nothing else wakes that often.
    fn somebody_waits(&self) -> bool {
        self.manual.next_wake().is_some_and(|wake| wake <= LIFE)
    }

    fn bring(&self, cause: Cause) {
        match cause {
            Cause::Expiry => self.manual.advance(LIFE),
            Cause::Revocation => self.revoke("alice"),
        }
    }

    fn revoke(&self, user: &str) {
        self.list.revoke(Revocation::subject(self.issuer.issuer().clone(), user.parse().expect("subject")));
    }
}

fn of(content_type: &str, body: Fed) -> Response<Fed> {
    Response::builder().header(CONTENT_TYPE, content_type).body(body).expect("a response")
}

fn status(code: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static(code));
    trailers
}

/// What is ended says 16, and a correlation id that is in the log.
fn unauthenticated(said: Said, logs: &LogCapture) {
    let Said::Trailers(trailers) = said else { panic!("no trailers: {said:?}") };
    let correlation = header(&trailers, "x-correlation-id").expect("an id");
    let all: BTreeMap<_, _> =
        trailers.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("ascii"))).collect();
    let expected = [
        ("grpc-message", "the access token is no longer accepted"),
        ("grpc-status", "16"),
        ("x-correlation-id", correlation.as_str()),
    ];
    assert_eq!(all, BTreeMap::from(expected));
    let event = logs.text().lines().find(|line| line.contains("tower_identity::stream")).map(str::to_owned);
    assert!(event.is_some_and(|event| event.contains(&format!("correlation_id={correlation}"))), "{}", logs.text());
}

#[tokio::test]
async fn long_a2_an_event_stream_ends_with_the_credential_or_goes_on_as_is_set() {
    for (streams, cause, ends) in ALL {
        let (stage, (feed, body)) = (Stage::new(), Feed::new());
        let response = stage.answer(streams, "alice", of("text/event-stream; charset=utf-8", body)).await;
        let mut reader = Reader::new(response.into_body());
        feed.push(["one", "two"]);
        assert_eq!([reader.next(), reader.next()], [Said::data("one"), Said::data("two")]);
        assert_eq!(reader.next(), Said::Pending);
        assert_eq!(stage.somebody_waits(), streams == Streams::End, "the control");
        stage.bring(cause);
        assert_eq!(reader.was_woken(), ends, "{streams:?} {cause:?}: though the service has nothing to say");
        feed.push(["three"]);
        if ends {
            assert_eq!([reader.next(), reader.next()], [Said::End, Said::End], "{streams:?} {cause:?}");
            assert!(feed.is_dropped() && reader.body.is_end_stream());
            assert_eq!(reader.body.size_hint().exact(), Some(0));
        } else {
            assert_eq!([reader.next(), reader.next()], [Said::data("three"), Said::Pending], "{streams:?} {cause:?}");
            assert!(!feed.is_dropped() && !reader.body.is_end_stream());
        }
    }
}

#[tokio::test]
async fn long_a2_the_default_is_to_end() {
    assert_eq!(Streams::default(), Streams::End);
    let (stage, (_feed, body)) = (Stage::new(), Feed::new());
    let handler = std::sync::Mutex::new(Some(of(EVENTS, body)));
    let handler = service_fn(|_| {
        let response = handler.lock().expect("not poisoned").take();
        async { Ok::<_, std::convert::Infallible>(response.expect("called once")) }
    });
    let request = request([stage.token("alice").bearer()]);
    let Ok(response) = stage.layer.layer(handler).oneshot(request).await;
    let mut reader = Reader::new(response.into_body());
    assert_eq!(reader.next(), Said::Pending);
    stage.bring(Cause::Expiry);
    assert_eq!(reader.next(), Said::End);
}

#[tokio::test]
async fn long_a3_a_grpc_stream_ends_with_status_16_or_goes_on_as_is_set() {
    for (streams, cause, ends) in ALL {
        let (stage, (feed, body)) = (Stage::new(), Feed::new());
        let response = stage.answer(streams, "alice", of("application/grpc+proto", body)).await;
        let mut reader = Reader::new(response.into_body());
        feed.push(["one", "two"]);
        assert_eq!([reader.next(), reader.next()], [Said::data("one"), Said::data("two")]);
        assert_eq!(reader.next(), Said::Pending);
        let logs = LogCapture::start();
        stage.bring(cause);
        assert_eq!(reader.was_woken(), ends, "{streams:?} {cause:?}");
        feed.push(["three"]);
        if ends {
            unauthenticated(reader.next(), &logs);
            assert!(reader.body.is_end_stream() && feed.is_dropped());
            assert_eq!(reader.next(), Said::End);
        } else {
            assert_eq!([reader.next(), reader.next()], [Said::data("three"), Said::Pending], "{streams:?} {cause:?}");
        }
    }
}

#[tokio::test]
async fn long_a2_a_stream_that_never_pauses_ends_too() {
    for content_type in [EVENTS, GRPC] {
        let (stage, (feed, body)) = (Stage::new(), Feed::new());
        let response = stage.answer(Streams::End, "alice", of(content_type, body)).await;
        let mut reader = Reader::new(response.into_body());
        feed.push(["one", "two", "three"]);
        assert_eq!(reader.next(), Said::data("one"));
        assert!(!stage.somebody_waits(), "for the end of what is ready");
        stage.bring(Cause::Revocation);
        assert!(!matches!(reader.next(), Said::Data(_) | Said::Pending), "{content_type}");
        assert_eq!(reader.next(), Said::End);
    }
}

#[tokio::test]
async fn long_a2_the_end_of_one_users_credential_leaves_anothers_stream() {
    for content_type in [EVENTS, GRPC] {
        let stage = Stage::new();
        let mut readers = Vec::new();
        for user in ["alice", "bob"] {
            let (feed, body) = Feed::new();
            let response = stage.answer(Streams::End, user, of(content_type, body)).await;
            let mut reader = Reader::new(response.into_body());
            assert_eq!(reader.next(), Said::Pending);
            readers.push((feed, reader));
        }
        stage.revoke("alice");
        let still_there = readers.into_iter().map(|(feed, mut reader)| {
            reader.next();
            feed.push(["still here"]);
            reader.next() == Said::data("still here")
        });
        assert_eq!(still_there.collect::<Vec<_>>(), [false, true], "{content_type}");
    }
}

#[tokio::test]
async fn long_a2_an_ordinary_response_is_left_alone() {
    let length = |mut response: Response<Fed>| {
        response.headers_mut().insert("content-length", 7.into());
        response
    };
    let upgrade = |mut response: Response<Fed>| {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().remove(CONTENT_TYPE);
        response
    };
    let unchanged = |response| response;
    type Change = fn(Response<Fed>) -> Response<Fed>;
    let cases: [(&str, Change); 5] = [
        ("application/octet-stream", unchanged),
        ("application/json", unchanged),
        ("application/x-ndjson", unchanged),
        (EVENTS, length),
        ("upgrade", upgrade),
    ];
    for streams in [Streams::End, Streams::EndIfRevoked, Streams::Finish] {
        for (content_type, change) in cases {
            let (stage, (feed, body)) = (Stage::new(), Feed::new());
            feed.push(["one"]);
            let response = stage.answer(streams, "alice", change(of(content_type, body))).await;
            let mut reader = Reader::new(response.into_body());
            assert_eq!([reader.next(), reader.next()], [Said::data("one"), Said::Pending]);
            assert!(!stage.somebody_waits(), "{content_type}");
            stage.bring(Cause::Expiry);
            stage.bring(Cause::Revocation);
            assert!(!reader.was_woken(), "{content_type}");
            feed.push(["two"]);
            feed.end();
            assert_eq!([reader.next(), reader.next()], [Said::data("two"), Said::End], "{content_type}");
        }
    }
}

#[tokio::test]
async fn long_a3_a_stream_that_has_ended_by_itself_keeps_its_own_end() {
    // Before the credential ends, and at the same moment.
    for is_late in [false, true] {
        let (stage, (feed, body)) = (Stage::new(), Feed::new());
        let response = stage.answer(Streams::End, "alice", of(GRPC, body)).await;
        let mut reader = Reader::new(response.into_body());
        feed.push(["one"]);
        assert_eq!(reader.next(), Said::data("one"));
        feed.push_frame(Frame::trailers(status("0")));
        if is_late {
            stage.bring(Cause::Revocation);
        }
        assert_eq!(reader.next(), Said::Trailers(status("0")));
        feed.end();
        stage.bring(Cause::Expiry);
        assert_eq!(reader.next(), Said::End);
    }
}

#[tokio::test]
async fn long_a3_a_call_that_began_before_the_end_gets_its_answer_and_no_stream() {
    let stage = Stage::new();
    let end = || stage.bring(Cause::Revocation);

    let (feed, body) = Feed::new();
    feed.push(["charged"]);
    feed.push_frame(Frame::trailers(status("0")));
    feed.end();
    let response = stage.answer_after(Streams::End, "alice", of(GRPC, body), end).await;
    let mut reader = Reader::new(response.into_body());
    let answer = [reader.next(), reader.next(), reader.next()];
    assert_eq!(answer, [Said::data("charged"), Said::Trailers(status("0")), Said::End]);

    let stage = Stage::new();
    let end = || stage.bring(Cause::Revocation);
    let (feed, body) = Feed::new();
    feed.push(["one", "two"]);
    let response = stage.answer_after(Streams::End, "alice", of(GRPC, body), end).await;
    let mut reader = Reader::new(response.into_body());
    let logs = LogCapture::start();
    assert_eq!(reader.next(), Said::data("one"));
    unauthenticated(reader.next(), &logs);

    let stage = Stage::new();
    let end = || stage.bring(Cause::Revocation);
    let (feed, body) = Feed::new();
    feed.push(["one"]);
    let response = stage.answer_after(Streams::End, "alice", of(EVENTS, body), end).await;
    assert_eq!(Reader::new(response.into_body()).next(), Said::End, "an event stream is never one answer");
}

#[tokio::test]
async fn long_a2_over_grpc_web_the_body_ends_and_a_status_of_its_own_stays() {
    let (stage, (feed, body)) = (Stage::new(), Feed::new());
    let response = stage.answer(Streams::End, "alice", of("application/grpc-web+proto", body)).await;
    let mut reader = Reader::new(response.into_body());
    assert_eq!(reader.next(), Said::Pending);
    stage.bring(Cause::Revocation);
    assert_eq!([reader.next(), reader.next()], [Said::End, Said::End]);
    drop(feed);

    for status in ["\u{0}", "g"].map(|first| format!("{first}rpc-status:0")) {
        let mut status = status.into_bytes();
        if status[0] == 0 {
            status[0] = 0x80;
        }
        let stage = Stage::new();
        let (feed, body) = Feed::new();
        feed.push(["message"]);
        feed.push_frame(Frame::data(status.clone().into()));
        let end = || stage.bring(Cause::Revocation);
        let response = stage.answer_after(Streams::End, "alice", of("application/grpc-web-text", body), end).await;
        let mut reader = Reader::new(response.into_body());
        assert_eq!([reader.next(), reader.next()], [Said::data("message"), Said::Data(status)]);
    }
}

#[tokio::test]
async fn long_a2_a_layer_that_observes_and_a_request_of_nobody_end_no_stream() {
    let stage = Stage::new();
    let layers = [
        (stage.layer.clone().observe(), vec![stage.token("alice").bearer()]),
        (stage.layer.clone().optional(), Vec::new()),
    ];
    for (layer, credentials) in layers {
        let (feed, body) = Feed::new();
        let response = std::sync::Mutex::new(Some(of(EVENTS, body)));
        let handler = service_fn(|_| {
            let response = response.lock().expect("not poisoned").take();
            async { Ok::<_, std::convert::Infallible>(response.expect("called once")) }
        });
        let Ok(response) = layer.layer(handler).oneshot(request(credentials)).await;
        let mut reader = Reader::new(response.into_body());
        assert_eq!(reader.next(), Said::Pending);
        stage.bring(Cause::Revocation);
        stage.bring(Cause::Expiry);
        feed.push(["one"]);
        assert_eq!(reader.next(), Said::data("one"));
    }
}

#[tokio::test]
async fn long_a2_a_streams_size_is_what_it_can_still_come_to() {
    let hint = |content_type| async move {
        let (stage, (feed, body)) = (Stage::new(), Feed::new());
        feed.promise(SizeHint::with_exact(7));
        stage.answer(Streams::End, "alice", of(content_type, body)).await.into_body().size_hint()
    };
    let (stream, ordinary) = (hint(EVENTS).await, hint("text/plain").await);
    assert_eq!((stream.lower(), stream.upper()), (0, Some(7)));
    assert_eq!(ordinary.exact(), Some(7));
}

#[tokio::test]
async fn the_body_of_a_stream_runs_in_the_scope_of_nobody_to_its_end() {
    let (stage, (feed, body)) = (Stage::new(), Feed::new());
    let response = stage.answer(Streams::End, "alice", of(EVENTS, body)).await;
    let somebody = tower_identity_testkit::TestCaller::workload("somebody-around").context();
    let mut reader = Reader::new(response.into_body());
    ambient::enter(&mut Some(somebody), || {
        assert_eq!(reader.next(), Said::Pending);
        stage.bring(Cause::Revocation);
        assert_eq!(reader.next(), Said::End);
        assert!(ambient::current().is_some());
    });
    assert_eq!(feed.scopes(), ["polled for nobody", "polled for nobody", "dropped for nobody"]);
}

#[test]
fn every_stream_that_is_ended_is_told_and_counted_once_and_names_nobody() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let stage = Stage::new();
    let logs = LogCapture::start();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            for (content_type, cause) in [(EVENTS, Cause::Revocation), (GRPC, Cause::Expiry)] {
                let stage = if cause == Cause::Revocation { &Stage::new() } else { &stage };
                let (_feed, body) = Feed::new();
                let response = stage.answer(Streams::End, "alice", of(content_type, body)).await;
                let mut reader = Reader::new(response.into_body());
                assert_eq!(reader.next(), Said::Pending);
                stage.bring(cause);
                reader.next();
                reader.next();
            }
        });
    });
    let counters = snapshotter.snapshot().into_vec().into_iter().filter(|(key, ..)| key.key().name() == STREAMS_ENDED);
    let counted: BTreeMap<_, _> = counters
        .map(|(key, _, _, value)| {
            let labels: Vec<_> = key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            let DebugValue::Counter(count) = value else { panic!("no counter: {value:?}") };
            (labels[..2].join(" "), (labels.len(), labels[2].starts_with("issuer=http"), count))
        })
        .collect();
    let expected = [("stream=events reason=revoked", (3, true, 1)), ("stream=grpc reason=expired", (3, true, 1))];
    assert_eq!(counted, expected.map(|(labels, count)| (labels.to_owned(), count)).into());

    let text = logs.text();
    let events: Vec<_> = text.lines().filter(|line| line.contains("tower_identity::stream")).collect();
    let [of_events, of_grpc] = events[..] else { panic!("{events:?}") };
    assert!(of_events.contains(r#"stream ended stream="events" reason="revoked" issuer="#), "{of_events}");
    assert!(of_grpc.contains(r#"stream ended stream="grpc" reason="expired" issuer="#), "{of_grpc}");
    for event in events {
        assert!(event.trim_start().starts_with("INFO") && !event.contains("alice"), "{event}");
    }
}

#[test]
fn a_body_goes_between_threads_as_the_inner_one_does() {
    fn shared<T: Send + Sync>() {}
    shared::<AuthBody<http_body_util::Full<bytes::Bytes>>>();
}
