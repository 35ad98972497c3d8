//! The layer of the edge, its service, and their future.

mod future;
mod inside;

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_identity_core::InvalidSetting;
use tower_identity_inbound::{AtEdge, AuthLayer, auth::AuthService};
use tower_layer::Layer;
use tower_service::Service;

pub use self::future::EdgeFuture;
pub(crate) use self::inside::FIELD;
use self::{
    future::Waiting,
    inside::{By, Inside},
};
use crate::{
    EdgeAnswer, Exchange, Mint,
    exchange::Kept,
    replaced::{Coming, MANY, Replacement, Replacing},
};

/// Authenticates requests from outside, and puts an internal identity in the place of whoever they name: the one
/// [`Inbound`](tower_identity_inbound::Inbound) of the request, and the [ambient scope](tower_identity_core::ambient), are then
/// of the trust domain. For the first service that external requests reach, in the place of its [`AuthLayer`].
///
/// - The user is whom the [mint](Mint), or the [authority](Exchange), calls so inside, with the rights that cross. Who sent the request stays known to
///   rules, by its name alone: the text of what was presented is gone, and no strategy of the outbound layer can relay,
///   embed or exchange it. What calls on carries the transaction token.
/// - A caller without a user, one that is not tied to its user, and a user who is nobody inside are refused (403). Where the
///   layer is [optional](AuthLayer::optional), requests without a credential go on as anonymous.
/// - What is answered to the outside says nothing of an identity, in headers or trailers: whatever is
///   [taken away](tower_identity_inbound::edge::stripped) from requests is taken from answers. A proxy that
///   asks may be [told](Self::answering).
/// - An internal identity is made once for a credential, and again before it ends; it never outlives what it was made of,
///   and each request asks whether that was revoked. So the requests of a minute may be of one transaction.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use axum::{Router, routing::get};
/// use tower_identity_core::ambient;
/// use tower_identity_edge::{EdgeLayer, KeyRing, Mint, Pairwise, Rotation, TrustDomain};
/// use tower_identity_inbound::AuthLayer;
/// use tower_identity_jose::{Algorithm, KeyedHash};
/// use tower_identity_refresh::system_clock;
/// use tower_identity_verify::{TrustedIssuer, Verifier};
///
/// let outside = Verifier::builder(TrustedIssuer::discover("https://login.example.com").audience("shop")).build()?;
/// let secret = KeyedHash::new([7; 32]).expect("32 bytes");
/// let mint = Mint::builder("gateway", KeyRing::generated(Algorithm::Es256, Rotation::default(), system_clock())?, secret.clone())
///     .trust_domain(TrustDomain::new("shop.internal", Pairwise::new(secret)).scope("orders:read", "orders:read"))
///     .build()?;
///
/// let whoami = || async { ambient::current().map(|caller| format!("{:?}", caller.principal().user())) };
/// let app: Router = Router::new()
///     .route("/", get(async move || whoami().await.unwrap_or_default()))
///     .layer(EdgeLayer::new(AuthLayer::new(outside).edge(), mint, "shop.internal")?);
/// # let _ = app;
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct EdgeLayer {
    auth: AuthLayer<AtEdge>,
    inside: Inside,
}

impl EdgeLayer {
    /// Authenticates by this layer, and replaces by this mint's identities for this trust domain.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] for the field `trust_domain`: the mint makes no identities for it.
    pub fn new(auth: AuthLayer<AtEdge>, mint: Mint, trust_domain: impl AsRef<str>) -> Result<Self, InvalidSetting> {
        let replacing = Replacing::new(mint, trust_domain.as_ref())?;
        Ok(Self { auth, inside: Inside::by(By::Mint(replacing)) })
    }

    /// Authenticates by this layer, and replaces by the identities that an authority gives in exchange: where the trust domain has
    /// a transaction token service of its own, and the edge no key.
    ///
    /// - One exchange is made for a credential, however many requests come with it, and another behind their backs before that
    ///   identity ends. What is at hand is used until its end while the authority is out of reach; where there is none, the
    ///   request is refused with 503 and `Retry-After`.
    /// - What the authority refuses is refused as its answer says: 401 or 403 where it is the caller's fault, 500 where it is this
    ///   service's, 502 where the answer is not what was asked for.
    /// - All else is as with a [mint](Self::new).
    #[must_use]
    pub fn exchanging(auth: AuthLayer<AtEdge>, exchange: Exchange) -> Self {
        Self { auth, inside: Inside::by(By::Exchange(Kept::new(exchange, MANY))) }
    }

    /// Puts the internal identity on the request, too, in the field `Txn-Token`: for a gateway, whose inner service sends the
    /// request on as it is.
    #[must_use]
    pub fn forwarding(self) -> Self {
        Self { inside: Inside { forwards: true, ..self.inside }, ..self }
    }

