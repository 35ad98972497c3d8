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
    ForwardedCertificate, ResourceMetadata, Source, Sources, Streams,
    cross_site::CrossSite,
    danger::Development,
    decision::Stage,
    edge::{AtEdge, Edge, Inside},
    plain_user::PlainUser,
    unenforced::Unenforced,
};

pub use self::{certified::ClientCertificate, future::AuthFuture, service::AuthService};

mod certified;
mod future;
mod named;
mod observing;
mod plain;
mod service;
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

    /// Reads the caller's credential from these places, instead of `Authorization` alone.
    ///
    /// A request presents it in one of them: in two of them it is refused (400), and so is one that stands in its place
    /// twice or is outside the grammar. The field or the cookie that carried it does not go on to the handler; other
    /// cookies do. `Authorization` never goes on, source or not.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tower_identity_inbound::{AuthLayer, Source};
    /// use tower_identity_verify::{TrustedIssuer, Verifier};
    ///
    /// let home = TrustedIssuer::discover("https://login.example.com").audience("orders");
    /// let layer = AuthLayer::new(Verifier::builder(home).build()?)
    ///     .sources([Source::authorization(), Source::cookie("__Host-session")?])?
    ///     .allowed_origins(["https://shop.example.com"])?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] for the field `sources`: there is none, one is named twice, or it is the
    /// [user's](Self::user_source); for `forwarded_certificate.header`: it is one of them.
    pub fn sources(self, sources: impl IntoIterator<Item = Source>) -> Result<Self, InvalidSetting> {
        let sources = Sources::of(sources)?;
        let sources = match self.settings.sources.user().cloned() {
            Some(user) => sources.with_user(user)?,
            None => sources,
        };
        let sources = sources.with_transaction(self.settings.sources.transaction().cloned())?;
        apart(&sources, self.settings.forwarded.as_deref())?;
        Ok(self.with(|settings| settings.sources = sources))
    }

    /// Reads the user's own credential from this place, beside the caller's: both are verified and related
    /// ([`Verifier::pair`]).
    ///
    /// The caller's may come without it, and then stands for the caller [alone](Verifier::alone); the user's never comes
    /// without the caller's (401).
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] for the field `user_source`: it is one of the [caller's](Self::sources), or the caller's
    /// credential is a [certificate](Self::client_certificate); for `forwarded_certificate.header`: it is the same field.
    pub fn user_source(self, source: Source) -> Result<Self, InvalidSetting> {
        if self.settings.client_certificate.is_some() {
            return Err(three_credentials());
        }
        let sources = self.settings.sources.clone().with_user(source)?;
        apart(&sources, self.settings.forwarded.as_deref())?;
        Ok(self.with(|settings| settings.sources = sources))
    }

    /// Takes the client certificate of the connection for the caller's credential, as far as the verifier
    /// [trusts](tower_identity_verify::VerifierBuilder::certificates) it. What the [sources](Self::sources) hold is then that
    /// of the caller's user, or a token of the caller's own, and related to the certificate
    /// ([`Verifier::certificate_and_token`]):
    ///
    /// | certificate | token | |
    /// |---|---|---|
    /// | good | none | the workload, for itself and alone: no scopes, and a user on no route |
    /// | good | a user's that names this workload | the workload for this user, with the token's rights |
    /// | good | the workload's own, without a user | the workload, with the token's rights |
    /// | good | any other good one | 403: nothing ties the two |
    /// | bad: of another authority, ended, not of a client, without its name | any, or none | 401, check `certificate`: never taken for none |
    /// | none | any | where it is required 401, check `certificate`; else the token alone is judged |
    /// | none | none | 401, or anonymous where the layer is [optional](Self::optional) |
    ///
    /// Certificates are those of [`Connection`](crate::Connection), which the acceptor puts into every request, and which is
    /// missed loudly (500). Without this setting nobody looks at them.
    ///
    /// A browser sends a certificate whoever made it ask, and so a certificate alone is guarded as a cookie is
    /// ([`allowed_origins`](Self::allowed_origins)).
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] for the field `client_certificate`: the verifier trusts nobody's; for `user_source`: there is
    /// [one](Self::user_source), and three credentials are no statement.
    pub fn client_certificate(self, wanted: ClientCertificate) -> Result<Self, InvalidSetting> {
        if self.settings.verifier.certificate_issuers().next().is_none() {
            return Err(InvalidSetting::new("client_certificate", "needs certificates: whose are trusted"));
        }
        if self.settings.sources.user().is_some() {
            return Err(three_credentials());
        }
        Ok(self.with(|settings| settings.client_certificate = Some(wanted)))
    }

    /// Takes a proxy's word for which certificate the caller has, in this field and from these peers alone: see
    /// [`ForwardedCertificate`]. What is made of it is as of a certificate of the connection: it is the caller's credential
    /// where [`client_certificate`](Self::client_certificate) says so, and what a token may be bound to (RFC 8705 §3) in any
    /// case. A connection of anybody else is judged by its own certificate as ever.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] for the field `forwarded_certificate`: in `header`, it is one of the [sources](Self::sources); in
    /// `peers`, a proxy is known by its certificate, and the verifier trusts nobody's.
    pub fn forwarded_certificate(self, forwarded: ForwardedCertificate) -> Result<Self, InvalidSetting> {
        let known = forwarded.known_to(&self.settings.verifier);
        known.map_err(|wrong| wrong.within("forwarded_certificate"))?;
        apart(&self.settings.sources, Some(&forwarded))?;
        Ok(self.with(|settings| settings.forwarded = Some(Arc::new(forwarded))))
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

    /// What [`danger::plain_user`](crate::danger::plain_user) allows.
    pub(crate) fn hearing(self, field: PlainUser) -> Result<Self, InvalidSetting> {
        if self.settings.sources.all().any(|source| source.field() == Some(field.field())) {
            return Err(InvalidSetting::new("plain_user_header", "is a field that a credential is looked for in"));
        }
        Ok(self.with(|settings| settings.plain_user = Some(field)))
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        let settings = Arc::make_mut(&mut self.settings);
        change(settings);
        settings.settle();
        self
    }
}

/// A field holds a token or a certificate.
fn apart(sources: &Sources, forwarded: Option<&ForwardedCertificate>) -> Result<(), InvalidSetting> {
    let is_a_source =
        |forwarded: &ForwardedCertificate| sources.all().any(|source| source.field() == Some(forwarded.header()));
    match forwarded {
        Some(forwarded) if is_a_source(forwarded) => {
            Err(InvalidSetting::new("header", "is a source of tokens too").within("forwarded_certificate"))
        }
        _ => Ok(()),
    }
}

fn three_credentials() -> InvalidSetting {
    InvalidSetting::new("user_source", "beside client_certificate the user's credential is in sources")
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
