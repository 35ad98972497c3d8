//! Tokens that only their issuer can read, or only a store can complete.

mod answers;
mod explain;
mod flood;
mod outage;
mod phantom;
mod remembered;
mod replaced;
mod settings;
mod signed;
mod split;

use std::{sync::Arc, time::Duration};

use tower_identity_core::{CallerContext, Refusal, RefusalKind, SecretToken, Timestamp};
use tower_identity_oauth::{ClientAuth, Introspection};
use tower_identity_testkit::{Endpoint, ManualClock, TestIssuer, TokenBuilder};
use tower_identity_verify::{TrustedIssuer, Verifier};

use crate::support::at_once;

/// A clock, an issuer of opaque tokens, and a verifier that asks it about them.
struct Desk {
    clock: ManualClock,
    issuer: Arc<TestIssuer>,
    verifier: Verifier,
}

fn auth() -> ClientAuth {
    ClientAuth::client_secret_basic("orders", "hunter2").expect("usable")
}

impl Desk {
    fn new() -> Self {
        Self::with(|introspection| introspection)
    }

    /// A verifier that asks in the way that is said here.
    fn with(change: impl FnOnce(Introspection) -> Introspection) -> Self {
        let clock = ManualClock::new();
        let issuer = TestIssuer::builder().clock(clock.clock()).start();
        let introspection = change(Introspection::at(issuer.url(Endpoint::Introspection), auth()));
        let trusted = TrustedIssuer::opaque(issuer.issuer().as_str(), introspection).audience("orders");
        let verifier = Verifier::builder(trusted).clock(clock.clock()).build().expect("valid");
        Self { clock, issuer: Arc::new(issuer), verifier }
    }

    fn now(&self) -> Timestamp {
        self.clock.clock().wall()
    }

    /// How often the issuer was asked about a token.
    fn calls(&self) -> usize {
        self.issuer.calls(Endpoint::Introspection)
    }

    /// What a good token stands for.
    fn good(&self) -> TokenBuilder {
        self.issuer.token().subject("alice").client("storefront").audience("orders").scope("orders:write")
    }

    fn token(&self) -> SecretToken {
        self.issuer.opaque(self.good())
    }

    async fn ask(&self, token: &SecretToken) -> Result<CallerContext, Refusal> {
        self.verifier.bearer(token.expose()).await
    }

    /// The decision about a token, which is remembered.
    #[track_caller]
    fn ask_at_once(&self, token: &SecretToken) -> Result<CallerContext, Refusal> {
        at_once(self.verifier.bearer(token.expose()))
    }

    fn is_remembered(&self, token: &SecretToken) -> bool {
        self.verifier.bearer(token.expose()).try_now().is_ok()
    }
}

fn later(retry_after: Duration) -> (RefusalKind, &'static str) {
    (RefusalKind::Unavailable { retry_after }, "introspection")
}

fn nonsense() -> (RefusalKind, &'static str) {
    (RefusalKind::BadUpstream, "introspection")
}
