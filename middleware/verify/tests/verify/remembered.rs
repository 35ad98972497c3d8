//! Tokens that were verified and are not verified again: every question that a hit asks, beside a control.

mod crowd;
mod keys;
mod model;
mod pairs;
mod revoked;
mod told;

use std::sync::Arc;

use futures_util::FutureExt;
use serde_json::{Value, json};
use tower_identity_core::{CallerContext, RefusalKind, Timestamp, VerifiedToken};
use tower_identity_jose::{KeySet, SigningKey};
use tower_identity_verify::{Profile, Remember, TrustedIssuer, Verifier, VerifierBuilder};

use self::told::Told;
use crate::support::{ManualClock, SECOND, accepted, at_once, claims, invalid, key, refused, sign};

const HOME: &str = "https://login.example.com";
const MILLISECOND: std::time::Duration = std::time::Duration::from_millis(1);

/// An issuer whose keys are given, a clock, and a verifier that remembers.
struct Shop {
    clock: ManualClock,
    key: SigningKey,
    verifier: Verifier,
}

impl Shop {
    fn new() -> Self {
        Self::with(|issuer| issuer, |builder| builder)
    }

    fn with(
        issuer: impl FnOnce(TrustedIssuer) -> TrustedIssuer,
        builder: impl FnOnce(VerifierBuilder) -> VerifierBuilder,
    ) -> Self {
        let (clock, key) = (ManualClock::new(), key());
        let verifier = builder(Verifier::builder(issuer(trusted(&key, "orders"))).clock(clock.clock())).build();
        Self { clock, verifier: verifier.expect("valid"), key }
    }

    fn claims(&self) -> Value {
        claims(HOME, self.clock.now())
    }

    fn token(&self) -> String {
        sign(&self.key, &self.claims())
    }

    fn token_with(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims();
        claims[name] = value;
        sign(&self.key, &claims)
    }

    #[track_caller]
    fn accepted(&self, token: &str) -> Arc<VerifiedToken> {
        accepted_at_once(&self.verifier, token)
    }

    #[track_caller]
    fn refused(&self, token: &str) -> (RefusalKind, &'static str) {
        refused(self.verifier.bearer(token).now_or_never().expect("its keys are given"))
    }
}

fn trusted(key: &SigningKey, audience: &str) -> TrustedIssuer {
    TrustedIssuer::keys(HOME, KeySet::from_keys([key.verifying_key()]).expect("one key")).audience(audience)
}

/// What was verified: the very same where it was remembered, and another where it was verified again.
#[track_caller]
fn accepted_at_once(verifier: &Verifier, token: &str) -> Arc<VerifiedToken> {
    Arc::clone(accepted(at_once(verifier.bearer(token))).caller_token())
}

#[track_caller]
fn assert_remembered(one: &Arc<VerifiedToken>, other: &Arc<VerifiedToken>) {
    assert!(Arc::ptr_eq(one, other), "the token was verified again");
}

#[track_caller]
fn assert_verified_again(one: &Arc<VerifiedToken>, other: &Arc<VerifiedToken>) {
    assert!(!Arc::ptr_eq(one, other), "the token was remembered");
}

#[test]
fn warm_a1_a_token_that_was_verified_is_not_verified_again() {
    let told = Told::listen();
    let shop = Shop::new();
    let (alice, bob) = (shop.token(), shop.token_with("sub", json!("bob")));
    let first = shop.accepted(&alice);
    assert_eq!(told.of_callers(), (0, 1, 1.0));
    for _ in 0..3 {
        assert_remembered(&first, &shop.accepted(&alice));
    }
    assert_eq!(told.of_callers(), (3, 0, 1.0));
    assert_verified_again(&first, &shop.accepted(&bob));
    assert_eq!(told.of_callers(), (0, 1, 2.0));
    // A clone is the same verifier.
    assert_remembered(&first, &accepted_at_once(&shop.verifier.clone(), &alice));
    assert_eq!(told.of_callers(), (1, 0, 2.0));
}

#[test]
fn warm_a1_where_nothing_is_remembered_every_token_is_verified() {
    let told = Told::listen();
    for remember in [Remember::nothing(), Remember::default().tokens(0), Remember::default().bytes(0)] {
        let shop = Shop::with(|issuer| issuer, |builder| builder.remember(remember));
        let token = shop.token();
        assert_verified_again(&shop.accepted(&token), &shop.accepted(&token));
    }
    assert_eq!(told.of_callers(), (0, 0, 0.0));
}

