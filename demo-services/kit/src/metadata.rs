//! What clients may know of a service before they have a token.

use axum::Router;
use tower_identity::Settings;

/// Adds the metadata of the settings' table `inbound.resource` at its place, open to everybody (RFC 9728 §3). Without
/// such a table there is nothing to know, and nothing is added.
pub fn with_metadata(settings: &Settings, app: Router) -> Router {
    match settings.resource() {
        Ok(metadata) => app.route_service(metadata.path(), metadata.clone()),
        Err(_) => app,
    }
}
