//! Requests that another site makes a browser send, with the cookies of this one (cross-site request forgery).

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{CONNECTION, HOST, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE},
    uri::Scheme,
};
use tower_http::csrf::{CsrfLayer, ProtectionError};
use tower_identity_core::{InvalidSetting, Refusal, RefusalKind};
use tower_layer::Layer;
use tower_service::Service;

const CHECK: &str = "cross_site";

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Which requests with a cookie for a credential may come from where: by `Sec-Fetch-Site`, which a browser writes and no
/// page can, and where there is none by `Origin`. One that has neither is of no browser that would need guarding.
#[derive(Debug, Clone, Default)]
pub(crate) struct CrossSite(CsrfLayer);

impl CrossSite {
    /// Lets these other origins through, each as a browser writes it.
    pub(crate) fn allowing<I>(origins: I) -> Result<Self, InvalidSetting>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let allow = |layer: CsrfLayer, (at, origin): (usize, I::Item)| {
            let wrong = |rule: String| InvalidSetting::new(at, rule).within("allowed_origins");
            let layer = layer.add_trusted_origin(origin.as_ref()).map_err(|error| wrong(error.to_string()))?;
            match as_browsers_write(origin.as_ref()) {
                Some(written) if written == origin.as_ref() => Ok(layer),
                Some(written) => Err(wrong(format!("matches nothing: a browser writes {written}"))),
                None => Err(wrong("is no origin".to_owned())),
            }
        };
        origins.into_iter().enumerate().try_fold(CsrfLayer::new(), allow).map(Self)
    }

    /// Refuses what another site may have sent: by an unsafe method, or to open a connection of another protocol, whose
    /// handshake is a `GET` that no preflight announces and whose messages nobody checks again (RFC 6455 §10.2).
    ///
    /// An `http` origin is another than this one where we are `reached_by_tls`, or the request says that it came by `https`
    /// (RFC 6454 §4). The guard itself compares hosts alone.
    pub(crate) fn check<B>(&self, request: &Request<B>, reached_by_tls: bool) -> Result<(), Refusal> {
        if is_safe(request.method()) && !is_handshake(request.headers()) {
            return Ok(());
        }
        let mut probe = Request::new(());
        // It passes what is safe by its method alone.
        *probe.method_mut() = Method::POST;
        let is_https = reached_by_tls || request.uri().scheme() == Some(&Scheme::HTTPS);
        // Without a host of ours its origin is one of those that are allowed by name, or a stranger's.
        let names_our_host = !(is_https && request.headers().get(ORIGIN).is_some_and(is_of_plaintext));
        if names_our_host {
            *probe.uri_mut() = request.uri().clone();
        }
        for name in [HOST, ORIGIN, SEC_FETCH_SITE] {
            let mut values = request.headers().get_all(&name).iter();
            if let Some(value) = values.next().filter(|_| names_our_host || name != HOST) {
                probe.headers_mut().insert(&name, value.clone());
            }
            if values.next().is_some() {
                return Err(refused().detail(format!("more than one field {name}")));
            }
        }
        let answer = pin!(self.0.layer(Pass).call(probe)).poll(&mut Context::from_waker(Waker::noop()));
        match answer {
            Poll::Ready(Ok(response)) if response.status() == StatusCode::OK => Ok(()),
            Poll::Ready(Ok(response)) => Err(match response.extensions().get::<ProtectionError>() {
                Some(error) => refused().caused_by(error.clone()),
                None => refused(),
            }),
            Poll::Pending => Err(refused()),
        }
    }
}

fn refused() -> Refusal {
    Refusal::new(RefusalKind::Denied, CHECK)
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Over HTTP/1.1; over HTTP/2 it is a `CONNECT` (RFC 8441), and not safe. A proxy that asks about one may leave out what is of its
/// connection (RFC 9110 §7.6.1), and hands on what only a handshake has (RFC 6455 §4.1).
fn is_handshake(headers: &HeaderMap) -> bool {
    let is_upgrade = |option: &[u8]| option.trim_ascii().eq_ignore_ascii_case(b"upgrade");
    [UPGRADE, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION].iter().any(|name| headers.contains_key(name))
        || headers.get_all(CONNECTION).iter().any(|field| field.as_bytes().split(|byte| *byte == b',').any(is_upgrade))
}

fn is_of_plaintext(origin: &HeaderValue) -> bool {
    origin.as_bytes().get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"http:"))
}

/// In small letters, and without the port that the scheme has anyway (RFC 6454 §6.2).
fn as_browsers_write(origin: &str) -> Option<String> {
    let uri: Uri = origin.parse().ok()?;
    let (scheme, host) = (uri.scheme_str()?, uri.host()?.to_ascii_lowercase());
    let port = uri.port_u16().filter(|port| (scheme, *port) != ("https", 443) && (scheme, *port) != ("http", 80));
    Some(port.map_or_else(|| format!("{scheme}://{host}"), |port| format!("{scheme}://{host}:{port}")))
}

/// Where the guard sends what it lets through.
#[derive(Debug, Clone)]
struct Pass;

impl Service<Request<()>> for Pass {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(())))
    }
}
