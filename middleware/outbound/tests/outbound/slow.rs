//! An authorization server that takes its time: who waits for it, and who does not.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use futures_util::FutureExt;
use http::{Request, Response};
use tower::{Layer, Service, service_fn};
use tower_identity_core::{CallerContext, RefusalKind};
use tower_identity_outbound::{BoxError, OutboundError, OutboundLayer, RequestExt};

use crate::support::{World, soon};

/// Calls at one authorization server at one time, and who waits for a turn.
const IN_FLIGHT: usize = 64;
const LINE: usize = 256;

fn layer(world: &World) -> OutboundLayer {
    world.builder().target(world.payments.target().token_exchange()).build().expect("outbound").layer()
}

fn send(
    layer: &OutboundLayer,
    world: &World,
    caller: &CallerContext,
) -> impl Future<Output = Result<Response<()>, BoxError>> + use<> {
    let mut service = layer.layer(service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(()))));
    let request = Request::get(world.payments.url("/")).body(()).expect("a request").on_behalf_of(caller);
    service.call(request)
}

/// Whoever polls comes back by itself.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn out_b4_nobody_waits_while_tokens_that_are_at_hand_are_refreshed() {
    let world = World::new().await;
    let layer = layer(&world);
    let callers: Vec<_> = (0..50).map(|user| world.caller(&format!("user-{user}"))).collect();
    for caller in &callers {
        send(&layer, &world, caller).await.expect("a token");
    }
    world.time.advance(250);
    world.authority.closes();
    for _ in 0..100 {
        for caller in &callers {
            send(&layer, &world, caller).now_or_never().expect("nobody waits").expect("a token");
        }
        tokio::task::yield_now().await;
    }
    world.authority.called(100).await;
    assert_eq!(world.authority.calls().len(), 100, "one for each of them, whoever asks");
    world.authority.opens();
}

#[tokio::test]
async fn out_b22_refreshes_leave_a_place_for_whoever_has_no_token() {
    let world = World::new().await;
    let layer = layer(&world);
    let callers: Vec<_> = (0..IN_FLIGHT).map(|user| world.caller(&format!("user-{user}"))).collect();
    for caller in &callers {
        send(&layer, &world, caller).await.expect("a token");
    }
    world.time.advance(250);
    world.authority.closes();
    for caller in &callers {
        send(&layer, &world, caller).now_or_never().expect("nobody waits").expect("a token");
    }
    let mut waiting = Box::pin(send(&layer, &world, &world.caller("alice")));
    let asked = || world.authority.calls().iter().any(|call| call["subject_token"] == "token-of-alice");
    soon(async {
        while !asked() {
            assert!(poll_once(waiting.as_mut()).is_pending());
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(world.authority.calls().len() < 2 * IN_FLIGHT, "some refreshes wait");
    world.authority.opens();
    waiting.await.expect("a token");
}

#[tokio::test]
async fn out_b22_a_crowd_of_new_users_at_a_slow_server_is_told_so_and_holds_up_nobody() {
    let world = World::new().await;
    let layer = layer(&world);
    let alice = world.caller("alice");
    send(&layer, &world, &alice).await.expect("a token");
    world.authority.closes();

    let (mut waiting, mut refused) = (Vec::new(), 0);
    for user in 0..10_000 {
        let mut sending = Box::pin(send(&layer, &world, &world.caller(&format!("user-{user}"))));
        let mut outcome = poll_once(sending.as_mut());
        for _ in 0..3 {
            if outcome.is_pending() {
                tokio::task::yield_now().await;
                outcome = poll_once(sending.as_mut());
            }
        }
        match outcome {
            Poll::Pending => waiting.push(sending),
            Poll::Ready(sent) => {
                let error = sent.expect_err("no token");
                let refusal = error.downcast_ref::<OutboundError>().expect("ours").refusal().clone();
                assert!(matches!(refusal.kind(), RefusalKind::Unavailable { .. }), "{refusal}");
                refused += 1;
            }
        }
        if user % 100 == 0 {
            send(&layer, &world, &alice).now_or_never().expect("alice does not wait").expect("a token");
        }
    }
    assert!(waiting.len() <= IN_FLIGHT + LINE, "{} wait", waiting.len());
    assert_eq!(waiting.len() + refused, 10_000);
    assert!(world.authority.calls().len() <= 1 + IN_FLIGHT);
}
