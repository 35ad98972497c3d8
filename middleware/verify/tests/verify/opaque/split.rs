//! Tokens of which the client has the signature alone.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{sync::Semaphore, task::JoinHandle};
use tower_identity_core::{BoxFuture, CallerContext, Fingerprint, Refusal, SecretToken};
use tower_identity_oauth::DEADLINE;
use tower_identity_testkit::{Endpoint, ManualClock, TestIssuer, TokenBuilder};
use tower_identity_verify::{MemorySplitTokens, SplitToken, SplitTokens, StoreError, TrustedIssuer, Verifier};

use super::later;
use crate::support::{MINUTE, SECOND, accepted, eventually, invalid, refused};

struct Desk {
    clock: ManualClock,
    issuer: TestIssuer,
    store: MemorySplitTokens,
    verifier: Verifier,
}

impl Desk {
    fn new() -> Self {
        let clock = ManualClock::new();
        let issuer = TestIssuer::builder().clock(clock.clock()).start();
        let store = MemorySplitTokens::new(100, clock.clock());
        let verifier = verifier(&clock, &issuer, store.clone());
        Self { clock, issuer, store, verifier }
    }

    fn good(&self) -> TokenBuilder {
        self.issuer.token().subject("alice").client("storefront").audience("orders")
    }

    fn put(&self, token: TokenBuilder) -> SecretToken {
        self.store.put(token.build().expose()).expect("a JWT")
    }
}

fn verifier(clock: &ManualClock, issuer: &TestIssuer, store: impl SplitTokens) -> Verifier {
    let trusted = TrustedIssuer::split(issuer.issuer().as_str(), store).audience("orders");
    Verifier::builder(trusted.keys_url(issuer.url(Endpoint::Keys))).clock(clock.clock()).build().expect("valid")
}

#[tokio::test]
async fn split_a1_a_rejoined_token_is_verified_like_any_other() {
    let desk = Desk::new();
    let whole = desk.good().build();
    let signature = desk.store.put(whole.expose()).expect("a JWT");
    assert!(whole.expose().ends_with(signature.expose()) && !signature.expose().contains('.'));
    let caller = accepted(desk.verifier.bearer(signature.expose()).await);
    assert_eq!(caller.caller_token().token(), Some(&whole));
    assert_eq!(caller.principal().user().map(|user| user.id.as_str()), Some("alice"));

    for (name, token, check) in [
        ("for somebody else", desk.good().audience("payments"), "aud"),
        ("tampered with", desk.good().tampered(), "signature"),
        ("of another kind", desk.good().header("typ", "JWT"), "typ"),
        ("of another issuer", desk.good().claim("iss", "https://other.example"), "iss"),
    ] {
        assert_eq!(refused(desk.verifier.bearer(desk.put(token).expose()).await), invalid(check), "{name}");
    }
}

#[tokio::test]
async fn split_a1_a_signature_that_the_store_does_not_know_is_refused() {
    let desk = Desk::new();
    let signature = desk.put(desk.good());
    let unknown = SplitToken::of(desk.good().build().expose()).expect("three parts").signature().clone();
    assert_eq!(refused(desk.verifier.bearer(unknown.expose()).await), invalid("introspection"));
    accepted(desk.verifier.bearer(signature.expose()).await);
    desk.store.remove(signature.expose());
    assert_eq!(refused(desk.verifier.bearer(signature.expose()).await), invalid("introspection"));
    assert_eq!(refused(desk.verifier.bearer(desk.good().build().expose()).await), invalid("iss"), "a whole one");
}

#[tokio::test]
async fn split_a1_an_entry_ends_with_its_token() {
    let desk = Desk::new();
    let signature = desk.put(desk.good().lifetime(MINUTE));
    desk.clock.advance(59 * SECOND);
    accepted(desk.verifier.bearer(signature.expose()).await);
    desk.clock.advance(SECOND);
    assert_eq!(refused(desk.verifier.bearer(signature.expose()).await), invalid("introspection"));
}

#[test]
fn what_is_no_jwt_or_has_no_end_is_not_kept() {
    let desk = Desk::new();
    for token in
        ["opaque", "a.b.c", desk.good().without("exp").build().expose(), desk.good().unsigned().build().expose()]
    {
        let refused = desk.store.put(token).expect_err("not split");
        assert_eq!(refused.to_string(), "the token is no signed JWT that says when it ends");
    }
    desk.store.put(desk.good().build().expose()).expect("the control");
}

/// Another token's rest, or a failure.
#[derive(Debug)]
enum Strange {
    Finds(SecretToken),
    Fails,
}

impl SplitTokens for Strange {
    fn find(&self, _: Fingerprint) -> BoxFuture<'_, Result<Option<SecretToken>, StoreError>> {
        let found = match self {
            Self::Finds(rest) => Ok(Some(rest.clone())),
            Self::Fails => Err(StoreError::new(io::Error::other("the disk is full"))),
        };
        Box::pin(std::future::ready(found))
    }
}

