//! The development revocation: everything that a user has signed in for ends now, here and at whoever takes our events.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Json,
    extract::{ConnectInfo, State},
    http::HeaderMap,
};
use demo_kit::is_from_this_machine;
use serde::{Deserialize, Serialize};
use tower_identity::Subject;

use crate::{
    authority::Authority,
    event::{Ended, Initiator},
    push::Pushed,
    sign_in::SignInError,
};

/// Whose sign-ins are to end.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revoke {
    user: Subject,
}

/// Who has been told.
#[derive(Serialize)]
pub(crate) struct Revoked {
    user: Subject,
    pushed: Vec<Pushed>,
}

/// `POST /dev/revoke`: ends all sessions of a user, and answers once every receiver was told, or could not be. As for
/// [signing in](crate::sign_in), a page in a browser cannot ask for it.
///
/// From then on nothing is issued on what the user has signed in for so far. A receiver that does not acknowledge is told
/// again; until then it accepts the tokens that are out already.
pub(crate) async fn revoke(
    State(authority): State<Arc<Authority>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(asked): Json<Revoke>,
) -> Result<Json<Revoked>, SignInError> {
    if !is_from_this_machine(peer, &headers) {
        return Err(SignInError::NotLocal);
    }
    if !authority.users.contains(&asked.user) {
        return Err(SignInError::UnknownUser);
    }
    let at = authority.clock.wall();
    authority.sessions.revoke(&asked.user, at);
    let ended = Ended { user: asked.user, session: None, at, by: Initiator::Admin };
    let pushed = authority.push(&ended).await?;
    Ok(Json(Revoked { user: ended.user, pushed }))
}