    /// Puts the internal identity on the answer, in the field `Txn-Token`, for a proxy that [asks](tower_identity_inbound::ForwardAuthLayer) whether a
    /// request may pass and copies it to that request: `docs/forward-auth.md` says how, and what else the proxy has to see to.
    ///
    /// It is the one exception to what answers say of an identity, and for the proxy alone: of a request that does not stand in
    /// the place of a [proxy's question](tower_identity_inbound::forward_auth::ProxyQuestion), which a `ForwardAuthLayer` around this one says, there is no answer but
    /// 500. The field goes with the status 200, and is not to be stored; any other answer has none, because it is the client's
    /// with whatever is in it. Who is let in as anonymous has none either.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// use axum::{Router, routing::any};
    /// use tower_identity_edge::{EdgeLayer, KeyRing, KeySetEndpoint, Mint, Pairwise, Rotation, TrustDomain};
    /// use tower_identity_inbound::{AuthLayer, ForwardAuthLayer, OriginalRequest, ProxyPeer, RequireLayer, rule::user};
    /// use tower_identity_jose::{Algorithm, KeyedHash};
    /// use tower_identity_refresh::system_clock;
    /// use tower_identity_verify::{TrustedIssuer, Verifier};
    /// use tower_layer::Layer;
    ///
    /// let outside = Verifier::builder(TrustedIssuer::discover("https://login.example.com").audience("shop")).build()?;
    /// let secret = KeyedHash::new([7; 32]).expect("32 bytes");
    /// let mint = Mint::builder("gateway", KeyRing::generated(Algorithm::Es256, Rotation::default(), system_clock())?, secret.clone())
    ///     .trust_domain(TrustDomain::new("shop.internal", Pairwise::new(secret)).scope("orders:read", "orders:read"))
    ///     .build()?;
    ///
    /// let edge = EdgeLayer::new(AuthLayer::new(outside.clone()).edge(), mint.clone(), "shop.internal")?.answering();
    /// let routes = Router::new().route("/orders", any(|| async {}).layer(RequireLayer::new(user()))).layer(edge);
    /// let asks = ForwardAuthLayer::new(outside, OriginalRequest::Forwarded, [ProxyPeer::Loopback])?;
    /// // On one listener for the proxy, and the keys on one for the services behind it.
    /// let for_the_proxy: Router = Router::new().fallback_service(asks.layer(routes));
    /// let inside: Router = Router::new().route_service(KeySetEndpoint::PATH, KeySetEndpoint::new(mint.keys().clone()));
    /// # let _ = (for_the_proxy, inside);
    /// # Ok::<(), tower_identity_core::InvalidSetting>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn answering(self) -> Self {
        Self { inside: Inside { answers: true, ..self.inside }, ..self }
    }

    /// Changes the layer that authenticates.
    #[must_use]
    pub fn map_auth(self, change: impl FnOnce(AuthLayer<AtEdge>) -> AuthLayer<AtEdge>) -> Self {
        Self { auth: change(self.auth), ..self }
    }

    /// How many internal identities are remembered: 10,000 by default. Of none, every request begins a transaction of its own.
    #[must_use]
    pub fn remember(self, identities: usize) -> Self {
        let by = match &*self.inside.by {
            By::Mint(replacing) => By::Mint(replacing.remembering(identities)),
            By::Exchange(kept) => By::Exchange(Kept::new(kept.exchange.clone(), identities)),
        };
        Self { inside: Inside { by: Arc::new(by), ..self.inside }, ..self }
    }
}

impl<S> Layer<S> for EdgeLayer {
    type Service = AuthService<EdgeService<S>, AtEdge>;

    fn layer(&self, inner: S) -> Self::Service {
        self.auth.layer(EdgeService { inner, inside: self.inside.clone() })
    }
}

/// The service of [`EdgeLayer`], within that of its [`AuthLayer`].
#[derive(Debug, Clone)]
pub struct EdgeService<S> {
    inner: S,
    inside: Inside,
}

impl<S> EdgeService<S> {
    #[cold]
    fn wait<B>(&mut self, coming: Coming, request: Request<B>) -> EdgeFuture<S, B>
    where
        S: Service<Request<B>> + Clone,
    {
        // The call comes after the wait, so it must be made on the very service that was polled ready.
        let not_ready_inner = self.inner.clone();
        let ready_inner = std::mem::replace(&mut self.inner, not_ready_inner);
        EdgeFuture::waiting(Waiting { coming, ready_inner, request, inside: self.inside.clone() })
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for EdgeService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
{
    type Response = Response<EdgeAnswer<ResBody>>;
    type Error = S::Error;
    type Future = EdgeFuture<S, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let replaced = match self.inside.replace(&request) {
            Ok(Some(Replacement::Now(replaced))) => replaced,
            Ok(Some(Replacement::Later(coming))) => return self.wait(coming, request),
            Ok(None) => return EdgeFuture::calling(None, None, &mut self.inner, request),
            Err(refusal) => Err(refusal),
        };
        match replaced {
            Ok((within, replaced)) => {
                let told = self.inside.put(&mut request, &within, &replaced);
                EdgeFuture::calling(Some(within), told, &mut self.inner, request)
            }
            Err(refusal) => EdgeFuture::refused(&refusal, &request),
        }
    }
}
