use std::{sync::Arc, time::Duration};

use tower_identity_core::Timestamp;
use tower_identity_jose::{Algorithm, SigningKey};
use tower_identity_oauth::DEADLINE;
use tower_identity_testkit::{Endpoint, ManualClock, TestIssuer, TokenBuilder};
use tower_identity_verify::{TrustedIssuer, Verifier};

use super::{accepted, at_once};

/// A clock, an issuer that fails in every way, and a verifier that fetches its key set from a URL.
pub(crate) struct Stage {
    pub(crate) clock: ManualClock,
    pub(crate) issuer: Arc<TestIssuer>,
    pub(crate) verifier: Verifier,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(|issuer| issuer)
    }

    /// A verifier that trusts the issuer as it is changed here.
    pub(crate) fn with(change: impl FnOnce(TrustedIssuer) -> TrustedIssuer) -> Self {
        let clock = ManualClock::new();
        let issuer = TestIssuer::builder().clock(clock.clock()).start();
        issuer.token_lifetime(Duration::from_secs(10 * 86_400));
        Self::again(clock, Arc::new(issuer), change)
    }

    /// Another process, as it were: a new verifier, of the same issuer at the same time.
    pub(crate) fn again(
        clock: ManualClock,
        issuer: Arc<TestIssuer>,
        change: impl FnOnce(TrustedIssuer) -> TrustedIssuer,
    ) -> Self {
        let trusted = TrustedIssuer::keys_at(issuer.issuer().as_str(), issuer.url(Endpoint::Keys)).audience("orders");
        let verifier = Verifier::builder(change(trusted)).clock(clock.clock()).build().expect("valid");
        Self { clock, issuer, verifier }
    }

    /// A verifier that has the issuer's keys.
    pub(crate) async fn warm(self) -> Self {
        accepted(self.verifier.bearer(&self.token()).await);
        assert_eq!(self.fetches(), 1);
        self
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.clock().wall()
    }

    pub(crate) fn fetches(&self) -> usize {
        self.issuer.calls(Endpoint::Keys)
    }

    /// A good token by the issuer's present key, to be changed at will.
    pub(crate) fn good(&self) -> TokenBuilder {
        self.issuer.token().subject("alice").client("storefront").audience("orders")
    }

    pub(crate) fn token(&self) -> String {
        text(self.good())
    }

    /// A token that is good but for its key, whose id nobody else has.
    pub(crate) fn forged(&self, forger: &SigningKey, key_id: &str) -> TokenBuilder {
        self.good().sign_with(forger).header("kid", key_id)
    }

    /// Signs with a key that is in the place of all others from now on.
    pub(crate) fn replace_key(&self) -> SigningKey {
        let before = self.issuer.rotate_key();
        self.issuer.withdraw_key(before.key_id());
        before
    }

    /// Waits until this token verifies at once.
    #[track_caller]
    pub(crate) fn until_accepted(&self, token: &str) -> impl Future<Output = ()> {
        let accepted = move || matches!(self.verifier.bearer(token).try_now(), Ok(Ok(_)));
        until(accepted)
    }

    /// Waits until so many fetches have landed, and the keeper sleeps for longer than a fetch may take.
    #[track_caller]
    pub(crate) fn until_settled(&self, fetches: usize) -> impl Future<Output = ()> {
        let sleeps = || self.clock.next_wake().is_some_and(|wake| wake > DEADLINE);
        until(move || self.fetches() >= fetches && sleeps())
    }

    pub(crate) fn accepts_at_once(&self, token: &str) {
        accepted(at_once(self.verifier.bearer(token)));
    }
}

pub(crate) fn text(token: TokenBuilder) -> String {
    token.build().expose().to_owned()
}

pub(crate) fn forger() -> SigningKey {
    SigningKey::generate(Algorithm::Es256).expect("ES256 keys are generated")
}

/// Lets the other tasks and threads run until this holds.
#[track_caller]
pub(crate) fn until(mut holds: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        for _ in 0..2_000_000 {
            if holds() {
                return;
            }
            std::thread::yield_now();
            tokio::task::yield_now().await;
        }
        panic!("never came true: {caller}");
    }
}

/// Lets everything go on that can. What is shown by it is that something does not happen.
pub(crate) async fn until_idle() {
    for _ in 0..200 {
        std::thread::yield_now();
        tokio::task::yield_now().await;
    }
}
