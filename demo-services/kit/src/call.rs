//! Calling the next service, and what its errors become.

use std::time::Duration;

use axum::http::{StatusCode, header};
use reqwest::{Client, Response};
use tower_identity::{HttpClient, Refusal, RefusalKind, Settings};

use crate::StartError;

/// How long a service waits for the next one.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait for a service that is unavailable and does not say for how long.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The client that every call to another service is made with: it attaches the credential of each target in the
/// settings, and sends nothing to anybody else.
///
/// # Errors
///
/// [`StartError`] when the settings have no table `outbound`, or the client cannot be built.
pub fn http_client(settings: &Settings) -> Result<HttpClient, StartError> {
    let builder = Client::builder().timeout(TIMEOUT).connect_timeout(TIMEOUT);
    Ok(settings.outbound()?.reqwest(builder)?)
}

/// A service that was called answered with an error.
///
/// To our own caller it is 503 where the service was unavailable, and 502 for any other reason: what went wrong there
/// is not theirs to set right.
#[derive(Debug, thiserror::Error)]
#[error("{service} answered {status}")]
pub struct Unsuccessful {
    service: &'static str,
    status: StatusCode,
    #[source]
    refusal: Refusal,
}

/// The answer of a service, if it is a success.
///
/// # Errors
///
/// [`Unsuccessful`] when it is not.
pub fn successful(service: &'static str, answer: Response) -> Result<Response, Unsuccessful> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let kind = if status == StatusCode::SERVICE_UNAVAILABLE {
        let seconds = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        RefusalKind::Unavailable { retry_after: seconds.map_or(RETRY_AFTER, Duration::from_secs) }
    } else {
        RefusalKind::BadUpstream
    };
    Err(Unsuccessful { service, status, refusal: Refusal::new(kind, "downstream") })
}
