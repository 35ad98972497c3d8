//! How the layer calls on: readiness, waiting, the scope around the call, and bodies.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_identity_core::ambient;
use tower_identity_inbound::AuthBody;
use tower_identity_testkit::{Endpoint, TestIssuer};
use tower_test::mock;

use crate::support::{issuer_token, layer, request, user_of, value, warm};

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn after_a_wait_the_very_service_that_was_ready_is_called() {
    let issuer = TestIssuer::start();
    let held = issuer.hold(Endpoint::Keys);
    // The mock panics when it is called without having been polled ready, and so would a fresh clone of it.
    let (inner, mut handle) = mock::pair::<Request<Full<Bytes>>, Response<Full<Bytes>>>();
    let mut service = layer(&issuer).layer(inner);

    handle.allow(1);
    let mut calling = pin!(service.ready().await.expect("ready").call(request([issuer_token(&issuer).bearer()])));
    assert!(poll_once(calling.as_mut()).is_pending());
    assert_eq!(format!("{calling:?}"), "AuthFuture::Verifying");
    issuer.arrived(Endpoint::Keys, 1).await;
    // The readiness went with the call: what stayed behind has to be polled anew.
    handle.allow(0);
    assert!(poll_once(pin!(service.ready())).is_pending());

    held.release();
    let (response, ()) = tokio::join!(calling.as_mut(), async {
        let (request, answer) = handle.next_request().await.expect("the call");
        assert_eq!(request.headers().get(AUTHORIZATION), None);
        answer.send_response(Response::new(Full::default()));
    });
    assert_eq!(response.expect("a response").status(), 200);

    // With keys at hand the service itself is called, at once.
    handle.allow(1);
    let calling = service.ready().await.expect("ready").call(request([issuer_token(&issuer).bearer()]));
    assert_eq!(format!("{calling:?}"), "AuthFuture::Calling");
    handle.next_request().await.expect("the call").1.send_response(Response::new(Full::default()));
    assert_eq!(calling.await.expect("a response").status(), 200);
}

#[tokio::test]
async fn a_refusal_calls_nobody_and_uses_no_readiness_up() {
    let issuer = TestIssuer::start();
    let layer = warm(&issuer).await;
    let (inner, mut handle) = mock::pair::<Request<Full<Bytes>>, Response<Full<Bytes>>>();
    let mut service = layer.layer(inner);
    handle.allow(1);

    let refused = service.ready().await.expect("ready").call(request([value("Bearer x")]));
    assert_eq!(format!("{refused:?}"), "AuthFuture::Refused");
    assert_eq!(refused.await.expect("a response").status(), 401);
    assert!(poll_once(pin!(handle.next_request())).is_pending());

    let calling = service.ready().await.expect("still ready").call(request([issuer_token(&issuer).bearer()]));
    handle.next_request().await.expect("the call").1.send_response(Response::new(Full::default()));
    assert_eq!(calling.await.expect("a response").status(), 200);
}

#[tokio::test]
async fn a_client_that_leaves_while_keys_are_fetched_calls_nobody_and_frees_what_it_held() {
    let issuer = TestIssuer::start();
    let held = issuer.hold(Endpoint::Keys);
    let alive = Arc::new(());
    let inner = service_fn({
        let alive = Arc::clone(&alive);
        move |_: Request<Full<Bytes>>| {
            let alive = Arc::clone(&alive);
            async move {
                drop(alive);
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
            }
        }
    });
    let mut service = layer(&issuer).layer(inner);
    let before = Arc::strong_count(&alive);
    let mut calling = Box::pin(service.call(request([issuer_token(&issuer).bearer()])));
    assert!(poll_once(calling.as_mut()).is_pending());
    assert_eq!(Arc::strong_count(&alive), before + 1, "the service that was ready is in the future");
    drop(calling);
    assert_eq!(Arc::strong_count(&alive), before);

    drop(held);
    let response = service.ready().await.map(|service| service.call(request([issuer_token(&issuer).bearer()])));
    let Ok(calling) = response;
    assert_eq!(calling.await.map(|response| response.status()), Ok(StatusCode::OK));
}

