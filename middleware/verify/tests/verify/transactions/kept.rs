//! What is remembered of one, and what becomes of it.

use std::time::Duration;

use serde_json::json;
use tower_identity_core::{RefusalKind, Revocation, SecretToken};
use tower_identity_testkit::{Endpoint, LogCapture, TestIssuer, TokenBuilder, assert_hides};
use tower_identity_verify::{EventReceiver, Received, TransactionTokens, TrustedIssuer, Verifier};

use super::{CARRIED, House, LOGIN, Outcome, SHOP, bad, ok, outcome, unrelated, verdict_on};
use crate::support::{ManualClock, at_once, refused};

/// The verdict on these very bytes.
fn again(verifier: &Verifier, caller: &SecretToken, token: &SecretToken) -> Outcome {
    outcome(at_once(verdict_on(&verifier.current(), caller, Some(token))))
}

#[test]
fn tx_a1_what_is_remembered_is_asked_again() {
    let house = House::new();
    let (verifier, orders, alice) = (house.verifier(), house.own("orders").build(), house.alice().build());
    assert_eq!(again(&verifier, &orders, &alice), ok(CARRIED));
    assert_eq!(again(&verifier, &orders, &alice), ok(CARRIED), "remembered");
    // For nobody in particular: not for whoever presented it first.
    assert_eq!(again(&verifier, &house.own("reports").build(), &alice), unrelated());
    house.clock.advance(Duration::from_secs(149));
    assert_eq!(again(&verifier, &orders, &alice), ok(CARRIED), "within the leeway");
    house.clock.advance(Duration::from_secs(1));
    assert_eq!(again(&verifier, &orders, &alice), bad("exp"));
}

#[test]
fn tx_a1_one_that_is_revoked_is_none() {
    let house = House::new();
    let (verifier, orders, alice) = (house.verifier(), house.own("orders").build(), house.alice().build());
    let revoke = |issuer: &str| {
        let subject = Revocation::subject(issuer.parse().expect("issuer"), "alice".parse().expect("subject"));
        verifier.revocations().revoke(subject);
    };
    revoke(LOGIN);
    assert_eq!(again(&verifier, &orders, &alice), ok(CARRIED), "another alice");
    revoke(SHOP);
    assert_eq!(again(&verifier, &orders, &alice), bad("revoked"));
}

/// A transmitter may speak of a trust domain's users where its row lists the trust domain, and not by being trusted alone.
#[tokio::test]
async fn ssf_a1_events_end_transaction_tokens_where_the_transmitter_may_speak_of_the_trust_domain() {
    const RECEIVER: &str = "https://payments.example/events";
    let clock = ManualClock::new();
    let login = TestIssuer::builder().clock(clock.clock()).start();
    let issuer = login.issuer().as_str();
    let home = TrustedIssuer::keys_at(issuer, login.url(Endpoint::Keys)).audience("payments");
    let shop = TransactionTokens::of(SHOP, login.url(Endpoint::Keys)).carriers(["orders"]);
    let verifier = Verifier::builder(home).transaction_tokens(shop).clock(clock.clock()).build().expect("valid");
    let orders = login.token().client("orders").audience("payments").build();
    let alice = login.transaction_token(SHOP, "storefront").subject("alice").build();
    let judged = async || {
        let settings = verifier.current();
        let verification = settings.transaction(settings.bearer(orders.expose()), Some(alice.expose()));
        drop(settings);
        verification.await.map(drop).map_err(|refusal| refusal.check())
    };
    let event = |event: TokenBuilder| {
        let of = |iss: &str| json!({"format": "iss_sub", "iss": iss, "sub": "alice"});
        event.audience(RECEIVER).claim("sub_id", json!({"format": "aliases", "identifiers": [of(issuer), of(SHOP)]}))
    };
    let received = async |receiver: &EventReceiver| {
        let event = event(login.user_revoked("alice")).build();
        receiver.receive(event.expose()).await.map_err(|refusal| refusal.check())
    };
    let begun = || EventReceiver::builder(&verifier, RECEIVER);
    let row = || TrustedIssuer::keys_at(issuer, login.url(Endpoint::Keys)).audience(RECEIVER).leeway(Duration::ZERO);

    assert_eq!(judged().await, Ok(()));
    let unlisted = begun().build().expect("valid");
    assert_eq!((received(&unlisted).await, judged().await), (Ok(Received::Applied), Ok(())), "of its own users alone");
    let none = begun().transmitter(row(), ["bank.internal"]).build().expect_err("not trusted").to_string();
    assert_eq!(none, "transmitter[0].revokes[0]: is no issuer whose tokens are accepted");
    let listed = begun().transmitter(row(), [issuer, SHOP]).build().expect("valid");
    assert_eq!((received(&listed).await, judged().await), (Ok(Received::Applied), Err("revoked")));
    clock.advance(Duration::from_secs(1));
    let again = login.transaction_token(SHOP, "storefront").subject("alice").build();
    let settings = verifier.current();
    let orders = login.token().client("orders").audience("payments").build();
    let verdict = settings.transaction(settings.bearer(orders.expose()), Some(again.expose()));
    assert!(verdict.await.is_ok(), "what is issued later stands");
}

