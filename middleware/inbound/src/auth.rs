//! Authenticates every request: a layer, its service, and their future.
//!
//! What it refuses, it answers itself; what it lets through carries an [`Inbound`], no `Authorization` header any
//! more, and runs in the caller's [ambient scope](tower_identity_core::ambient). It stands outside of every
//! [`RequireLayer`](crate::RequireLayer) and handler that asks for the caller, and inside of whatever must see
//! refusals too: tracing, metrics, response headers.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response, header::AUTHORIZATION};
use pin_project_lite::pin_project;
use tower_identity_core::{
    BoxFuture, Refusal, RefusalKind,
    ambient::{self, Scoped},
};
use tower_identity_verify::{Explanation, Verification, Verifier};
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    Asked, AuthBody, Credentials, Inbound, Presented, ResourceMetadata,
    challenge::Names,
    counted::Passed,
    danger::Development,
    decision::{self, Stage},
};

/// Authenticates requests by a [`Verifier`].
///
/// A request without a credential is refused (401), unless the layer is [optional](Self::optional).
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use std::convert::Infallible;
///
/// use http::{Request, Response};
/// use tower::{ServiceBuilder, ServiceExt};
/// use tower_identity_inbound::{AuthLayer, RequireLayer, rule::{scope, user}};
/// use tower_identity_verify::{TrustedIssuer, Verifier};
///
/// let home = TrustedIssuer::discover("https://login.example.com").audience("orders");
/// let service = ServiceBuilder::new()
///     .layer(AuthLayer::new(Verifier::builder(home).build()?).realm("orders"))
///     .layer(RequireLayer::new(scope("orders:write").and(user())))
///     .service_fn(|_: Request<String>| async { Ok::<_, Infallible>(Response::new("placed".to_owned())) });
///
/// let Ok(response) = service.oneshot(Request::new(String::new())).await;
/// assert_eq!(response.status(), 401);
/// assert_eq!(response.headers()["www-authenticate"], r#"Bearer realm="orders""#);
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct AuthLayer(Arc<Settings>);

/// Shared, because a server clones the service for every connection or request.
#[derive(Debug, Clone)]
struct Settings {
    verifier: Verifier,
    optional: bool,
    realm: Option<String>,
    resource: Option<ResourceMetadata>,
    /// Of the two before it, kept up to date by their setters.
    names: Option<Names>,
    development: Option<Development>,
    passed: Passed,
}

impl AuthLayer {
    /// Requires every request to present a credential that the verifier accepts.
    #[must_use]
    pub fn new(verifier: Verifier) -> Self {
        Self(Arc::new(Settings {
            passed: Passed::of(verifier.issuers().count()),
            verifier,
            optional: false,
            realm: None,
            resource: None,
            names: None,
            development: None,
        }))
    }

    /// Lets requests through that present no credential, as [`Inbound::Anonymous`].
    ///
    /// A credential that is bad, malformed or of another scheme is refused as before: bad is never anonymous.
    ///
    /// Below it, a route with neither a [`RequireLayer`](crate::RequireLayer) nor an extractor that asks for a caller
    /// is open to everybody: give such routes a router of their own, and merge it.
    #[must_use]
    pub fn optional(self) -> Self {
        self.with(|settings| settings.optional = true)
    }

    /// Names the realm of every challenge, further in too. Characters that a challenge cannot carry are left out.
    ///
    /// Without one, a challenge that has no other parameter names the realm `api` (RFC 6750 §3).
    #[must_use]
    pub fn realm(self, realm: impl Into<String>) -> Self {
        self.with(|settings| settings.realm = Some(realm.into()))
    }

    /// Names the metadata of this service in every challenge, further in too (RFC 9728 §5.1): a client that knows nothing
    /// but a URL learns from its first answer where to get a token.
    #[must_use]
    pub fn resource(self, metadata: &ResourceMetadata) -> Self {
        self.with(|settings| settings.resource = Some(metadata.clone()))
    }

    /// What [`danger::explain_refusals`](crate::danger::explain_refusals) allows.
    pub(crate) fn explaining(self) -> Self {
        self.with(|settings| settings.development = Some(Development(settings.verifier.clone())))
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        let settings = Arc::make_mut(&mut self.0);
        change(settings);
        settings.names = Names::of(settings.realm.as_deref(), settings.resource.as_ref().map(ResourceMetadata::url));
        self
    }
}

