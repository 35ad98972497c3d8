//! The endpoint that security events are pushed to (RFC 8935).

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER},
};
use http_body::Body;
use http_body_util::{BodyExt, Full, Limited};
use serde_json::json;
use tower_identity_core::{BoxFuture, InvalidSetting, Refusal, RefusalKind};
use tower_identity_verify::{EventReceiver, check};
use tower_service::Service;

/// Where the endpoint is unless stated.
const PATH: &str = "/security-events";

/// How long a transmitter may take to send an event.
const DEADLINE: Duration = Duration::from_secs(10);

/// The endpoint that issuers push security events to: what they revoke is refused from then on.
///
/// It is itself the service that answers at [`path`](Self::path). An event is its own proof, by its signature: so the
/// endpoint stands beside what [`AuthLayer`](crate::AuthLayer) guards, never below it, and where transmitters reach it.
///
/// | an event that | is answered by (RFC 8935 §2) |
/// |---|---|
/// | is genuine, whether it was known before or is about nobody here | 202, once it is in force |
/// | is no event token, not about a subject, of the future | 400 `invalid_request` |
/// | is signed by no key of its issuer | 400 `invalid_key` |
/// | is of an issuer that is no transmitter here | 400 `invalid_issuer` |
/// | is for another receiver | 400 `invalid_audience` |
/// | is about an issuer that its transmitter may not speak for | 400 `access_denied` |
/// | cannot be judged now, because its issuer's keys are out of reach | 503 with `Retry-After` |
///
/// Another method is 405, another content type than `application/secevent+jwt` 415, and one that is too long 413.
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_identity_inbound::{AuthLayer, SecurityEvents};
/// use tower_identity_verify::{EventReceiver, TrustedIssuer, Verifier};
///
/// let home = TrustedIssuer::discover("https://login.example.com").audience("orders");
/// let verifier = Verifier::builder(home).build()?;
/// let events = SecurityEvents::new(EventReceiver::builder(&verifier, "https://orders.example.com/events").build()?);
///
/// let app: Router = Router::new()
///     .route("/orders", get(|| async { "orders" }))
///     .layer(AuthLayer::new(verifier))
///     .route_service(events.path(), events.clone());
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
#[derive(Debug, Clone)]
pub struct SecurityEvents {
    receiver: EventReceiver,
    path: Arc<str>,
}

impl SecurityEvents {
    /// The endpoint of this receiver, at `/security-events`.
    #[must_use]
    pub fn new(receiver: EventReceiver) -> Self {
        Self { receiver, path: PATH.into() }
    }

    /// The same at another path.
    ///
    /// # Errors
    ///
    /// When it is no path: it begins with a slash, and has neither a query nor what a router would take for a pattern.
    pub fn at(mut self, path: &str) -> Result<Self, InvalidSetting> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
        if !path.starts_with('/') || !path.bytes().all(is_plain) {
            return Err(InvalidSetting::new("path", "is no path such as /security-events"));
        }
        self.path = path.into();
        Ok(self)
    }

    /// The path that this answers at.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl<B> Service<Request<B>> for SecurityEvents
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let receiver = self.receiver.clone();
        Box::pin(async move { Ok(answer(&receiver, request).await) })
    }
}

async fn answer<B>(receiver: &EventReceiver, request: Request<B>) -> Response<Full<Bytes>>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if request.method() != Method::POST {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    if !is_event(request.headers()) {
        return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let body = Limited::new(request.into_body(), receiver.max_bytes()).collect();
    let body = match receiver.clock().within(DEADLINE, body).await {
        Some(Ok(body)) => body.to_bytes(),
        Some(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return plain(StatusCode::PAYLOAD_TOO_LARGE);
        }
        Some(Err(_)) => return plain(StatusCode::BAD_REQUEST),
        None => return plain(StatusCode::REQUEST_TIMEOUT),
    };
    // What is no text is no token either, and so is its empty beginning.
    let event = std::str::from_utf8(&body).unwrap_or_default();
    match receiver.receive(event).await {
        Ok(_) => plain(StatusCode::ACCEPTED),
        Err(refusal) => refused(&refusal),
    }
}

fn is_event(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else { return false };
    let essence = only.to_str().ok().and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/secevent+jwt"))
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

/// What the transmitter learns: a code and its words, nothing of the event (RFC 8935 §2.3).
fn refused(refusal: &Refusal) -> Response<Full<Bytes>> {
    let (err, description) = match (refusal.kind(), refusal.check()) {
        (RefusalKind::Unavailable { retry_after }, _) => {
            let mut response = plain(StatusCode::SERVICE_UNAVAILABLE);
            let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
            return response;
        }
        (RefusalKind::InvalidToken, check::ISS) => ("invalid_issuer", "the issuer is no transmitter here"),
        (RefusalKind::InvalidToken, check::AUD) => ("invalid_audience", "the event is for another receiver"),
        (RefusalKind::InvalidToken, check::ALG | check::KEY | check::SIGNATURE) => {
            ("invalid_key", "no key of the issuer has signed the event")
        }
        (RefusalKind::InvalidToken, _) => ("invalid_request", "this is no event token that can be read"),
        (RefusalKind::Denied, _) => ("access_denied", "the transmitter may not speak for this issuer"),
        _ => return plain(StatusCode::INTERNAL_SERVER_ERROR),
    };
    let body = json!({"err": err, "description": description}).to_string();
    let mut response = plain(StatusCode::BAD_REQUEST);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    *response.body_mut() = Full::from(body);
    response
}
