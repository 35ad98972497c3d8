//! Requests that go on when the credential that began them has ended, over real HTTP/1.1 and HTTP/2.

use std::{convert::Infallible, time::Duration};

use axum::{
    Extension,
    body::Body,
    extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code},
    response::{Response, Sse, sse},
    routing::{any, get},
};
use axum_identity::Caller;
use bytes::Bytes;
use demo_api::payments::{
    Charge, ChargeRequest, StatementRequest,
    payments_client::PaymentsClient,
    payments_server::{Payments, PaymentsServer},
};
use futures_util::{
    SinkExt, StreamExt,
    stream::{self, BoxStream},
};
use http::header::AUTHORIZATION;
use tokio::{net::TcpStream, sync::broadcast};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{self, client::IntoClientRequest},
};
use tonic::{Code, Request, Status, service::Routes, transport::Endpoint};
use tower_identity::{AuthLayer, Revocation, Revocations, Streams, TrustedIssuer, Verifier};
use tower_identity_testkit::{ManualClock, TestIssuer};

use crate::servers::Server;

const MINUTE: Duration = Duration::from_secs(60);

/// What ends alice's credential, and bob's in no case: his token is one of an hour, and not revoked.
#[derive(Debug, Clone, Copy)]
enum Cause {
    Expiry,
    Revocation,
}

/// Whether alice's streams end.
const CASES: [(Streams, Cause, bool); 4] = [
    (Streams::End, Cause::Revocation, true),
    (Streams::End, Cause::Expiry, true),
    (Streams::EndIfRevoked, Cause::Expiry, false),
    (Streams::Finish, Cause::Revocation, false),
];

/// A shop that tells whoever listens what the test says.
struct Shop {
    manual: ManualClock,
    issuer: TestIssuer,
    list: Revocations,
    says: broadcast::Sender<&'static str>,
    server: Server,
}

impl Shop {
    async fn open(streams: Streams) -> Self {
        let manual = ManualClock::new();
        let issuer = TestIssuer::builder().clock(manual.clock()).start();
        let list = Revocations::new(manual.clock());
        let home = TrustedIssuer::discover(issuer.issuer().as_str()).audience("shop");
        let verifier = Verifier::builder(home).clock(manual.clock()).revocations(list.clone()).build();
        let says = broadcast::Sender::new(8);
        let router = Routes::new(PaymentsServer::new(Till(says.clone()))).into_axum_router();
        let router = router
            .route("/events", get(events))
            .route("/download", get(download))
            .route("/talk", any(talk))
            .layer(Extension(says.clone()))
            .layer(AuthLayer::new(verifier.expect("valid")).streams(streams));
        Self { manual, issuer, list, says, server: Server::start(router).await }
    }

    fn bearer(&self, user: &str) -> String {
        let lifetime = if user == "alice" { MINUTE } else { 60 * MINUTE };
        let token = self.issuer.token().subject(user).client("storefront").audience("shop");
        let token = token.expires_at(self.manual.clock().wall().saturating_add(lifetime)).build();
        format!("Bearer {}", token.expose())
    }

    fn say(&self, what: &'static str) {
        self.says.send(what).expect("somebody listens");
    }

    fn bring(&self, cause: Cause) {
        match cause {
            Cause::Expiry => self.manual.advance(MINUTE),
            Cause::Revocation => {
                let alice = "alice".parse().expect("subject");
                self.list.revoke(Revocation::subject(self.issuer.issuer().clone(), alice));
            }
        }
    }
}

type Says = Extension<broadcast::Sender<&'static str>>;

fn heard(says: &broadcast::Sender<&'static str>) -> BoxStream<'static, &'static str> {
    let next = async |mut says: broadcast::Receiver<_>| says.recv().await.ok().map(|said| (said, says));
    stream::unfold(says.subscribe(), next).boxed()
}

async fn events(_: Caller, Extension(says): Says) -> Sse<BoxStream<'static, Result<sse::Event, Infallible>>> {
    Sse::new(heard(&says).map(|said| Ok(sse::Event::default().data(said))).boxed())
}

