//! The future of the layer's service.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_identity_core::{
    BoxFuture, CallerContext, Refusal,
    ambient::{self, Scoped},
};
use tower_identity_verify::{Explanation, Verification};
use tower_service::Service;

use super::{observing::Observing, settings::Settings};
use crate::{
    Asked, AuthBody, Inbound, Streams,
    decision::{self, Stage},
};

pin_project! {
    /// The future of [`AuthService`](crate::AuthService).
    pub struct AuthFuture<S, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        #[pin]
        state: State<S, ReqBody>,
    }
}

pin_project! {
    #[project = StateProjected]
    pub(super) enum State<S, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        // Keys have to be fetched first.
        Verifying {
            waiting: Option<Box<Waiting<S, ReqBody>>>,
        },
        // The inner service was called, in the caller's scope.
        Calling {
            #[pin]
            inner: Scoped<S::Future>,
            streams: Streams,
        },
        // The inner service was called, whatever was decided, in the scope that there was.
        Observing {
            #[pin]
            inner: S::Future,
            observing: Option<Box<Observing>>,
        },
        // The inner service is not called, and in development the answer says why.
        Explaining {
            explanation: BoxFuture<'static, Explanation>,
            refusal: Refusal,
            asked: Asked,
        },
        // The inner service is not called.
        Refused {
            response: Option<Box<Response<bytes::Bytes>>>,
        },
    }
}

/// A request that is not decided yet, and what it takes to go on with it: apart, since few are, and what every other
/// moves around would be as large.
pub(super) struct Waiting<S, ReqBody> {
    pub(super) verification: Verification,
    /// The service that was polled ready.
    pub(super) ready_inner: S,
    pub(super) request: Request<ReqBody>,
    pub(super) settings: Arc<Settings>,
}

/// The invariant of [`State::Verifying`].
const ENDS_ONCE: &str = "a verification ends once";

impl<S, ReqBody> AuthFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    pub(super) fn new(state: State<S, ReqBody>) -> Self {
        Self { state }
    }

    /// Calls the inner service in this scope, with what is left in the request. Each step more that the request or the inner
    /// future takes is a copy of it.
    #[inline]
    pub(super) fn calling(
        mut scope: Option<CallerContext>,
        ready_inner: &mut S,
        request: Request<ReqBody>,
        streams: Streams,
    ) -> Self {
        let inner = ambient::enter_with(&mut scope, request, |request| ready_inner.call(request));
        Self { state: State::Calling { inner: Scoped::new(scope, inner), streams } }
    }
}

impl<S, ReqBody> State<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    /// Calls the inner service, or refuses.
    pub(super) fn decided(
        decision: Result<Inbound, Refusal>,
        ready_inner: &mut S,
        mut request: Request<ReqBody>,
        settings: &Settings,
    ) -> Self {
        match decision {
            Ok(inbound) => {
                settings.strip(request.headers_mut());
                let scope = settings.admit(inbound, &mut request);
                AuthFuture::calling(scope, ready_inner, request, settings.streams).state
            }
            Err(refusal) => Self::refused(refusal, &request, settings),
        }
    }

    #[cold]
    fn refused(refusal: Refusal, request: &Request<ReqBody>, settings: &Settings) -> Self {
        let asked = Asked::of(request.method(), request.headers(), request.extensions());
        let development = settings.development.as_ref();
        match development.and_then(|development| development.explain(&refusal, &settings.sources, request, &asked)) {
            Some(explanation) => Self::Explaining { explanation, refusal, asked },
            None => Self::answered(decision::refuse(Stage::Authentication, &refusal, &asked)),
        }
    }

    fn answered(response: Response<bytes::Bytes>) -> Self {
        Self::Refused { response: Some(Box::new(response)) }
    }
}

impl<S, ReqBody, ResBody> Future for AuthFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Output = Result<Response<AuthBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjected::Verifying { waiting } => {
                    let verification = &mut waiting.as_mut().expect(ENDS_ONCE).verification;
                    let decision = ready!(Pin::new(verification).poll(cx)).map(Inbound::Caller);
                    let Waiting { mut ready_inner, request, settings, .. } = *waiting.take().expect(ENDS_ONCE);
                    State::decided(decision, &mut ready_inner, request, &settings)
                }
                StateProjected::Calling { mut inner, streams } => {
                    let response = ready!(inner.as_mut().poll(cx))?;
                    return Poll::Ready(Ok(AuthBody::to(inner.context(), response, *streams)));
                }
                StateProjected::Observing { inner, observing } => {
                    let answer = inner.poll(cx);
                    if let Some(observing) = observing {
                        observing.poll(cx);
                    }
                    if answer.is_ready() {
                        // What is undecided now stays so: the answer does not wait for it.
                        *observing = None;
                    }
                    return answer.map_ok(AuthBody::inner);
                }
                StateProjected::Explaining { explanation, refusal, asked } => {
                    let explanation = ready!(explanation.as_mut().poll(cx));
                    State::answered(decision::refuse_explained(refusal, &explanation, asked))
                }
                StateProjected::Refused { response } => {
                    let response = response.take().expect("AuthFuture polled after completion");
                    return Poll::Ready(Ok(AuthBody::refusal(*response)));
                }
            };
            state.set(next);
        }
    }
}

impl<S, ReqBody> fmt::Debug for AuthFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.state {
            State::Verifying { .. } => "AuthFuture::Verifying",
            State::Calling { .. } => "AuthFuture::Calling",
            State::Observing { .. } => "AuthFuture::Observing",
            State::Explaining { .. } => "AuthFuture::Explaining",
            State::Refused { .. } => "AuthFuture::Refused",
        })
    }
}
