//! Transaction tokens beside a caller's credential: every attack beside a control that differs in one thing.

mod building;
mod carried;
mod encrypted;
mod explained;
mod judged;
mod kept;

use futures_util::FutureExt;
use tower_identity_core::{Binding, CallerContext, Refusal, RefusalKind, SecretToken};
use tower_identity_jose::{KeySet, SigningKey};
use tower_identity_testkit::TokenBuilder;
use tower_identity_verify::{Current, TransactionTokens, TrustedIssuer, Verification, Verifier, VerifierBuilder};

use crate::support::{ManualClock, key};

const LOGIN: &str = "https://login.example.com";
const PARTNER: &str = "https://partner.example";
const SHOP: &str = "shop.internal";

/// What came of a caller and a transaction token: who calls for whom, tied by what, with which scopes; or the refusal.
type Outcome = Result<String, (RefusalKind, &'static str)>;

/// Two issuers of callers, a partner's last, and a trust domain whose tokens have keys of their own.
struct House {
    login: SigningKey,
    partner: SigningKey,
    shop: SigningKey,
    clock: ManualClock,
}

fn keys(key: &SigningKey) -> KeySet {
    KeySet::from_keys([key.verifying_key()]).expect("one key")
}

impl House {
    fn new() -> Self {
        Self { login: key(), partner: key(), shop: key(), clock: ManualClock::new() }
    }

    /// Home and the partner, and no trust domain.
    fn callers(&self) -> VerifierBuilder {
        Verifier::builder(TrustedIssuer::keys(LOGIN, keys(&self.login)).audience("payments"))
            .issuer(TrustedIssuer::keys(PARTNER, keys(&self.partner)).audience("payments"))
            .clock(self.clock.clock())
    }

    /// The trust domain, which nobody carries the tokens of but whoever asked for one, by the names of home.
    fn shop(&self) -> TransactionTokens {
        TransactionTokens::of_keys(SHOP, keys(&self.shop)).workloads_of(LOGIN)
    }

    fn trusting(&self, shop: TransactionTokens) -> Verifier {
        self.callers().transaction_tokens(shop).build().expect("valid")
    }

    /// One in which orders is a carrier.
    fn verifier(&self) -> Verifier {
        self.trusting(self.shop().carriers(["orders"]))
    }

    /// A workload's own token.
    fn own(&self, client: &str) -> TokenBuilder {
        let token = TokenBuilder::new(LOGIN, &self.login, self.clock.now());
        token.client(client).audience("payments").scope("payments:everything")
    }

    fn of_partner(&self, client: &str) -> TokenBuilder {
        TokenBuilder::new(PARTNER, &self.partner, self.clock.now()).client(client).audience("payments")
    }

    /// A transaction token of alice's, which the storefront has asked for.
    fn alice(&self) -> TokenBuilder {
        TokenBuilder::transaction_token(SHOP, "storefront", &self.shop, self.clock.now())
            .subject("alice")
            .scope("payments:charge")
            .claim("txn", "97053963")
    }
}

/// The verdict on a caller's token and a transaction token.
fn verdict(settings: &Current, caller: &TokenBuilder, token: Option<&TokenBuilder>) -> Verification {
    let token = token.map(|token| token.clone().build());
    verdict_on(settings, &caller.clone().build(), token.as_ref())
}

fn verdict_on(settings: &Current, caller: &SecretToken, token: Option<&SecretToken>) -> Verification {
    settings.transaction(settings.bearer(caller.expose()), token.map(SecretToken::expose))
}

fn decided(verifier: &Verifier, caller: &TokenBuilder, token: &TokenBuilder) -> Result<CallerContext, Refusal> {
    settled(verdict(&verifier.current(), caller, Some(token)))
}

/// The decision, for which nothing had to be fetched.
#[track_caller]
fn settled(verification: Verification) -> Result<CallerContext, Refusal> {
    verification.now_or_never().expect("keys are given")
}

fn judge(verifier: &Verifier, caller: &TokenBuilder, token: &TokenBuilder) -> Outcome {
    outcome(decided(verifier, caller, token))
}

fn outcome(decision: Result<CallerContext, Refusal>) -> Outcome {
    let caller = decision.map_err(|refusal| (refusal.kind().clone(), refusal.check()))?;
    let principal = caller.principal();
    let user = principal.user().map_or("nobody".to_owned(), |user| format!("{} of {}", user.id, user.issuer));
    let binding = match principal.binding() {
        Binding::Transaction => "carried",
        Binding::SameToken => "same token",
        other => panic!("{other:?} is none that is stated here"),
    };
    Ok(format!("{} for {user}, {binding}: {}", principal.workload().id, principal.scopes()))
}

fn ok(told: &str) -> Outcome {
    Ok(told.to_owned())
}

fn bad(check: &'static str) -> Outcome {
    Err((RefusalKind::InvalidTransactionToken, check))
}

fn unrelated() -> Outcome {
    Err((RefusalKind::UnrelatedCredentials, "binding"))
}

/// What alice's token comes to in the hands of orders.
const CARRIED: &str = "orders for alice of shop.internal, carried: payments:charge";
