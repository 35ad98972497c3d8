//! What goes out.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header::AUTHORIZATION};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody};
use tower::{Layer, ServiceExt, service_fn};
use tower_identity_inbound::EdgeBody;

use crate::support::Edge;

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
