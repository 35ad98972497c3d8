//! The body of a response that a layer may have written in place of the inner service.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_identity_core::{CallerContext, ambient};

use self::ending::{Ending, Next};
use crate::streams::Streams;

mod ending;

pin_project! {
    /// The inner service's body, or a refusal's.
    ///
    /// A [stream](Streams) of the inner service ends with its caller's credential.
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
        // Its frames, until its caller's credential ends.
        Stream { #[pin] body: B, ending: Ending },
        // What the layer says itself: a refusal, or nothing more.
        Own { rest: Option<Bytes> },
    }
}

impl<B> AuthBody<B> {
    /// Passes an inner response through.
    pub(crate) fn inner(response: Response<B>) -> Response<Self> {
        response.map(|body| Self { kind: Kind::Inner { body } })
    }

    /// Passes the response to this caller through, as far as it goes.
    pub(crate) fn to(caller: Option<&CallerContext>, response: Response<B>, streams: Streams) -> Response<Self> {
        match Ending::of(response.headers(), caller, streams) {
            Some(ending) => response.map(|body| Self { kind: Kind::Stream { body, ending } }),
            None => Self::inner(response),
        }
    }

    /// Takes a rendered refusal in. An empty body ends with the headers, which makes a gRPC answer trailers-only.
    pub(crate) fn refusal(response: Response<Bytes>) -> Response<Self> {
        response.map(|body| Self { kind: Kind::Own { rest: Some(body).filter(|body| !body.is_empty()) } })
    }
}

impl<B: Body<Data = Bytes>> Body for AuthBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut kind = self.project().kind;
        match kind.as_mut().project() {
            KindProjected::Inner { body } => ambient::enter(&mut None, || body.poll_frame(cx)),
            KindProjected::Stream { body, ending } => {
                match ready!(ambient::enter(&mut None, || ending.poll_next(body, cx))) {
                    Next::Of(frame) => Poll::Ready(frame),
                    Next::End(last) => {
                        ambient::enter(&mut None, || kind.set(Kind::Own { rest: None }));
                        Poll::Ready(last.map(Ok))
                    }
                }
            }
            KindProjected::Own { rest } => Poll::Ready(rest.take().map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body } | Kind::Stream { body, .. } => body.is_end_stream(),
            Kind::Own { rest } => rest.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body } => body.size_hint(),
            // It may end before its time.
            Kind::Stream { body, .. } => at_most(body.size_hint().upper()),
            Kind::Own { rest } => SizeHint::with_exact(rest.as_ref().map_or(0, |bytes| bytes.len() as u64)),
        }
    }
}

fn at_most(upper: Option<u64>) -> SizeHint {
    let mut hint = SizeHint::new();
    if let Some(upper) = upper {
        hint.set_upper(upper);
    }
    hint
}