#[test]
fn tx_a9_whoever_carries_no_longer_is_refused_with_the_next_request() {
    let house = House::new();
    let (verifier, orders, alice) = (house.verifier(), house.own("orders").build(), house.alice().build());
    assert_eq!(again(&verifier, &orders, &alice), ok(CARRIED));
    let next = house.callers().transaction_tokens(house.shop().carriers(["reports"]));
    assert_eq!(verifier.replace(next), Ok(2));
    assert_eq!(again(&verifier, &orders, &alice), unrelated());
    assert!(again(&verifier, &house.own("reports").build(), &alice).is_ok());
    assert_eq!(verifier.replace(house.callers()), Ok(3));
    assert_eq!(again(&verifier, &orders, &alice), Err((RefusalKind::Misconfigured, "wiring")));
}

/// An outage is not a bad token.
#[tokio::test]
async fn tx_a5_keys_are_fetched_where_they_are_and_an_outage_is_no_verdict() {
    let clock = ManualClock::new();
    let (login, tts) =
        (TestIssuer::builder().clock(clock.clock()).start(), TestIssuer::builder().clock(clock.clock()).start());
    let home = TrustedIssuer::keys_at(login.issuer().as_str(), login.url(Endpoint::Keys)).audience("payments");
    let shop = || TransactionTokens::of(SHOP, tts.url(Endpoint::Keys)).carriers(["orders"]);
    let builder = || Verifier::builder(home.clone()).transaction_tokens(shop()).clock(clock.clock());
    let orders = login.token().client("orders").audience("payments").build();
    let alice = tts.transaction_token(SHOP, "storefront").subject("alice").build();
    let verifier = builder().build().expect("valid");
    let judged = async || {
        let settings = verifier.current();
        let verification = settings.transaction(settings.bearer(orders.expose()), Some(alice.expose()));
        drop(settings);
        verification.await
    };

    tts.stop();
    let (kind, check) = refused(judged().await);
    assert!(matches!(kind, RefusalKind::Unavailable { .. }), "{kind:?}");
    assert_eq!(check, "key");
    tts.restart();
    clock.advance(Duration::from_secs(60));
    let caller = judged().await.expect("good");
    assert_eq!(caller.principal().user().expect("a user").id, "alice");
    assert_eq!(login.calls(Endpoint::Keys), 1);

    // The same keys serve the settings that come after.
    let calls = tts.calls(Endpoint::Keys);
    verifier.replace(builder()).expect("valid");
    assert!(judged().await.is_ok());
    assert_eq!(tts.calls(Endpoint::Keys), calls);
}

#[test]
fn tx_a7_neither_log_nor_refusal_has_anything_of_a_token() {
    let logs = LogCapture::start();
    let house = House::new();
    let verifier = house.verifier();
    let judged = |client: &str, token: TokenBuilder| {
        let (caller, token) = (house.own(client).build(), token.build());
        let verdict = at_once(verdict_on(&verifier.current(), &caller, Some(&token)));
        assert_hides(&verdict, [caller.expose(), token.expose()]);
        verdict
    };
    let good = judged("orders", house.alice()).expect("good");
    assert_hides(good.token(), [good.token().token().expect("one").expose()]);
    judged("reports", house.alice()).expect_err("no carrier");
    judged("orders", house.alice().audience("x")).expect_err("not for us");
    judged("orders", house.alice().tampered()).expect_err("not theirs");
    assert!(logs.text().is_empty(), "nothing here tells anything");
}
