//! The nightly settlement: work that is done for nobody. Orders calls payments as itself.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use axum::{
    Json,
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use axum_identity::Problem;
use demo_kit::is_from_this_machine;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower_identity::{Clock, ResponseExt};

use crate::orders::Orders;

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
    Ok(answer.successful()?.json().await?)
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

/// `POST /settlements/run`: for [whoever is at the machine](is_from_this_machine), which is why it asks for no token.
pub(crate) async fn run_now(
    State(orders): State<Orders>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if !is_from_this_machine(peer, &headers) {
        return Ok(StatusCode::FORBIDDEN.into_response());
    }
    Ok(Json(settle(&orders).await?).into_response())
}

#[cfg(test)]
mod tests {
    use tower_identity::{ClientAuth, Outbound, Plaintext, Refusal, RefusalKind, Target, TokenEndpoint};

    use super::*;
    use crate::Statements;

    /// Orders before an authority that nobody is: what gets as far as calling payments is not sent.
    fn orders() -> Orders {
        let auth = ClientAuth::client_secret_basic("orders", "secret").expect("a client");
        let payments = Target::origin("http://127.0.0.1:1").expect("an origin").audience("payments");
        let outbound = Outbound::builder(TokenEndpoint::discover("http://127.0.0.1:1", auth));
        let outbound =
            outbound.plaintext(Plaintext::Loopback).target(payments.client_credentials()).build().expect("good");
        let http = outbound.reqwest(reqwest::Client::builder()).expect("a client");
        let statements = Statements::at("http://127.0.0.1:1", &outbound, None).expect("an address");
        Orders::new(http, "http://127.0.0.1:1", statements, Vec::new())
    }

    #[tokio::test]
    async fn a_page_in_a_browser_on_this_machine_settles_nothing() {
        let run = async |more: Option<(&'static str, &'static str)>| {
            let headers = [("host", "127.0.0.1:9402")].into_iter().chain(more);
            let headers = headers.map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")));
            let peer = ConnectInfo("127.0.0.1:50000".parse().expect("an address"));
            run_now(State(orders()), peer, headers.collect()).await
        };
        let page = run(Some(("origin", "https://page.example"))).await.expect("answered before anything is sent");
        assert_eq!(page.status(), StatusCode::FORBIDDEN);
        let program = run(None).await.expect_err("there is no authority");
        let kind = program.refusal().map(Refusal::kind);
        assert!(matches!(kind, Some(RefusalKind::Unavailable { .. })), "{kind:?}");
    }
}
