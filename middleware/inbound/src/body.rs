//! The body of a response that a layer may have written in place of the inner service.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_identity_core::ambient;

pin_project! {
    /// The inner service's body, or a refusal's.
    ///
    /// The inner service's runs in the [scope](ambient) of nobody, unless one was [carried] into it: it is read after
    /// the call for which there was a caller, and perhaps by code that has another.
    ///
    /// [carried]: tower_identity_core::CallerContext::scope_stream
    #[derive(Debug)]
    pub struct AuthBody<B> {
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

impl<B> AuthBody<B> {
    /// Passes an inner response through.
    pub(crate) fn inner(response: Response<B>) -> Response<Self> {
        response.map(|body| Self { kind: Kind::Inner { body } })
    }

    /// Takes a rendered refusal in. An empty body ends with the headers, which makes a gRPC answer trailers-only.
    pub(crate) fn refusal(response: Response<Bytes>) -> Response<Self> {
        response.map(|body| Self { kind: Kind::Refusal { rest: Some(body).filter(|body| !body.is_empty()) } })
    }
}

impl<B: Body<Data = Bytes>> Body for AuthBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProjected::Inner { body } => ambient::enter(&mut None, || body.poll_frame(cx)),
            KindProjected::Refusal { rest } => Poll::Ready(rest.take().map(|bytes| Ok(Frame::data(bytes)))),
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
