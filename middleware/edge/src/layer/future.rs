//! The future of the layer's service.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
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

use super::inside::Inside;
use crate::{EdgeAnswer, replaced::Coming};

pin_project! {
    /// The future of [`EdgeService`](crate::EdgeService).
    pub struct EdgeFuture<S, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        #[pin]
        state: State<S, ReqBody>,
    }
}

pin_project! {
    #[project = StateProjected]
    enum State<S, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        // The internal identity has to be obtained first.
        Waiting {
            waiting: Option<Box<Waiting<S, ReqBody>>>,
        },
        // The inner service was called, in the scope of the internal identity.
        Calling {
            #[pin]
            inner: Scoped<S::Future>,
            told: Option<HeaderValue>,
        },
        // It is not called.
        Refused {
            response: Option<Box<Response<Bytes>>>,
        },
    }
}

/// A request whose internal identity is on its way, and what it takes to go on with it: apart, since few are.
pub(super) struct Waiting<S, ReqBody> {
    pub(super) coming: Coming,
    /// The service that was polled ready.
    pub(super) ready_inner: S,
    pub(super) request: Request<ReqBody>,
    pub(super) inside: Inside,
}

/// The invariant of [`State::Waiting`].
const ENDS_ONCE: &str = "an internal identity comes once";

impl<S, ReqBody> EdgeFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    pub(super) fn waiting(waiting: Waiting<S, ReqBody>) -> Self {
        Self { state: State::Waiting { waiting: Some(Box::new(waiting)) } }
    }

    pub(super) fn calling(
        mut scope: Option<CallerContext>,
        told: Option<HeaderValue>,
        ready_inner: &mut S,
        request: Request<ReqBody>,
    ) -> Self {
        let inner = ambient::enter_with(&mut scope, request, |request| ready_inner.call(request));
        Self { state: State::Calling { inner: Scoped::new(scope, inner), told } }
    }

    #[cold]
    pub(super) fn refused(refusal: &Refusal, request: &Request<ReqBody>) -> Self {
        let asked = Asked::of(request.method(), request.headers(), request.extensions());
        let response = decision::refuse(Stage::Authentication, refusal, &asked);
        Self { state: State::Refused { response: Some(Box::new(response)) } }
    }
}

impl<S, ReqBody, ResBody> Future for EdgeFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Output = Result<Response<EdgeAnswer<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjected::Waiting { waiting } => {
                    let coming = &mut waiting.as_mut().expect(ENDS_ONCE).coming;
                    let came = ready!(coming.as_mut().poll(cx));
                    let Waiting { mut ready_inner, mut request, inside, .. } = *waiting.take().expect(ENDS_ONCE);
                    match came {
                        Ok((within, replaced)) => {
                            let told = inside.put(&mut request, &within, &replaced);
                            Self::calling(Some(within), told, &mut ready_inner, request).state
                        }
                        Err(refusal) => Self::refused(&refusal, &request).state,
                    }
                }
                StateProjected::Calling { inner, told } => {
                    return inner.poll(cx).map_ok(|response| EdgeAnswer::inner(response, told.take()));
                }
                StateProjected::Refused { response } => {
                    let response = response.take().expect("EdgeFuture polled after completion");
                    return Poll::Ready(Ok(EdgeAnswer::refusal(*response)));
                }
            };
            state.set(next);
        }
    }
}

impl<S, ReqBody> fmt::Debug for EdgeFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.state {
            State::Waiting { .. } => "EdgeFuture::Waiting",
            State::Calling { .. } => "EdgeFuture::Calling",
            State::Refused { .. } => "EdgeFuture::Refused",
        })
    }
}
