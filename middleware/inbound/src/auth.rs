//! Authenticates every request: a layer, its service, and their future.
//!
//! What it refuses, it answers itself; what it lets through carries an [`Inbound`](crate::Inbound), no credential any
//! more, and runs in the caller's [ambient scope](tower_identity_core::ambient). It stands outside of every
//! [`RequireLayer`](crate::RequireLayer) and handler that asks for the caller, and inside of whatever must see
//! refusals too: tracing, metrics, response headers.

use std::{marker::PhantomData, sync::Arc};

use tower_identity_core::InvalidSetting;
use tower_identity_refresh::Upkeep;
use tower_identity_verify::Verifier;
use tower_layer::Layer;

use self::settings::Settings;
use crate::{
    ResourceMetadata, Streams,
    cross_site::CrossSite,
    danger::Development,
    decision::Stage,
    edge::{AtEdge, Edge, Inside},
    unenforced::Unenforced,
};

pub use self::{certified::ClientCertificate, future::AuthFuture, service::AuthService};

mod certified;
mod credentials;
mod future;
mod named;
mod observing;
mod plain;
mod service;
mod sessions;
mod settings;
#[cfg(feature = "transaction-tokens")]
mod transactions;

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
#[derive(Debug)]
pub struct AuthLayer<P = Inside> {
    /// Shared, because a server clones the service for every connection or request.
    settings: Arc<Settings>,
    place: PhantomData<P>,
}

impl AuthLayer {
    /// Requires every request to present a credential that the verifier accepts.
    #[must_use]
    pub fn new(verifier: Verifier) -> Self {
        Self { settings: Arc::new(Settings::new(verifier)), place: PhantomData }
    }
}

impl<P> AuthLayer<P> {
    /// Lets requests through that present no credential, as [`Inbound::Anonymous`](crate::Inbound::Anonymous).
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