impl Settings {
    /// What to do about a request, as far as it can be said without waiting.
    fn judge<B>(&self, request: &Request<B>) -> Verdict {
        if request.extensions().get::<Inbound>().is_some() {
            let twice =
                "an AuthLayer has authenticated this request already; keep one, and close routes by RequireLayer";
            return Verdict::Decided(Err(Refusal::new(RefusalKind::Misconfigured, "wiring").detail(twice)));
        }
        match Presented::read(request.headers(), request.uri(), self.verifier.max_token_bytes()) {
            Presented::Absent if self.optional => Verdict::Decided(Ok(Inbound::Anonymous)),
            Presented::Absent => Verdict::Decided(Err(Refusal::new(RefusalKind::NoCredential, "credential"))),
            Presented::Malformed(refusal) => Verdict::Decided(Err(refusal)),
            Presented::Credentials(Credentials::Bearer(token)) => match self.verifier.bearer(token).try_now() {
                Ok(decision) => Verdict::Decided(decision.map(Inbound::Caller)),
                Err(verification) => Verdict::Waiting(verification),
            },
        }
    }
}

enum Verdict {
    Decided(Result<Inbound, Refusal>),
    Waiting(Verification),
}

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AuthService { inner, settings: Arc::clone(&self.0) }
    }
}

/// The service of [`AuthLayer`].
#[derive(Debug, Clone)]
pub struct AuthService<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for AuthService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
{
    type Response = Response<AuthBody<ResBody>>;
    type Error = S::Error;
    type Future = AuthFuture<S, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let verdict = self.settings.judge(&request);
        if let Some(names) = &self.settings.names {
            request.extensions_mut().insert(names.clone());
        }
        let state = match verdict {
            Verdict::Decided(decision) => State::decided(decision, &mut self.inner, request, &self.settings),
            Verdict::Waiting(verification) => {
                // The call comes after the wait, so it must be made on the very service that was polled ready.
                let not_ready_inner = self.inner.clone();
                let ready_inner = std::mem::replace(&mut self.inner, not_ready_inner);
                let settings = Arc::clone(&self.settings);
                State::Verifying { verification, waiting: Some((ready_inner, request, settings)) }
            }
        };
        AuthFuture { state }
    }
}

pin_project! {
    /// The future of [`AuthService`].
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
    enum State<S, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        // Keys have to be fetched first.
        Verifying {
            #[pin]
            verification: Verification,
            waiting: Option<(S, Request<ReqBody>, Arc<Settings>)>,
        },
        // The inner service was called, in the caller's scope.
        Calling {
            #[pin]
            inner: Scoped<S::Future>,
        },
        // The inner service is not called, and in development the answer says why.
        Explaining {
            explanation: BoxFuture<'static, Explanation>,
            refusal: Refusal,
            asked: Asked,
        },
        // The inner service is not called.
        Refused {
            response: Option<Response<bytes::Bytes>>,
        },
    }
}

impl<S, ReqBody> State<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    /// Calls the inner service, or refuses.
    fn decided(
        decision: Result<Inbound, Refusal>,
        ready_inner: &mut S,
        mut request: Request<ReqBody>,
        settings: &Settings,
    ) -> Self {
        match decision {
            Ok(inbound) => {
                decision::accept(Stage::Authentication, &inbound, &settings.passed);
                let mut scope = inbound.caller().cloned();
                request.headers_mut().remove(AUTHORIZATION);
                request.extensions_mut().insert(inbound);
                let inner = ambient::enter(&mut scope, || ready_inner.call(request));
                Self::Calling { inner: Scoped::new(scope, inner) }
            }
            Err(refusal) => {
                let asked = Asked::of(request.method(), request.headers(), request.extensions());
                let development = settings.development.as_ref();
                match development.and_then(|development| development.explain(&refusal, &request, &asked)) {
                    Some(explanation) => Self::Explaining { explanation, refusal, asked },
                    None => Self::Refused { response: Some(decision::refuse(Stage::Authentication, &refusal, &asked)) },
                }
            }
        }
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
                StateProjected::Verifying { verification, waiting } => {
                    let decision = ready!(verification.poll(cx)).map(Inbound::Caller);
                    let (mut ready_inner, request, settings) = waiting.take().expect("a verification ends once");
                    State::decided(decision, &mut ready_inner, request, &settings)
                }
                StateProjected::Calling { inner } => return inner.poll(cx).map_ok(AuthBody::inner),
                StateProjected::Explaining { explanation, refusal, asked } => {
                    let explanation = ready!(explanation.as_mut().poll(cx));
                    State::Refused { response: Some(decision::refuse_explained(refusal, &explanation, asked)) }
                }
                StateProjected::Refused { response } => {
                    let response = response.take().expect("AuthFuture polled after completion");
                    return Poll::Ready(Ok(AuthBody::refusal(response)));
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
            State::Explaining { .. } => "AuthFuture::Explaining",
            State::Refused { .. } => "AuthFuture::Refused",
        })
    }
}
