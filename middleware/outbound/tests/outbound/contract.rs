//! What every strategy keeps to, each shown of each: it fails closed, its key is complete, what it gets is checked, it waits
//! no longer than it may, who goes away harms nobody, and no secret of it is seen. A new strategy is a new row in
//! [`strategies`]; the [`acts`] are also played at the servers of others.

mod acts;
mod strategies;

use std::time::Duration;

use tower_identity_core::CallerContext;
use tower_identity_outbound::{HttpClient, OutboundBuilder, RequestBuilder, SendError, Target};

use self::strategies::{CONTRACTS, Scene};
use crate::support::{Got, Log, is_alone, run_alone};

impl acts::Scene for Scene {
    fn target(&self) -> Target {
        self.world.payments.target()
    }

    fn url(&self, path: &str) -> String {
        self.world.payments.url(path)
    }

    fn arrived(&self) -> Vec<String> {
        self.world.payments.got().iter().map(arrived).collect()
    }

    fn builder(&self) -> OutboundBuilder {
        let partner = self.partner.endpoint("orders").accepts_issuer(self.world.authority.issuer());
        self.world.builder().server("partner", partner)
    }

    fn timed(&self) -> OutboundBuilder {
        self.builder().clock(self.time.clock())
    }

    fn pass(&self, time: Duration) {
        self.time.advance(time.as_millis().try_into().expect("little"));
    }

    fn closes(&self) {
        self.world.authority.closes();
    }

    fn opens(&self) {
        self.world.authority.opens();
    }

    async fn was_asked(&self) {
        self.world.authority.called(1).await;
    }

    fn asked(&self) -> usize {
        self.world.authority.calls().len() + self.partner.calls().len()
    }

    fn secrets(&self) -> Vec<String> {
        let made_here = self.secrets.lock().expect("unpoisoned").clone();
        ["token-of-alice", "s3cret-of-ours"].map(str::to_owned).into_iter().chain(made_here).collect()
    }
}

/// What goes in a field of its own says so by the field's name, and not by a scheme. A name is no secret of its own, but where it
/// is written as somebody's.
fn arrived(got: &Got) -> String {
    let text = |name: &str| got.headers.get(name).map(|value| value.to_str().expect("ascii"));
    match (text("txn-token"), text("x-user-id")) {
        (Some(token), _) => format!("Bearer {token}"),
        (None, Some(user)) => format!("Bearer x-user-id: {user}"),
        (None, None) => got.authorization().join(", "),
    }
}

#[tokio::test]
async fn out_b33_every_strategy_fails_closed() {
    for contract in CONTRACTS {
        acts::fails_closed(contract, Scene::new).await;
    }
}

#[tokio::test]
async fn out_b33_every_strategys_key_is_complete() {
    for contract in CONTRACTS {
        acts::has_a_complete_key(contract, Scene::new).await;
    }
}

#[tokio::test]
async fn out_b33_every_strategy_checks_what_it_gets() {
    for contract in CONTRACTS {
        acts::checks_what_it_gets(contract, Scene::new).await;
    }
}

#[tokio::test]
async fn out_b33_every_strategy_keeps_the_deadline() {
    for contract in CONTRACTS {
        acts::keeps_the_deadline(contract, Scene::new).await;
    }
}

#[tokio::test]
async fn out_b33_who_goes_away_harms_nobody_whatever_the_strategy() {
    for contract in CONTRACTS {
        acts::is_harmed_by_nobody(contract, Scene::new).await;
    }
}

/// Hears everything, whatever thread says it, only in a process of its own.
#[tokio::test]
async fn out_b33_no_strategy_shows_a_secret() {
    if !is_alone() {
        return run_alone("contract::out_b33_no_strategy_shows_a_secret", Vec::new()).await;
    }
    let log = Log::default();
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).init();
    for contract in CONTRACTS {
        acts::shows_no_secret(contract, Scene::new, || log.text()).await;
    }
}
