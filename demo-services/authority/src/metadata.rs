//! What the authority says about itself: metadata (RFC 8414, OpenID Connect Discovery 1.0) and keys (RFC 7517 §5).

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderName, header},
    response::IntoResponse,
};
use serde::Serialize;
use tower_identity::Issuer;
use tower_identity_jose::{Algorithm, public_key_set};

use crate::{
    authenticate::ASSERTION_ALGORITHMS,
    authority::Authority,
    dialect::Grants,
    grant::JWT,
    token::{CLIENT_CREDENTIALS, JWT_BEARER, TOKEN_EXCHANGE},
};

/// How long metadata and keys may be cached.
const CACHE_CONTROL: (HeaderName, &str) = (header::CACHE_CONTROL, "public, max-age=300");

const AUTH_METHODS: [&str; 2] = ["client_secret_basic", "private_key_jwt"];

/// One document for both well-known locations, so that they cannot disagree. Members without values are left out.
#[derive(Serialize)]
struct Metadata {
    issuer: Issuer,
    token_endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    introspection_endpoint: Option<String>,
    jwks_uri: String,
    /// Entra ID says nothing of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    grant_types_supported: Vec<&'static str>,
    token_endpoint_auth_methods_supported: [&'static str; 2],
    token_endpoint_auth_signing_alg_values_supported: [Algorithm; ASSERTION_ALGORITHMS.len()],
    #[serde(skip_serializing_if = "Option::is_none")]
    introspection_endpoint_auth_methods_supported: Option<[&'static str; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    introspection_endpoint_auth_signing_alg_values_supported: Option<[Algorithm; ASSERTION_ALGORITHMS.len()]>,
    subject_types_supported: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    identity_chaining_requested_token_types_supported: Option<[&'static str; 1]>,
}

/// `GET` of the metadata, wherever it is looked for.
pub(crate) async fn metadata(State(authority): State<Arc<Authority>>) -> impl IntoResponse {
    let (issuer, places) = (&authority.issuer, &authority.places);
    let introspection = places.introspection_endpoint();
    let asks = introspection.is_some();
    let redeems = (!authority.trusted.is_empty()).then_some(JWT_BEARER);
    let (grant_types, subjects) = match authority.dialect.grants {
        Grants::Exchange { .. } => {
            ([CLIENT_CREDENTIALS, TOKEN_EXCHANGE].into_iter().chain(redeems).collect(), "public")
        }
        Grants::OnBehalfOf => (Vec::new(), "pairwise"),
    };
    let chains = authority.dialect.chains() && !authority.policy.grants.is_empty();
    let document = Json(Metadata {
        issuer: issuer.clone(),
        token_endpoint: places.token_endpoint(),
        introspection_endpoint: introspection,
        jwks_uri: places.keys(),
        grant_types_supported: grant_types,
        token_endpoint_auth_methods_supported: AUTH_METHODS,
        token_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
        introspection_endpoint_auth_methods_supported: asks.then_some(AUTH_METHODS),
        introspection_endpoint_auth_signing_alg_values_supported: asks.then_some(ASSERTION_ALGORITHMS),
        subject_types_supported: [subjects],
        identity_chaining_requested_token_types_supported: chains.then_some([JWT]),
    });
    ([CACHE_CONTROL], document)
}

/// `GET` of the keys.
pub(crate) async fn jwks(State(authority): State<Arc<Authority>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/jwk-set+json"), CACHE_CONTROL], public_key_set([&authority.key]))
}
