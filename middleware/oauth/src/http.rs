//! HTTP to authorization servers, and to nobody else.
//!
//! Every request has a deadline and a cap on the answer's size, follows no redirect, uses no proxy from the
//! environment, keeps no cookies, and is never repeated below us.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER},
};
use reqwest::redirect::Policy;
use tower_identity_core::Clock;

use crate::Endpoint;

/// The most that is read of an answer, in bytes.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// How long one request may take, from connecting to the last byte of the answer.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// The longest `Retry-After` that is believed.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// The TLS side of the HTTP client could not be set up, for lack of usable root certificates for example.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be set up")]
pub struct HttpSetupError(#[source] reqwest::Error);

/// Why there is no usable answer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// No connection, a connection that broke off, or no HTTP on it.
    #[error("the server is out of reach or hung up")]
    Unreachable(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// No whole answer within the deadline.
    #[error("no answer within {} s", .after.as_secs())]
    Timeout {
        /// The deadline.
        after: Duration,
    },
    /// The answer is larger than the cap.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The cap.
        limit: usize,
    },
    /// The server redirects; nobody follows, since a redirect would choose where credentials and trust go.
    #[error("the server redirects ({status}), which is not followed")]
    Redirected {
        /// The status.
        status: StatusCode,
    },
    /// Another status than 200.
    #[error("the server answers {status}")]
    Status {
        /// The status.
        status: StatusCode,
        /// `Retry-After` in seconds, at most [`MAX_RETRY_AFTER`].
        retry_after: Option<Duration>,
    },
}

impl FetchError {
    /// Whether the same request may well succeed a little later: the server is out of reach, slow, overloaded or
    /// broken. Everything else needs somebody to act.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Timeout { .. } => true,
            Self::Status { status, .. } => is_transient(*status),
            Self::TooLarge { .. } | Self::Redirected { .. } => false,
        }
    }

    /// When the server wants to be asked again, if it says so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

pub(crate) fn is_transient(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}

/// A document that was fetched with status 200.
#[derive(Debug, Clone)]
pub struct Fetched {
    body: Bytes,
    max_age: Option<Duration>,
}

impl Fetched {
    /// The document.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// How long the server lets the document be kept (RFC 9111 §5.2.2): zero for `no-store` and `no-cache`, `None`
    /// when it says nothing. Not clamped.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        self.max_age
    }
}

/// What a form was answered with: any status but a redirect.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
}

/// An HTTP client for authorization servers. Cheap to clone; the clones share connections.
///
/// ```
/// use tower_identity_oauth::Http;
/// use tower_identity_refresh::system_clock;
///
/// let http = Http::new(system_clock())?; // needs no runtime and no server that is up
/// # Ok::<(), tower_identity_oauth::HttpSetupError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
    clock: Clock,
}

impl Http {
    /// A client that measures its deadlines by this clock.
    ///
    /// # Errors
    ///
    /// [`HttpSetupError`] when TLS cannot be set up.
    pub fn new(clock: Clock) -> Result<Self, HttpSetupError> {
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(DEADLINE)
            .build()
            .map_err(HttpSetupError)?;
        Ok(Self { client, clock })
    }

    /// The clock that deadlines are measured by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Fetches a JSON document: metadata, or a key set. Sends no credentials.
    ///
    /// # Errors
    ///
    /// [`FetchError`], also for every status but 200.
    pub async fn get_json_bytes(&self, from: &Endpoint) -> Result<Fetched, FetchError> {
        let request = self.client.get(from.url().clone()).header(ACCEPT, "application/json");
        let (answer, headers) = self.send(request).await?;
        if answer.status != StatusCode::OK {
            return Err(FetchError::Status { status: answer.status, retry_after: answer.retry_after });
        }
        Ok(Fetched { body: answer.body, max_age: max_age(&headers) })
    }

    /// Posts a form, with the client's credentials in it or in the `Authorization` header. Whatever the status, the
    /// body is the answer: a failure has one too (RFC 6749 §5.2).
    pub(crate) async fn post_form(
        &self,
        to: &Endpoint,
        authorization: Option<&HeaderValue>,
        form: String,
    ) -> Result<Answer, FetchError> {
        let mut request = self
            .client
            .post(to.url().clone())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form);
        if let Some(credentials) = authorization {
            request = request.header(AUTHORIZATION, credentials);
        }
        self.send(request).await.map(|(answer, _)| answer)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<(Answer, HeaderMap), FetchError> {
        let exchange = async {
            let mut response = request.send().await.map_err(unreachable)?;
            let status = response.status();
            if status.is_redirection() {
                return Err(FetchError::Redirected { status });
            }
            let body = read_capped(&mut response).await?;
            let headers = std::mem::take(response.headers_mut());
            Ok((Answer { status, retry_after: retry_after(&headers), body }, headers))
        };
        let out_of_time = self.clock.sleep(DEADLINE);
        before(out_of_time, exchange).await.unwrap_or(Err(FetchError::Timeout { after: DEADLINE }))
    }
}

/// Reads the body, and stops at the cap: at once where the length is announced, else at the chunk that exceeds it.
async fn read_capped(response: &mut reqwest::Response) -> Result<Bytes, FetchError> {
    let too_large = FetchError::TooLarge { limit: MAX_BODY_BYTES };
    let announced = response.content_length().unwrap_or_default();
    if announced > MAX_BODY_BYTES as u64 {
        return Err(too_large);
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(too_large);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// The URL is left out: whoever reports the error names the server, and a query may hold anything.
fn unreachable(error: reqwest::Error) -> FetchError {
    FetchError::Unreachable(Arc::new(error.without_url()))
}

/// The future's output, or `None` when the other one is ready first.
async fn before<T>(end: impl Future<Output = ()>, work: impl Future<Output = T>) -> Option<T> {
    let (mut end, mut work) = (pin!(end), pin!(work));
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => end.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// `Retry-After` in its form of seconds (RFC 9110 §10.2.3); a date is not read.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut max_age = None;
    for directive in values.flat_map(|value| value.split(',')).map(str::trim) {
        let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
        if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
            return Some(Duration::ZERO);
        }
        if name.eq_ignore_ascii_case("max-age") {
            max_age = argument.trim_matches('"').parse().ok().map(Duration::from_secs);
        }
    }
    max_age
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &http::HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn jwks_a1_cache_control_is_read_and_forbidding_wins() {
        let seconds = |n| Some(Duration::from_secs(n));
        let cases: [(&[&'static str], Option<Duration>); 9] = [
            (&["max-age=300"], seconds(300)),
            (&["public, Max-Age=300"], seconds(300)),
            (&["public", "max-age=\"20\""], seconds(20)),
            (&["max-age=300, no-store"], seconds(0)),
            (&["no-cache"], seconds(0)),
            (&["no-cache=\"set-cookie\""], seconds(0)),
            (&["s-maxage=300"], None),
            (&["max-age=soon"], None),
            (&[], None),
        ];
        for (values, expected) in cases {
            assert_eq!(max_age(&headers(&CACHE_CONTROL, values)), expected, "{values:?}");
        }
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_capped() {
        let cases = [
            ("7", Some(7)),
            ("0", Some(0)),
            ("3600", Some(60)),
            ("Wed, 21 Oct 2026 07:28:00 GMT", None),
            ("-1", None),
            ("1.5", None),
        ];
        for (value, expected) in cases {
            assert_eq!(retry_after(&headers(&RETRY_AFTER, &[value])), expected.map(Duration::from_secs), "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
