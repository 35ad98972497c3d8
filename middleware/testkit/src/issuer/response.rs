//! The pieces of an answer, and none at all.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Frame, SizeHint};
use serde_json::Value;

/// The connection is closed in place of an answer.
#[derive(Debug)]
pub(super) struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed without an answer, as the test asked for")
    }
}

impl std::error::Error for Closed {}

pub(super) fn plain(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
}

pub(super) fn json_response(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    const TYPE: (HeaderName, HeaderValue) = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().extend([TYPE]);
    response
}

/// A body as it should be, or the first half of one.
pub(super) type Sent = Either<Full<Bytes>, FirstHalf>;

/// The first half of a body whose length was announced: an error comes in the place of the rest.
pub(super) struct FirstHalf {
    half: Option<Bytes>,
    announced: u64,
    is_sent: bool,
}

/// The response, with the first half of its body only.
pub(super) async fn broken_off(response: Response<Full<Bytes>>) -> Response<Sent> {
    let (head, body) = response.into_parts();
    let Ok(body) = body.collect().await.map(http_body_util::Collected::to_bytes);
    let announced = body.len() as u64;
    let half = Some(body.slice(..body.len() / 2));
    Response::from_parts(head, Either::Right(FirstHalf { half, announced, is_sent: false }))
}

impl Body for FirstHalf {
    type Data = Bytes;
    type Error = Closed;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Closed>>> {
        if let Some(half) = self.half.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        if self.is_sent {
            return Poll::Ready(Some(Err(Closed)));
        }
        // While there is nothing more to be had, the server sends what it has.
        self.is_sent = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}
