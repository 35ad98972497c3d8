//! What goes out.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header::CACHE_CONTROL};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_identity_core::fields::is_identity;

use crate::layer::FIELD;

pin_project! {
    /// The body of an answer through an [`EdgeLayer`](crate::EdgeLayer): the inner service's, without trailers that speak of
    /// an identity; or that of a refusal.
    #[derive(Debug)]
    pub struct EdgeAnswer<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = KindProjected]
    enum Kind<B> {
        Inner { #[pin] body: B },
        Refusal { rest: Option<Bytes> },
    }
}

impl<B> EdgeAnswer<B> {
    /// Passes the inner service's answer on, but for what it says of an identity. What the proxy that asked is told of one goes
    /// with 200 alone: of any other answer some make the client's, with all of its fields.
    pub(crate) fn inner(mut response: Response<B>, told: Option<HeaderValue>) -> Response<Self> {
        strip(response.headers_mut());
        if let Some(identity) = told.filter(|_| response.status() == StatusCode::OK) {
            response.headers_mut().insert(FIELD, identity);
            // What was asked about one request is kept for no other.
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        response.map(|body| Self { kind: Kind::Inner { body } })
    }

    /// Takes a rendered refusal in.
    pub(crate) fn refusal(response: Response<Bytes>) -> Response<Self> {
        response.map(|body| Self { kind: Kind::Refusal { rest: Some(body).filter(|body| !body.is_empty()) } })
    }
}

/// Takes the fields out that speak of an identity, in every spelling.
fn strip(fields: &mut HeaderMap) {
    let gone: Vec<_> = fields.keys().filter(|name| is_identity(name.as_str())).cloned().collect();
    for name in gone {
        fields.remove(name);
    }
}

impl<B: Body<Data = Bytes>> Body for EdgeAnswer<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut body = match self.project().kind.project() {
            KindProjected::Inner { body } => body,
            KindProjected::Refusal { rest } => return Poll::Ready(rest.take().map(|bytes| Ok(Frame::data(bytes)))),
        };
        loop {
            let frame = match ready!(body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                end => return Poll::Ready(end),
            };
            match frame.into_trailers() {
                Err(data) => return Poll::Ready(Some(Ok(data))),
                Ok(mut trailers) => {
                    strip(&mut trailers);
                    if !trailers.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body } => body.is_end_stream(),
            Kind::Refusal { rest } => rest.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body } => body.size_hint(),
            Kind::Refusal { rest } => SizeHint::with_exact(rest.as_ref().map_or(0, |bytes| bytes.len() as u64)),
        }
    }
}
