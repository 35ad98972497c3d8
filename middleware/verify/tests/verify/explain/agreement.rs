//! That what is told agrees with what is decided, whatever is wrong with the token.

use tower_identity_core::{CallerContext, Refusal};
use tower_identity_verify::{Profile, Verdict, check};

use super::shop::{Draft, Shop, changes};
use crate::support::fixtures::other_kinds;

/// The verdict is verification's own; the first check that fails is its refusal's; and nothing fails of what it accepts.
async fn agrees(shop: &Shop, token: &str) -> Verdict {
    let decision = shop.verifier.bearer(token).await;
    let told = shop.explain(token).await;
    assert_eq!(told.checks().iter().map(|checked| checked.check).collect::<Vec<_>>(), check::ALL, "{token}");
    assert_eq!(told.failed().next().map(|failed| failed.check), decision.as_ref().err().map(Refusal::check), "{told}");
    assert_eq!(told.refusal().map(ToString::to_string), decision.as_ref().err().map(ToString::to_string));
    assert_eq!(told.verdict(), if decision.is_ok() { Verdict::Accepted } else { Verdict::Refused }, "{told}");
    let principal = |context: &CallerContext| serde_json::to_value(context.principal());
    let expected = decision.as_ref().ok().map(|context| principal(context).expect("serializes"));
    assert_eq!(told.principal().map(|it| serde_json::to_value(it).expect("serializes")), expected);
    assert!(told.verdict() == Verdict::Refused || told.is_genuine(), "{told}");

    told.verdict()
}

#[tokio::test]
async fn the_first_failure_told_is_the_refusal_whatever_two_things_are_wrong() {
    for profile in Profile::ALL {
        let shop = Shop::new(profile);
        assert_eq!(agrees(&shop, &Draft::of(&shop).token()).await, Verdict::Accepted, "{profile:?}");
        // Half of them where it matters most; of the others, whose checks are largely the same, a small part.
        let part = if profile == Profile::Rfc9068 { 2 } else { 9 };
        let changes = changes(&shop);
        let (mut accepted, mut refused) = (0, 0);
        for (at, first) in changes.iter().enumerate() {
            for (_, second) in changes.iter().enumerate().skip(at).filter(|(other, _)| (7 * at + other) % part == 0) {
                let mut draft = Draft::of(&shop);
                first.make(&mut draft, &shop);
                second.make(&mut draft, &shop);
                match agrees(&shop, &draft.token()).await {
                    Verdict::Accepted => accepted += 1,
                    _ => refused += 1,
                }
            }
        }
        assert!(accepted > 5 && refused > 150, "{profile:?}: {accepted}, {refused}");
    }
}

#[tokio::test]
async fn the_first_failure_told_is_the_refusal_of_every_kind_of_token() {
    let issuers: Vec<_> = Profile::ALL.into_iter().map(Shop::new).collect();
    let others = other_kinds();
    for shop in &issuers {
        for shape in issuers.iter().flat_map(Shop::shapes).chain(others.tokens.values()) {
            agrees(shop, &Draft::shaped(shop, shape).token()).await;
        }
    }
}

#[tokio::test]
async fn the_first_failure_told_is_the_refusal_wherever_a_byte_is_off() {
    let shop = Shop::new(Profile::Rfc9068);
    let token = Draft::of(&shop).token();
    for at in 0..token.len() {
        for with in ["", "A", "."] {
            if token[at..].starts_with(with) && !with.is_empty() {
                continue;
            }
            let broken = format!("{}{with}{}", &token[..at], &token[at + 1..]);
            assert_eq!(agrees(&shop, &broken).await, Verdict::Refused, "{at} {with}");
        }
        assert_eq!(agrees(&shop, &token[..at]).await, Verdict::Refused, "{at}");
    }
}

#[tokio::test]
async fn nothing_that_is_told_holds_the_token() {
    for profile in Profile::ALL {
        let shop = Shop::new(profile);
        for change in changes(&shop) {
            let mut draft = Draft::of(&shop);
            change.make(&mut draft, &shop);
            let token = draft.token();
            let told = shop.explain(&token).await;
            let shown = format!("{told}{told:?}{}", serde_json::to_string(&told).expect("serializes"));
            for part in token.split('.').filter(|part| part.len() > 16) {
                assert!(!shown.contains(part), "{part} in {shown}");
            }
        }
    }
}
