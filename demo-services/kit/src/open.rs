//! What is open beside what a service guards.

use axum::{
    Router,
    http::header::CONTENT_TYPE,
    routing::{get, post_service},
};
use tower_identity::{KeySetEndpoint, Outbound, Settings};

/// Adds what the settings say is open to everybody, each at its own place:
///
/// - the metadata of the table `inbound.resource`: what clients may know of the service (RFC 9728 §3);
/// - the endpoint of the table `inbound.events`, where issuers say what they revoke (RFC 8935): an event is its own proof;
/// - the key set of the table `edge`, by which services inside verify what is made there;
/// - `GET /keys`, the key set of a service that signs tokens about its users itself.
///
/// Without such a table there is nothing to know, or nobody to hear, and nothing is added.
pub fn with_open_routes(settings: &Settings, mut app: Router) -> Router {
    if let Ok(metadata) = settings.resource() {
        app = app.route_service(metadata.path(), metadata.clone());
    }
    if let Ok(events) = settings.events() {
        app = app.route(events.path(), post_service(events.clone()));
    }
    if let Ok(edge) = settings.edge() {
        app = app.route_service(KeySetEndpoint::PATH, edge.key_set());
    }
    if let Some(outbound) = settings.outbound().ok().filter(Outbound::signs) {
        let keys = move || async move { ([(CONTENT_TYPE, "application/jwk-set+json")], outbound.key_set()) };
        app = app.route("/keys", get(keys));
    }
    app
}
