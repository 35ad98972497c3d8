//! From a request to an answer, right or wrong.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::{Map, Value, json};

use super::{
    Endpoint, Failure, TokenCall, grant,
    response::{Closed, json_response},
    state::Shared,
};

/// Answers one request: counts it, waits while the endpoint is held, and then does what the test asked for.
pub(super) async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Closed> {
    let (parts, body) = request.into_parts();
    let at = |endpoint: &Endpoint| endpoint.path(&shared.path) == parts.uri.path();
    let Some(endpoint) = Endpoint::ALL.into_iter().find(at) else {
        return Ok(json_response(StatusCode::NOT_FOUND, &json!({"error": "not_found"})));
    };
    let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
    let call = (endpoint == Endpoint::Token).then(|| TokenCall::read(&parts.headers, &body));
    shared.state().calls.extend(call.clone());
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
    if let Some(instead) = failure.as_ref().and_then(Failure::instead) {
        return instead;
    }
    let right = match call {
        Some(call) if parts.method == Method::POST => grant::issue(&shared, &call, failure.as_ref()),
        None if parts.method == Method::GET => Ok(document(&shared, endpoint)),
        _ => return Ok(json_response(StatusCode::METHOD_NOT_ALLOWED, &json!({"error": "invalid_request"}))),
    };
    let mut members = match right {
        Ok(members) => members,
        Err(refused) => return Ok(refused.response()),
    };
    if let Some(failure) = &failure {
        failure.spoil(&mut members);
    }
    let mut response = json_response(StatusCode::OK, &Value::Object(members));
    response.headers_mut().extend(caching(&shared, endpoint));
    Ok(response)
}

fn document(shared: &Shared, endpoint: Endpoint) -> Map<String, Value> {
    if endpoint == Endpoint::Keys {
        return Map::from_iter([("keys".to_owned(), json!(shared.state().published))]);
    }
    let members = [
        ("issuer", json!(shared.issuer)),
        ("jwks_uri", json!(shared.url(Endpoint::Keys))),
        ("token_endpoint", json!(shared.url(Endpoint::Token))),
        ("response_types_supported", json!(["none"])),
        ("grant_types_supported", json!([grant::CLIENT_CREDENTIALS, grant::TOKEN_EXCHANGE])),
        (
            "token_endpoint_auth_methods_supported",
            json!(["client_secret_basic", "client_secret_post", "private_key_jwt"]),
        ),
        ("token_endpoint_auth_signing_alg_values_supported", json!(["ES256", "Ed25519", "EdDSA", "PS256", "RS256"])),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn caching(shared: &Shared, endpoint: Endpoint) -> HeaderMap {
    let value = match endpoint {
        // RFC 6749 §5.1: a token is not stored on its way.
        Endpoint::Token => Some("no-store".to_owned()),
        Endpoint::Keys => shared.state().key_max_age.map(|age| format!("public, max-age={}", age.as_secs())),
        Endpoint::Metadata | Endpoint::OpenIdMetadata => None,
    };
    let value = value.map(|value| HeaderValue::try_from(value).expect("words and digits are visible ASCII"));
    value.map(|value| (header::CACHE_CONTROL, value)).into_iter().collect::<HeaderMap<_>>()
}
