//! What goes out.

use std::{convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use http::{
    HeaderMap, Request, Response, StatusCode,
    header::{AUTHORIZATION, CACHE_CONTROL},
};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody};
use tower::{Layer, ServiceExt, service_fn};
use tower_identity_core::{RefusalKind, SecretToken, transaction_tokens::FIELD};
use tower_identity_edge::EdgeLayer;
use tower_identity_inbound::{Connection, EdgeBody, ForwardAuthLayer, OriginalRequest, ProxyPeer};
use tower_identity_verify::{TrustedIssuer, Verifier};

use crate::support::{Edge, SHOP, opened};

fn fields() -> HeaderMap {
    let names = ["txn-token", "X-User-Id", "x_forwarded_user", "workload-identity-token", "x-request-id", "etag"];
    names.map(|name| (name.parse().expect("a name"), "value".parse().expect("a value"))).into_iter().collect()
}

#[tokio::test]
async fn edge_a3_answers_say_nothing_of_an_identity_in_headers_nor_trailers() {
    let edge = Edge::new();
    let inner = service_fn(async |_: Request<EdgeBody<Empty<Bytes>>>| {
        let frames = [Frame::data(Bytes::from_static(b"body")), Frame::trailers(fields())].map(Ok::<_, Infallible>);
        let mut response = Response::new(StreamBody::new(futures_util::stream::iter(frames)));
        *response.headers_mut() = fields();
        Ok::<_, Infallible>(response)
    });
    let token = edge.token("alice").build();
    let request = || {
        let request = Request::builder().header(AUTHORIZATION, format!("Bearer {}", token.expose()));
        request.body(Empty::<Bytes>::new()).expect("a request")
    };
    let names = |fields: &HeaderMap| {
        let mut names: Vec<_> = fields.keys().map(ToString::to_string).collect();
        names.sort();
        names.join(" ")
    };
    let Ok(response) = edge.layer().layer(inner).oneshot(request()).await;
    assert_eq!((response.status().as_u16(), names(response.headers())), (200, "etag x-request-id".to_owned()));
    let body = response.into_body().collect().await.expect("a body");
    assert_eq!(names(body.trailers().expect("those of the message")), "etag x-request-id");
    assert_eq!(body.to_bytes(), "body");

    // Without the edge they go out as they are.
    let Ok(response) = edge.outside().edge().layer(inner).oneshot(request()).await;
    assert_eq!(response.headers().len(), 6);
    assert_eq!(response.into_body().collect().await.expect("a body").trailers().map(HeaderMap::len), Some(6));
}

#[tokio::test]
async fn edge_a3_trailers_that_say_nothing_else_are_none() {
    let edge = Edge::new();
    let inner = service_fn(async |_: Request<EdgeBody<Empty<Bytes>>>| {
        let mut trailers = HeaderMap::new();
        trailers.insert("txn-token", "value".parse().expect("a value"));
        let frames = [Frame::data(Bytes::from_static(b"body")), Frame::trailers(trailers)].map(Ok::<_, Infallible>);
        Ok::<_, Infallible>(Response::new(StreamBody::new(futures_util::stream::iter(frames))))
    });
    let token = edge.token("alice").build();
    let request = Request::builder().header(AUTHORIZATION, format!("Bearer {}", token.expose()));
    let request = request.body(Empty::<Bytes>::new()).expect("a request");
    let Ok(response) = edge.layer().layer(inner).oneshot(request).await;
    let body = response.into_body().collect().await.expect("a body");
    assert_eq!(body.trailers(), None);
    assert_eq!(body.to_bytes(), "body");
}

type Question = Request<Empty<Bytes>>;

/// Of a proxy on this host, about a request with this token, and with what its client would like to be.
fn question(token: Option<&SecretToken>) -> Question {
    let mut question = Request::get("/orders").header("host", "shop.test").header(FIELD, "of.somebody.else");
    if let Some(token) = token {
        question = question.header(AUTHORIZATION, format!("Bearer {}", token.expose()));
    }
    question = question.extension(Connection::new(SocketAddr::from(([127, 0, 0, 1], 40_000)), None));
    question.body(Empty::new()).expect("a request")
}

/// The status, what the answer says of an identity, and whether it may be kept; by a route that answers so.
async fn told(edge: &EdgeLayer, asks: Option<&ForwardAuthLayer>, route: u16, question: Question) -> Told {
    let inner = service_fn(move |_: Request<EdgeBody<Empty<Bytes>>>| async move {
        let mut response = Response::new(Empty::<Bytes>::new());
        *response.status_mut() = StatusCode::from_u16(route).expect("a status");
        *response.headers_mut() = fields();
        response.headers_mut().insert(CACHE_CONTROL, "max-age=60".parse().expect("a value"));
        Ok::<_, Infallible>(response)
    });
    let service = edge.layer(inner);
    let (parts, ()) = match asks {
        Some(asks) => {
            let Ok(response) = asks.layer(service).oneshot(question).await;
            response.map(drop).into_parts()
        }
        None => {
            let Ok(response) = service.oneshot(question).await;
            response.map(drop).into_parts()
        }
    };
    let texts = |name: &str| parts.headers.get_all(name).iter().map(|text| text.to_str().expect("text").to_owned());
    (parts.status.as_u16(), texts(FIELD).collect(), texts(CACHE_CONTROL.as_str()).collect())
}

