//! A certificate that is judged at once, and the token beside it once its issuer's keys are there: both have to be good then.

use std::time::Duration;

use tower_identity_core::{CallerName, RefusalKind, Revocation, Revocations};
use tower_identity_testkit::{ManualClock, TestIssuer};
use tower_identity_verify::TrustedIssuer;

use super::{House, SECOND, STOREFRONT};
use crate::{
    feed::Script,
    support::{accepted, at_once, refused},
};

/// What happens while the token waits.
type Meanwhile<'a> = &'a dyn Fn(&Revocations, &ManualClock);

#[tokio::test]
async fn ssf_a2_a_certificate_that_ends_while_its_token_waits_is_no_longer_good() {
    let subject = |id: &str| {
        let of_domain =
            Revocation::subject("spiffe://example.org".parse().expect("an issuer"), id.parse().expect("id"));
        move |list: &Revocations, _: &ManualClock| assert!(list.revoke(of_domain.clone()))
    };
    let pass = |seconds| move |_: &Revocations, clock: &ManualClock| clock.advance(Duration::from_secs(seconds));
    let cases: [(&str, Meanwhile<'_>, Option<&str>); 5] = [
        ("nothing", &pass(0), None),
        ("revoked", &subject(STOREFRONT), Some("revoked")),
        ("another is revoked", &subject("spiffe://example.org/orders"), None),
        ("its last second", &pass(60), None),
        ("expired", &pass(61), Some("exp")),
    ];
    for (what, meanwhile, expected) in cases {
        let house = House::new();
        let now = house.time.clock().wall();
        let login = TestIssuer::builder().clock(house.time.clock()).start();
        let spire = || CallerName::of_issuer("spiffe://example.org", STOREFRONT).expect("a name");
        let verifier = house
            .trusting(TrustedIssuer::discover(login.issuer().as_str()).audience("orders"))
            .workload(["storefront".try_into().expect("a name"), spire()])
            .build()
            .expect("valid");
        let storefront = house.svid().valid(now, now.saturating_add(60 * SECOND)).build();
        let alice = login.token().subject("alice").client("storefront").audience("orders").build();

        let both = verifier.certificate_and_token(storefront.chain(), alice.expose());
        let waiting = both.try_now().expect_err("there are no keys yet");
        meanwhile(verifier.revocations(), &house.time);
        match (waiting.await, expected) {
            (Err(refusal), Some(check)) => {
                assert_eq!(refusal.check(), check, "{what}");
                let issuer = refusal.named_issuer().map(ToString::to_string);
                assert_eq!(issuer.as_deref(), Some("spiffe://example.org"), "{what}");
            }
            (decision, None) => {
                let caller = accepted(decision);
                assert_eq!(caller.judged_at(), house.time.clock().wall(), "{what}");
                assert_eq!(caller.principal().user().expect("a user").id.as_str(), "alice", "{what}");
            }
            (Ok(caller), Some(check)) => panic!("{what}: {caller:?} in the place of {check}"),
        }
    }
}

/// Whether it is revoked is not known before the feed has answered, where that is asked for.
#[tokio::test]
async fn ssf_a2_before_the_first_pull_certificates_wait_as_tokens_do() {
    let undecided = (RefusalKind::Unavailable { retry_after: SECOND }, "revoked");
    for comes_first in [true, false] {
        let house = House::new();
        let builder = house.builder();
        let verifier = if comes_first {
            builder.require_revocation_feed(Script::default())
        } else {
            builder.revocation_feed(Script::default())
        };
        let verifier = verifier.build().expect("valid");
        let svid = house.svid().build();
        let alone = || verifier.certificate(svid.chain());
        let beside = || at_once(verifier.certificate_and_token(svid.chain(), "not-a-token"));
        if comes_first {
            assert_eq!([refused(alone()), refused(beside())], [undecided.clone(), undecided.clone()]);
        } else {
            accepted(alone());
        }
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        accepted(alone());
        assert_eq!(refused(beside()), (RefusalKind::InvalidToken, "format"), "{comes_first}");
    }
}
