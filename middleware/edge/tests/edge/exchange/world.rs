//! An issuer that is the trust domain's authority, too, and an edge in front of a service.

use tower_identity_core::Revocations;
use tower_identity_edge::{EdgeLayer, Exchange, ExchangeBuilder};
use tower_identity_inbound::AuthLayer;
use tower_identity_oauth::{ClientAuth, TokenEndpoint};
use tower_identity_testkit::{Endpoint, LogCapture, ManualClock, TestIssuer, TokenBuilder};
use tower_identity_verify::{TransactionTokens, TrustedIssuer, Verifier};

use crate::{
    support::SHOP,
    through::{Asked, through},
};

pub(super) struct World {
    pub(super) clock: ManualClock,
    pub(super) login: TestIssuer,
    pub(super) revocations: Revocations,
}

pub(super) fn gateway() -> ClientAuth {
    ClientAuth::client_secret_basic("gateway", "s3cr3t").expect("a client")
}

impl World {
    pub(super) fn new() -> Self {
        let clock = ManualClock::new();
        Self {
            login: TestIssuer::builder().clock(clock.clock()).start(),
            revocations: Revocations::new(clock.clock()),
            clock,
        }
    }

    pub(super) fn outside(&self) -> AuthLayer {
        let home = TrustedIssuer::discover(self.login.issuer().as_str()).audience("shop");
        let verifier = Verifier::builder(home).clock(self.clock.clock()).revocations(self.revocations.clone());
        AuthLayer::new(verifier.build().expect("a verifier"))
    }

    pub(super) fn server(&self) -> TokenEndpoint {
        TokenEndpoint::discover(self.login.issuer().as_str(), gateway())
    }

    pub(super) fn builder_at(&self, server: TokenEndpoint) -> ExchangeBuilder {
        let shop = TransactionTokens::of(SHOP, self.login.url(Endpoint::Keys));
        Exchange::builder(server, shop).scope("orders:write", "orders:place").clock(self.clock.clock())
    }

    pub(super) fn builder(&self) -> ExchangeBuilder {
        self.builder_at(self.server())
    }

    pub(super) fn build(&self, builder: ExchangeBuilder) -> Exchange {
        builder.build().expect("an exchange")
    }

    pub(super) fn layer(&self) -> EdgeLayer {
        EdgeLayer::exchanging(self.outside().edge(), self.build(self.builder()))
    }

    pub(super) fn token(&self, user: &str) -> TokenBuilder {
        self.login.token().subject(user).client("browser").audience("shop").scope("orders:write openid")
    }

    /// How often the authority was asked.
    pub(super) fn exchanges(&self) -> usize {
        self.login.calls(Endpoint::Token)
    }

    /// What the peer is told, and what the operator is.
    pub(super) async fn refused(&self, layer: &EdgeLayer, request: Asked) -> (u16, String) {
        let logs = LogCapture::start();
        let status = through(layer, request).await.status().as_u16();
        let text = logs.text();
        let told = text.lines().rfind(|line| line.contains(r#"check="internal_identity""#)).unwrap_or_default();
        let detail = told.split_once(r#"detail=""#).and_then(|(_, rest)| rest.split_once('"'));
        (status, detail.map_or_else(|| text.clone(), |(detail, _)| detail.to_owned()))
    }

    /// Asks until it is so, while what happens behind the callers' backs comes to its end.
    pub(super) async fn until(&self, is_so: impl AsyncFn() -> bool) {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    }
}
