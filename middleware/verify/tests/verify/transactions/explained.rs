//! Why one is accepted or refused: the verdict on a request, and every check of it.

use futures_util::FutureExt;
use serde_json::json;
use tower_identity_core::{Issuer, Refusal};
use tower_identity_testkit::{TokenBuilder, assert_hides};
use tower_identity_verify::{Explanation, Outcome, Verdict, check};

use super::{House, LOGIN, SHOP, bad, judge};

fn explained(house: &House, token: &TokenBuilder) -> Explanation {
    let token = token.clone().build();
    let explanation =
        house.verifier().explain_transaction_token(token.expose()).now_or_never().expect("keys are given");
    assert_hides(&explanation, [token.expose()]);
    assert!(!explanation.to_string().contains(token.expose()), "{explanation}");
    explanation
}

#[test]
fn tx_a11_whichever_check_refuses_one_is_named_with_what_was_expected_and_found() {
    let house = House::new();
    let alice = || house.alice();
    let now = house.clock.now().as_secs();
    let cases: [(TokenBuilder, &'static str, &str); 9] = [
        (alice().audience("bank.internal"), "aud", r#"expected one of ["shop.internal"], found ["bank.internal"]"#),
        (alice().header("typ", "at+jwt"), "typ", r#"expected "txntoken+jwt", found "at+jwt""#),
        (alice().without("txn"), "claims", "txn"),
        (alice().claim("scope", json!(["a"])), "claims", "scope"),
        (alice().claim("tctx", json!("order")), "claims", "tctx"),
        (alice().without("req_wl"), "claims", "req_wl"),
        (alice().claim("iat", now - 100).claim("exp", now - 40), "exp", "expired 40s ago"),
        (alice().claim("sub", "storefront"), "subject", "sub is the workload that asked for it, which is no user"),
        (alice().tampered(), "signature", "the signature does not verify"),
    ];
    for (token, at, expected) in cases {
        assert_eq!(judge(&house.verifier(), &house.own("orders"), &token), bad(at), "as on a request");
        let explanation = explained(&house, &token);
        assert_eq!((explanation.verdict(), explanation.refusal().map(Refusal::check)), (Verdict::Refused, Some(at)));
        let failed: Vec<_> = explanation.failed().collect();
        let [only] = failed[..] else { panic!("{explanation}") };
        assert_eq!(only.check, at);
        assert!(only.detail.as_deref().is_some_and(|detail| detail.starts_with(expected)), "{only:?}");
    }
}

/// Of a trust domain that nobody here knows, not even that its issuer is the right one.
#[test]
fn tx_a11_what_no_trust_domain_decides_is_not_said_to_be_in_order() {
    let house = House::new();
    let of_iss = |domain: &str| {
        let explanation = explained(&house, &house.alice().audience(domain));
        explanation.checks().iter().find(|checked| checked.check == check::ISS).map(|checked| checked.outcome)
    };
    assert_eq!(of_iss("bank.internal"), Some(Outcome::NotReached));
    assert_eq!(of_iss(SHOP), Some(Outcome::Passed), "the control");
}

#[test]
fn tx_a11_one_that_is_good_is_told_of_as_nobodys_credential() {
    let house = House::new();
    let explanation = explained(&house, &house.alice());
    assert_eq!(explanation.failed().count(), 0, "{explanation}");
    assert_eq!((explanation.verdict(), explanation.is_genuine()), (Verdict::Accepted, true));
    assert_eq!(explanation.issuer().map(Issuer::as_str), Some(SHOP));
    let first = format!(
        "accepted beside its sender's own credential: for alice of {SHOP}, asked for by storefront of {LOGIN}, may \
         payments:charge\n"
    );
    assert!(explanation.to_string().starts_with(&first), "{explanation}");
}

/// In `Authorization` it is none, and where no trust domain is trusted it is nobody's.
#[test]
fn tx_a11_it_is_explained_as_what_it_is_asked_about() {
    let house = House::new();
    let token = house.alice().claim("iss", LOGIN).build();
    let as_bearer = house.verifier().explain(token.expose()).now_or_never().expect("keys are given");
    assert!(as_bearer.failed().any(|checked| checked.check == "typ"), "{as_bearer}");
    let nobodys = house.callers().build().expect("valid").explain_transaction_token(token.expose());
    let nobodys = nobodys.now_or_never().expect("nothing to wait for");
    assert_eq!(nobodys.refusal().map(Refusal::check), Some("wiring"));
    assert_eq!(nobodys.failed().map(|checked| checked.check).collect::<Vec<_>>(), ["iss"]);
}
