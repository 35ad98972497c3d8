//! The authority's routes, and running it.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderValue, header},
    middleware::map_response,
    response::Response,
    routing::{get, post},
};
use demo_kit::{Listener, Serving, StartError, Stop, serve};
use tower_identity::{Settings, system_clock};

use crate::{Authority, introspect, metadata, revoke, sign_in, sign_out, slow, token};

/// Room for a form with a subject and an actor token of the largest size, percent-encoded.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The authority's routes, for a listener on this address.
///
/// Must be served with the peer's address ([`ConnectInfo`](axum::extract::ConnectInfo)), which the development sign-in
/// judges by. Where the listener is not on loopback, there is no development sign-in.
///
/// ```
/// use std::{path::Path, sync::Arc};
///
/// use demo_authority::{Authority, AuthoritySettings, app};
///
/// let settings: AuthoritySettings = serde_json::from_str(
///     r#"{
///         "issuer": "https://login.example.com",
///         "users": ["alice"],
///         "client": [{ "id": "orders", "audience": ["orders"], "client_secret": "sixteen bytes, or more" }]
///     }"#,
/// )?;
/// let authority = Authority::new(settings, Path::new(""), tower_identity::system_clock())?;
/// let app = app(Arc::new(authority), "127.0.0.1:7000".parse()?);
/// # let _ = app;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn app(authority: Arc<Authority>, listening_on: SocketAddr) -> Router {
    let places = &authority.places;
    let mut secret = Router::new().route(&places.token_path(), post(token::token));
    if let Some(path) = places.introspection_path() {
        secret = secret.route(&path, post(introspect::introspect));
    }
    if let Some(sign_in) = authority.sign_in.as_ref().filter(|_| listening_on.ip().is_loopback()) {
        secret = secret
            .route("/dev/sign-in", post(sign_in::sign_in))
            .route("/dev/revoke", post(revoke::revoke))
            .route("/dev/slow", post(slow::slow));
        if sign_in.cookie.is_some() {
            secret = secret.route("/dev/sign-out", post(sign_out::sign_out));
        }
    }
    let public = Router::new().route(&places.keys_path(), get(metadata::jwks));
    let public = places.metadata_paths().fold(public, |public, path| public.route(&path, get(metadata::metadata)));
    public
        .merge(secret.layer(map_response(no_store)))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(authority)
}

/// Answers that hold a token, tell of one, or say why there is none, are kept by nobody (RFC 6749 §5.1).
async fn no_store(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The authority of the settings' table `authority`, which connects by their table `tls` where there is one.
///
/// # Errors
///
/// [`StartError::Settings`] names the line of what is wrong.
pub fn of_settings(settings: &Settings) -> Result<Authority, StartError> {
    let (tls, directory) = (settings.client_tls(), settings.beside(""));
    let authority = settings.section("authority")?;
    let authority = Authority::connecting_by(tls.as_ref(), authority, &directory, system_clock());
    Ok(authority.map_err(|invalid| settings.refuse(&invalid.within("authority")))?)
}

/// Checks the settings' table `authority` now, and serves the listener when the future is awaited.
///
/// # Errors
///
/// [`StartError::Settings`] names the line of what is wrong.
pub fn run(settings: &Settings, listener: Listener, stop: Stop) -> Result<Serving, StartError> {
    let authority = of_settings(settings)?;
    Ok(Box::pin(async move {
        let app = app(Arc::new(authority), listener.local_addr()?);
        serve(listener, app, stop).await
    }))
}
