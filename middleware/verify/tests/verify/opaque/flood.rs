//! Made-up tokens, more than anybody could look up.

use futures_util::future::join_all;
use tower_identity_core::SecretToken;
use tower_identity_testkit::Endpoint;

use super::{Desk, later};
use crate::support::{MINUTE, SECOND, accepted, invalid, refused};

const AT_ONE_TIME: usize = 4;

fn desk() -> Desk {
    Desk::with(|introspection| introspection.concurrency(AT_ONE_TIME))
}

fn made_up(number: usize) -> SecretToken {
    SecretToken::new(format!("made-up-{number}"))
}

#[tokio::test]
async fn rfc7662_a7_beyond_so_many_unknown_tokens_at_one_time_others_are_told_to_come_back() {
    let desk = desk();
    let held = desk.issuer.hold(Endpoint::Introspection);
    let under_way: Vec<_> =
        (0..AT_ONE_TIME).map(|number| tokio::spawn(desk.verifier.bearer(made_up(number).expose()))).collect();
    desk.issuer.arrived(Endpoint::Introspection, AT_ONE_TIME).await;

    let token = desk.token();
    assert_eq!(refused(desk.ask(&token).await), later(SECOND));
    assert_eq!(desk.calls(), AT_ONE_TIME);
    // Whoever asks about one that is under way waits with the others.
    let equal = tokio::spawn(desk.verifier.bearer(made_up(0).expose()));
    held.release();
    for decision in join_all(under_way.into_iter().chain([equal])).await {
        assert_eq!(refused(decision.expect("no panic")), invalid("introspection"));
    }
    assert_eq!(desk.calls(), AT_ONE_TIME);
    accepted(desk.ask(&token).await);
}

#[tokio::test]
async fn rfc7662_a7_a_flood_of_unknown_tokens_keeps_no_known_one_waiting() {
    let desk = desk();
    let (fresh, lapsed) = (desk.token(), desk.issuer.opaque(desk.good().lifetime(5 * MINUTE)));
    accepted(desk.ask(&lapsed).await);
    desk.clock.advance(MINUTE);
    accepted(desk.ask(&fresh).await);
    let before = desk.calls();

    let held = desk.issuer.hold(Endpoint::Introspection);
    let under_way: Vec<_> =
        (0..AT_ONE_TIME).map(|number| tokio::spawn(desk.verifier.bearer(made_up(number).expose()))).collect();
    desk.issuer.arrived(Endpoint::Introspection, before + AT_ONE_TIME).await;
    for number in AT_ONE_TIME..10_000 {
        assert_eq!(refused(desk.ask(&made_up(number)).await), later(SECOND), "{number}");
    }
    assert_eq!(desk.calls(), before + AT_ONE_TIME);

    accepted(desk.ask_at_once(&fresh));
    // One that was good has a place of its own, and is asked about at once.
    let again = tokio::spawn(desk.verifier.bearer(lapsed.expose()));
    desk.issuer.arrived(Endpoint::Introspection, before + AT_ONE_TIME + 1).await;
    held.release();
    accepted(again.await.expect("no panic"));
    for decision in join_all(under_way).await {
        assert_eq!(refused(decision.expect("no panic")), invalid("introspection"));
    }
}

#[tokio::test]
async fn rfc7662_a7_tokens_that_were_good_are_asked_about_within_a_budget_too() {
    let desk = desk();
    let tokens: Vec<_> = (0..=AT_ONE_TIME).map(|_| desk.token()).collect();
    for token in &tokens {
        accepted(desk.ask(token).await);
    }
    desk.clock.advance(MINUTE);
    let before = desk.calls();
    let held = desk.issuer.hold(Endpoint::Introspection);
    let (last, first) = tokens.split_last().expect("tokens");
    let under_way: Vec<_> = first.iter().map(|token| tokio::spawn(desk.verifier.bearer(token.expose()))).collect();
    desk.issuer.arrived(Endpoint::Introspection, before + AT_ONE_TIME).await;
    assert_eq!(refused(desk.ask(last).await), later(SECOND));
    held.release();
    for decision in join_all(under_way).await {
        accepted(decision.expect("no panic"));
    }
    accepted(desk.ask(last).await);
}
