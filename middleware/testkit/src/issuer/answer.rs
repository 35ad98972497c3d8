//! From a request to an answer, right or wrong.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use serde_json::{Map, Value, json};
use tower_identity_core::CertificateThumbprint;

use super::{
    Endpoint, Failure, TokenCall, assertion, grant, introspection, key_set,
    response::{Closed, Sent, broken_off, json_response},
    state::Shared,
};

/// Answers one request: counts it, waits while the endpoint is held, and then does what the test asked for.
pub(super) async fn answer(
    shared: Arc<Shared>,
    shown: Option<CertificateThumbprint>,
    request: Request<Incoming>,
) -> Result<Response<Sent>, Closed> {
    let (parts, body) = request.into_parts();
    let at = |endpoint: &Endpoint| endpoint.path(&shared.path) == parts.uri.path();
    let Some(endpoint) = Endpoint::ALL.into_iter().find(at) else {
        return Ok(json_response(StatusCode::NOT_FOUND, &json!({"error": "not_found"})).map(Either::Left));
    };
    let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
    let is_posted_to = matches!(endpoint, Endpoint::Token | Endpoint::Introspection);
    let call = is_posted_to.then(|| TokenCall::read(&shared, &parts.headers, &body, shown));
    match endpoint {
        Endpoint::Introspection => introspection::record(&shared, call.clone()),
        _ => shared.state().calls.extend(call.clone()),
    }
    shared.arrived.send_modify(|counts| counts[endpoint as usize] += 1);

    let held = shared.state().behaviour(endpoint).held.clone();
    if let Some(mut held) = held {
        // Nothing is ever sent: the channel closes when the test lets go.
        while held.changed().await.is_ok() {}
    }

    let failure = {
        let mut state = shared.state();
        let behaviour = state.behaviour(endpoint);
        behaviour.next.pop_front().or_else(|| behaviour.standing.clone())
    };
    match failure {
        Some(Failure::Silence) => std::future::pending().await,
        Some(Failure::BreakOff) => Ok(broken_off(right(&shared, endpoint, &parts, call, None)).await),
        Some(failure) => match failure.instead() {
            Some(instead) => instead.map(|response| response.map(Either::Left)),
            None => Ok(right(&shared, endpoint, &parts, call, Some(&failure)).map(Either::Left)),
        },
        None => Ok(right(&shared, endpoint, &parts, call, None).map(Either::Left)),
    }
}

/// The right answer, spoiled where a failure says so.
fn right(
    shared: &Shared,
    endpoint: Endpoint,
    request: &Parts,
    call: Option<TokenCall>,
    failure: Option<&Failure>,
) -> Response<Full<Bytes>> {
    let issued = match call {
        Some(call) if request.method == Method::POST && endpoint == Endpoint::Introspection => {
            return introspection::answer(shared, &call, failure);
        }
        Some(call) if request.method == Method::POST => grant::issue(shared, &call, failure),
        None if request.method == Method::GET => match key_set::instead(shared, endpoint, &request.headers) {
            Some(instead) => return instead,
            None => Ok(document(shared, endpoint)),
        },
        _ => return json_response(StatusCode::METHOD_NOT_ALLOWED, &json!({"error": "invalid_request"})),
    };
    let mut members = match issued {
        Ok(members) => members,
        Err(refused) => return refused.response(),
    };
    if let Some(failure) = failure {
        failure.spoil(&mut members);
    }
    let mut response = json_response(StatusCode::OK, &Value::Object(members));
    response.headers_mut().extend(caching(shared, endpoint));
    response
}

fn document(shared: &Shared, endpoint: Endpoint) -> Map<String, Value> {
    if endpoint == Endpoint::Keys {
        return key_set::document(shared);
    }
    let members = [
        ("issuer", json!(shared.issuer)),
        ("jwks_uri", json!(shared.url(Endpoint::Keys))),
        ("token_endpoint", json!(shared.url(Endpoint::Token))),
        ("introspection_endpoint", json!(shared.url(Endpoint::Introspection))),
        ("response_types_supported", json!(["none"])),
        ("grant_types_supported", json!([grant::CLIENT_CREDENTIALS, grant::TOKEN_EXCHANGE, assertion::JWT_BEARER])),
        (
            "token_endpoint_auth_methods_supported",
            json!(["client_secret_basic", "client_secret_post", "private_key_jwt"]),
        ),
        ("token_endpoint_auth_signing_alg_values_supported", json!(["ES256", "Ed25519", "EdDSA", "PS256", "RS256"])),
    ];
    let aliases = shared.mtls_url(Endpoint::Token).zip(shared.mtls_url(Endpoint::Introspection));
    let aliases = aliases.map(|(token, introspection)| {
        ("mtls_endpoint_aliases", json!({"token_endpoint": token, "introspection_endpoint": introspection}))
    });
    members.into_iter().chain(aliases).map(|(name, value)| (name.to_owned(), value)).collect()
}

fn caching(shared: &Shared, endpoint: Endpoint) -> HeaderMap {
    match endpoint {
        // RFC 6749 §5.1: a token is not stored on its way.
        Endpoint::Token | Endpoint::Introspection => {
            HeaderMap::from_iter([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))])
        }
        Endpoint::Keys => key_set::caching(shared),
        Endpoint::Metadata | Endpoint::OpenIdMetadata => HeaderMap::new(),
    }
}
