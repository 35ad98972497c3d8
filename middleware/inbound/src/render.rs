//! The error map: from a refusal, and how the request came, to what the peer learns.
//!
//! | kind of refusal | status | challenge | `grpc-status` |
//! |---|---|---|---|
//! | `NoCredential` | 401 | without `error` | 16 |
//! | `MalformedRequest` | 400 | `invalid_request` | 16 |
//! | `InvalidToken` | 401 | `invalid_token` | 16 |
//! | `InvalidTransactionToken` | 400 | none | 16 |
//! | `InsufficientScope` | 403 | `insufficient_scope`, `scope` | 7 |
//! | `InsufficientAuthentication` | 401 | `insufficient_user_authentication`, `scope`, `acr_values`, `max_age` | 16 |
//! | the same, with [demanded claims](Refusal::demanded_claims) | 401 | `insufficient_claims`, `claims` in base64, and the others | 16 |
//! | `UnrelatedCredentials`, `Denied` | 403 | none | 7 |
//! | `Unavailable` | 503 and `Retry-After` | none | 14 |
//! | `Misconfigured`, `Internal` | 500 | none | 13 |
//! | `BadUpstream` | 502 | none | 14 |
//!
//! Over HTTP the body is a problem (RFC 9457) of type `about:blank` with the extension members `code` (the kind of
//! refusal), `correlation_id`, and `scope` where a scope is missing. Over gRPC the answer is 200 and trailers-only.
//! Neither says which check failed: that, with the same correlation id, is in the [event](crate::decision). Only in
//! [development mode](crate::danger::explain_refusals), over HTTP, a problem has the member `explanation` too.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde::Serialize;
use tower_identity_core::{Refusal, RefusalKind};
use tower_identity_verify::Explanation;

use crate::{Asked, CorrelationId, asked::Protocol, challenge::challenge, correlation::X_CORRELATION_ID};

pub(crate) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Renders a refusal for the peer: total, and the only place where a status or a challenge is chosen.
///
/// The response carries the [`Refusal`] as an extension, for outer layers that count or trace.
///
/// ```
/// use tower_identity_core::{Refusal, RefusalKind};
/// use tower_identity_inbound::{Asked, CorrelationId, render};
///
/// let refusal = Refusal::new(RefusalKind::InvalidToken, "aud").detail("expected orders, found payments");
/// let response = render::response(&refusal, &Asked::default(), CorrelationId::random());
/// assert_eq!(response.status(), 401);
/// assert_eq!(response.headers()["www-authenticate"], r#"Bearer error="invalid_token""#);
/// assert!(!String::from_utf8_lossy(response.body()).contains("payments"));
/// ```
#[must_use]
pub fn response(refusal: &Refusal, asked: &Asked, correlation: CorrelationId) -> Response<Bytes> {
    explained(refusal, asked, correlation, None)
}

/// The same with an explanation, in development mode.
pub(crate) fn explained(
    refusal: &Refusal,
    asked: &Asked,
    correlation: CorrelationId,
    explanation: Option<&Explanation>,
) -> Response<Bytes> {
    let kind = refusal.kind();
    let row = Row::of(kind);
    let mut response = match asked.protocol {
        Protocol::Http => problem(kind, &row, correlation, explanation),
        Protocol::Grpc => trailers_only("application/grpc", &row),
        Protocol::GrpcWeb => trailers_only("application/grpc-web", &row),
    };
    let headers = response.headers_mut();
    if let Some(challenge) = challenge(refusal, asked) {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    if let RefusalKind::Unavailable { retry_after } = kind {
        // Rounded up, so that nobody is invited too early, and at least a second.
        let seconds = retry_after.as_secs().saturating_add(u64::from(retry_after.subsec_nanos() > 0)).max(1);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    headers.insert(X_CORRELATION_ID, correlation.to_header_value());
    response.extensions_mut().insert(refusal.clone());
    response
}

/// A row of the error map.
struct Row {
    status: StatusCode,
    grpc_status: &'static str,
    detail: &'static str,
}

impl Row {
    fn of(kind: &RefusalKind) -> Self {
        let (status, grpc_status, detail) = match kind {
            RefusalKind::NoCredential => (StatusCode::UNAUTHORIZED, "16", "this request needs an access token"),
            RefusalKind::MalformedRequest => {
                (StatusCode::BAD_REQUEST, "16", "the request presents its credential in a malformed way")
            }
            RefusalKind::InvalidToken => (StatusCode::UNAUTHORIZED, "16", "the access token was not accepted"),
            RefusalKind::InvalidTransactionToken => {
                (StatusCode::BAD_REQUEST, "16", "the transaction token was not accepted")
            }
            RefusalKind::InsufficientScope { .. } => {
                (StatusCode::FORBIDDEN, "7", "the access token lacks a scope that this request needs")
            }
            RefusalKind::InsufficientAuthentication { .. } => {
                (StatusCode::UNAUTHORIZED, "16", "the user has to sign in again, or by stronger means")
            }
            RefusalKind::UnrelatedCredentials => {
                (StatusCode::FORBIDDEN, "7", "nothing ties the credentials of this request together")
            }
            RefusalKind::Denied => (StatusCode::FORBIDDEN, "7", "this caller may not do this"),
            RefusalKind::Unavailable { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "14", "this cannot be decided now, try again later")
            }
            RefusalKind::BadUpstream => {
                (StatusCode::BAD_GATEWAY, "14", "a service that this one depends on gave an unusable answer")
            }
            // What is not in the map is our own mistake.
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "13", "this service could not handle the request"),
        };
        Self { status, grpc_status, detail }
    }
}

/// The body of a refusal (RFC 9457).
#[derive(Serialize)]
struct ProblemBody<'a> {
    r#type: &'a str,
    title: Option<&'a str>,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    correlation_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<&'a Explanation>,
}

fn problem(
    kind: &RefusalKind,
    row: &Row,
    correlation: CorrelationId,
    explanation: Option<&Explanation>,
) -> Response<Bytes> {
    let body = ProblemBody {
        r#type: "about:blank",
        title: row.status.canonical_reason(),
        status: row.status.as_u16(),
        detail: row.detail,
        code: kind.as_str(),
        scope: match kind {
            RefusalKind::InsufficientScope { required: scope }
            | RefusalKind::InsufficientAuthentication { scope, .. } => {
                Some(scope.to_string()).filter(|scope| !scope.is_empty())
            }
            _ => None,
        },
        correlation_id: correlation.to_string(),
        explanation,
    };
    let body = serde_json::to_vec(&body).expect("strings and numbers serialize");
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = row.status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

/// A gRPC answer that is over with its headers. The message needs no percent-encoding: a test pins that.
fn trailers_only(content_type: &'static str, row: &Row) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(GRPC_STATUS, HeaderValue::from_static(row.grpc_status));
    headers.insert(GRPC_MESSAGE, HeaderValue::from_static(row.detail));
    response
}

/// The trailers of a gRPC call that goes on when its caller's credential ends: what that is refused with from then on.
pub(crate) fn ended(correlation: CorrelationId) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(3);
    trailers.insert(GRPC_STATUS, HeaderValue::from_static(Row::of(&RefusalKind::InvalidToken).grpc_status));
    trailers.insert(GRPC_MESSAGE, HeaderValue::from_static("the access token is no longer accepted"));
    trailers.insert(X_CORRELATION_ID, correlation.to_header_value());
    trailers
}
