//! The development sign-in: a user's first token for the asking, on this machine only.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use axum::{
    Json,
    extract::{ConnectInfo, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{AppendHeaders, IntoResponse, Response},
};
use demo_kit::is_from_this_machine;
use serde::{Deserialize, Serialize};
use tower_identity::{SessionId, Subject, Timestamp};
use tower_identity_jose::random_id;

use crate::{
    authority::Authority,
    claims::AuthenticationClaims,
    error::{ErrorCode, TokenError},
    issue::{AccessToken, TokenResponse},
    session::Session,
    settings::SignInSettings,
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
    #[error("this is for this machine only")]
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
) -> Result<impl IntoResponse, SignInError> {
    if !is_from_this_machine(peer, &headers) {
        return Err(SignInError::NotLocal);
    }
    let settings = authority.sign_in.as_ref().ok_or(SignInError::NotLocal)?;
    let issued = authority.sign_in(settings, asked.user).await?;
    let cookie = settings.cookie.as_ref().map(|name| (header::SET_COOKIE, set_cookie(name, &issued)));
    Ok((AppendHeaders(cookie), Json(issued)))
}

/// For no script, no other site's requests but its links, and no longer than the token. `Secure` and a name that begins
/// with `__Host-` are missing: the demo is served over plain HTTP.
fn set_cookie(name: &str, issued: &TokenResponse) -> HeaderValue {
    let (token, seconds) = (issued.access_token.expose(), issued.expires_in);
    let value = HeaderValue::try_from(format!("{name}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}"));
    let mut value = value.expect("the name of a cookie and a token are of characters that a header may have");
    value.set_sensitive(true);
    value
}

impl Authority {
    async fn sign_in(&self, settings: &SignInSettings, user: Subject) -> Result<TokenResponse, SignInError> {
        if !self.users.contains(&user) {
            return Err(SignInError::UnknownUser);
        }
        let now = self.told_apart(&user).await;
        let id = SessionId::parse(random_id()).expect("what is random is of characters that an id may have");
        let authentication = AuthenticationClaims {
            auth_time: Some(now),
            acr: Some("0".to_owned()),
            amr: vec!["dev".to_owned()],
            sid: Some(id.clone()),
        };
        let ends = now.saturating_add(self.sign_in_token_lifetime);
        let issued = self.issue(AccessToken {
            subject: &user,
            audience: &settings.audience,
            client: &settings.client,
            scopes: &settings.scopes,
            expires_at: ends,
            actors: None,
            transaction: None,
            authentication: &authentication,
            tokens: BTreeMap::new(),
        })?;
        if settings.cookie.is_none() {
            return Ok(issued);
        }
        let session = Session { id, user, access_token: issued.access_token, ends };
        let access_token = self.sessions.begin(session, now).ok_or(TOO_MANY_SESSIONS)?;
        Ok(TokenResponse { access_token, ..issued })
    }

    /// The time, once a sign-in of now is told from those that were revoked: the times in tokens are whole seconds, and the
    /// second of a revocation counts whole.
    async fn told_apart(&self, user: &Subject) -> Timestamp {
        loop {
            let now = self.clock.wall();
            let revoked_until = self.sessions.revoked_until(user).filter(|until| now.as_secs() <= until.as_secs());
            let Some(revoked_until) = revoked_until else { return now };
            self.clock.sleep(Timestamp::from_secs(revoked_until.as_secs() + 1).since(now)).await;
        }
    }
}

const TOO_MANY_SESSIONS: TokenError =
    TokenError::new(ErrorCode::TemporarilyUnavailable, "too many sessions have not ended yet");
