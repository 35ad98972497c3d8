//! Equal requests at one time make one call of the authorization server, and nobody harms another.

use crate::support::{Answer, World, echoed, issued, refused};

#[tokio::test]
async fn out_b4_two_hundred_first_requests_make_one_exchange() {
    let world = World::new().await;
    let http = world.for_users();
    world.authority.closes();
    let alice = world.caller("alice");
    let send = |_| tokio::spawn(http.get(world.payments.url("/")).on_behalf_of(&alice).send());
    let sending: Vec<_> = (0..200).map(send).collect();
    // One thread, first come first served: when the call is there, all have asked.
    world.authority.called(1).await;
    world.authority.opens();
    for sent in sending {
        assert_eq!(echoed(sent.await.expect("joined")).await, "Bearer token-0");
    }
    assert_eq!(world.authority.calls().len(), 1);
    assert_eq!(world.payments.got().len(), 200);
}

#[tokio::test]
async fn out_b4_a_caller_that_goes_away_harms_no_other() {
    let world = World::new().await;
    let http = world.for_users();
    let send = || http.get(world.payments.url("/")).on_behalf_of(&world.caller("alice")).send();
    world.authority.closes();
    let (first, second) = (tokio::spawn(send()), tokio::spawn(send()));
    world.authority.called(1).await;
    first.abort();
    assert!(first.await.expect_err("aborted").is_cancelled());
    world.authority.opens();
    assert_eq!(echoed(second.await.expect("joined")).await, "Bearer token-0");
    assert_eq!(world.authority.calls().len(), 1);
    assert_eq!(world.payments.got().len(), 1);
}

#[tokio::test]
async fn out_b4_the_only_caller_going_away_leaves_a_token_for_the_next() {
    let world = World::new().await;
    let http = world.for_users();
    let send = || http.get(world.payments.url("/")).on_behalf_of(&world.caller("alice")).send();
    world.authority.closes();
    let only = tokio::spawn(send());
    world.authority.called(1).await;
    only.abort();
    assert!(only.await.expect_err("aborted").is_cancelled());
    world.authority.opens();
    assert_eq!(echoed(send().await).await, "Bearer token-0");
    assert_eq!(world.authority.calls().len(), 1);
}

#[tokio::test]
async fn a_request_that_is_never_awaited_asks_for_nothing() {
    let world = World::new().await;
    drop(world.for_users().get(world.payments.url("/")).on_behalf_of(&world.caller("alice")).send());
    tokio::task::yield_now().await;
    assert_eq!(world.authority.calls().len(), 0);
}

#[tokio::test]
async fn out_b4_a_failure_is_shared_and_an_outage_is_remembered_for_two_seconds() {
    let world = World::new().await;
    let http = world.for_users();
    let send = || http.get(world.payments.url("/")).on_behalf_of(&world.caller("alice")).send();
    world.authority.answers(Answer::error(503, "down").header("retry-after", "30"));
    world.authority.closes();
    let waiting = [send(), send(), send()].map(tokio::spawn);
    world.authority.called(1).await;
    world.authority.opens();
    for failed in waiting {
        assert_eq!(refused(failed.await.expect("joined")).0, "token_request");
    }
    refused(send().await);
    assert_eq!(world.authority.calls().len(), 1, "shared, then remembered");

    world.authority.answers(issued(300));
    world.time.advance(2);
    assert_eq!(echoed(send().await).await, "Bearer token-1");
}

#[tokio::test]
async fn out_b7_a_refusal_of_the_server_is_not_retried_and_the_answer_for_a_second() {
    let world = World::new().await;
    let http = world.for_users();
    let send = || http.get(world.payments.url("/")).on_behalf_of(&world.caller("alice")).send();
    world.authority.answers(Answer::error(400, "invalid_grant"));
    for _ in 0..20 {
        assert_eq!(refused(send().await).0, "token_request");
    }
    assert_eq!(world.authority.calls().len(), 1, "a handler that tries in a loop");
    let bob = http.get(world.payments.url("/")).on_behalf_of(&world.caller("bob")).send();
    refused(bob.await);
    assert_eq!(world.authority.calls().len(), 2, "another's is another's");

    world.authority.answers(issued(300));
    world.time.advance(1);
    assert_eq!(echoed(send().await).await, "Bearer token-2");
}

#[tokio::test]
async fn out_b4_one_users_failure_is_not_anothers() {
    let world = World::new().await;
    let http = world.for_users();
    let send = |user| http.get(world.payments.url("/")).on_behalf_of(&world.caller(user)).send();
    world.authority.answers(Answer::error(500, "down"));
    refused(send("alice").await);
    world.authority.answers(issued(300));
    assert_eq!(echoed(send("bob").await).await, "Bearer token-1");
    refused(send("alice").await);
}