async fn download(_: Caller, Extension(says): Says) -> Body {
    Body::from_stream(heard(&says).map(|said| Ok::<_, Infallible>(Bytes::from_static(said.as_bytes()))))
}

async fn talk(caller: Caller, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |mut socket: WebSocket| {
        let mut ended = caller.ended();
        loop {
            tokio::select! {
                reason = &mut ended => {
                    let reason = Utf8Bytes::from_static(reason.as_str());
                    let goodbye = Message::Close(Some(CloseFrame { code: close_code::POLICY, reason }));
                    return drop(socket.send(goodbye).await);
                }
                message = socket.recv() => {
                    let Some(Ok(message)) = message else { return };
                    if socket.send(message).await.is_err() {
                        return;
                    }
                }
            }
        }
    })
}

struct Till(broadcast::Sender<&'static str>);

#[tonic::async_trait]
impl Payments for Till {
    type StatementStream = BoxStream<'static, Result<Charge, Status>>;

    async fn charge(&self, _: Request<ChargeRequest>) -> Result<tonic::Response<Charge>, Status> {
        Err(Status::unimplemented("a till that only tells"))
    }

    async fn statement(
        &self,
        request: Request<StatementRequest>,
    ) -> Result<tonic::Response<Self::StatementStream>, Status> {
        Caller::of(request.extensions())?;
        let charge = |order: &str| Ok(Charge { order: order.to_owned(), ..Charge::default() });
        Ok(tonic::Response::new(heard(&self.0).map(charge).boxed()))
    }
}

/// A body, over one of the two.
enum Open {
    Http1(reqwest::Response),
    Http2(h2::RecvStream),
}

#[derive(Debug, Clone, Copy)]
enum Version {
    Http1,
    Http2,
}

impl Version {
    const BOTH: [Self; 2] = [Self::Http1, Self::Http2];

    async fn get(self, shop: &Shop, path: &str, user: &str) -> Open {
        let (url, bearer) = (shop.server.url(path), shop.bearer(user));
        match self {
            Self::Http1 => {
                let client = reqwest::Client::builder().no_proxy().build().expect("a client");
                let response = client.get(url).header(AUTHORIZATION, bearer).send().await.expect("answered");
                assert_eq!((response.status().as_u16(), response.version()), (200, http::Version::HTTP_11));
                Open::Http1(response)
            }
            Self::Http2 => {
                let address = shop.server.origin().replace("http://", "");
                let stream = TcpStream::connect(address).await.expect("it listens");
                let (client, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
                tokio::spawn(connection);
                let request = http::Request::get(url).header(AUTHORIZATION, bearer).body(()).expect("a request");
                let mut client = client.ready().await.expect("room for a stream");
                let response = client.send_request(request, true).expect("sent").0.await.expect("answered");
                assert_eq!(response.status(), 200);
                Open::Http2(response.into_body())
            }
        }
    }
}

impl Open {
    /// What comes next, or that the body is over and nothing is wrong with it.
    async fn next(&mut self) -> Option<String> {
        let chunk = match self {
            Self::Http1(response) => response.chunk().await.expect("no error"),
            Self::Http2(body) => {
                let data = body.data().await.transpose().expect("no error");
                body.flow_control().release_capacity(data.as_ref().map_or(0, Bytes::len)).expect("received");
                // The last frame of a body that is over may be an empty one.
                data.filter(|data| !(data.is_empty() && body.is_end_stream()))
            }
        };
        chunk.map(|chunk| String::from_utf8_lossy(&chunk).into_owned())
    }
}

#[tokio::test]
async fn long_a2_alices_event_stream_ends_and_bobs_goes_on() {
    for version in Version::BOTH {
        for (streams, cause, ends) in CASES {
            let shop = Shop::open(streams).await;
            let mut alices = version.get(&shop, "/events", "alice").await;
            let mut bobs = version.get(&shop, "/events", "bob").await;
            shop.say("one");
            let one = Some("data: one\n\n".to_owned());
            assert_eq!((alices.next().await, bobs.next().await), (one.clone(), one));
            shop.bring(cause);
            shop.say("two");
            let two = Some("data: two\n\n".to_owned());
            let of_alice = (!ends).then(|| "data: two\n\n".to_owned());
            assert_eq!((alices.next().await, bobs.next().await), (of_alice, two), "{version:?} {streams:?} {cause:?}");
        }
    }
}

#[tokio::test]
async fn long_a2_an_idle_event_stream_ends_too() {
    for (cause, version) in [Cause::Expiry, Cause::Revocation].into_iter().zip(Version::BOTH) {
        let shop = Shop::open(Streams::default()).await;
        let mut alices = version.get(&shop, "/events", "alice").await;
        shop.bring(cause);
        assert_eq!(alices.next().await, None, "{cause:?}");
    }
}

#[tokio::test]
async fn long_a2_a_slow_download_is_left_alone() {
    for version in Version::BOTH {
        let shop = Shop::open(Streams::End).await;
        let mut alices = version.get(&shop, "/download", "alice").await;
        shop.say("one");
        assert_eq!(alices.next().await.as_deref(), Some("one"));
        shop.bring(Cause::Revocation);
        shop.bring(Cause::Expiry);
        shop.say("two");
        assert_eq!(alices.next().await.as_deref(), Some("two"));
    }
}

#[tokio::test]
async fn long_a3_alices_grpc_stream_ends_with_status_16_and_bobs_goes_on() {
    for (streams, cause, ends) in CASES {
        let shop = Shop::open(streams).await;
        let channel =
            Endpoint::from_shared(shop.server.origin()).expect("an origin").connect().await.expect("it listens");
        let mut opened = Vec::new();
        for user in ["alice", "bob"] {
            let mut request = Request::new(StatementRequest {});
            request.metadata_mut().insert("authorization", shop.bearer(user).parse().expect("ascii"));
            opened.push(PaymentsClient::new(channel.clone()).statement(request).await.expect("let in").into_inner());
        }
        let [mut alices, mut bobs] = <[_; 2]>::try_from(opened).expect("two");
        let order = |charge: Result<Option<Charge>, Status>| match charge {
            Ok(charge) => Ok(charge.map(|charge| charge.order)),
            Err(status) => Err((status.code(), status.message().to_owned(), status.metadata().len())),
        };
        shop.say("one");
        let one = Ok(Some("one".to_owned()));
        assert_eq!((order(alices.message().await), order(bobs.message().await)), (one.clone(), one));
        shop.bring(cause);
        shop.say("two");
        let two = Ok(Some("two".to_owned()));
        // Of the metadata, the correlation id.
        let refused = (Code::Unauthenticated, "the access token is no longer accepted".to_owned(), 1);
        let of_alice = if ends { Err(refused) } else { two.clone() };
        assert_eq!(
            (order(alices.message().await), order(bobs.message().await)),
            (of_alice, two),
            "{streams:?} {cause:?}"
        );
    }
}

#[tokio::test]
async fn long_a1_a_websockets_handler_is_told_of_alices_end_and_bobs_goes_on() {
    for (cause, reason) in [(Cause::Expiry, "expired"), (Cause::Revocation, "revoked")] {
        // The layer cannot end what it does not see: the handler is told whatever is set.
        let shop = Shop::open(Streams::Finish).await;
        let mut sockets = Vec::new();
        for user in ["alice", "bob"] {
            let url = shop.server.url("/talk").replace("http://", "ws://");
            let mut request = url.into_client_request().expect("a request");
            request.headers_mut().insert(AUTHORIZATION, shop.bearer(user).parse().expect("ascii"));
            sockets.push(connect_async(request).await.expect("upgraded").0);
        }
        let [mut alices, mut bobs] = <[_; 2]>::try_from(sockets).expect("two");
        shop.bring(cause);
        let Some(Ok(tungstenite::Message::Close(Some(goodbye)))) = alices.next().await else { panic!("no goodbye") };
        assert_eq!((u16::from(goodbye.code), goodbye.reason.as_str()), (1008, reason));
        assert!(alices.next().await.is_none(), "and no more");
        bobs.send(tungstenite::Message::text("still here")).await.expect("sent");
        assert_eq!(bobs.next().await.expect("open").expect("a message"), tungstenite::Message::text("still here"));
    }
}
