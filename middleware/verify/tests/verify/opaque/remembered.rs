//! For how long an answer is remembered, and what of it.

use std::{
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use futures_util::future::join_all;
use proptest::prelude::*;
use serde_json::json;
use tower_identity_oauth::Introspection;
use tower_identity_testkit::{Endpoint, Failure};
use tower_identity_verify::{TrustedIssuer, Verifier};

use super::{Desk, auth};
use crate::support::{HOUR, MINUTE, SECOND, accepted, at_once, invalid, refused, until};

#[tokio::test]
async fn rfc7662_a4_an_answer_is_remembered_for_a_minute_and_no_longer() {
    let desk = Desk::new();
    let token = desk.token();
    accepted(desk.ask(&token).await);
    desk.issuer.revoke(&token);
    // From 70 % of its time on it would be asked for in the background.
    desk.clock.advance(41 * SECOND);
    accepted(desk.ask_at_once(&token));
    assert_eq!(desk.calls(), 1);
    desk.clock.advance(19 * SECOND);
    assert!(!desk.is_remembered(&token));
    assert_eq!(refused(desk.ask(&token).await), invalid("introspection"));
    assert_eq!(desk.calls(), 2);
}

#[tokio::test]
async fn rfc7662_a4_an_answer_never_outlives_its_token() {
    let desk = Desk::new();
    let token = desk.issuer.opaque(desk.good().lifetime(20 * SECOND));
    accepted(desk.ask(&token).await);
    desk.clock.advance(20 * SECOND - Duration::from_nanos(1));
    accepted(desk.ask_at_once(&token));
    assert_eq!(desk.calls(), 1);
    desk.clock.advance(Duration::from_nanos(1));
    assert!(!desk.is_remembered(&token), "also within the leeway");
    assert_eq!(refused(desk.ask(&token).await), invalid("introspection"));
    assert_eq!(desk.calls(), 2);
}

#[tokio::test]
async fn rfc7662_a4_a_token_in_use_is_asked_about_again_behind_its_back() {
    let desk = Desk::new();
    let token = desk.token();
    accepted(desk.ask(&token).await);
    desk.issuer.revoke(&token);
    desk.clock.advance(50 * SECOND);
    accepted(desk.ask_at_once(&token));
    until(|| desk.calls() == 2).await;
    until(|| desk.ask_at_once(&token).is_err()).await;
    assert_eq!(refused(desk.ask_at_once(&token)), invalid("introspection"));
    assert_eq!(desk.calls(), 2);
}

#[tokio::test]
async fn rfc7662_a4_what_is_answered_after_whoever_asked_has_gone_is_remembered() {
    let desk = Desk::new();
    let token = desk.token();
    let held = desk.issuer.hold(Endpoint::Introspection);
    let mut asked = Box::pin(desk.ask(&token));
    assert!(asked.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(asked);
    held.release();
    until(|| desk.is_remembered(&token)).await;
    accepted(desk.ask_at_once(&token));
    assert_eq!(desk.calls(), 1);
}

#[tokio::test]
async fn rfc7662_a4_that_a_token_is_not_good_is_remembered_for_five_seconds() {
    let desk = Desk::new();
    let token = desk.token();
    desk.issuer.fail_once(Endpoint::Introspection, Failure::Member("active", json!(false)));
    assert_eq!(refused(desk.ask(&token).await), invalid("introspection"));
    desk.clock.advance(5 * SECOND - Duration::from_nanos(1));
    assert_eq!(refused(desk.ask_at_once(&token)), invalid("introspection"));
    assert_eq!(desk.calls(), 1);
    desk.clock.advance(Duration::from_nanos(1));
    accepted(desk.ask(&token).await);
    assert_eq!(desk.calls(), 2);

    // Active, and for somebody else: no longer than if it were not.
    let elsewhere = desk.issuer.opaque(desk.good().audience("payments"));
    assert_eq!(refused(desk.ask(&elsewhere).await), invalid("aud"));
    assert_eq!(refused(desk.ask_at_once(&elsewhere)), invalid("aud"));
    desk.clock.advance(5 * SECOND);
    assert!(!desk.is_remembered(&elsewhere));
}

#[tokio::test]
async fn rfc7662_a4_equal_asks_at_one_time_make_one_call() {
    let desk = Desk::new();
    let token = desk.token();
    let held = desk.issuer.hold(Endpoint::Introspection);
    let asks = (0..100).map(|_| tokio::spawn(desk.verifier.bearer(token.expose()))).collect::<Vec<_>>();
    desk.issuer.arrived(Endpoint::Introspection, 1).await;
    held.release();
    for decision in join_all(asks).await {
        accepted(decision.expect("no panic"));
    }
    assert_eq!(desk.calls(), 1);
    accepted(desk.ask(&desk.token()).await);
    assert_eq!(desk.calls(), 2, "another token is another call");
}

#[tokio::test]
async fn rfc7662_a4_what_is_remembered_is_judged_again_on_each_request() {
    let desk = Desk::new();
    let token = desk.token();
    accepted(desk.ask(&token).await);
    let now = desk.now();
    desk.clock.set_wall(now.saturating_sub(31 * SECOND));
    assert_eq!(refused(desk.ask_at_once(&token)), invalid("iat"));
    desk.clock.set_wall(now);
    accepted(desk.ask_at_once(&token));
    assert_eq!(desk.calls(), 1);
    // No time has passed but on the wall.
    desk.clock.set_wall(now.saturating_add(HOUR));
    assert!(!desk.is_remembered(&token));
    assert_eq!(refused(desk.ask(&token).await), invalid("introspection"));
    assert_eq!(desk.calls(), 2);
}

#[tokio::test]
async fn rfc7662_a4_what_one_issuer_says_of_a_token_is_nothing_to_another() {
    let (one, other) = (Desk::new(), Desk::new());
    let token = one.token();
    accepted(one.ask(&token).await);
    assert_eq!(refused(other.ask(&token).await), invalid("introspection"));
    assert_eq!((one.calls(), other.calls()), (1, 1));
    accepted(one.ask_at_once(&token));
}

#[tokio::test]
async fn rfc7662_a4_without_an_end_a_token_lasts_for_a_request_and_its_answer_no_longer_than_others() {
    let desk = Desk::new();
    let token = desk.issuer.opaque(desk.good().without("exp"));
    let in_a_minute = || desk.now().saturating_add(MINUTE);
    assert_eq!(accepted(desk.ask(&token).await).principal().expires_at(), in_a_minute());
    desk.clock.advance(41 * SECOND);
    assert_eq!(accepted(desk.ask_at_once(&token)).principal().expires_at(), in_a_minute());
    assert_eq!(desk.calls(), 1);
    // Behind its back, as of any token in use.
    desk.clock.advance(8 * SECOND);
    accepted(desk.ask_at_once(&token));
    until(|| desk.calls() == 2).await;

    let forgotten = desk.issuer.opaque(desk.good().without("exp"));
    accepted(desk.ask(&forgotten).await);
    desk.issuer.revoke(&forgotten);
    desk.clock.advance(MINUTE);
    assert!(!desk.is_remembered(&forgotten));
    assert_eq!(refused(desk.ask(&forgotten).await), invalid("introspection"));
}

#[tokio::test]
async fn rfc7662_a4_without_an_end_a_token_lasts_for_a_request_whatever_is_remembered() {
    for seconds in [0, 1, 300] {
        let desk = Desk::with(|introspection| introspection.remember(Duration::from_secs(seconds)));
        let (endless, ending) = (desk.issuer.opaque(desk.good().without("exp")), desk.token());
        let expires_in = |decision| accepted(decision).principal().expires_at().since(desk.now());
        assert_eq!(expires_in(desk.ask(&endless).await), MINUTE, "{seconds}");
        assert_eq!(expires_in(desk.ask(&ending).await), 5 * MINUTE, "{seconds}");
        // The verdict's end is not the answer's: this one is used for as long as any other.
        let part = Duration::from_secs(seconds) / 3;
        desk.clock.advance(2 * part);
        assert_eq!(desk.is_remembered(&endless), seconds > 0, "{seconds}");
        desk.clock.advance(part + SECOND);
        assert!(!desk.is_remembered(&endless), "{seconds}");
    }
}

#[tokio::test]
async fn what_is_not_to_be_remembered_is_not() {
    let desk = Desk::with(|introspection| introspection.remember(Duration::ZERO));
    let (token, unknown) = (desk.token(), desk.issuer.opaque(desk.good().lifetime(Duration::ZERO)));
    for calls in [2, 4] {
        accepted(desk.ask(&token).await);
        assert_eq!(refused(desk.ask(&unknown).await), invalid("introspection"));
        assert_eq!(desk.calls(), calls);
    }
}

#[tokio::test]
async fn rfc7662_a4_an_answer_that_is_too_large_to_be_remembered_is_asked_for_each_time() {
    let desk = Desk::new();
    let fills = |bytes: usize| desk.issuer.opaque(desk.good().claim("padding", "x".repeat(bytes)));
    for (bytes, calls) in [(15 * 1024, 1), (17 * 1024, 2)] {
        let (token, before) = (fills(bytes), desk.calls());
        accepted(desk.ask(&token).await);
        accepted(desk.ask(&token).await);
        assert_eq!(desk.calls() - before, calls, "{bytes}");
    }
}

/// A verifier of this desk's issuer that remembers for so long.
fn remembering(desk: &Desk, seconds: u64) -> Verifier {
    let url = desk.issuer.url(Endpoint::Introspection);
    let introspection = Introspection::at(url, auth()).remember(Duration::from_secs(seconds));
    let trusted = TrustedIssuer::opaque(desk.issuer.issuer().as_str(), introspection).audience("orders");
    Verifier::builder(trusted).clock(desk.clock.clock()).build().expect("valid")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However often it is used, a token that was revoked goes on no longer than its answer is remembered, nor than it
    /// lasts; and one that was not is never refused before it ends.
    #[test]
    fn rfc7662_a4_no_answer_is_used_beyond_its_time(
        remembered in 0_u64..90,
        lasts in 1_u64..120,
        is_revoked in any::<bool>(),
        steps in proptest::collection::vec(0_u64..20, 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let desk = Desk::new();
            let verifier = remembering(&desk, remembered);
            let token = Arc::new(desk.issuer.opaque(desk.good().lifetime(Duration::from_secs(lasts))));
            accepted(verifier.bearer(token.expose()).await);
            if is_revoked {
                desk.issuer.revoke(&token);
            }
            let mut passed = 0;
            for step in steps {
                desk.clock.advance(Duration::from_secs(step));
                passed += step;
                let is_accepted = verifier.bearer(token.expose()).await.is_ok();
                if is_revoked {
                    assert!(!is_accepted || passed < remembered.min(lasts), "{passed} of {remembered}, {lasts}");
                } else {
                    assert_eq!(is_accepted, passed < lasts, "{passed} of {remembered}, {lasts}");
                }
            }
        });
    }
}

#[test]
fn without_a_runtime_what_is_remembered_is_decided_all_the_same() {
    let desk = Desk::new();
    let token = desk.token();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    accepted(runtime.block_on(desk.ask(&token)));
    drop(runtime);
    desk.clock.advance(50 * SECOND);
    accepted(at_once(desk.verifier.bearer(token.expose())));
}
