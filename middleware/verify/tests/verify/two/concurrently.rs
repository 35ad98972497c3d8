//! Two credentials that both have to wait, and which of two failures is the answer.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use tower_identity_core::{CallerName, RefusalKind};
use tower_identity_testkit::{Endpoint, ManualClock, TestIssuer, TokenBuilder};
use tower_identity_verify::{TrustedIssuer, Verifier};

use super::{invalid, ok, outcome, unrelated};

/// Two issuers, of callers and of users.
struct Pair {
    machines: TestIssuer,
    login: TestIssuer,
    verifier: Verifier,
}

impl Pair {
    fn new() -> Self {
        let clock = ManualClock::new();
        let [machines, login] = [(); 2].map(|()| TestIssuer::builder().clock(clock.clock()).start());
        let of = |issuer: &TestIssuer, audience| {
            TrustedIssuer::keys_at(issuer.issuer().as_str(), issuer.url(Endpoint::Keys)).audience(audience)
        };
        let name = |issuer: &TestIssuer, id| CallerName::of_issuer(issuer.issuer().as_str(), id).expect("a name");
        let verifier = Verifier::builder(of(&machines, "orders"))
            .user_issuer(of(&login, "shop"))
            .workload([name(&machines, "storefront"), name(&login, "web")])
            .clock(clock.clock())
            .build()
            .expect("valid");
        Self { machines, login, verifier }
    }

    fn caller(&self) -> TokenBuilder {
        self.machines.token().subject("storefront").client("storefront").audience("orders")
    }

    fn user(&self) -> TokenBuilder {
        self.login.token().subject("alice").client("web").audience("shop").scope("shop:read")
    }
}

fn text(token: TokenBuilder) -> String {
    token.build().expose().to_owned()
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn two_p2_both_wait_at_the_same_time_and_nothing_is_asked_before_somebody_waits() {
    let pair = Pair::new();
    let held = [&pair.machines, &pair.login].map(|issuer| issuer.hold(Endpoint::Keys));
    let verification = pair.verifier.pair(&text(pair.caller()), &text(pair.user()));
    let mut verification = pin!(verification.try_now().expect_err("no keys yet"));
    assert_eq!((pair.machines.calls(Endpoint::Keys), pair.login.calls(Endpoint::Keys)), (0, 0));
    assert!(poll_once(verification.as_mut()).is_pending());
    // Neither has answered, and both were asked.
    tokio::join!(pair.machines.arrived(Endpoint::Keys, 1), pair.login.arrived(Endpoint::Keys, 1));
    for one in held {
        one.release();
    }
    assert_eq!(outcome(verification.await), ok("storefront for alice, named: shop:read"));

    // Warm, it is decided at once; where one of the two is warm, only the other is waited for.
    let again = pair.verifier.pair(&text(pair.caller()), &text(pair.user())).try_now().expect("at once");
    assert_eq!(outcome(again), ok("storefront for alice, named: shop:read"));
}

#[tokio::test]
async fn two_p2_of_two_failures_the_callers_is_the_answer() {
    let good = ok("storefront for alice, named: shop:read");
    let unavailable = |decision: &super::Outcome| matches!(decision, Err((RefusalKind::Unavailable { .. }, "key")));
    for warm in [false, true] {
        let pair = Pair::new();
        if warm {
            pair.verifier.pair(&text(pair.caller()), &text(pair.user())).await.expect("good");
        }
        let ask = async |caller: TokenBuilder, user: TokenBuilder| {
            outcome(pair.verifier.pair(&text(caller), &text(user)).await)
        };
        assert_eq!(ask(pair.caller(), pair.user()).await, good, "warm: {warm}");
        let (forged, elsewhere) = (pair.caller().tampered(), pair.user().audience("else"));
        assert_eq!(ask(forged.clone(), pair.user()).await, invalid("signature"), "warm: {warm}");
        assert_eq!(ask(pair.caller(), elsewhere.clone()).await, invalid("aud"), "warm: {warm}");
        assert_eq!(ask(forged, elsewhere).await, invalid("signature"), "warm: {warm}");
        assert_eq!(ask(pair.caller(), pair.user().client("another")).await, unrelated(), "warm: {warm}");
    }
    // Cold, and one issuer out of reach.
    let (down_machines, down_login) = (Pair::new(), Pair::new());
    down_machines.machines.stop();
    let pair = &down_machines;
    let answer = outcome(pair.verifier.pair(&text(pair.caller()), &text(pair.user().audience("else"))).await);
    assert!(unavailable(&answer), "{answer:?}");
    down_login.login.stop();
    let pair = &down_login;
    let answer = outcome(pair.verifier.pair(&text(pair.caller()), &text(pair.user())).await);
    assert!(unavailable(&answer), "{answer:?}");
    let answer = outcome(pair.verifier.pair(&text(pair.caller().tampered()), &text(pair.user())).await);
    assert_eq!(answer, invalid("signature"));
}

#[tokio::test]
async fn two_p2_a_caller_who_is_refused_costs_no_keys_of_users_and_no_wait_for_them() {
    let pair = Pair::new();
    let held = pair.login.hold(Endpoint::Keys);
    // At once, where that can be told without keys.
    let unreadable = pair.verifier.pair("x", &text(pair.user())).try_now().expect("at once");
    assert_eq!(outcome(unreadable), invalid("format"));
    assert_eq!(pair.login.calls(Endpoint::Keys), 0);
    // After a wait, as soon as it is known, though the user's keys never come.
    let refused = pair.verifier.pair(&text(pair.caller().audience("else")), &text(pair.user())).await;
    assert_eq!(outcome(refused), invalid("aud"));
    drop(held);
}

#[tokio::test]
async fn e_p1_the_operator_learns_which_of_the_two_was_refused() {
    let pair = Pair::new();
    let told = async |caller: TokenBuilder, user: TokenBuilder| {
        let refusal = pair.verifier.pair(&text(caller), &text(user)).await.expect_err("refused");
        let issuer = refusal.named_issuer().cloned().expect("an issuer's rules");
        (refusal.explanation().unwrap_or_default().to_owned(), issuer == *pair.machines.issuer())
    };
    let (detail, of_machines) = told(pair.caller().audience("else"), pair.user()).await;
    assert_eq!((detail.as_str(), of_machines), (r#"expected one of ["orders"], found ["else"]"#, true));
    let (detail, of_machines) = told(pair.caller(), pair.user().audience("else")).await;
    let expected = r#"the user's credential: expected one of ["shop"], found ["else"]"#;
    assert_eq!((detail.as_str(), of_machines), (expected, false));
    let (detail, of_machines) = told(pair.caller(), pair.user().tampered()).await;
    assert_eq!((detail.as_str(), of_machines), ("the user's credential", false));
    let (detail, of_machines) = told(pair.caller(), pair.user().client("other")).await;
    let expected = format!(
        "the caller is \"storefront\" of {}, and the user's token was issued to \"other\" of {}",
        pair.machines.issuer(),
        pair.login.issuer()
    );
    assert_eq!((detail, of_machines), (expected, true));
}
