//! Tokens of which the client has the signature alone.

use std::io;

use tower_identity_core::{BoxFuture, Fingerprint, RefusalKind, SecretToken};
use tower_identity_testkit::{Endpoint, ManualClock, TestIssuer, TokenBuilder};
use tower_identity_verify::{MemorySplitTokens, SplitToken, SplitTokens, StoreError, TrustedIssuer, Verifier};

use crate::support::{MINUTE, SECOND, accepted, invalid, refused};

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
    assert_eq!(caller.caller_token().token(), &whole);
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
    let undecided = (RefusalKind::Unavailable { retry_after: 2 * SECOND }, "introspection");
    assert_eq!(refused(failing.bearer(one.signature().expose()).await), undecided);
}