#[tokio::test]
async fn split_a1_a_store_makes_no_token_good_and_one_that_fails_makes_none_bad() {
    let desk = Desk::new();
    let [one, other] =
        [desk.good(), desk.good().subject("bob")].map(|token| SplitToken::of(token.build().expose()).expect("parts"));
    let swapped = verifier(&desk.clock, &desk.issuer, Strange::Finds(other.rest().clone()));
    assert_eq!(refused(swapped.bearer(one.signature().expose()).await), invalid("signature"));
    accepted(swapped.bearer(other.signature().expose()).await);

    let failing = verifier(&desk.clock, &desk.issuer, Strange::Fails);
    assert_eq!(refused(failing.bearer(one.signature().expose()).await), later(2 * SECOND));
}

/// A store that answers one lookup for each permit.
#[derive(Debug, Clone)]
struct Slow {
    store: MemorySplitTokens,
    answers: Arc<Semaphore>,
    lookups: Arc<AtomicUsize>,
}

impl SplitTokens for Slow {
    fn find(&self, signature: Fingerprint) -> BoxFuture<'_, Result<Option<SecretToken>, StoreError>> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            self.answers.acquire().await.expect("open").forget();
            self.store.find(signature).await
        })
    }
}

/// A desk, and a verifier whose store is slow.
struct Queue {
    desk: Desk,
    slow: Slow,
    verifier: Verifier,
}

impl Queue {
    fn new() -> Self {
        let desk = Desk::new();
        let slow =
            Slow { store: desk.store.clone(), answers: Arc::new(Semaphore::new(0)), lookups: Arc::new(0.into()) };
        let verifier = verifier(&desk.clock, &desk.issuer, slow.clone());
        Self { desk, slow, verifier }
    }

    /// The store will answer so many lookups.
    fn answer(&self, lookups: usize) {
        self.slow.answers.add_permits(lookups);
    }

    async fn ask(&self, signature: &str) -> Result<CallerContext, Refusal> {
        self.verifier.bearer(signature).await
    }

    /// A verification whose lookup is under way.
    async fn asking(&self, signature: &str) -> JoinHandle<Result<CallerContext, Refusal>> {
        let before = self.slow.lookups.load(Ordering::Relaxed);
        let waiting = tokio::spawn(self.verifier.bearer(signature));
        eventually(|| self.slow.lookups.load(Ordering::Relaxed) == before + 1).await;
        waiting
    }

    /// As many lookups of made-up tokens as there may be.
    async fn flood(&self) -> Vec<JoinHandle<Result<CallerContext, Refusal>>> {
        let mut flood = Vec::new();
        for number in 0..64 {
            flood.push(self.asking(&format!("made-up-{number}")).await);
        }
        flood
    }
}

#[tokio::test]
async fn split_a2_a_store_that_is_silent_is_an_outage_and_one_that_is_slow_is_not() {
    let queue = Queue::new();
    let signature = queue.desk.put(queue.desk.good());
    let moment = Duration::from_nanos(1);

    let waiting = queue.asking(signature.expose()).await;
    queue.desk.clock.advance(DEADLINE - moment);
    queue.answer(1);
    accepted(waiting.await.expect("no panic"));

    let waiting = queue.asking(signature.expose()).await;
    queue.desk.clock.advance(DEADLINE);
    assert_eq!(refused(waiting.await.expect("no panic")), later(2 * SECOND));
}

#[tokio::test]
async fn split_a2_made_up_tokens_keep_none_waiting_that_was_good() {
    let queue = Queue::new();
    let [known, new] = [queue.desk.good(), queue.desk.good()].map(|token| queue.desk.put(token));
    queue.answer(1);
    accepted(queue.ask(known.expose()).await);

    let flood = queue.flood().await;
    assert_eq!(refused(queue.ask(new.expose()).await), later(SECOND));
    let again = queue.asking(known.expose()).await;
    queue.answer(65);
    accepted(again.await.expect("no panic"));
    for decision in join_all(flood).await {
        assert_eq!(refused(decision.expect("no panic")), invalid("introspection"));
    }
    queue.answer(1);
    accepted(queue.ask(new.expose()).await);
}

#[tokio::test]
async fn split_a2_a_token_that_is_good_no_longer_is_known_no_longer() {
    let queue = Queue::new();
    let [revoked, known] = [queue.desk.good(), queue.desk.good()].map(|token| queue.desk.put(token));
    queue.answer(3);
    accepted(queue.ask(revoked.expose()).await);
    accepted(queue.ask(known.expose()).await);
    queue.desk.store.remove(revoked.expose());
    assert_eq!(refused(queue.ask(revoked.expose()).await), invalid("introspection"));

    let _flood = queue.flood().await;
    assert_eq!(refused(queue.ask(revoked.expose()).await), later(SECOND));
    let again = queue.asking(known.expose()).await;
    queue.answer(65);
    accepted(again.await.expect("no panic"));
}

#[tokio::test]
async fn split_a2_tokens_that_were_good_are_looked_up_within_a_budget_too() {
    let queue = Queue::new();
    let known = queue.desk.put(queue.desk.good());
    queue.answer(1);
    accepted(queue.ask(known.expose()).await);
    let mut waiting = Vec::new();
    for _ in 0..64 {
        waiting.push(queue.asking(known.expose()).await);
    }
    assert_eq!(refused(queue.ask(known.expose()).await), later(SECOND));
    queue.answer(65);
    for decision in join_all(waiting).await {
        accepted(decision.expect("no panic"));
    }
    accepted(queue.ask(known.expose()).await);
}
