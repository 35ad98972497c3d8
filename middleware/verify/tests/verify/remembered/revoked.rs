//! What is revoked while it is remembered.

use serde_json::json;
use tower_identity_core::{Issuer, Revocation, Revocations, Subject, TokenId};

use super::{HOME, Shop, Told, assert_remembered, assert_verified_again};
use crate::support::{SECOND, invalid, sign};

fn home() -> Issuer {
    HOME.parse().expect("an issuer")
}

fn alices() -> Revocation {
    Revocation::subject(home(), Subject::parse("alice").expect("a subject"))
}

/// A shop, and the list of what is revoked there.
fn shop() -> (Shop, Revocations) {
    let mut list = None;
    let shop = Shop::with(
        |issuer| issuer,
        |builder| {
            builder.revocations(list.insert(Revocations::new(crate::support::ManualClock::new().clock())).clone())
        },
    );
    (shop, list.expect("it was built"))
}

#[test]
fn warm_a8_what_is_revoked_is_refused_by_the_next_request() {
    let told = Told::listen();
    let (shop, list) = shop();
    let (alice, bob) = (shop.token(), shop.token_with("sub", json!("bob")));
    let [_, of_bob] = [&alice, &bob].map(|token| shop.accepted(token));
    shop.accepted(&alice);
    assert_eq!(told.of_callers(), (1, 2, 2.0));

    list.revoke(alices());
    for _ in 0..2 {
        assert_eq!(shop.refused(&alice), invalid("revoked"));
        assert_remembered(&of_bob, &shop.accepted(&bob));
    }
    // It was forgotten as it was found revoked; and what is refused is not remembered.
    assert_eq!(told.of_callers(), (2, 2, 1.0));
}

#[test]
fn warm_a8_only_what_a_revocation_covers_is_refused() {
    let (shop, list) = shop();
    let with_id = |id: &str| shop.token_with("jti", json!(id));
    let (one, other) = (with_id("t-1"), with_id("t-2"));
    let [_, kept] = [&one, &other].map(|token| shop.accepted(token));
    list.revoke(Revocation::token(home(), TokenId::parse("t-1").expect("an id")));
    assert_eq!(shop.refused(&one), invalid("revoked"));
    assert_remembered(&kept, &shop.accepted(&other));

    // Issued after the mark, and signed in after it: good, though alice's older ones are not.
    let now = shop.clock.now();
    list.revoke(alices().issued_before(now));
    assert_eq!(shop.refused(&other), invalid("revoked"));
    shop.clock.advance(60 * SECOND);
    let mut claims = shop.claims();
    claims["jti"] = json!("t-3");
    claims["auth_time"] = json!(shop.clock.now().as_secs());
    let young = sign(&shop.key, &claims);
    let first = shop.accepted(&young);
    list.revoke(alices().issued_before(now.saturating_add(SECOND)));
    assert_remembered(&first, &shop.accepted(&young));
}

#[test]
fn warm_a8_every_thread_refuses_what_was_revoked() {
    let (shop, list) = shop();
    let token = shop.token();
    let first = shop.accepted(&token);
    let verdicts = |expected: bool| {
        std::thread::scope(|scope| {
            let ask = || matches!(shop.verifier.bearer(&token).try_now(), Ok(Ok(_)));
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(ask)).collect();
            for thread in threads {
                assert_eq!(thread.join().expect("it ends"), expected);
            }
        });
    };
    verdicts(true);
    assert_remembered(&first, &shop.accepted(&token));
    list.revoke(alices());
    verdicts(false);
    assert_eq!(shop.refused(&token), invalid("revoked"));
}

#[test]
fn warm_a8_a_list_that_is_told_of_others_has_nothing_verified_again() {
    let (shop, list) = shop();
    let token = shop.token();
    let first = shop.accepted(&token);
    for number in 0..100 {
        list.revoke(Revocation::subject(home(), Subject::parse(format!("user-{number}")).expect("a subject")));
        assert_remembered(&first, &shop.accepted(&token));
    }
    let (another, _) = self::shop();
    assert_verified_again(&first, &another.accepted(&another.token()));
}
