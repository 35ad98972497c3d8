//! What these tests stand on. Small on purpose: the test kit stands on this crate.

mod clock;
pub(crate) mod fixtures;
mod issuer;
mod stage;

use std::time::Duration;

use serde_json::{Value, json};
use tower_identity_core::{CallerContext, Refusal, RefusalKind, Timestamp};
use tower_identity_jose::{Algorithm, MediaType, SigningKey};
use tower_identity_verify::{TrustedIssuer, Verification, Verifier};

pub(crate) use self::{
    clock::ManualClock,
    issuer::{Answer, LocalIssuer},
    stage::{Stage, forger, text, until, until_idle},
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Es256).expect("ES256 keys are generated")
}

/// The claims of a good access token for `orders`, of alice at storefront, that begins now and lasts two days.
pub(crate) fn claims(issuer: &str, now: Timestamp) -> Value {
    json!({
        "iss": issuer, "sub": "alice", "client_id": "storefront", "aud": "orders", "scope": "orders:write",
        "iat": now.as_secs(), "exp": now.as_secs() + 2 * 86_400, "jti": "1f0c",
    })
}

pub(crate) fn sign(key: &SigningKey, claims: &Value) -> String {
    key.sign(&MediaType::ACCESS_TOKEN, claims).expect("signed").expose().to_owned()
}

/// Signs under the usual header, changed.
pub(crate) fn sign_with(
    key: &SigningKey,
    claims: &Value,
    change: impl FnOnce(&mut serde_json::Map<String, Value>),
) -> String {
    let mut header = key.header(&MediaType::ACCESS_TOKEN);
    change(&mut header);
    key.sign_with_header(&header, claims).expect("signed").expose().to_owned()
}

/// A clock, an issuer, and a verifier that finds the issuer's keys by its metadata.
pub(crate) struct World {
    pub(crate) clock: ManualClock,
    pub(crate) issuer: LocalIssuer,
    pub(crate) verifier: Verifier,
}

impl World {
    pub(crate) async fn new() -> Self {
        let (clock, issuer) = (ManualClock::new(), LocalIssuer::start().await);
        let verifier = Verifier::builder(TrustedIssuer::discover(issuer.url()).audience("orders"))
            .clock(clock.clock())
            .build()
            .expect("valid");
        Self { clock, issuer, verifier }
    }

    /// A world whose verifier has the issuer's keys.
    pub(crate) async fn warm() -> Self {
        let world = Self::new().await;
        accepted(world.verifier.bearer(&world.token()).await);
        assert_eq!(world.issuer.fetches(), 1);
        world
    }

    pub(crate) fn claims(&self) -> Value {
        claims(self.issuer.url(), self.clock.now())
    }

    /// A good token, by the issuer's present key.
    pub(crate) fn token(&self) -> String {
        sign(&self.issuer.key(), &self.claims())
    }

    /// A good token, but for a key id that nobody has.
    pub(crate) fn token_of_unknown_key(&self) -> String {
        sign(&key(), &self.claims())
    }
}

#[track_caller]
pub(crate) fn accepted(decision: Result<CallerContext, Refusal>) -> CallerContext {
    decision.unwrap_or_else(|refusal| panic!("{refusal:?}"))
}

/// What is said of a token without waiting.
#[derive(Debug, PartialEq)]
pub(crate) enum Now {
    Waits,
    Accepted,
    Refused((RefusalKind, &'static str)),
}

pub(crate) fn now(verification: Verification) -> Now {
    match verification.try_now() {
        Err(_) => Now::Waits,
        Ok(Ok(_)) => Now::Accepted,
        Ok(decision) => Now::Refused(refused(decision)),
    }
}

/// The decision, which must not have needed to wait.
#[track_caller]
pub(crate) fn at_once(verification: Verification) -> Result<CallerContext, Refusal> {
    verification.try_now().expect("decided without waiting")
}

/// The kind of the refusal and the check that failed.
#[track_caller]
pub(crate) fn refused(decision: Result<CallerContext, Refusal>) -> (RefusalKind, &'static str) {
    let refusal = decision.map(|caller| format!("{caller:?}")).expect_err("refused");
    (refusal.kind().clone(), refusal.check())
}

pub(crate) fn invalid(check: &'static str) -> (RefusalKind, &'static str) {
    (RefusalKind::InvalidToken, check)
}

pub(crate) fn unavailable(retry_after: Duration) -> (RefusalKind, &'static str) {
    (RefusalKind::Unavailable { retry_after }, "key")
}

/// Lets the other tasks run until this holds.
#[track_caller]
pub(crate) fn eventually(mut holds: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        for _ in 0..1_000_000 {
            if holds() {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("never came true: {caller}");
    }
}
