//! The development sign-in: a user's first token for the asking, on this machine only.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Json,
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use demo_kit::is_from_this_machine;
use serde::{Deserialize, Serialize};
use tower_identity::{SessionId, Subject};
use tower_identity_jose::random_id;

use crate::{
    authority::Authority,
    claims::AuthenticationClaims,
    error::TokenError,
    issue::{AccessToken, TokenResponse},
};

/// Who wants to be signed in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    user: Subject,
}

/// Why nobody was signed in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignInError {
    #[error("the development sign-in is for this machine only")]
    NotLocal,
    #[error("there is no such user")]
    UnknownUser,
    #[error("the token could not be issued")]
    NotIssued(#[from] TokenError),
}

impl IntoResponse for SignInError {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            error: String,
        }
        let status = match self {
            Self::NotLocal => StatusCode::FORBIDDEN,
            Self::UnknownUser => StatusCode::NOT_FOUND,
            Self::NotIssued(error) => return error.into_response(),
        };
        (status, Json(Body { error: self.to_string() })).into_response()
    }
}

/// `POST /dev/sign-in`: served only where the authority listens on loopback, answered only to a
/// [program on this machine](is_from_this_machine), which a web page in its browser is not.
///
/// No credential is asked for, and the token says so: `acr` is `0` (OpenID Connect Core 1.0 §2).
pub(crate) async fn sign_in(
    State(authority): State<Arc<Authority>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(asked): Json<SignIn>,
) -> Result<Json<TokenResponse>, SignInError> {
    if !is_from_this_machine(peer, &headers) {
        return Err(SignInError::NotLocal);
    }
    authority.sign_in(&asked.user).map(Json)
}

impl Authority {
    fn sign_in(&self, user: &Subject) -> Result<TokenResponse, SignInError> {
        let settings = self.sign_in.as_ref().ok_or(SignInError::NotLocal)?;
        if !self.users.contains(user) {
            return Err(SignInError::UnknownUser);
        }
        let now = self.clock.wall();
        let authentication = AuthenticationClaims {
            auth_time: Some(now),
            acr: Some("0".to_owned()),
            amr: vec!["dev".to_owned()],
            sid: SessionId::parse(random_id()).ok(),
        };
        let issued = self.issue(AccessToken {
            subject: user,
            audience: &settings.audience,
            client: &settings.client,
            scopes: &settings.scopes,
            expires_at: now.saturating_add(self.sign_in_token_lifetime),
            actors: None,
            transaction: None,
            authentication: &authentication,
        });
        Ok(issued?)
    }
}