type Told = (u16, Vec<String>, Vec<String>);

fn proxies(edge: &Edge) -> ForwardAuthLayer {
    let home = TrustedIssuer::discover(edge.login.issuer().as_str()).audience("shop");
    let verifier = Verifier::builder(home).clock(edge.clock.clock()).build().expect("a verifier");
    ForwardAuthLayer::new(verifier, OriginalRequest::AsAsked, [ProxyPeer::Loopback]).expect("a proxy")
}

#[tokio::test]
async fn edge_a6_a_proxy_that_asks_is_told_who_that_is_inside() {
    let edge = Edge::new();
    let (asks, answers) = (proxies(&edge), edge.layer().answering());
    for user in ["alice", "bob"] {
        let token = edge.token(user).build();
        for temperature in ["cold", "warm"] {
            let (status, identity, kept) = told(&answers, Some(&asks), 200, question(Some(&token))).await;
            assert_eq!((status, kept), (200, vec!["no-store".to_owned()]), "{temperature}");
            let [identity] = <[String; 1]>::try_from(identity).expect("one, and none of the route's");
            let (typ, claims) = opened(&SecretToken::new(&*identity), &edge.mint.keys().keys());
            assert_eq!(typ, "txntoken+jwt");
            assert_eq!((&claims["aud"], &claims["sub"]), (&SHOP.into(), &edge.name(user).into()));
            assert_eq!(claims["scope"], "orders:place");
        }
    }
}

#[tokio::test]
async fn edge_a6_of_any_other_answer_the_client_learns_nothing() {
    let edge = Edge::new();
    let (asks, answers) = (proxies(&edge), edge.layer().answering());
    let token = edge.token("alice").build();
    let nothing = |status: u16| (status, Vec::new(), vec!["max-age=60".to_owned()]);
    for status in [201, 204, 302, 401, 403, 404, 500, 503] {
        assert_eq!(told(&answers, Some(&asks), status, question(Some(&token))).await, nothing(status));
    }
    // Nor of one that is not let in, or that is nobody.
    let tampered = edge.token("alice").tampered().build();
    let refused = |status: u16| (status, Vec::new(), Vec::new());
    assert_eq!(told(&answers, Some(&asks), 200, question(Some(&tampered))).await, refused(401));
    let open = EdgeLayer::new(edge.outside().optional().edge(), edge.mint.clone(), SHOP).expect("a layer").answering();
    assert_eq!(told(&open, Some(&asks), 200, question(None)).await, nothing(200));
    let (status, identity, _) = told(&open, Some(&asks), 200, question(Some(&token))).await;
    assert_eq!((status, identity.len()), (200, 1));
    // Nor where it was not asked for.
    assert_eq!(told(&edge.layer(), Some(&asks), 200, question(Some(&token))).await, nothing(200));
}

/// Whoever asks without being a proxy is a client, which is answered itself.
#[tokio::test]
async fn edge_a6_nobody_is_told_who_is_no_proxy() {
    let edge = Edge::new();
    let answers = edge.layer().answering();
    let token = edge.token("alice").build();
    let nothing = |status: u16| (status, Vec::new(), Vec::new());
    assert_eq!(told(&answers, None, 200, question(Some(&token))).await, nothing(500));
    let mut stranger = question(Some(&token));
    stranger.extensions_mut().insert(Connection::new(SocketAddr::from(([192, 0, 2, 1], 40_000)), None));
    assert_eq!(told(&answers, Some(&proxies(&edge)), 200, stranger).await, nothing(403));
    let open = EdgeLayer::new(edge.outside().optional().edge(), edge.mint.clone(), SHOP).expect("a layer").answering();
    assert_eq!(told(&open, None, 200, question(None)).await, nothing(500), "also for anonymous callers");

    let Ok(response) = answers.layer(service_fn(never)).oneshot(question(Some(&token))).await;
    let refusal = response.extensions().get::<tower_identity_core::Refusal>().expect("it says why");
    assert_eq!((refusal.kind(), refusal.check()), (&RefusalKind::Misconfigured, "wiring"));
}

async fn never(_: Request<EdgeBody<Empty<Bytes>>>) -> Result<Response<Empty<Bytes>>, Infallible> {
    panic!("it was refused")
}