#[test]
fn warm_a2_a_token_that_differs_in_one_byte_is_another() {
    let shop = Shop::new();
    let token = shop.token();
    let first = shop.accepted(&token);
    let mut differ = 0;
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(bytes).expect("ASCII");
        assert_eq!(shop.refused(&other).0, RefusalKind::InvalidToken, "{at}");
        differ += 1;
    }
    assert_eq!(differ, token.len());
    for other in [format!("{token} "), format!("{token}="), format!(" {token}"), token[..token.len() - 1].to_owned()] {
        assert_eq!(shop.refused(&other).0, RefusalKind::InvalidToken);
    }
    assert_remembered(&first, &shop.accepted(&token));
}

#[test]
fn warm_a2_the_spare_bits_of_the_signature_are_part_of_the_token() {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let shop = Shop::new();
    let token = shop.token();
    let first = shop.accepted(&token);
    let (rest, last) = token.split_at(token.len() - 1);
    let value = ALPHABET.iter().position(|letter| *letter == last.as_bytes()[0]).expect("base64url");
    // 64 bytes end four bits into a letter; who ignores them reads sixteen spellings as one signature.
    for spare in 0..16 {
        let other = format!("{rest}{}", char::from(ALPHABET[(value & !15) | spare]));
        if other == token {
            assert_remembered(&first, &shop.accepted(&other));
        } else {
            assert_eq!(shop.refused(&other), invalid("format"), "{spare}");
        }
    }
}

#[test]
fn warm_a3_a_remembered_token_ends_at_exp_and_its_leeway_to_the_millisecond() {
    let shop = Shop::new();
    let now = shop.clock.now();
    let end = now.saturating_add(300 * SECOND);
    for (name, exp, end) in [
        ("in seconds", json!(end.as_secs()), end),
        ("in fractions", json!(end.as_secs() as f64 + 0.5), end.saturating_add(500 * MILLISECOND)),
    ] {
        shop.clock.set(now);
        let token = shop.token_with("exp", exp);
        let first = shop.accepted(&token);
        shop.clock.set(end.saturating_add(30 * SECOND).saturating_sub(MILLISECOND));
        assert_remembered(&first, &shop.accepted(&token));
        shop.clock.set(end.saturating_add(30 * SECOND));
        assert_eq!(shop.refused(&token), invalid("exp"), "{name}");
        // A clock that goes back finds it good again, and has it verified: nothing that is over is kept.
        shop.clock.set(now);
        assert_verified_again(&first, &shop.accepted(&token));
    }
}

#[test]
fn warm_a3_a_remembered_token_has_not_begun_where_the_clock_goes_back() {
    let shop = Shop::new();
    let now = shop.clock.now().saturating_add(600 * SECOND);
    for claim in ["nbf", "iat"] {
        shop.clock.set(now);
        let token = shop.token_with(claim, json!(now.as_secs()));
        let (before, begun) = (now.saturating_sub(30 * SECOND + MILLISECOND), now.saturating_sub(30 * SECOND));
        // Issued earlier than it begins, or the other way round: both count.
        let token = if claim == "nbf" {
            let mut claims = shop.claims();
            (claims["iat"], claims["nbf"]) = (json!(0), json!(now.as_secs()));
            sign(&shop.key, &claims)
        } else {
            token
        };
        let first = shop.accepted(&token);
        shop.clock.set(begun);
        assert_remembered(&first, &shop.accepted(&token));
        shop.clock.set(before);
        assert_eq!(shop.refused(&token), invalid(claim));
        // For no longer than the clock was wrong.
        shop.clock.set(begun);
        assert_remembered(&first, &shop.accepted(&token));
        shop.clock.set(now);
        assert_remembered(&first, &shop.accepted(&token));
    }
}

#[test]
fn warm_a3_a_remembered_token_without_iat_ends_at_exp() {
    let key = key();
    let (clock, spire) = (ManualClock::new(), "spiffe://example.org");
    let keys = KeySet::from_keys([key.verifying_key()]).expect("one key");
    let issuer = TrustedIssuer::keys(spire, keys).audience("orders").profile(Profile::JwtSvid);
    let verifier = Verifier::builder(issuer).clock(clock.clock()).build().expect("valid");
    let end = clock.now().saturating_add(60 * SECOND);
    let header = json!({"alg": "ES256", "kid": key.key_id(), "typ": "JWT"});
    let claims = json!({"sub": format!("{spire}/orders"), "aud": "orders", "exp": end.as_secs()});
    let token = key.sign_with_header(header.as_object().expect("an object"), &claims).expect("signed");
    let token = token.expose();
    let first = accepted_at_once(&verifier, token);
    clock.set(end.saturating_add(30 * SECOND).saturating_sub(MILLISECOND));
    assert_remembered(&first, &accepted_at_once(&verifier, token));
    clock.set(end.saturating_add(30 * SECOND));
    assert_eq!(refused(at_once(verifier.bearer(token))), invalid("exp"));
}

