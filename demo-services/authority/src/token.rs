//! The token endpoint: one request in, one token or one error out (RFC 6749 §3.2).

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    body::Bytes,
    extract::{RawQuery, State},
    http::HeaderMap,
    response::Response,
};
use tower_identity::{Audience, Scopes, transaction_tokens::TOKEN_TYPE};

use crate::{
    authority::Authority,
    claims::AuthenticationClaims,
    client::Client,
    dialect::Grants,
    error::{ErrorCode, TokenError},
    exchange::{ACCESS_TOKEN, BAD_REQUESTED_TYPE},
    form::Form,
    grant::JWT,
    issue::{AccessToken, TokenResponse},
};

pub(crate) const CLIENT_CREDENTIALS: &str = "client_credentials";
pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
pub(crate) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// `POST` to the token endpoint.
pub(crate) async fn token(
    State(authority): State<Arc<Authority>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<TokenResponse>, Response> {
    authority.slowness.passes(&authority.clock).await;
    let issued = authority.answer(query.as_deref(), &headers, &body).await;
    issued.map(Json).map_err(|error| authority.dialect.refuse(error, authority.clock.wall()))
}

impl Authority {
    async fn answer(&self, query: Option<&str>, headers: &HeaderMap, body: &[u8]) -> Result<TokenResponse, TokenError> {
        if query.is_some() {
            return Err(TokenError::invalid_request("parameters belong in the body"));
        }
        let form = Form::read(headers, body)?;
        let client = self.authenticate(headers, &form)?;
        let grants = self.dialect.grants;
        match form.one("grant_type") {
            Some(CLIENT_CREDENTIALS) if grants == Grants::OnBehalfOf => self.for_itself(client, &form),
            Some(JWT_BEARER) if grants == Grants::OnBehalfOf => self.on_behalf_of(client, &form),
            Some(_) if grants == Grants::OnBehalfOf => Err(UNKNOWN_GRANT),
            Some(CLIENT_CREDENTIALS) => self.client_credentials(client, &form),
            Some(TOKEN_EXCHANGE) => match form.one("requested_token_type") {
                None | Some(ACCESS_TOKEN) => self.exchange(client, &form),
                Some(TOKEN_TYPE) => self.transaction_token(client, &form),
                Some(JWT) if self.dialect.chains() => self.grant(client, &form),
                Some(_) => Err(BAD_REQUESTED_TYPE),
            },
            Some(JWT_BEARER) if !self.trusted.is_empty() => self.redeem(client, &form).await,
            Some(_) => Err(UNKNOWN_GRANT),
            None => Err(NO_GRANT_TYPE),
        }
    }

    /// A token of the client's own: `sub` and `client_id` are the client, nobody acts (RFC 6749 §4.4, RFC 9068 §2.2).
    fn client_credentials(&self, client: &Client, form: &Form<'_>) -> Result<TokenResponse, TokenError> {
        let (target, requested) = (target(form)?, requested_scopes(form)?);
        let (audience, scopes) = self.policy.client_credentials(&client.id, target.as_ref(), requested.as_ref())?;
        self.issue(AccessToken {
            subject: &client.subject,
            audience: &audience.into(),
            client: &client.id,
            scopes: &scopes,
            expires_at: self.clock.wall().saturating_add(self.access_token_lifetime),
            actors: None,
            transaction: None,
            authentication: &AuthenticationClaims::default(),
            tokens: BTreeMap::new(),
        })
    }
}

/// The one target that the request names, if any, as an audience: one token, one audience (RFC 8707 §2).
pub(crate) fn target(form: &Form<'_>) -> Result<Option<Audience>, TokenError> {
    for resource in form.many("resource") {
        let absolute = resource.split_once(':').is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.is_empty());
        if !absolute || resource.contains('#') {
            return Err(BAD_RESOURCE);
        }
    }
    let mut named = form.many("audience").chain(form.many("resource"));
    match (named.next(), named.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(SEVERAL_TARGETS),
        (Some(target), None) => Audience::parse(target).map(Some).map_err(|_| BAD_TARGET),
    }
}

/// RFC 3986 §3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|next| next.is_ascii_alphanumeric() || matches!(next, '+' | '-' | '.'))
}

pub(crate) fn requested_scopes(form: &Form<'_>) -> Result<Option<Scopes>, TokenError> {
    form.one("scope").map(|scope| Scopes::parse(scope).map_err(|_| BAD_SCOPE)).transpose()
}

pub(crate) const NO_GRANT_TYPE: TokenError = TokenError::invalid_request("grant_type is missing");
pub(crate) const UNKNOWN_GRANT: TokenError =
    TokenError::new(ErrorCode::UnsupportedGrantType, "this grant is not offered here");
const BAD_RESOURCE: TokenError =
    TokenError::new(ErrorCode::InvalidTarget, "a resource is an absolute URI without fragment");
const BAD_TARGET: TokenError = TokenError::new(ErrorCode::InvalidTarget, "the audience is not a usable name");
const SEVERAL_TARGETS: TokenError = TokenError::new(ErrorCode::InvalidTarget, "name one audience or one resource");
const BAD_SCOPE: TokenError = TokenError::new(ErrorCode::InvalidScope, "the scope is outside its grammar");
