//! The nightly settlement: work that is done for nobody. Orders calls payments as itself.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use axum::{
    Json,
    extract::{ConnectInfo, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use axum_identity::Problem;
use demo_kit::successful;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower_identity::Clock;

use crate::app::Orders;

/// What payments settled.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Settlement {
    charges: usize,
    cents: u64,
    /// Whom payments saw.
    requested_by: Value,
}

/// Settles now. There is no caller here, so the call carries no user: the target is one for this service's own token.
pub(crate) async fn settle(orders: &Orders) -> Result<Settlement, Problem> {
    let answer = orders.http.post(format!("{}/settlements", orders.payments)).send().await?;
    Ok(successful("payments", answer)?.json().await?)
}

/// Settles every so often, for as long as it is polled.
pub(crate) async fn every(period: Duration, orders: Orders, clock: Clock) -> Infallible {
    loop {
        clock.sleep(period).await;
        match settle(&orders).await {
            Ok(done) => tracing::info!(charges = done.charges, cents = done.cents, "settled"),
            Err(problem) => tracing::warn!(?problem, "not settled; the next night will"),
        }
    }
}

/// `POST /settlements/run`: for whoever is at the machine, which is why it asks for no token.
pub(crate) async fn run_now(
    State(orders): State<Orders>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
) -> Result<Response, Problem> {
    if !peer.ip().to_canonical().is_loopback() {
        return Ok(StatusCode::FORBIDDEN.into_response());
    }
    Ok(Json(settle(&orders).await?).into_response())
}