#[test]
fn warm_a5_a_refusal_is_not_remembered() {
    let told = Told::listen();
    let shop = Shop::new();
    let later = shop.clock.now().as_secs() + 60;
    let cases = [
        (shop.token_with("aud", json!("payments")), "aud"),
        (shop.token_with("nbf", json!(later)), "nbf"),
        (shop.token_with("exp", json!(5)), "exp"),
        (shop.token_with("cnf", json!({"jkt": "a"})), "cnf"),
        (sign(&key(), &shop.claims()), "key"),
        (shop.token_with("iss", json!("https://other.example")), "iss"),
    ];
    for _ in 0..2 {
        for (token, check) in &cases {
            assert_eq!(shop.refused(token), invalid(check));
        }
        assert_eq!(told.of_callers(), (0, 6, 0.0));
    }
    // What was too early is good when its time has come, and that is remembered.
    shop.clock.set(Timestamp::from_secs(later));
    let first = shop.accepted(&cases[1].0);
    assert_remembered(&first, &shop.accepted(&cases[1].0));
}

#[test]
fn warm_a9_what_one_verifier_remembers_is_nothing_to_another() {
    let key = key();
    let clock = ManualClock::new();
    let verifier = |change: fn(VerifierBuilder) -> VerifierBuilder, audience: &str| {
        change(Verifier::builder(trusted(&key, audience)).clock(clock.clock())).build().expect("valid")
    };
    let token = sign(&key, &claims(HOME, clock.now()));
    let orders = verifier(|builder| builder, "orders");
    let first = accepted_at_once(&orders, &token);
    // In one thread, so that both have their places there.
    let payments = verifier(|builder| builder, "payments");
    let small = verifier(
        |builder| builder.limits(tower_identity_jose::Limits::default().with_token_bytes(64).expect("few")),
        "orders",
    );
    for _ in 0..2 {
        assert_remembered(&first, &accepted_at_once(&orders, &token));
        assert_eq!(refused(at_once(payments.bearer(&token))), invalid("aud"));
        assert_eq!(refused(at_once(small.bearer(&token))), invalid("format"));
    }
    // The control differs in nothing but in being another.
    assert_verified_again(&first, &accepted_at_once(&verifier(|builder| builder, "orders"), &token));
}

#[test]
fn warm_a9_a_verifier_that_is_gone_has_forgotten_everything() {
    let shop = Shop::new();
    let token = shop.token();
    let first = Arc::downgrade(&shop.accepted(&token));
    // By this thread and another, each of which has it near and lives on.
    std::thread::scope(|scope| {
        let (verifier, token) = (shop.verifier.clone(), &token);
        let (seen, is_seen) = std::sync::mpsc::channel();
        let (gone, is_gone) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || {
            for _ in 0..3 {
                accepted_at_once(&verifier, token);
            }
            drop(verifier);
            seen.send(()).expect("waited for");
            is_gone.recv().expect("told");
        });
        is_seen.recv().expect("told");
        for _ in 0..3 {
            shop.accepted(token);
        }
        assert!(first.upgrade().is_some());
        drop(shop.verifier);
        assert!(first.upgrade().is_none(), "a token outlives its verifier");
        gone.send(()).expect("waited for");
    });
}

/// What every request has of its own.
#[test]
fn warm_a7_each_request_is_judged_at_its_own_time() {
    let shop = Shop::new();
    let token = shop.token();
    let judged_at = || accepted(at_once(shop.verifier.bearer(&token))).judged_at();
    let now = shop.clock.now();
    assert_eq!(judged_at(), now);
    shop.clock.advance(7 * SECOND);
    assert_eq!(judged_at(), now.saturating_add(7 * SECOND));
    let token_of = |caller: CallerContext| Arc::clone(caller.caller_token());
    let [one, other] = [(); 2].map(|()| token_of(accepted(at_once(shop.verifier.bearer(&token)))));
    assert_remembered(&one, &other);
}
