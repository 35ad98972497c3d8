//! What was so when a token was asked for, and is so no longer when it is there.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{Request, Response};
use tokio::sync::Semaphore;
use tower::{Layer, ServiceExt, service_fn};
use tower_identity_core::{CallerContext, RefusalKind};
use tower_identity_outbound::{RequestExt, SendError, TargetRefusal};

use crate::support::{Answer, World, echoed, issued, soon};

/// Asks for a token for this caller, which comes so many seconds later.
async fn waited(world: &World, caller: &CallerContext, seconds: u64) -> Result<reqwest::Response, SendError> {
    let http = world.for_users();
    world.authority.closes();
    let waiting = tokio::spawn(http.get(world.payments.url("/")).on_behalf_of(caller).send());
    world.authority.called(1).await;
    world.time.advance(seconds);
    world.authority.opens();
    waiting.await.expect("joined")
}

fn why(sent: Result<reqwest::Response, SendError>) -> (RefusalKind, &'static str) {
    let error = sent.expect_err("not sent");
    let refusal = error.refusal().expect("refused before it was sent");
    (refusal.kind().clone(), refusal.check())
}

#[tokio::test]
async fn out_b3_a_token_that_has_ended_on_its_way_is_not_sent() {
    let unsaid = || Answer::ok(issued(60).body.replace("\"expires_in\":60,", ""));
    for (answer, life) in [(issued(300), 300), (unsaid(), 60)] {
        for (seconds, in_time) in [(life - 1, true), (life, false)] {
            let world = World::new().await;
            world.authority.answers(answer.clone());
            let sent = waited(&world, &world.caller("alice"), seconds).await;
            if in_time {
                assert_eq!(echoed(sent).await, "Bearer token-0", "{seconds} of {life} s");
            } else {
                let later = RefusalKind::Unavailable { retry_after: Duration::from_secs(1) };
                assert_eq!(why(sent), (later, "exp"), "{seconds} of {life} s");
            }
            assert_eq!(world.payments.got().len(), usize::from(in_time));
        }
    }
}

#[tokio::test]
async fn out_b3_where_the_users_token_has_ended_meanwhile_the_caller_needs_a_new_one() {
    for (seconds, in_time) in [(99, true), (100, false)] {
        let world = World::new().await;
        let alice = world.presented("alice", "token-of-alice", 100);
        let sent = waited(&world, &alice, seconds).await;
        if in_time {
            assert_eq!(echoed(sent).await, "Bearer token-0");
        } else {
            assert_eq!(why(sent), (RefusalKind::InvalidToken, "exp"), "and nothing is unavailable");
        }
        assert_eq!(world.payments.got().len(), usize::from(in_time));
    }
}

/// Soon after a refusal no other token is dropped; but where there is another already, the next attempt gets that.
#[tokio::test]
async fn rfc6750_b2_a_token_that_is_refused_when_another_has_taken_its_place_is_as_good_as_dropped() {
    for (seconds, replaced) in [(4, true), (3, false)] {
        let world = World::new().await;
        world.authority.answers(issued(15));
        let outbound = world.builder().target(world.payments.target().token_exchange()).build().expect("outbound");
        let gate = Arc::new(Semaphore::new(0));
        let held = Arc::clone(&gate);
        let target = outbound.layer().layer(service_fn(move |request: Request<()>| {
            let held = Arc::clone(&held);
            async move {
                let refuses = request.uri().path() != "/";
                if request.uri().path() == "/held" {
                    held.acquire().await.expect("never closed").forget();
                }
                let token = request.headers()["authorization"].to_str().expect("ascii").to_owned();
                let status = if refuses { 401 } else { 200 };
                Ok::<_, Infallible>(Response::builder().status(status).body(token).expect("a response"))
            }
        }));
        let send = |path: &str| {
            let request = Request::get(world.payments.url(path)).body(()).expect("a request");
            target.clone().oneshot(request.on_behalf_of(&world.caller("alice")))
        };
        let dropped = |response: &Response<String>| response.extensions().get().map(TargetRefusal::token_dropped);

        assert_eq!(dropped(&send("/refused").await.expect("an answer")), Some(true));
        assert_eq!(send("/").await.expect("an answer").body(), "Bearer token-1");
        world.time.advance(seconds);
        let alice = tokio::spawn(send("/held"));
        if replaced {
            soon(async {
                while send("/").await.expect("an answer").body() != "Bearer token-2" {
                    tokio::task::yield_now().await;
                }
            })
            .await;
        } else {
            assert_eq!(send("/").await.expect("an answer").body(), "Bearer token-1");
        }
        gate.add_permits(1);
        let answer = alice.await.expect("joined").expect("an answer");
        assert_eq!((&**answer.body(), dropped(&answer)), ("Bearer token-1", Some(replaced)), "after {seconds} s");
    }
}
