//! Services of which one call at a time may be made, behind the layers.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use demo_api::payments::Charge;
use futures_util::future::{BoxFuture, join_all};
use tonic::{Response, Status, body::Body, service::Routes, transport::server::Server};
use tower::{Service, limit::ConcurrencyLimitLayer};
use tower_identity::RequireLayer;
use tower_identity_testkit::{Endpoint, TestIssuer};

use super::till::{Served, asked, auth, bearer, charged, charging, good, routes, with};

const CALLS: usize = 20;

/// Counts the calls that are under way.
#[derive(Clone)]
struct Counting {
    inner: Routes,
    at_once: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Service<http::Request<Body>> for Counting {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<http::Request<Body>>::poll_ready(&mut self.inner, cx).map_err(|never| match never {})
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        self.most.fetch_max(self.at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let (answer, at_once) = (self.inner.call(request), Arc::clone(&self.at_once));
        Box::pin(async move {
            // Others get their turn, were they let in.
            tokio::task::yield_now().await;
            let answer = answer.await.unwrap_or_else(|never| match never {});
            at_once.fetch_sub(1, Ordering::SeqCst);
            Ok(answer)
        })
    }
}

/// The limit panics when it is called without having been ready, and lets one more in than it may when a layer calls
/// a clone of what was.
#[tokio::test]
async fn a_service_that_takes_one_call_at_a_time_is_called_ready_also_after_waiting_for_keys() {
    let issuer = TestIssuer::start();
    let most = Arc::<AtomicUsize>::default();
    let counting = {
        let (most, at_once) = (Arc::clone(&most), Arc::default());
        tower::layer::layer_fn(move |inner| Counting { inner, at_once: Arc::clone(&at_once), most: Arc::clone(&most) })
    };
    let server = Server::builder()
        .layer(auth(&issuer))
        .layer(RequireLayer::new(charging()))
        .layer(ConcurrencyLimitLayer::new(1))
        .layer(counting)
        .add_routes(routes());
    let till = Served::start(|incoming| server.serve_with_incoming(incoming)).await;
    let (client, metadata) = (till.client().await, [bearer(good(&issuer))]);

    let held = issuer.hold(Endpoint::Keys);
    let calls = tokio::spawn(async move {
        let call = |_| {
            let (mut client, request) = (client.clone(), with(&metadata, asked(1)));
            async move { client.charge(request).await.map(Response::into_inner) }
        };
        join_all((0..CALLS).map(call)).await
    });
    issuer.arrived(Endpoint::Keys, 1).await;
    held.release();

    let answers: Vec<Charge> = calls.await.expect("no panic").into_iter().collect::<Result<_, Status>>().expect("all");
    assert_eq!(answers, vec![charged(&issuer, "for alice", "order-1", 1); CALLS]);
    assert_eq!(most.load(Ordering::SeqCst), 1);
    assert_eq!(issuer.calls(Endpoint::Keys), 1);
}
