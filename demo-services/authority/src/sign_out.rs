//! The development sign-out: ends the session of whoever asks, here and at whoever takes our events.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{AppendHeaders, IntoResponse},
};
use demo_kit::is_from_this_machine;

use crate::{
    authority::Authority,
    event::{Ended, Initiator},
    sign_in::SignInError,
};

/// `POST /dev/sign-out`: ends the session that the request's cookie is of, has that [pushed](crate::push), and takes the cookie back. As for
/// [signing in](crate::sign_in), a page in a browser cannot ask for it. What is no session needs no ending.
pub(crate) async fn sign_out(
    State(authority): State<Arc<Authority>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, SignInError> {
    if !is_from_this_machine(peer, &headers) {
        return Err(SignInError::NotLocal);
    }
    let cookie = authority.sign_in.as_ref().and_then(|settings| settings.cookie.as_deref()).unwrap_or_default();
    for session in values(&headers, cookie) {
        if let Some(session) = authority.sessions.end(session) {
            let (user, session, at) = (session.user, Some(session.id), authority.clock.wall());
            authority.push(&Ended { user, session, at, by: Initiator::User }).await?;
        }
    }
    let gone = HeaderValue::try_from(format!("{cookie}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"));
    let gone = gone.expect("the name of a cookie is of characters that a header may have");
    Ok((StatusCode::NO_CONTENT, AppendHeaders([(header::SET_COOKIE, gone)])))
}

/// The values of the cookies of this name (RFC 6265 §4.2).
fn values<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    let pairs = headers.get_all(header::COOKIE).into_iter().filter_map(|field| field.to_str().ok());
    let pairs = pairs.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(found, _)| *found == name).map(|(_, value)| value)
}
