//! Where the verifiers inside find the keys.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body_util::Full;
use tower_service::Service;

use crate::KeyRing;

/// Publishes the public keys of a [`KeyRing`] (RFC 7517 §5): the service that answers at [`PATH`](Self::PATH), `GET` and
/// `HEAD`. It says for how long one may go by the answer, which is shorter than a key waits before it signs.
///
/// For the services inside: put it on the listener that they reach. There is no secret in it.
///
/// ```
/// use axum::Router;
/// use tower_identity_edge::{KeyRing, KeySetEndpoint, Rotation};
/// use tower_identity_jose::Algorithm;
/// use tower_identity_refresh::system_clock;
///
/// let keys = KeyRing::generated(Algorithm::Es256, Rotation::default(), system_clock())?;
/// let inside: Router = Router::new().route_service(KeySetEndpoint::PATH, KeySetEndpoint::new(keys));
/// # let _ = inside;
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
#[derive(Debug, Clone)]
pub struct KeySetEndpoint(KeyRing);

impl KeySetEndpoint {
    /// Where a key set is usually looked for.
    pub const PATH: &str = "/.well-known/jwks.json";

    /// Publishes the keys of this ring.
    #[must_use]
    pub fn new(keys: KeyRing) -> Self {
        Self(keys)
    }

    fn answer(&self, method: &Method) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::default());
        if *method != Method::GET && *method != Method::HEAD {
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let document = Bytes::copy_from_slice(self.0.document().as_bytes());
        let max_age = format!("public, max-age={}", self.0.max_age().as_secs());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::try_from(max_age).expect("words and a number"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(document.len()));
        if *method == Method::GET {
            *response.body_mut() = Full::new(document);
        }
        response
    }
}

impl<B> Service<Request<B>> for KeySetEndpoint {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.answer(request.method())))
    }
}
