//! The token endpoint's right answers: client credentials (RFC 6749 §4.4), token exchange (RFC 8693) and assertions.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, Uri, header};
use http_body_util::Full;
use serde_json::{Map, Value, json};
use tower_identity_core::{Scopes, Timestamp};
use tower_identity_jose::{Accept, Algorithm, KeySet, Limits, MediaType, SigningKey, Unverified};

use super::{ClientAuthentication, Failure, TokenCall, assertion, response::json_response, state::Shared};
use crate::TokenBuilder;

pub(super) const CLIENT_CREDENTIALS: &str = "client_credentials";
pub(super) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// Why nothing is issued: the `error` of RFC 6749 §5.2 and RFC 8693 §2.2.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused(pub(super) &'static str);

impl Refused {
    pub(super) fn response(self) -> Response<Full<Bytes>> {
        if self.0 != "invalid_client" {
            return json_response(StatusCode::BAD_REQUEST, &json!({ "error": self.0 }));
        }
        let mut response = json_response(StatusCode::UNAUTHORIZED, &json!({ "error": self.0 }));
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"token\""));
        response
    }
}

pub(super) const INVALID_REQUEST: Refused = Refused("invalid_request");
pub(super) const INVALID_TARGET: Refused = Refused("invalid_target");

/// The members of the answer to this call.
pub(super) fn issue(
    shared: &Shared,
    call: &TokenCall,
    failure: Option<&Failure>,
) -> Result<Map<String, Value>, Refused> {
    check_form(call)?;
    let client = call.client().authenticated().ok_or(Refused("invalid_client"))?;
    let grant_type = call.field("grant_type");
    let requested = call.field("requested_token_type").filter(|_| grant_type == Some(TOKEN_EXCHANGE));
    if let Some(kind) = requested.and_then(assertion::kind) {
        let subject = inputs(shared, call, client)?;
        return assertion::issue(shared, call, kind, (&subject, client));
    }
    #[cfg(feature = "transaction-tokens")]
    if requested == Some(super::transaction::TOKEN_TYPE) {
        let subject = inputs(shared, call, client)?;
        return super::transaction::issue(shared, call, (&subject, client), failure);
    }
    let exchanged = match grant_type {
        Some(CLIENT_CREDENTIALS) => None,
        Some(TOKEN_EXCHANGE) => Some(exchange(shared, call, client)?),
        Some(assertion::JWT_BEARER) => Some(assertion::exchange(shared, call, client)?),
        Some(_) => return Err(Refused("unsupported_grant_type")),
        None => return Err(INVALID_REQUEST),
    };
    let asked = Scopes::parse(call.field("scope").unwrap_or_default()).map_err(|_| Refused("invalid_scope"))?;
    let granted = match failure {
        Some(Failure::WiderScope(wider)) => asked.union(wider),
        _ => asked,
    };
    let is_exchange = grant_type == Some(TOKEN_EXCHANGE);
    let mut token = exchanged.unwrap_or_else(|| shared.token().client(client)).audience(audience(shared, call)?);
    if !granted.is_empty() {
        token = token.scope(granted.to_string());
    }
    if let ClientAuthentication::Certificate { thumbprint, .. } = call.client() {
        let thumbprint = base64_simd::URL_SAFE_NO_PAD.encode_to_string(thumbprint.as_bytes());
        token = token.claim("cnf", json!({ "x5t#S256": thumbprint }));
    }
    let now = shared.clock.wall();
    let end = token.claims().get("exp").and_then(Value::as_u64).map(Timestamp::from_secs);
    let expires_in = end.map_or(Duration::ZERO, |end| end.since(now));
    let edit = shared.state().edit.clone();
    let token = edit.map_or_else(|| token.clone(), |edit| edit(token.clone()));

    let mut members = Map::from_iter([
        ("access_token".to_owned(), json!(token.build().expose())),
        ("token_type".to_owned(), json!("Bearer")),
        ("expires_in".to_owned(), json!(expires_in.as_secs())),
        ("scope".to_owned(), json!(granted.to_string())),
    ]);
    if is_exchange {
        members.insert("issued_token_type".to_owned(), json!(ACCESS_TOKEN));
    }
    Ok(members)
}

/// A form is one, names a parameter once (audience and resource are lists), and the client in one way.
fn check_form(call: &TokenCall) -> Result<(), Refused> {
    let is_form = call
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.split(';').next() == Some("application/x-www-form-urlencoded"));
    let repeated = call
        .form()
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "audience" | "resource"))
        .any(|(name, _)| call.fields(name).count() > 1);
    if is_form && !repeated && *call.client() != ClientAuthentication::Malformed {
        Ok(())
    } else {
        Err(INVALID_REQUEST)
    }
}

