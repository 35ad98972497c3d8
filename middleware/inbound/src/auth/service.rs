//! The service of the layer.

use std::{
    marker::PhantomData,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{
    future::{AuthFuture, State, Waiting},
    observing::Observing,
    plain::recall,
    settings::{Settings, Verdict},
};
use crate::{
    AuthBody, Inbound,
    edge::{AtEdge, EdgeBody, Inside},
};

/// The service of [`AuthLayer`](crate::AuthLayer).
#[derive(Debug)]
pub struct AuthService<S, P = Inside> {
    inner: S,
    settings: Arc<Settings>,
    place: PhantomData<P>,
}

impl<S, P> AuthService<S, P> {
    pub(super) fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings, place: PhantomData }
    }

    fn authenticate<B>(&mut self, mut request: Request<B>) -> AuthFuture<S, B>
    where
        S: Service<Request<B>> + Clone,
    {
        let settings = &self.settings;
        let verifier = settings.current(&mut request);
        let plain = settings.take_plain(&mut request);
        let recalled = plain.as_ref().and_then(|field| recall(&verifier, field));
        let caller = if let Some(caller) = recalled {
            drop(plain);
            caller
        } else {
            match settings.judge(&verifier, plain, &mut request) {
                Ok(caller) => caller,
                Err(verdict) => {
                    drop(verifier);
                    return self.follow(verdict, request);
                }
            }
        };
        drop(verifier);
        settings.name(&mut request);
        let scope = settings.admit(Inbound::Caller(caller), &mut request);
        AuthFuture::calling(scope, &mut self.inner, request, settings.streams)
    }

    /// Does what a verdict says that was reached in another way. Out of line, so that those of the one way have less to pass.
    #[inline(never)]
    fn follow<B>(&mut self, verdict: Verdict, mut request: Request<B>) -> AuthFuture<S, B>
    where
        S: Service<Request<B>> + Clone,
    {
        if self.settings.unenforced.is_some() {
            return AuthFuture::new(self.observe(verdict, request));
        }
        self.settings.name(&mut request);
        AuthFuture::new(match verdict {
            Verdict::Decided(decision) => State::decided(decision, &mut self.inner, request, &self.settings),
            Verdict::Waiting(verification) => {
                // The call comes after the wait, so it must be made on the very service that was polled ready.
                let not_ready_inner = self.inner.clone();
                let ready_inner = std::mem::replace(&mut self.inner, not_ready_inner);
                let settings = Arc::clone(&self.settings);
                State::Verifying { waiting: Some(Box::new(Waiting { verification, ready_inner, request, settings })) }
            }
        })
    }

    /// Calls the inner service in any case, with the request as it came.
    fn observe<B>(&mut self, verdict: Verdict, mut request: Request<B>) -> State<S, B>
    where
        S: Service<Request<B>>,
    {
        let (observing, observed) = Observing::of(verdict, &self.settings);
        request.extensions_mut().insert(observed);
        State::Observing { inner: self.inner.call(request), observing: observing.map(Box::new) }
    }
}

impl<S: Clone, P> Clone for AuthService<S, P> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.settings))
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for AuthService<S, Inside>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
{
    type Response = Response<AuthBody<ResBody>>;
    type Error = S::Error;
    type Future = AuthFuture<S, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        self.authenticate(request)
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for AuthService<S, AtEdge>
where
    S: Service<Request<EdgeBody<ReqBody>>, Response = Response<ResBody>> + Clone,
{
    type Response = Response<AuthBody<ResBody>>;
    type Error = S::Error;
    type Future = AuthFuture<S, EdgeBody<ReqBody>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let edge = self.settings.edge.clone().filter(|_| self.settings.unenforced.is_none());
        self.authenticate(request.map(|body| EdgeBody::new(body, edge)))
    }
}
