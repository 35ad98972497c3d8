//! Calling the next service.

use std::time::Duration;

use reqwest::Client;
use tower_identity::{HttpClient, Settings};

use crate::StartError;

/// How long a service waits for the next one.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// The client that every call to another service is made with: it attaches the credential of each target in the
/// settings, and sends nothing to anybody else. It connects by their table `tls`, where there is one. The next service's log says
/// by this name who called.
///
/// # Errors
///
/// [`StartError`] when the settings have no table `outbound`, or the client cannot be built.
pub fn http_client(name: &'static str, settings: &Settings) -> Result<HttpClient, StartError> {
    let builder = Client::builder().user_agent(name).timeout(CALL_TIMEOUT).connect_timeout(CALL_TIMEOUT);
    let tls = settings.client_tls();
    let builder = tls.iter().fold(builder, |builder, tls| builder.tls_backend_preconfigured(tls.config()));
    Ok(settings.outbound()?.reqwest(builder)?)
}
