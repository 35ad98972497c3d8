//! A token endpoint that takes its time: for trying what services do meanwhile.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Json,
    extract::{ConnectInfo, State},
    http::HeaderMap,
};
use demo_kit::is_from_this_machine;
use serde::{Deserialize, Serialize};
use tower_identity::Clock;

use crate::{authority::Authority, sign_in::SignInError};

/// The longest that it takes, in milliseconds.
const LONGEST: u64 = 60_000;

/// How long the token endpoint takes for each answer, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Slowness(AtomicU64);

impl Slowness {
    /// Resolves when it is time to answer.
    pub(crate) async fn passes(&self, clock: &Clock) {
        let milliseconds = self.0.load(Ordering::Relaxed);
        if milliseconds > 0 {
            clock.sleep(Duration::from_millis(milliseconds)).await;
        }
    }
}

/// How slow it is to be.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Slow {
    milliseconds: u64,
}

/// `POST /dev/slow`: from now on `/token` takes that long for an answer, a minute at most, and 0 ends it. As for
/// [signing in](crate::sign_in), a page in a browser cannot ask for it.
pub(crate) async fn slow(
    State(authority): State<Arc<Authority>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(asked): Json<Slow>,
) -> Result<Json<Slow>, SignInError> {
    if !is_from_this_machine(peer, &headers) {
        return Err(SignInError::NotLocal);
    }
    let milliseconds = asked.milliseconds.min(LONGEST);
    authority.slowness.0.store(milliseconds, Ordering::Relaxed);
    Ok(Json(Slow { milliseconds }))
}
