//! Answers a proxy that asks, before it hands a request on, whether it may.
//!
//! nginx (`auth_request`), HAProxy, Traefik (`forwardAuth`), Caddy (`forward_auth`) and Envoy (`ext_authz` over HTTP) send a
//! request of their own, with the fields of the client's: 2xx lets that in, anything else does not. The question comes by
//! a method and a path of its own. What is judged is the request that it is about, so that rules, the guard against other
//! sites and routes see what the client asked for:
//!
//! ```text
//! client ──POST /orders──▶ proxy ──GET /auth, X-Forwarded-Method: POST, X-Forwarded-Uri: /orders──▶ ForwardAuthLayer
//!                            │                                                                       │ POST /orders
//!                            │ ◀──────────────── 2xx, or 401, 403 with their challenge ───────────── AuthLayer ─▶ routes
//!                            └──▶ the service, or the client
//! ```

mod original;

use std::task::{Context, Poll};

use http::{Extensions, Request, Response};
use tower_identity_core::{InvalidSetting, Refusal, RefusalKind};
use tower_identity_verify::Verifier;
use tower_layer::Layer;
use tower_service::Service;

pub use self::original::OriginalRequest;
use crate::{
    Asked, AuthBody, ProxyPeer, RequireFuture,
    decision::{self, Stage},
    proxy::Proxies,
};

/// Of whatever is refused here, and not by what stands within.
const CHECK: &str = "forward_auth";

/// On a request that stands in the place of a proxy's question: whoever answers it answers the proxy, and not the client.
///
/// [`ForwardAuthLayer`] alone makes one, and puts it among the request's extensions. So what may be told to a proxy of ours, and
/// to nobody outside, is told where this is.
///
/// ```
/// use http::Extensions;
/// use tower_identity_inbound::forward_auth::ProxyQuestion;
///
/// assert!(!ProxyQuestion::is_in(&Extensions::new()), "the client is answered");
/// ```
#[derive(Debug, Clone)]
pub struct ProxyQuestion(());

impl ProxyQuestion {
    /// Whether the request that these are of is one.
    #[must_use]
    pub fn is_in(extensions: &Extensions) -> bool {
        extensions.get::<Self>().is_some()
    }
}

/// Puts the request that a proxy asks about into the place of its question. It stands outside of everything that judges.
///
/// | the question | the answer |
/// |---|---|
/// | of one of the proxies, about one request | what the layers within say of that |
/// | of anybody else | 403, check `forward_auth`: who may ask without being a proxy learns which tokens are good |
/// | a field of it missing, twice, or no method, host or path | 400 |
/// | about a path that proxies and services may read as two: with `.` or `..` segments, `//`, `\`, or `%` before what needs none or is a separator | 400 |
///
/// Around a router of axum, and not by its `layer`, which comes after the route was chosen:
/// `Router::new().fallback_service(forward_auth.layer(routes))`.
///
/// What is refused is never 2xx: a question is answered as HTTP, also about a call of gRPC, whose refusals have status 200.
/// Nobody is let in while this does not answer, as long as the proxy is told so: see `docs/forward-auth.md`.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use std::{convert::Infallible, net::SocketAddr};
///
/// use http::{Request, Response};
/// use tower::{ServiceBuilder, ServiceExt};
/// use tower_identity_inbound::{AuthLayer, Connection, ForwardAuthLayer, OriginalRequest, ProxyPeer};
/// use tower_identity_verify::{TrustedIssuer, Verifier};
///
/// let home = TrustedIssuer::discover("https://login.example.com").audience("shop");
/// let verifier = Verifier::builder(home).build()?;
/// let service = ServiceBuilder::new()
///     .layer(ForwardAuthLayer::new(verifier.clone(), OriginalRequest::Forwarded, [ProxyPeer::Loopback])?)
///     .layer(AuthLayer::new(verifier))
///     .service_fn(|_: Request<String>| async { Ok::<_, Infallible>(Response::new(String::new())) });
///
/// let mut question = Request::new(String::new());
/// for (name, text) in [("method", "GET"), ("proto", "https"), ("host", "shop.example.com"), ("uri", "/orders")] {
///     let name = http::HeaderName::from_bytes(format!("x-forwarded-{name}").as_bytes()).expect("a name");
///     question.headers_mut().insert(name, http::HeaderValue::from_static(text));
/// }
/// question.extensions_mut().insert(Connection::new(SocketAddr::from(([127, 0, 0, 1], 40_000)), None));
/// let Ok(response) = service.oneshot(question).await;
/// assert_eq!((response.status().as_u16(), &response.headers()["www-authenticate"]), (401, &r#"Bearer realm="api""#.parse().expect("text")));
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ForwardAuthLayer {
    verifier: Verifier,
    original: OriginalRequest,
    proxies: Proxies,
}

impl ForwardAuthLayer {
    /// Answers these peers, whose certificates the verifier vouches for where they are known by one.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] for the field `peers`: there is none, one is named twice, or one is known by its certificate and
    /// the verifier trusts nobody's.
    pub fn new(
        verifier: Verifier,
        original: OriginalRequest,
        peers: impl IntoIterator<Item = ProxyPeer>,
    ) -> Result<Self, InvalidSetting> {
        let proxies = Proxies::of(peers)?;
        proxies.known_to(&verifier)?;
        Ok(Self { verifier, original, proxies })
    }

    fn take_place<B>(&self, request: &mut Request<B>) -> Result<(), Refusal> {
        if !self.proxies.sent(&self.verifier.current(), request)? {
            return Err(Refusal::new(RefusalKind::Denied, CHECK).detail("asked by nobody who is a proxy of ours"));
        }
        self.original.restore(request)?;
        request.extensions_mut().insert(ProxyQuestion(()));
        Ok(())
    }
}

impl<S> Layer<S> for ForwardAuthLayer {
    type Service = ForwardAuthService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ForwardAuthService { inner, layer: self.clone() }
    }
}

/// The service of [`ForwardAuthLayer`].
#[derive(Debug, Clone)]
pub struct ForwardAuthService<S> {
    inner: S,
    layer: ForwardAuthLayer,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for ForwardAuthService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = Response<AuthBody<ResBody>>;
    type Error = S::Error;
    type Future = RequireFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        match self.layer.take_place(&mut request) {
            Ok(()) => RequireFuture::calling(self.inner.call(request)),
            Err(refusal) => {
                let asked = Asked::within(request.extensions());
                RequireFuture::refused(decision::refuse(Stage::Authentication, &refusal, &asked))
            }
        }
    }
}
