//! How long a token is used, and how it ends before its time.

use tower_identity_outbound::TargetRefusal;

use crate::support::{Answer, World, client, echoed, issued, refused, soon};

#[tokio::test]
async fn out_b3_a_token_is_used_until_ten_seconds_before_its_end() {
    let world = World::new().await;
    let http = world.for_itself();
    let send = || http.get(world.payments.url("/")).send();
    assert_eq!(echoed(send().await).await, "Bearer token-0");
    world.time.advance(200);
    assert_eq!(echoed(send().await).await, "Bearer token-0");
    world.time.advance(90);
    assert_eq!(echoed(send().await).await, "Bearer token-1");
    assert_eq!(world.authority.calls().len(), 2);
}

#[tokio::test]
async fn rfc9068_b1_a_token_for_somebody_else_lives_as_long_as_the_answer_says_whatever_it_says_itself() {
    // {"alg":"none"} and {"exp":1}: ended long ago, to anybody who looked.
    const ENDED: &str = "eyJhbGciOiJub25lIn0.eyJleHAiOjF9.";
    let world = World::new().await;
    let http = world.for_itself();
    let send = || http.get(world.payments.url("/")).send();
    let issued = format!(r#"{{"access_token":"{ENDED}","token_type":"Bearer","expires_in":300}}"#);
    world.authority.answers(Answer::ok(issued));
    assert_eq!(echoed(send().await).await, format!("Bearer {ENDED}"));
    world.time.advance(200);
    assert_eq!(echoed(send().await).await, format!("Bearer {ENDED}"));
    assert_eq!(world.authority.calls().len(), 1);
    world.time.advance(90);
    assert_eq!(echoed(send().await).await, format!("Bearer {ENDED}"));
    assert_eq!(world.authority.calls().len(), 2);
}

#[tokio::test]
async fn out_b3_a_token_whose_end_is_not_said_is_used_for_a_minute() {
    let world = World::new().await;
    let http = world.for_itself();
    let send = || http.get(world.payments.url("/")).send();
    world.authority.answers(Answer::ok(r#"{"access_token":"{token}","token_type":"Bearer"}"#));
    assert_eq!(echoed(send().await).await, "Bearer token-0");
    world.time.advance(40);
    assert_eq!(echoed(send().await).await, "Bearer token-0");
    world.time.advance(20);
    assert_eq!(echoed(send().await).await, "Bearer token-1");
}

#[tokio::test]
async fn out_b3_a_token_does_not_outlive_the_users_however_long_it_is_good() {
    let world = World::new().await;
    let http = world.for_users();
    let caller = world.presented("alice", "token-of-alice", 100);
    let send = || http.get(world.payments.url("/")).on_behalf_of(&caller).send();
    world.authority.answers(issued(3600));
    assert_eq!(echoed(send().await).await, "Bearer token-0");
    world.time.advance(99);
    assert_eq!(echoed(send().await).await, "Bearer token-0");
    world.time.advance(1);
    assert_eq!(refused(send().await).0, "exp");
    assert_eq!((world.authority.calls().len(), world.payments.got().len()), (1, 2));
}

#[tokio::test]
async fn a_token_near_its_end_is_refreshed_behind_the_callers_back() {
    let world = World::new().await;
    let http = world.for_users();
    let send = || http.get(world.payments.url("/")).on_behalf_of(&world.caller("alice")).send();
    assert_eq!(echoed(send().await).await, "Bearer token-0");
    world.time.advance(250);
    world.authority.closes();
    assert_eq!(echoed(soon(send()).await).await, "Bearer token-0", "nobody waits for it");
    world.authority.called(2).await;
    world.authority.opens();
    let mut refreshed = false;
    for _ in 0..1000 {
        refreshed = refreshed || echoed(send().await).await == "Bearer token-1";
    }
    assert!(refreshed);
    assert_eq!(world.authority.calls().len(), 2);
    assert_eq!(world.authority.calls()[0], world.authority.calls()[1]);
}

#[tokio::test]
async fn who_waits_at_a_refresh_that_fails_asks_for_itself() {
    let world = World::new().await;
    let http = world.for_users();
    let alice = world.caller("alice");
    let send = || http.get(world.payments.url("/")).on_behalf_of(&alice).send();
    assert_eq!(echoed(send().await).await, "Bearer token-0");
    world.time.advance(250);
    world.authority.closes();
    assert_eq!(echoed(soon(send()).await).await, "Bearer token-0");
    world.authority.called(2).await;
    world.time.advance(50);
    let waiting = tokio::spawn(send());
    tokio::task::yield_now().await;
    world.authority.answers(Answer::error(400, "invalid_grant"));
    world.authority.opens();
    assert_eq!(refused(waiting.await.expect("joined")).0, "token_request");
    assert_eq!(world.authority.calls().len(), 3);
}

#[tokio::test]
async fn rfc6750_b2_a_token_that_the_target_refuses_is_forgotten_and_the_request_not_repeated() {
    let world = World::new().await;
    let http = world.for_users();
    let send = || http.get(world.payments.url("/")).on_behalf_of(&world.caller("alice")).send();
    let refusal = |response: &reqwest::Response| response.extensions().get::<TargetRefusal>().cloned();
    let dropped = |response: &_| refusal(response).is_some_and(|refusal| refusal.token_dropped());

    world.payments.answers(401, None);
    let response = send().await.expect("a response");
    assert_eq!((response.status().as_u16(), dropped(&response)), (401, true));
    assert_eq!(response.text().await.expect("body"), "Bearer token-0", "left as it is");
    assert_eq!((world.authority.calls().len(), world.payments.got().len()), (1, 1), "not retried");

    world.payments.answers(200, None);
    assert_eq!(echoed(send().await).await, "Bearer token-1");

    // Other answers, 403 among them, leave the token alone.
    world.payments.answers(403, None);
    let response = send().await.expect("a response");
    assert_eq!((response.status().as_u16(), dropped(&response)), (403, false));
    world.payments.answers(200, None);
    assert_eq!(echoed(send().await).await, "Bearer token-1");
}

#[tokio::test]
async fn a_target_that_refuses_every_token_costs_one_exchange_in_five_seconds() {
    let world = World::new().await;
    let http = world.for_users();
    let send = || http.get(world.payments.url("/")).on_behalf_of(&world.caller("alice")).send();
    world.payments.answers(401, None);
    for _ in 0..20 {
        assert_eq!(send().await.expect("a response").status(), 401);
    }
    assert_eq!(world.authority.calls().len(), 2);
    world.time.advance(5);
    for _ in 0..20 {
        assert_eq!(send().await.expect("a response").status(), 401);
    }
    assert_eq!(world.authority.calls().len(), 3);
}

#[tokio::test]
async fn a_refresh_that_failed_is_not_begun_again_for_a_second() {
    let world = World::new().await;
    let http = world.for_users();
    let alice = world.caller("alice");
    let send = || http.get(world.payments.url("/")).on_behalf_of(&alice).send();
    assert_eq!(echoed(send().await).await, "Bearer token-0");
    world.time.advance(250);
    world.authority.answers(Answer::error(400, "invalid_grant"));
    for calls in [2, 3] {
        for _ in 0..50 {
            assert_eq!(echoed(send().await).await, "Bearer token-0");
        }
        assert_eq!(world.authority.calls().len(), calls);
        world.time.advance(1);
    }
}

#[tokio::test]
async fn out_b3_a_token_that_ends_with_the_users_is_used_to_its_end_and_not_refreshed() {
    let world = World::new().await;
    let http = world.for_users();
    let alice = world.presented("alice", "token-of-alice", 300);
    for seconds in [0, 250, 49] {
        world.time.advance(seconds);
        let sent = http.get(world.payments.url("/")).on_behalf_of(&alice).send().await;
        assert_eq!(echoed(sent).await, "Bearer token-0");
    }
    assert_eq!(world.authority.calls().len(), 1);
}

#[tokio::test]
async fn te_b1_an_actor_token_is_used_until_ten_seconds_before_its_end() {
    let world = World::new().await;
    let target = world.payments.target().token_exchange().actor_token();
    let http = client(&world.builder().target(target).build().expect("outbound"));
    let (mut asked, mut before) = (Vec::new(), 0);
    for (seconds, user) in [(0, "alice"), (200, "bob"), (90, "carol")] {
        world.time.advance(seconds);
        echoed(http.get(world.payments.url("/")).on_behalf_of(&world.caller(user)).send().await).await;
        asked.push(world.authority.calls().len() - before);
        before = world.authority.calls().len();
    }
    assert_eq!(asked, [2, 1, 2], "for an actor token too, or for an exchange alone");
}
