//! Assertions, made and taken: the JWT bearer grant (RFC 7523 §2.1), what an exchange issues for it, and Entra ID's
//! on-behalf-of, which borrows its name.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tower_identity_core::Timestamp;
use tower_identity_jose::MediaType;

use super::{
    TokenCall,
    grant::{self, INVALID_REQUEST, INVALID_TARGET, Refused},
    state::Shared,
};
use crate::TokenBuilder;

pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";
const GRANT: &str = "authorization-grant+jwt";
const ID_JAG_KIND: &str = "oauth-id-jag+jwt";

/// How long an assertion is good for.
const LIFETIME: Duration = Duration::from_secs(60);

const INVALID_GRANT: Refused = Refused("invalid_grant");

/// The kind of assertion that an exchange asks for, by the type that it requests.
pub(super) fn kind(requested: &str) -> Option<&'static str> {
    match requested {
        JWT => Some(GRANT),
        ID_JAG => Some(ID_JAG_KIND),
        _ => None,
    }
}

/// The members of the answer to an exchange for an assertion of this kind, which is for one authorization server.
pub(super) fn issue(
    shared: &Shared,
    call: &TokenCall,
    kind: &str,
    (subject, client): (&Map<String, Value>, &str),
) -> Result<Map<String, Value>, Refused> {
    let mut audience = call.fields("audience");
    let (Some(server), None) = (audience.next(), audience.next()) else { return Err(INVALID_TARGET) };
    let now = shared.clock.wall();
    let ends = subject.get("exp").and_then(Value::as_u64).map_or(now, Timestamp::from_secs);
    let end = ends.min(now.saturating_add(LIFETIME));
    let mut grant = shared.token().header("typ", kind).audience(server).claim("client_id", client).expires_at(end);
    for kept in ["sub", "auth_time", "acr", "amr"] {
        if let Some(value) = subject.get(kept) {
            grant = grant.claim(kept, value.clone());
        }
    }
    for asked in ["scope", "resource"] {
        if let Some(value) = call.field(asked) {
            grant = grant.claim(asked, value);
        }
    }
    let edit = shared.state().edit.clone();
    let grant = edit.map_or_else(|| grant.clone(), |edit| edit(grant.clone()));
    Ok(Map::from_iter([
        ("access_token".to_owned(), json!(grant.build().expose())),
        ("token_type".to_owned(), json!("N_A")),
        ("issued_token_type".to_owned(), json!(if kind == GRANT { JWT } else { ID_JAG })),
        ("expires_in".to_owned(), json!(end.since(now).as_secs())),
    ]))
}

/// A token for the subject of an assertion.
pub(super) fn exchange(shared: &Shared, call: &TokenCall, client: &str) -> Result<TokenBuilder, Refused> {
    let assertion = call.field("assertion").ok_or(INVALID_REQUEST)?;
    let subject = match call.field("requested_token_use") {
        Some("on_behalf_of") => on_behalf_of(shared, assertion, client)?,
        Some(_) => return Err(INVALID_REQUEST),
        None => bearer(shared, assertion, client)?,
    };
    Ok(shared.token().client(client).claim("sub", subject))
}

/// The subject of an assertion of another issuer: for this server alone, once, and, where it says for which client, for
/// this one (RFC 7523 §3).
fn bearer(shared: &Shared, assertion: &str, client: &str) -> Result<Value, Refused> {
    let kinds = [GRANT, ID_JAG_KIND].map(|kind| MediaType::parse(kind).expect("a media type"));
    let [plain, id_jag] = kinds.clone();
    let opened = grant::open_as(shared, assertion, [plain, MediaType::JWT]).map(|claims| (claims, false));
    let opened = opened.or_else(|| grant::open_as(shared, assertion, [id_jag]).map(|claims| (claims, true)));
    let (claims, is_id_jag) = opened.ok_or(INVALID_GRANT)?;
    let is_for_us = match claims.get("aud") {
        Some(Value::String(aud)) => shared.issuer == **aud,
        Some(Value::Array(aud)) => *aud == [json!(shared.issuer.as_str())],
        _ => false,
    };
    let is_for_client = !is_id_jag || claims.get("client_id") == Some(&json!(client));
    let id = claims.get("jti").and_then(Value::as_str).ok_or(INVALID_GRANT)?;
    if !is_for_us || !is_for_client || !shared.state().assertions.insert(id.to_owned()) {
        return Err(INVALID_GRANT);
    }
    claims.get("sub").cloned().ok_or(INVALID_GRANT)
}

/// The user of an access token that was issued for this client.
fn on_behalf_of(shared: &Shared, token: &str, client: &str) -> Result<Value, Refused> {
    let claims = grant::open(shared, token).ok_or(INVALID_GRANT)?;
    let audience = claims.get("aud").and_then(Value::as_str);
    let is_for_client = audience.is_some_and(|aud| aud.strip_prefix("api://").unwrap_or(aud) == client);
    let is_app_only = claims.get("sub") == claims.get("client_id");
    if !is_for_client || is_app_only {
        return Err(INVALID_GRANT);
    }
    claims.get("sub").cloned().ok_or(INVALID_GRANT)
}
