//! The frames of refusals (gRPC over HTTP/2).

use std::{
    collections::BTreeMap,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use futures_util::future::poll_fn;
use h2::{Reason, SendStream, client::SendRequest};
use http::{HeaderMap, Method, Request, Response, header::CONTENT_TYPE};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tower_identity_testkit::{TestIssuer, TokenBuilder};

use super::till::{SUM, Served, auth, bearer, charging, good};

const CHARGE: &str = "/payments.v1.Payments/Charge";

/// A message of which every field is the default: not compressed, no bytes.
const EMPTY_MESSAGE: &[u8] = &[0, 0, 0, 0, 0];

/// A frame of a stream, as far as a client can see by its header: what it is, and whether it is the stream's last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frame {
    Data { last: bool },
    Headers { last: bool },
    Reset,
    Other(u8),
}

/// A connection of which all that is read is kept.
struct Tapped {
    stream: TcpStream,
    read: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Tapped {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.read.lock().unwrap_or_else(PoisonError::into_inner).extend(&buffer.filled()[before..]);
        polled
    }
}

impl AsyncWrite for Tapped {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A client that knows frames, and nothing of gRPC.
struct Client {
    requests: SendRequest<bytes::Bytes>,
    read: Arc<Mutex<Vec<u8>>>,
}

/// What came of one request.
struct Answer {
    parts: http::response::Parts,
    trailers: Option<HeaderMap>,
    frames: Vec<Frame>,
    /// What was left open of the request.
    sending: SendStream<bytes::Bytes>,
}

impl Client {
    async fn connect(till: &Served) -> Self {
        let stream = TcpStream::connect(till.address).await.expect("it listens");
        let read = Arc::default();
        let tapped = Tapped { stream, read: Arc::clone(&read) };
        let (requests, connection) = h2::client::handshake(tapped).await.expect("HTTP/2");
        tokio::spawn(connection);
        Self { requests, read }
    }

    /// Sends a request with one message, and ends it or leaves it open; reads the answer to its end.
    async fn send(&mut self, request: Request<()>, end: bool) -> Answer {
        let mut requests = self.requests.clone().ready().await.expect("room for a stream");
        let (answer, mut sending) = requests.send_request(request, false).expect("sent");
        let stream = sending.stream_id().as_u32();
        sending.send_data(EMPTY_MESSAGE.into(), end).expect("sent");
        let (parts, mut body) = answer.await.map(Response::into_parts).expect("answered");
        while let Some(data) = body.data().await {
            let data = data.expect("data");
            body.flow_control().release_capacity(data.len()).expect("received");
        }
        let trailers = body.trailers().await.expect("ended");
        Answer { parts, trailers, frames: self.frames(stream), sending }
    }

    /// The frames of a stream so far (RFC 9113 §4.1).
    fn frames(&self, stream: u32) -> Vec<Frame> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut rest, mut frames) = (&read[..], Vec::new());
        while let Some((&[a, b, c, kind, flags, d, e, f, g], payload)) = rest.split_first_chunk::<9>() {
            let last = flags & 1 == 1;
            if u32::from_be_bytes([d, e, f, g]) == stream {
                frames.push(match kind {
                    0 => Frame::Data { last },
                    1 => Frame::Headers { last },
                    3 => Frame::Reset,
                    other => Frame::Other(other),
                });
            }
            rest = payload.get(u32::from_be_bytes([0, a, b, c]) as usize..).unwrap_or_default();
        }
        frames
    }
}

fn call(path: &str, content_type: &str, token: Option<TokenBuilder>) -> Request<()> {
    let request = Request::post(format!("http://till.test{path}")).header("te", "trailers");
    let request = request.header(CONTENT_TYPE, content_type);
    let request = token.into_iter().map(bearer).fold(request, |request, (name, value)| request.header(name, value));
    request.body(()).expect("a request")
}

/// The headers, without what differs each time; that there is an id is asserted here, of refusals.
fn lasting(headers: &HeaderMap) -> BTreeMap<&str, &str> {
    let mut all: BTreeMap<_, _> =
        headers.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("ascii"))).collect();
    assert_eq!(all.len(), headers.len(), "no header is repeated: {headers:?}");
    all.remove("date");
    assert_eq!(all.remove("x-correlation-id").is_some(), all.get("grpc-status").is_some_and(|status| *status != "0"));
    all
}

