//! The layer: a credential for every request that goes through.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_identity_core::BoxFuture;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    Outbound, OutboundError, TargetRefusal, acting::Acting, entry::Credential, outbound::Obtained, retries::MadeIn,
};

/// What a layer's service fails with: an [`OutboundError`], or the inner service's own error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Gives every request the credential of its target, or does not send it.
///
/// Goes directly around the client: *inside* whatever retries or follows redirects, so that each attempt and each hop
/// is a request of its own to its own target. The client below must send requests to where their address says: with
/// redirects, retries and environment proxies of its own switched off.
///
/// ```
/// use http::{Request, Response};
/// use tower::{Layer, ServiceExt, service_fn};
/// use tower_identity_outbound::OutboundError;
/// # use tower_identity_jose::{Algorithm, SigningKey};
/// # use tower_identity_oauth::{ClientAuth, TokenEndpoint};
/// # use tower_identity_outbound::{Outbound, Target};
/// # let auth = ClientAuth::private_key_jwt("orders", SigningKey::generate(Algorithm::Es256)?)?;
/// # let outbound = Outbound::builder(TokenEndpoint::discover("https://login.example.com", auth))
/// #     .target(Target::origin("https://payments.internal")?.audience("payments").token_exchange())
/// #     .build()?;
///
/// let client = outbound.layer().layer(service_fn(async |_: Request<()>| {
///     Ok::<_, std::io::Error>(Response::new(()))
/// }));
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let stranger = Request::get("https://example.com/").body(()).expect("request");
/// let error = client.oneshot(stranger).await.expect_err("not listed");
/// assert_eq!(
///     error.downcast_ref::<OutboundError>().map(ToString::to_string).as_deref(),
///     Some(r#"no target lists https://example.com; add [[outbound.target]] origin = "https://example.com", or correct the address"#)
/// );
/// # });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct OutboundLayer {
    outbound: Outbound,
}

/// The service of an [`OutboundLayer`].
#[derive(Debug, Clone)]
pub struct OutboundService<S> {
    inner: S,
    outbound: Outbound,
}

impl OutboundLayer {
    pub(crate) fn new(outbound: Outbound) -> Self {
        Self { outbound }
    }
}

impl<S> Layer<S> for OutboundLayer {
    type Service = OutboundService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        OutboundService { inner, outbound: self.outbound.clone() }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for OutboundService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = Response<ResBody>;
    type Error = BoxError;
    type Future = OutboundFuture<S, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let acting = Acting::take(request.extensions_mut());
        let made_in = request.extensions_mut().remove();
        let obtain = || self.outbound.obtain(request.method(), request.uri(), request.headers(), acting.as_ref());
        let phase = match MadeIn::enter(made_in, obtain) {
            Err(error) => Phase::Refused { error: Some(error) },
            Ok(Obtained::Now(credential)) => {
                credential.attach(request.headers_mut());
                Phase::Calling { response: self.inner.call(request), credential }
            }
            Ok(Obtained::Later(pending)) => {
                let not_ready_inner = self.inner.clone();
                let ready_inner = mem::replace(&mut self.inner, not_ready_inner);
                Phase::Obtaining { pending, held: Some(Box::new((ready_inner, request))) }
            }
        };
        OutboundFuture { phase }
    }
}

pin_project! {
    /// The future of an [`OutboundService`].
    #[must_use = "futures do nothing unless polled"]
    pub struct OutboundFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        phase: Phase<S, B>,
    }
}

pin_project! {
    #[project = PhaseProjection]
    enum Phase<S, B>
    where
        S: Service<Request<B>>,
    {
        Refused { error: Option<OutboundError> },
        // What is held is large, and boxed, so that the future of a request whose token is at hand is not.
        Obtaining { pending: BoxFuture<'static, Result<Credential, OutboundError>>, held: Option<Box<(S, Request<B>)>> },
        Calling { #[pin] response: S::Future, credential: Credential },
    }
}

impl<S, ReqBody, ResBody> Future for OutboundFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<Response<ResBody>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut phase = self.project().phase;
        loop {
            let next = match phase.as_mut().project() {
                PhaseProjection::Refused { error } => {
                    let error = error.take().expect("polled again after it was ready");
                    return Poll::Ready(Err(error.into()));
                }
                PhaseProjection::Obtaining { pending, held } => {
                    let credential = ready!(pending.as_mut().poll(cx))?;
                    let (mut ready_inner, mut request) = *held.take().expect("polled again after it was ready");
                    credential.attach(request.headers_mut());
                    Phase::Calling { response: ready_inner.call(request), credential }
                }
                PhaseProjection::Calling { response, credential } => return poll_answer(response, credential, cx),
            };
            phase.set(next);
        }
    }
}

/// The target's answer, and on it whether it refuses the credential.
fn poll_answer<F, B, E>(
    response: Pin<&mut F>,
    credential: &Credential,
    cx: &mut Context<'_>,
) -> Poll<Result<Response<B>, BoxError>>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
{
    // The one value that is returned, which then is made where the caller wants it.
    let mut answer = response.poll(cx).map_err(Into::into);
    if let Poll::Ready(Ok(response)) = &mut answer {
        let (of_user, drop_token) = (credential.is_users(), || credential.drop_token());
        let refusal = TargetRefusal::read(response.status(), response.headers(), of_user, drop_token);
        if let Some(refusal) = refusal {
            response.extensions_mut().insert(refusal);
        }
    }
    answer
}

impl<S: Service<Request<B>>, B> fmt::Debug for OutboundFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Refused { .. } => "Refused",
            Phase::Obtaining { .. } => "Obtaining",
            Phase::Calling { .. } => "Calling",
        };
        f.debug_struct("OutboundFuture").field("phase", &format_args!("{phase}")).finish()
    }
}
