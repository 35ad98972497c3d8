//! The introspection endpoint: what a token is, told to the service that it was sent to (RFC 7662).

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{RawQuery, State},
    http::HeaderMap,
};
use serde::Serialize;

use crate::{authority::Authority, claims::PresentedClaims, client::Client, error::TokenError, form::Form};

/// What is told of a token: everything that it says, or that it is not active and nothing else (RFC 7662 §2.2).
#[derive(Serialize)]
pub(crate) struct Introspection {
    active: bool,
    #[serde(flatten)]
    token: Option<Active>,
}

#[derive(Serialize)]
struct Active {
    token_type: &'static str,
    #[serde(flatten)]
    claims: PresentedClaims,
}

/// `POST /introspect`, for clients that authenticate: whoever else asks would be trying out tokens.
pub(crate) async fn introspect(
    State(authority): State<Arc<Authority>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Introspection>, TokenError> {
    if query.is_some() {
        return Err(TokenError::invalid_request("parameters belong in the body"));
    }
    let form = Form::read(&headers, &body)?;
    let client = authority.authenticate(&headers, &form)?;
    let token = form.one("token").ok_or(NO_TOKEN)?;
    Ok(Json(authority.introspection(client, token)))
}

impl Authority {
    /// Unknown, ended, signed out, and sent to somebody else: all the same to who asks (RFC 7662 §2.2).
    fn introspection(&self, client: &Client, token: &str) -> Introspection {
        let claims = match self.verify_own(token) {
            Ok(claims) => Some(claims).filter(|claims| client.is_among(&claims.aud)),
            Err(error) => {
                tracing::info!(error = &error as &dyn std::error::Error, "the token is not active");
                None
            }
        };
        Introspection { active: claims.is_some(), token: claims.map(|claims| Active { token_type: "Bearer", claims }) }
    }
}

const NO_TOKEN: TokenError = TokenError::invalid_request("token is missing");
