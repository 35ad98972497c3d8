//! The introspection endpoint: what an opaque token is (RFC 7662), also in a signed answer (RFC 9701), or as the JWT that
//! the token stands for.

use std::{collections::HashMap, fmt};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Map, Value, json};
use tower_identity_core::{SecretToken, Timestamp};
use tower_identity_jose::random_id;

use super::{
    Failure, TestIssuer, TokenCall,
    grant::Refused,
    response::{json_response, plain},
    state::{Edit, Shared},
};
use crate::TokenBuilder;

const SIGNED: &str = "application/token-introspection+jwt";
const JWT: &str = "application/jwt";

/// What an introspection endpoint knows, and what it was asked.
#[derive(Default)]
pub(super) struct Introspection {
    /// The tokens that are active, by what clients have of them.
    pub(super) active: HashMap<String, TokenBuilder>,
    edit: Option<Edit>,
    calls: Vec<TokenCall>,
}

/// Its opaque tokens.
impl TestIssuer {
    /// An opaque token that stands for this one, until it ends or is [revoked](Self::revoke).
    pub fn opaque(&self, token: TokenBuilder) -> SecretToken {
        let opaque = random_id();
        self.shared.state().introspection.active.insert(opaque.clone(), token);
        opaque.into()
    }

    /// Makes an opaque token inactive.
    pub fn revoke(&self, token: &SecretToken) {
        self.shared.state().introspection.active.remove(token.expose());
    }

    /// Changes every signed answer of the introspection endpoint (RFC 9701 §5): to be for somebody else, or to be signed
    /// wrongly. What is said of the token is in its claim `token_introspection`.
    pub fn edit_answers(&self, edit: impl Fn(TokenBuilder) -> TokenBuilder + Send + Sync + 'static) {
        self.shared.state().introspection.edit = Some(std::sync::Arc::new(edit));
    }

    /// Every request that has arrived at the introspection endpoint, in order.
    #[must_use]
    pub fn introspection_calls(&self) -> Vec<TokenCall> {
        self.shared.state().introspection.calls.clone()
    }
}

pub(super) fn record(shared: &Shared, call: Option<TokenCall>) {
    shared.state().introspection.calls.extend(call);
}

/// The right answer, in the form that was asked for, spoiled where a failure says so.
pub(super) fn answer(shared: &Shared, call: &TokenCall, failure: Option<&Failure>) -> Response<Full<Bytes>> {
    let Some(client) = call.client().authenticated() else { return Refused("invalid_client").response() };
    let Some(token) = call.field("token") else { return Refused("invalid_request").response() };
    let active = shared.state().introspection.active.get(token).cloned();
    let active = active.filter(|active| !has_ended(active, shared.clock.wall()));

    let mut members = active.as_ref().map_or_else(inactive, members);
    if let Some(failure) = failure {
        failure.spoil(&mut members);
    }
    let asked = call.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    match (asked, active) {
        _ if failure == Some(&Failure::Plain) => json_response(StatusCode::OK, &Value::Object(members)),
        (SIGNED, _) => typed(SIGNED, &signed(shared, client, members)),
        (JWT, Some(active)) => typed(JWT, &active.build()),
        (JWT, None) => plain(StatusCode::NO_CONTENT, Bytes::new()),
        _ => json_response(StatusCode::OK, &Value::Object(members)),
    }
}

fn inactive() -> Map<String, Value> {
    Map::from_iter([("active".to_owned(), json!(false))])
}

fn members(token: &TokenBuilder) -> Map<String, Value> {
    let more = [("active".to_owned(), json!(true)), ("token_type".to_owned(), json!("Bearer"))];
    more.into_iter().chain(token.claims().clone()).collect()
}

fn has_ended(token: &TokenBuilder, now: Timestamp) -> bool {
    let end = token.claims().get("exp").and_then(Value::as_u64);
    end.is_some_and(|end| now >= Timestamp::from_secs(end))
}

fn signed(shared: &Shared, client: &str, members: Map<String, Value>) -> SecretToken {
    let of_an_access_token = ["sub", "client_id", "exp", "jti"];
    let answer = of_an_access_token.into_iter().fold(shared.token(), TokenBuilder::without);
    let answer =
        answer.header("typ", "token-introspection+jwt").claim("aud", client).claim("token_introspection", members);
    let edit = shared.state().introspection.edit.clone();
    edit.map_or_else(|| answer.clone(), |edit| edit(answer.clone())).build()
}

fn typed(media_type: &'static str, token: &SecretToken) -> Response<Full<Bytes>> {
    let mut response = plain(StatusCode::OK, Bytes::from(token.expose().to_owned()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection").finish_non_exhaustive()
    }
}