#[tokio::test]
async fn g1_a_refusal_is_one_frame_of_headers_that_ends_the_stream() {
    let issuer = TestIssuer::start();
    let till = Served::behind(auth(&issuer), charging()).await;
    let mut client = Client::connect(&till).await;
    let good = || good(&issuer);
    let cases = [
        (
            "by the outer layer",
            None,
            BTreeMap::from([
                ("content-type", "application/grpc"),
                ("grpc-status", "16"),
                ("grpc-message", "this request needs an access token"),
                ("www-authenticate", "Bearer realm=\"payments\""),
            ]),
        ),
        (
            "by the inner layer",
            Some(good().acted_by("storefront")),
            BTreeMap::from([
                ("content-type", "application/grpc"),
                ("grpc-status", "7"),
                ("grpc-message", "this caller may not do this"),
            ]),
        ),
    ];
    for (name, token, headers) in cases {
        let answer = client.send(call(CHARGE, "application/grpc", token), true).await;
        assert_eq!(answer.parts.status, 200, "{name}");
        assert_eq!(lasting(&answer.parts.headers), headers, "{name}");
        assert_eq!((answer.trailers, answer.frames), (None, vec![Frame::Headers { last: true }]), "{name}");
    }

    let answer = client.send(call(CHARGE, "application/grpc", Some(good())), true).await;
    let frames = [Frame::Headers { last: false }, Frame::Data { last: false }, Frame::Headers { last: true }];
    assert_eq!(answer.parts.status, 200);
    assert_eq!(lasting(&answer.parts.headers), BTreeMap::from([("content-type", "application/grpc")]));
    assert_eq!(answer.trailers.map(|trailers| trailers["grpc-status"].clone()).expect("trailers"), "0");
    assert_eq!(answer.frames, frames, "the control");
}

#[tokio::test]
async fn g4_a_call_that_is_refused_while_its_client_still_streams_ends_and_the_connection_goes_on() {
    let issuer = TestIssuer::start();
    let till = Served::behind(auth(&issuer), charging()).await;
    let mut client = Client::connect(&till).await;

    for token in [None, Some(good(&issuer).scope("payments:read"))] {
        let mut answer = client.send(call(SUM, "application/grpc", token), false).await;
        assert_eq!(answer.frames.first(), Some(&Frame::Headers { last: true }));
        // The client is told to stop, and that nothing is wrong with the connection.
        let reset = poll_fn(|cx| answer.sending.poll_reset(cx)).await;
        assert_eq!(reset.expect("the connection is there"), Reason::NO_ERROR);
    }

    let answer = client.send(call(SUM, "application/grpc", Some(good(&issuer))), true).await;
    assert_eq!(answer.trailers.map(|trailers| trailers["grpc-status"].clone()).expect("trailers"), "0");
}

#[tokio::test]
async fn g8_method_and_content_type_say_which_language_a_refusal_speaks() {
    let issuer = TestIssuer::start();
    let till = Served::behind(auth(&issuer), charging()).await;
    let mut client = Client::connect(&till).await;

    for (sent, answered) in [
        ("application/grpc+proto", "application/grpc"),
        ("application/grpc-web", "application/grpc-web"),
        ("application/grpc-web-text+proto", "application/grpc-web"),
    ] {
        let answer = client.send(call(CHARGE, sent, None), true).await;
        assert_eq!((answer.parts.status.as_u16(), &answer.parts.headers[CONTENT_TYPE]), (200, &value(answered)));
        assert_eq!(answer.parts.headers["grpc-status"], "16", "{sent}");
        assert_eq!(answer.frames, [Frame::Headers { last: true }], "{sent}");
    }

    let mut get = call(CHARGE, "application/grpc", None);
    *get.method_mut() = Method::GET;
    for request in [call(CHARGE, "application/json", None), get] {
        let answer = client.send(request, true).await;
        let problem = &value("application/problem+json");
        assert_eq!((answer.parts.status.as_u16(), &answer.parts.headers[CONTENT_TYPE]), (401, problem));
        assert_eq!(answer.parts.headers.get("grpc-status"), None);
    }
}

fn value(text: &'static str) -> http::HeaderValue {
    http::HeaderValue::from_static(text)
}
