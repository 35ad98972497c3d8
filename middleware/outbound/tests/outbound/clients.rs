//! The layer over the client of hyper-util, for real: which addresses go out, and what happens to a redirect.

use axum::body::Bytes;
use http::{Request, Response, Version, header::LOCATION};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{ServiceBuilder, ServiceExt};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_identity_core::Refusal;
use tower_identity_outbound::{BoxError, Outbound, OutboundService, RequestExt};

use crate::support::{Callee, World};

/// Over HTTP/1.1, or over HTTP/2 that is known to be spoken.
fn hyper(version: Version) -> Client<HttpConnector, Empty<Bytes>> {
    Client::builder(TokioExecutor::new()).http2_only(version == Version::HTTP_2).build_http()
}

fn over(outbound: &Outbound, version: Version) -> OutboundService<Client<HttpConnector, Empty<Bytes>>> {
    ServiceBuilder::new().layer(outbound.layer()).service(hyper(version))
}

fn get(address: &str) -> http::request::Builder {
    Request::get(address)
}

fn empty(request: http::request::Builder) -> Request<Empty<Bytes>> {
    request.body(Empty::new()).expect("a request")
}

async fn text(response: Response<Incoming>) -> String {
    assert_eq!(response.status(), 200);
    String::from_utf8(response.into_body().collect().await.expect("body").to_bytes().to_vec()).expect("text")
}

/// The failing check of what was not sent.
fn refused(sent: Result<Response<Incoming>, BoxError>) -> &'static str {
    let error = sent.map(drop).expect_err("not sent");
    Refusal::find(&*error).expect("refused before it was sent").check()
}

const VERSIONS: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];

#[tokio::test]
async fn rfc6750_b1_an_absolute_address_of_a_target_gets_its_token_and_no_other_goes_out() {
    for version in VERSIONS {
        let world = World::new().await;
        let client = over(
            &world.builder().target(world.payments.target().client_credentials()).build().expect("outbound"),
            version,
        );
        let stranger = Callee::start().await;
        let host = world.payments.url("").replace("http://", "");
        for (request, check) in [
            (get("/v1"), "target"),
            (get(&stranger.url("/v1")), "target"),
            (get("/v1").header("host", &host), "target"),
            (get(&world.payments.url("/v1")).header("host", "stranger.example"), "host"),
        ] {
            assert_eq!(refused(client.clone().oneshot(empty(request)).await), check, "{version:?}");
        }
        let authority = Request::builder().method("CONNECT").uri(&host);
        assert_eq!(refused(client.clone().oneshot(empty(authority)).await), "target", "{version:?}");
        assert_eq!((world.authority.calls().len(), world.payments.got().len(), stranger.got().len()), (0, 0, 0));

        let sent = client.clone().oneshot(empty(get(&world.payments.url("/v1")))).await.expect("sent");
        assert_eq!(text(sent).await, "Bearer token-0");
        let sent = client.oneshot(empty(get(&world.payments.url("/v1")).header("host", host))).await.expect("sent");
        assert_eq!(text(sent).await, "Bearer token-0");
        assert_eq!(world.payments.got().iter().map(|got| got.version).collect::<Vec<_>>(), [version; 2]);
    }
}

#[tokio::test]
async fn a_redirect_is_followed_outside_of_the_layer_each_hop_with_its_own_token_and_to_no_stranger() {
    for version in VERSIONS {
        let world = World::new().await;
        let (ledger, stranger) = (Callee::start().await, Callee::start().await);
        let outbound = world
            .builder()
            .target(world.payments.target().token_exchange())
            .target(ledger.target().scope("ledger:read").token_exchange())
            .build()
            .expect("outbound");
        let client =
            ServiceBuilder::new().layer(FollowRedirectLayer::new()).layer(outbound.layer()).service(hyper(version));
        // In alice's scope, because what a request says is dropped on the way to another origin.
        let alice = world.caller("alice");
        let send = |address: String| alice.scope(client.clone().oneshot(empty(get(&address))));

        for status in [301, 302, 303, 307, 308] {
            world.payments.answers_next(status, &[(LOCATION.as_str(), &ledger.url("/v2"))]);
            let answer = send(world.payments.url("/v1")).await.expect("sent");
            assert_eq!(text(answer).await, "Bearer token-1", "{version:?} {status}");
        }
        let scopes: Vec<_> = world.authority.calls().iter().map(|call| call["scope"].clone()).collect();
        assert_eq!(scopes, ["payments:charge", "ledger:read payments:charge"]);
        let tokens = |callee: &Callee| {
            callee.got().iter().map(|got| got.authorization().join(",")).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(tokens(&world.payments), ["Bearer token-0".to_owned()].into());
        assert_eq!(tokens(&ledger), ["Bearer token-1".to_owned()].into());

        for status in [301, 302, 303, 307, 308] {
            world.payments.answers_next(status, &[(LOCATION.as_str(), &stranger.url("/collect"))]);
            assert_eq!(refused(send(world.payments.url("/v1")).await), "target", "{version:?} {status}");
        }
        assert_eq!(stranger.got().len(), 0);

        // Said on the request, it holds on the same origin only: on another, the hop is nobody's, and goes nowhere.
        let said = |address: String| client.clone().oneshot(empty(get(&address)).on_behalf_of(&alice));
        world.payments.answers_next(302, &[(LOCATION.as_str(), "/v2")]);
        assert_eq!(text(said(world.payments.url("/v1")).await.expect("sent")).await, "Bearer token-0");
        world.payments.answers_next(302, &[(LOCATION.as_str(), &ledger.url("/v2"))]);
        assert_eq!(refused(said(world.payments.url("/v1")).await), "no_caller", "{version:?}");
    }
}

#[tokio::test]
async fn without_a_layer_that_follows_it_a_redirect_is_the_answer() {
    for version in VERSIONS {
        let world = World::new().await;
        let stranger = Callee::start().await;
        let outbound = world.builder().target(world.payments.target().client_credentials()).build().expect("outbound");
        world.payments.answers_next(307, &[(LOCATION.as_str(), &stranger.url("/collect"))]);
        let answer = over(&outbound, version).oneshot(empty(get(&world.payments.url("/")))).await.expect("sent");
        assert_eq!((answer.status().as_u16(), stranger.got().len()), (307, 0));
    }
}
