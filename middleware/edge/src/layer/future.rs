//! The future of the layer's service.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tower_identity_core::{
    CallerContext, Refusal,
    ambient::{self, Scoped},
};
use tower_identity_inbound::{
    Asked,
    decision::{self, Stage},
};
use tower_service::Service;

use crate::EdgeAnswer;

pin_project! {
    /// The future of [`EdgeService`](crate::EdgeService).
    pub struct EdgeFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjected]
    enum State<F> {
        // The inner service was called, in the scope of the internal identity.
        Calling {
            #[pin]
            inner: Scoped<F>,
            told: Option<HeaderValue>,
        },
        // It is not called.
        Refused {
            response: Option<Box<Response<Bytes>>>,
        },
    }
}

impl<F> EdgeFuture<F> {
    pub(super) fn calling<S, B>(
        mut scope: Option<CallerContext>,
        told: Option<HeaderValue>,
        ready_inner: &mut S,
        request: Request<B>,
    ) -> Self
    where
        S: Service<Request<B>, Future = F>,
    {
        let inner = ambient::enter_with(&mut scope, request, |request| ready_inner.call(request));
        Self { state: State::Calling { inner: Scoped::new(scope, inner), told } }
    }

    #[cold]
    pub(super) fn refused<B>(refusal: &Refusal, request: &Request<B>) -> Self {
        let asked = Asked::of(request.method(), request.headers(), request.extensions());
        let response = decision::refuse(Stage::Authentication, refusal, &asked);
        Self { state: State::Refused { response: Some(Box::new(response)) } }
    }
}

impl<F, ResBody, E> Future for EdgeFuture<F>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
{
    type Output = Result<Response<EdgeAnswer<ResBody>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjected::Calling { inner, told } => {
                inner.poll(cx).map_ok(|response| EdgeAnswer::inner(response, told.take()))
            }
            StateProjected::Refused { response } => {
                let response = response.take().expect("EdgeFuture polled after completion");
                Poll::Ready(Ok(EdgeAnswer::refusal(*response)))
            }
        }
    }
}

impl<F> fmt::Debug for EdgeFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.state {
            State::Calling { .. } => "EdgeFuture::Calling",
            State::Refused { .. } => "EdgeFuture::Refused",
        })
    }
}