#[tokio::test]
async fn the_scope_is_closed_after_a_handler_that_panics_or_is_dropped() {
    let issuer = TestIssuer::start();
    let layer = warm(&issuer).await;
    let bearer = issuer_token(&issuer).bearer();

    let at_call = service_fn(|_: Request<Full<Bytes>>| -> std::future::Ready<Result<Response<()>, Infallible>> {
        assert!(ambient::current().is_some());
        panic!("at the call");
    });
    let mut service = layer.layer(at_call);
    let panicked = catch_unwind(AssertUnwindSafe(|| drop(service.call(request([bearer.clone()])))));
    assert_eq!(panicked.expect_err("panics").downcast_ref(), Some(&"at the call"));
    assert!(ambient::current().is_none());

    let at_poll = service_fn(|_: Request<Full<Bytes>>| async {
        assert!(ambient::current().is_some());
        panic!("at the poll") as Result<Response<()>, Infallible>
    });
    let mut calling = Box::pin(layer.layer(at_poll).call(request([bearer.clone()])));
    let panicked = catch_unwind(AssertUnwindSafe(|| poll_once(calling.as_mut()).is_ready()));
    assert_eq!(panicked.expect_err("panics").downcast_ref(), Some(&"at the poll"));
    assert!(ambient::current().is_none());

    let polls = Arc::new(AtomicUsize::new(0));
    let never = {
        let polls = Arc::clone(&polls);
        service_fn(move |_: Request<Full<Bytes>>| {
            let polls = Arc::clone(&polls);
            std::future::poll_fn(move |_| {
                assert!(ambient::current().is_some());
                polls.fetch_add(1, Ordering::Relaxed);
                Poll::<Result<Response<()>, Infallible>>::Pending
            })
        })
    };
    let mut calling = Box::pin(layer.layer(never).call(request([bearer])));
    for _ in 0..2 {
        assert!(poll_once(calling.as_mut()).is_pending());
        assert!(ambient::current().is_none(), "between polls");
    }
    drop(calling);
    assert!(ambient::current().is_none());
    assert_eq!(polls.load(Ordering::Relaxed), 2);
}

/// Bodies of no framework, in and out.
#[derive(Debug, PartialEq)]
struct OwnBody;

#[tokio::test]
async fn the_layer_asks_nothing_of_the_bodies_that_it_passes_through() {
    let issuer = TestIssuer::start();
    let inner = service_fn(|_: Request<OwnBody>| async { Ok::<_, Infallible>(Response::new(OwnBody)) });
    let answer: Result<Response<AuthBody<OwnBody>>, Infallible> =
        layer(&issuer).optional().layer(inner).oneshot(Request::new(OwnBody)).await;
    assert_eq!(answer.map(|response| response.status()), Ok(StatusCode::OK));
}

/// A body that says, as it is read, for whom its code runs.
#[derive(Debug, Default)]
struct TellsForWhom {
    told: bool,
}

impl Body for TellsForWhom {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if std::mem::replace(&mut self.told, true) {
            return Poll::Ready(None);
        }
        let whom = ambient::current().as_ref().map_or_else(|| "nobody".to_owned(), user_of);
        Poll::Ready(Some(Ok(Frame::data(whom.into()))))
    }
}

/// A service behind a layer of its own, called in one process by the handler of another: what it does while its
/// answer is read must not be done with the rights of whoever reads.
#[tokio::test]
async fn a_body_runs_for_nobody_wherever_it_is_read() {
    async fn read<B: Body<Data = Bytes, Error = Infallible>>(body: B) -> Bytes {
        let Ok(read) = body.collect().await;
        read.to_bytes()
    }
    let issuer = TestIssuer::start();
    let inner_layer = layer(&issuer).optional();
    let outer = service_fn(move |_: Request<Full<Bytes>>| {
        let answers = service_fn(|_: Request<Full<Bytes>>| async { Ok(Response::new(TellsForWhom::default())) });
        let inner = inner_layer.clone().layer(answers);
        async move {
            let Ok::<_, Infallible>(answer) = inner.oneshot(request([])).await;
            let found = [read(answer.into_body()).await, read(TellsForWhom::default()).await];
            Ok::<_, Infallible>(Response::new(Full::from(found.join(&b' ').into_iter().collect::<Bytes>())))
        }
    });
    let Ok(answer) = layer(&issuer).layer(outer).oneshot(request([issuer_token(&issuer).bearer()])).await;
    assert_eq!(read(answer.into_body()).await, "nobody alice");
}
