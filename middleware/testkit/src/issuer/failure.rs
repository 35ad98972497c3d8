//! The ways in which an issuer answers wrongly.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Map, Value, json};
use tower_identity_core::Scopes;

use super::response::{Closed, json_response, plain};

/// What an endpoint of a [`TestIssuer`](crate::TestIssuer) does in place of the right thing.
///
/// To be out of reach altogether is [`TestIssuer::stop`](crate::TestIssuer::stop), and to be slow is
/// [`TestIssuer::hold`](crate::TestIssuer::hold).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Failure {
    /// This status, without a body.
    Status(StatusCode),
    /// 503 with `Retry-After`.
    Unavailable {
        /// In seconds.
        retry_after: u32,
    },
    /// 429 with `Retry-After`, and a problem document without an error code.
    TooManyRequests {
        /// In seconds.
        retry_after: u32,
    },
    /// An error of a token endpoint (RFC 6749 §5.2).
    Error {
        /// The status: usually 400.
        status: StatusCode,
        /// The `error`.
        code: &'static str,
    },
    /// 200 with a page for humans, as a captive portal or a proxy answers.
    Html,
    /// The right answer, with a member of one megabyte in it.
    Oversize,
    /// 302 to somewhere else.
    Redirect(String),
    /// Closes the connection without an answer.
    Close,
    /// Never answers, and keeps the connection open.
    Silence,
    /// The head and the first half of the right answer, and then closes the connection.
    BreakOff,
    /// 200 with these bytes, said to be JSON.
    Body(Bytes),
    /// The right answer, but with this value for one of its members; `null` stays `null`.
    Member(&'static str, Value),
    /// The right answer, but without one of its members.
    Without(&'static str),
    /// The right answer of an introspection endpoint, but as plain JSON, whatever was asked for.
    Plain,
    /// Grants more than was asked for: these scopes too, in the answer and in the token.
    WiderScope(Scopes),
}

impl Failure {
    /// A `token_type` that says that the token is not for presenting (RFC 8693 §2.2.1).
    #[must_use]
    pub fn wrong_token_type() -> Self {
        Self::Member("token_type", json!("N_A"))
    }

    /// An `issued_token_type` that nobody asked for.
    #[must_use]
    pub fn wrong_issued_token_type() -> Self {
        Self::Member("issued_token_type", json!("urn:ietf:params:oauth:token-type:refresh_token"))
    }

    /// A key set without keys, which is none (RFC 7517 §5).
    #[must_use]
    pub fn no_keys() -> Self {
        Self::Member("keys", json!([]))
    }

    /// The answer that is not made of the right one; `None` when it is.
    pub(super) fn instead(&self) -> Option<Result<Response<Full<Bytes>>, Closed>> {
        let with = |status, name, value: HeaderValue| {
            let mut response = plain(status, Bytes::new());
            response.headers_mut().insert(name, value);
            response
        };
        let response = match self {
            Self::Status(status) => plain(*status, Bytes::new()),
            Self::Unavailable { retry_after } => {
                with(StatusCode::SERVICE_UNAVAILABLE, header::RETRY_AFTER, HeaderValue::from(*retry_after))
            }
            Self::TooManyRequests { retry_after } => {
                let problem = json!({"type": "about:blank", "title": "Too Many Requests", "status": 429});
                let mut response = json_response(StatusCode::TOO_MANY_REQUESTS, &problem);
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*retry_after));
                response
            }
            Self::Error { status, code } => json_response(*status, &json!({ "error": code })),
            Self::Html => {
                let mut page = plain(StatusCode::OK, Bytes::from_static(b"<html><body>Please sign in</body></html>"));
                page.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
                page
            }
            Self::Redirect(to) => {
                let to = HeaderValue::try_from(to).expect("a test redirects to a URI");
                with(StatusCode::FOUND, header::LOCATION, to)
            }
            Self::Close => return Some(Err(Closed)),
            Self::Body(bytes) => {
                let mut response = plain(StatusCode::OK, bytes.clone());
                response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                response
            }
            Self::Silence
            | Self::BreakOff
            | Self::Oversize
            | Self::Member(..)
            | Self::Without(_)
            | Self::Plain
            | Self::WiderScope(_) => return None,
        };
        Some(Ok(response))
    }

    /// Spoils the right answer.
    pub(super) fn spoil(&self, members: &mut Map<String, Value>) {
        match self {
            Self::Oversize => {
                members.insert("padding".to_owned(), json!("x".repeat(1 << 20)));
            }
            Self::Member(name, value) => {
                members.insert((*name).to_owned(), value.clone());
            }
            Self::Without(name) => {
                members.remove(*name);
            }
            _ => {}
        }
    }
}