    /// Lets pages of these origins send requests with a cookie for a credential; by default pages of this very origin do,
    /// and no others.
    ///
    /// A browser sends a cookie whoever made it ask. So where a credential came by cookie, a request by a method that
    /// changes things, and every handshake (`Upgrade`, or `CONNECT` over HTTP/2: a WebSocket's is a `GET` that brings the
    /// cookies) has to come from this origin or one of these, by what the browser says in `Sec-Fetch-Site` and `Origin`;
    /// else it is refused (403, check `cross_site`) before the credential is looked at. What comes by another source needs
    /// no such guard, and has none. `GET`, `HEAD` and `OPTIONS` pass: keep their handlers from changing anything.
    ///
    /// Where a browser sends no `Sec-Fetch-Site`, as none did before 2019, not all before 2023, and none does over
    /// plaintext, its `Origin` has to name the host that was asked. The schemes are compared where ours is known to be
    /// `https`: an HTTP/2 request says so in its URI, or every cookie among the sources is named `__Host-` or `__Secure-`,
    /// which browsers send over TLS alone. Then an `http` origin is another one, unless it is allowed by name. Elsewhere a
    /// page that somebody on the network puts at `http` and our host passes in such a browser: name the cookie so, and
    /// answer with `Strict-Transport-Security` (RFC 6797).
    ///
    /// Proxies in front must leave `Host`, `Origin` and `Sec-Fetch-Site` as they are. That a page may *read* the answer is
    /// another matter, and CORS's: name its origin in both.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] for the field `allowed_origins`, with its place in the list: one is not written as a browser
    /// writes it, in small letters and without path, final slash or default port.
    pub fn allowed_origins<I>(self, origins: I) -> Result<Self, InvalidSetting>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let cross_site = CrossSite::allowing(origins)?;
        Ok(self.with(|settings| settings.cross_site = cross_site))
    }

    /// Takes away what requests from outside say of an identity and nobody there may say, in headers and trailers and in
    /// every spelling: see [`edge`](crate::edge). For the first service that external requests reach, and for no other.
    ///
    /// Nobody outside has a transaction token: here they are taken away like the rest, and none is read, whatever else was
    /// said.
    ///
    /// The service within gets its bodies as [`EdgeBody`](crate::EdgeBody).
    #[must_use]
    pub fn edge(self) -> AuthLayer<AtEdge> {
        self.edge_if(true)
    }

    /// [`edge`](Self::edge), where that is a setting: the type is the same either way.
    #[must_use]
    pub fn edge_if(self, at_the_edge: bool) -> AuthLayer<AtEdge> {
        let layer = self.with(|settings| match at_the_edge {
            true => settings.stand_at_the_edge(Edge::default),
            false => settings.edge = None,
        });
        AuthLayer { settings: layer.settings, place: PhantomData }
    }

    /// Decides what becomes of a stream that is still going on when its caller's credential ends. By default it
    /// [ends](Streams::End) too.
    #[must_use]
    pub fn streams(self, streams: Streams) -> Self {
        self.with(|settings| settings.streams = streams)
    }

    /// Judges every request as it would, tells what it decided, by the same [event](crate::decision) with
    /// `enforced=false`, and changes nothing: it refuses nothing, takes nothing away, leaves no caller, and keeps no
    /// request waiting: what is answered before the issuer's keys are there, as in the first moment of a service, is told
    /// as `unavailable` by the check `observe`. To watch a configuration before it counts.
    ///
    /// So is what is answered before it is known what an opaque token stands for. What its issuer says
    /// ([`TrustedIssuer::opaque`]) is remembered even so, and decides the next request. A store of split tokens
    /// ([`TrustedIssuer::split`]) is asked on every request, and no longer than its answer takes: behind one that does not
    /// find them at once, only requests that take longer than the store are decided. A store that panics is told as
    /// `internal`, and the request goes on.
    ///
    /// A [`RequireLayer`](crate::RequireLayer) further in can observe too, and is then asked about the requests that this
    /// layer would have let through. One that enforces, and every extractor, finds no caller and answers 500: what is
    /// observed is not authenticated. An observing layer stands outside of one that enforces, which takes the credential.
    ///
    /// Every such layer is counted by the gauge [`UNENFORCED`](crate::decision::UNENFORCED).
    ///
    /// [`TrustedIssuer::opaque`]: tower_identity_verify::TrustedIssuer::opaque
    /// [`TrustedIssuer::split`]: tower_identity_verify::TrustedIssuer::split
    #[must_use]
    pub fn observe(self) -> Self {
        self.with(|settings| {
            if settings.unenforced.is_none() {
                settings.passed = settings.passed.unenforced();
                settings.unenforced = Some(Arc::new(Unenforced::new(Stage::Authentication)));
            }
        })
    }

    /// Begins this work with the first request, where it is not under way, and holds on to it: what puts other settings in
    /// the place of the verifier's lasts for as long as the layer and its services do.
    #[must_use]
    pub fn kept_by(self, upkeep: Arc<Upkeep>) -> Self {
        self.with(|settings| settings.upkeep = Some(upkeep))
    }

    /// What [`danger::explain_refusals`](crate::danger::explain_refusals) allows.
    pub(crate) fn explaining(self) -> Self {
        self.with(|settings| settings.development = Some(Development(settings.verifier.clone())))
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        let settings = Arc::make_mut(&mut self.settings);
        change(settings);
        settings.settle();
        self
    }
}

impl AuthLayer<AtEdge> {
    /// Takes these away too, at the [edge](AuthLayer::edge): names, and beginnings of names with a `*` at their end, such
    /// as `x-acme-*`. Of a layer that is not at the edge it makes one that is.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] for the field `edge_also`, with its place in the list: it is no such name, or of what the message
    /// itself needs, such as `host` or `content-*`.
    pub fn edge_also<I>(self, names: I) -> Result<Self, InvalidSetting>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let edge = self.settings.edge.as_deref().cloned().unwrap_or_else(Edge::default).and(names)?;
        Ok(self.with(|settings| {
            settings.edge = None;
            settings.stand_at_the_edge(|| edge);
        }))
    }
}

impl<P> Clone for AuthLayer<P> {
    fn clone(&self) -> Self {
        Self { settings: Arc::clone(&self.settings), place: PhantomData }
    }
}

impl<S, P> Layer<S> for AuthLayer<P> {
    type Service = AuthService<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        AuthService::new(inner, Arc::clone(&self.settings))
    }
}
