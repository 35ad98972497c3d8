//! The layer as a tower service: readiness, errors, and what it leaves alone.

use http::{Request, Response};
use tokio::task::JoinHandle;
use tower_identity_outbound::{BoxError, Outbound, OutboundError, RequestExt, TargetRefusal};
use tower_test::mock::{self, SendResponse};

use crate::support::World;

fn outbound(world: &World) -> Outbound {
    world.builder().target(world.payments.target().token_exchange()).build().expect("outbound")
}

fn get(world: &World) -> Request<&'static str> {
    Request::get(world.payments.url("/")).body("body").expect("request").on_behalf_of(&world.caller("alice"))
}

type Inner = mock::Handle<Request<&'static str>, Response<&'static str>>;
type Sending = JoinHandle<Result<Response<&'static str>, BoxError>>;

/// The request that the inner service gets, unless the sending ends without one.
async fn sent(
    inner: &mut Inner,
    sending: &mut Sending,
) -> (Request<&'static str>, SendResponse<Response<&'static str>>) {
    tokio::select! {
        ended = sending => panic!("nothing was sent: {ended:?}"),
        request = inner.next_request() => request.expect("a request"),
    }
}

#[tokio::test]
async fn the_inner_service_is_called_ready_after_a_miss_and_on_a_hit() {
    let world = World::new().await;
    let (mut service, mut inner) =
        mock::spawn_layer::<Request<&'static str>, Response<&'static str>, _>(outbound(&world).layer());
    for round in ["a miss", "a hit"] {
        inner.allow(0);
        assert!(service.poll_ready().is_pending(), "{round}");
        // The mock panics when it is called without having been ready.
        inner.allow(1);
        assert!(service.poll_ready().is_ready(), "{round}");
        let mut sending = tokio::spawn(service.call(get(&world)));
        let (request, reply) = sent(&mut inner, &mut sending).await;
        assert_eq!(request.headers()["authorization"], "Bearer token-0", "{round}");
        assert!(request.headers()["authorization"].is_sensitive(), "{round}");
        assert_eq!((*request.body(), request.uri().path()), ("body", "/"), "{round}");
        reply.send_response(Response::new("answer"));
        assert_eq!(*sending.await.expect("joined").expect("answered").body(), "answer", "{round}");
    }
    assert_eq!(world.authority.calls().len(), 1);
}

#[tokio::test]
async fn a_refused_request_does_not_reach_the_inner_service() {
    let world = World::new().await;
    let (mut service, mut inner) =
        mock::spawn_layer::<Request<&'static str>, Response<&'static str>, _>(outbound(&world).layer());
    inner.allow(1);
    assert!(service.poll_ready().is_ready());
    let stranger = Request::get("https://stranger.example/").body("body").expect("request");
    let error = service.call(stranger.on_behalf_of(&world.caller("alice"))).await.map(drop).expect_err("refused");
    assert_eq!(error.downcast_ref::<OutboundError>().expect("ours").refusal().check(), "target");

    // What comes next is the first that the inner service sees.
    let mut sending = tokio::spawn(service.call(get(&world)));
    let (request, reply) = sent(&mut inner, &mut sending).await;
    assert_eq!(request.uri().host(), Some("127.0.0.1"));
    reply.send_error("broken");
    let error = sending.await.expect("joined").map(drop).expect_err("the inner service's own");
    assert_eq!(error.to_string(), "broken");
    assert!(error.downcast_ref::<OutboundError>().is_none());
}

#[tokio::test]
async fn a_request_that_is_dropped_while_it_waits_releases_the_inner_service() {
    let world = World::new().await;
    let limited = tower::limit::ConcurrencyLimitLayer::new(1);
    let (mut service, mut inner) = mock::spawn_layer::<Request<&'static str>, Response<&'static str>, _>(
        tower_layer::Stack::new(limited, outbound(&world).layer()),
    );
    inner.allow(2);
    world.authority.closes();
    assert!(service.poll_ready().is_ready());
    let waiting = service.call(get(&world));
    assert!(service.poll_ready().is_pending(), "the only place is taken");
    drop(waiting);
    assert!(service.poll_ready().is_ready());
    world.authority.opens();
    let mut sending = tokio::spawn(service.call(get(&world)));
    let (_, reply) = sent(&mut inner, &mut sending).await;
    reply.send_response(Response::new("answer"));
    assert_eq!(sending.await.expect("joined").expect("answered").into_body(), "answer");
}

#[tokio::test]
async fn rfc6750_b2_a_mark_is_left_on_the_response_to_a_token_that_was_dropped() {
    let world = World::new().await;
    let (mut service, mut inner) =
        mock::spawn_layer::<Request<&'static str>, Response<&'static str>, _>(outbound(&world).layer());
    inner.allow(2);
    for (status, marked) in [(401, true), (200, false)] {
        assert!(service.poll_ready().is_ready());
        let mut sending = tokio::spawn(service.call(get(&world)));
        let (_, reply) = sent(&mut inner, &mut sending).await;
        reply.send_response(Response::builder().status(status).body("answer").expect("response"));
        let response = sending.await.expect("joined").expect("answered");
        assert_eq!(response.status(), status);
        assert_eq!(response.extensions().get::<TargetRefusal>().is_some_and(TargetRefusal::token_dropped), marked);
    }
    assert_eq!(world.authority.calls().len(), 2);
}