/// Whom the token is for: what was asked for, else the issuer itself.
fn audience(shared: &Shared, call: &TokenCall) -> Result<String, Refused> {
    let relative =
        |resource: &str| resource.contains('#') || resource.parse::<Uri>().map_or(true, |uri| uri.scheme().is_none());
    if call.fields("resource").any(relative) {
        return Err(INVALID_TARGET);
    }
    let mut asked = call.fields("audience").chain(call.fields("resource"));
    let audience = asked.next().unwrap_or(shared.issuer.as_str()).to_owned();
    // One token, one audience; naming it as audience and as resource is naming it once.
    if asked.any(|other| other != audience) { Err(INVALID_TARGET) } else { Ok(audience) }
}

/// The subject's token, now with the client as its actor.
fn exchange(shared: &Shared, call: &TokenCall, client: &str) -> Result<TokenBuilder, Refused> {
    if call.field("requested_token_type").is_some_and(|asked| asked != ACCESS_TOKEN) {
        return Err(INVALID_REQUEST);
    }
    let subject = inputs(shared, call, client)?;
    let mut token = shared.token();
    for kept in ["sub", "act", "auth_time", "acr", "amr", "sid", "txn"] {
        if let Some(value) = subject.get(kept) {
            token = token.claim(kept, value.clone());
        }
    }
    let ends = |claims: &Map<String, Value>| claims.get("exp").and_then(Value::as_u64);
    let end = ends(&subject).into_iter().chain(ends(token.claims())).min().unwrap_or_default();
    Ok(token.acted_by(client).expires_at(Timestamp::from_secs(end)))
}

/// The claims of the subject's token, once the actor's, where there is one, is the client's.
fn inputs(shared: &Shared, call: &TokenCall, client: &str) -> Result<Map<String, Value>, Refused> {
    let subject = input(shared, call, "subject_token", "subject_token_type")?.ok_or(INVALID_REQUEST)?;
    let actor = input(shared, call, "actor_token", "actor_token_type")?;
    if actor.is_some_and(|actor| actor.get("sub") != Some(&json!(client))) {
        return Err(INVALID_REQUEST);
    }
    Ok(subject)
}

/// The claims of an input token; `None` when neither it nor its type was sent.
fn input(shared: &Shared, call: &TokenCall, token: &str, kind: &str) -> Result<Option<Map<String, Value>>, Refused> {
    match (call.field(token), call.field(kind)) {
        (None, None) => Ok(None),
        (Some(token), Some(ACCESS_TOKEN | JWT)) => open(shared, token).map(Some).ok_or(INVALID_REQUEST),
        _ => Err(INVALID_REQUEST),
    }
}

/// The claims of an access token that this issuer, or one that it accepts, signed, or that stands for such a one here, and
/// that has not ended.
pub(super) fn open(shared: &Shared, token: &str) -> Option<Map<String, Value>> {
    let stands_for = shared.state().introspection.active.get(token).map(|stands_for| stands_for.claims().clone());
    match stands_for {
        Some(claims) => in_time(shared, claims),
        None => open_as(shared, token, [MediaType::ACCESS_TOKEN]),
    }
}

/// The same of a token of one of these kinds.
pub(super) fn open_as(
    shared: &Shared,
    token: &str,
    kinds: impl IntoIterator<Item = MediaType>,
) -> Option<Map<String, Value>> {
    let unverified = Unverified::<Map<String, Value>>::parse(token, &Limits::default()).ok()?;
    let issuer = unverified.claims_unverified().get("iss")?.as_str()?.to_owned();
    let keys = keys_of(shared, &issuer)?;
    let keys = KeySet::from_keys(keys.iter().map(SigningKey::verifying_key)).ok()?;
    let accept = Accept::new(kinds, [Algorithm::Es256, Algorithm::Ed25519, Algorithm::EdDsa]);
    in_time(shared, unverified.open(&keys, &accept).ok()?.into_claims())
}

fn in_time(shared: &Shared, claims: Map<String, Value>) -> Option<Map<String, Value>> {
    let ends = claims.get("exp")?.as_u64().map(Timestamp::from_secs)?;
    (shared.clock.wall() < ends).then_some(claims)
}

fn keys_of(shared: &Shared, issuer: &str) -> Option<Vec<SigningKey>> {
    if shared.issuer == *issuer {
        return Some(shared.state().ever_signed.clone());
    }
    let accepted: Vec<Arc<Shared>> = shared.state().accepted.iter().filter_map(std::sync::Weak::upgrade).collect();
    let other = accepted.into_iter().find(|other| other.issuer == *issuer)?;
    let keys = other.state().ever_signed.clone();
    Some(keys)
}
