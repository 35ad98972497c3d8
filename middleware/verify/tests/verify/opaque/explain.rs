//! What is told of an opaque token.

use tower_identity_core::SecretToken;
use tower_identity_oauth::Introspection;
use tower_identity_testkit::{Endpoint, Failure};
use tower_identity_verify::{Explanation, Outcome, Verdict, check};

use super::Desk;
use crate::explain::is_not_asked;

/// The checks that did not pass, each with its outcome and why.
fn not_passed(told: &Explanation) -> Vec<(&'static str, Outcome, String)> {
    let others = told.checks().iter().filter(|one| one.outcome != Outcome::Passed && !is_not_asked(one));
    others.map(|one| (one.check, one.outcome, one.detail.clone().expect("a reason"))).collect()
}

fn names(told: &Explanation) -> Vec<&'static str> {
    told.checks().iter().map(|checked| checked.check).collect()
}

async fn told(desk: &Desk, token: &SecretToken) -> Explanation {
    let told = desk.verifier.explain(token.expose()).await;
    let refusal = desk.ask(token).await.map(drop).map_err(|refusal| refusal.check());
    assert_eq!(told.refusal().map(tower_identity_core::Refusal::check), refusal.err());
    for text in [told.to_string(), serde_json::to_string(&told).expect("json"), format!("{told:?}")] {
        assert!(!text.contains(token.expose()), "{text}");
    }
    told
}

#[tokio::test]
async fn what_the_issuer_says_is_told_and_judged() {
    let desk = Desk::new();
    let good = told(&desk, &desk.token()).await;
    assert_eq!((good.verdict(), names(&good)), (Verdict::Accepted, check::OPAQUE.to_vec()));
    assert_eq!((not_passed(&good), good.is_genuine()), (vec![], true));
    assert!(good.to_string().contains("client     \"storefront\""), "{good}");

    let bad = desk.issuer.opaque(desk.good().audience("payments").claim("scope", 7));
    let bad = told(&desk, &bad).await;
    let failed = |check, detail: &str| (check, Outcome::Failed, detail.to_owned());
    let expected = [
        failed("aud", r#"expected one of ["orders"], found ["payments"]"#),
        failed("claims", "scope is of a wrong type or value"),
    ];
    assert_eq!((bad.verdict(), not_passed(&bad)), (Verdict::Refused, expected.to_vec()));

    let strange = told(&desk, &desk.issuer.opaque(desk.good().claim("iss", "https://other.example"))).await;
    assert_eq!(strange.failed().map(|checked| checked.check).collect::<Vec<_>>(), ["iss"]);
    assert_eq!(not_passed(&strange).len(), check::OPAQUE.len() - 2, "no other issuer's rules apply");
}

#[tokio::test]
async fn of_a_token_that_nothing_is_said_of_nothing_is_told() {
    let desk = Desk::new();
    let unknown = told(&desk, &SecretToken::new("made-up")).await;
    assert_eq!(unknown.verdict(), Verdict::Refused);
    let [first, rest @ ..] = &not_passed(&unknown)[..] else { panic!("something failed") };
    let why = "its issuer does not say that the token is active".to_owned();
    assert_eq!(first, &("introspection", Outcome::Failed, why));
    assert!(rest.iter().all(|(_, outcome, why)| {
        (*outcome, why.as_str()) == (Outcome::NotReached, "nothing is said of the token")
    }));
    assert_eq!(rest.len(), check::OPAQUE.len() - 2);

    desk.issuer.fail(Endpoint::Introspection, Failure::Unavailable { retry_after: 9 });
    let outage = told(&desk, &desk.token()).await;
    assert_eq!(outage.verdict(), Verdict::Undecided);
    let [(check, outcome, _), ..] = &not_passed(&outage)[..] else { panic!("undecided") };
    assert_eq!((*check, *outcome), ("introspection", Outcome::Undecided));
    assert!(outage.to_string().starts_with("not decided: introspection\n"), "{outage}");

    let malformed = told(&desk, &SecretToken::new("quoted\"one")).await;
    assert_eq!(malformed.failed().map(|checked| checked.check).collect::<Vec<_>>(), ["format"]);
    assert_eq!(not_passed(&malformed).len(), check::OPAQUE.len());
}

#[tokio::test]
async fn of_a_phantom_the_jwt_is_told() {
    let desk = Desk::with(Introspection::phantom);
    let good = told(&desk, &desk.token()).await;
    assert_eq!((good.verdict(), names(&good)), (Verdict::Accepted, check::ALL.to_vec()));
    assert_eq!((not_passed(&good), good.is_genuine()), (vec![], true));

    let forged = told(&desk, &desk.issuer.opaque(desk.good().tampered().audience("payments"))).await;
    assert_eq!(forged.failed().map(|checked| checked.check).collect::<Vec<_>>(), ["signature", "aud"]);

    let unknown = told(&desk, &SecretToken::new("made-up")).await;
    assert_eq!(unknown.failed().map(|checked| checked.check).collect::<Vec<_>>(), ["introspection"]);

    desk.issuer.fail(Endpoint::Keys, Failure::Silence);
    let jwt = told(&desk, &desk.good().build()).await;
    assert_eq!((jwt.verdict(), names(&jwt)), (Verdict::Refused, check::ALL.to_vec()));
    assert_eq!(jwt.failed().map(|checked| checked.check).collect::<Vec<_>>(), ["iss"]);
}

#[tokio::test]
async fn without_keys_for_what_is_signed_it_is_not_decided() {
    let desk = Desk::with(Introspection::signed);
    desk.issuer.fail(Endpoint::Keys, Failure::Unavailable { retry_after: 9 });
    let outage = told(&desk, &desk.token()).await;
    assert_eq!(outage.verdict(), Verdict::Undecided);
    assert!(
        outage.checks().iter().all(|checked| { (checked.outcome == Outcome::Passed) == (checked.check == "format") })
    );
    assert!(outage.to_string().starts_with("not decided: key\n"), "{outage}");
}
