//! The same as a policy for tower's retry layer, over a real client.

use std::io;

use axum::body::Bytes;
use futures_util::stream;
use http::{Method, Request, Response, Version};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{Service, ServiceBuilder, ServiceExt, retry::RetryLayer};
use tower_identity_core::{Refusal, ambient};
use tower_identity_outbound::{Replay, RequestExt, Retries, RetryRefused, TargetRefusal};
use tower_layer::Stack;
use tower_test::mock;

use crate::support::{Answer, Call, World, issued};

const INVALID: (&str, &str) = ("www-authenticate", r#"Bearer error="invalid_token""#);

fn hyper<B>(http2: bool) -> Client<HttpConnector, B>
where
    B: http_body::Body<Data: Send> + Send,
{
    Client::builder(TokioExecutor::new()).http2_only(http2).build_http()
}

/// Takes users' tokens to its one target.
fn outbound(world: &World) -> tower_identity_outbound::Outbound {
    world.builder().target(world.payments.target().token_exchange()).build().expect("outbound")
}

async fn answer(response: Response<Incoming>) -> (u16, String) {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.expect("body").to_bytes();
    (status, String::from_utf8(body.to_vec()).expect("text"))
}

fn request(world: &World, method: Method) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(world.payments.url("/v1?x=y")).header("x-order", "7");
    request.body(Full::from("charge")).expect("request")
}

#[tokio::test]
async fn rfc6750_b2_the_policy_tries_once_more_over_either_version_of_http() {
    for http2 in [false, true] {
        let world = World::new().await;
        let alice = world.caller("alice");
        let client = |retries| {
            ServiceBuilder::new()
                .layer(RetryLayer::new(RetryRefused::new(retries)))
                .layer(outbound(&world).layer())
                .service(hyper(http2))
        };
        let (all, idempotent) = (client(Retries::Refused), client(Retries::Idempotent));
        world.payments.answers_next(401, &[INVALID]);
        let post = || request(&world, Method::POST).on_behalf_of(&alice);
        assert_eq!(answer(all.clone().oneshot(post()).await.expect("sent")).await, (200, "Bearer token-1".to_owned()));
        let got = world.payments.got();
        let version = if http2 { Version::HTTP_2 } else { Version::HTTP_11 };
        for (number, got) in got.iter().enumerate() {
            assert_eq!((&got.method, &*got.path, &got.body[..]), (&Method::POST, "/v1?x=y", b"charge".as_slice()));
            assert_eq!((got.version, got.authorization()), (version, vec![&*format!("Bearer token-{number}")]));
            assert_eq!(got.headers["x-order"], "7");
        }
        assert_eq!(got.len(), 2);

        // Neither what asks for nothing that another attempt has, nor what was refused twice, nor a method too many.
        for (answers, service, request, expected, attempts) in [
            (vec![(403, INVALID)], &all, post(), 403, 1),
            (vec![(401, ("x-nothing", "said"))], &all, post(), 401, 1),
            (vec![(401, INVALID), (401, INVALID), (401, INVALID)], &all, post(), 401, 2),
            (vec![(401, INVALID)], &idempotent, post(), 401, 1),
            (vec![(401, INVALID)], &idempotent, request(&world, Method::PUT).on_behalf_of(&alice), 200, 2),
        ] {
            let world = &world;
            world.time.advance(5);
            let before = world.payments.got().len();
            for (status, field) in answers {
                world.payments.answers_next(status, &[field]);
            }
            let (status, _) = answer(service.clone().oneshot(request).await.expect("sent")).await;
            assert_eq!((status, world.payments.got().len() - before), (expected, attempts));
            world.payments.forget_next();
        }
    }
}

#[tokio::test]
async fn rfc6750_b2_a_body_that_cannot_be_cloned_is_sent_again_if_it_is_short_and_at_hand() {
    let world = World::new().await;
    let alice = world.caller("alice");
    let client = ServiceBuilder::new()
        .map_request(|request: Request<UnsyncBoxBody<Bytes, io::Error>>| request.map(|body| Replay::up_to(6, body)))
        .layer(RetryLayer::new(RetryRefused::default()))
        .layer(outbound(&world).layer())
        .service(hyper(false));
    for (parts, expected) in [(&["char", "ge"][..], 200), (&["charges"], 401)] {
        world.time.advance(5);
        let parts = parts.iter().map(|part| Ok::<_, io::Error>(Frame::data(Bytes::from_static(part.as_bytes()))));
        let body = StreamBody::new(stream::iter(parts.collect::<Vec<_>>())).boxed_unsync();
        world.payments.answers_next(401, &[INVALID]);
        let request = Request::post(world.payments.url("/")).body(body).expect("request").on_behalf_of(&alice);
        let (status, _) = answer(client.clone().oneshot(request).await.expect("sent")).await;
        assert_eq!(status, expected);
        world.payments.forget_next();
    }
    let bodies: Vec<_> = world.payments.got().iter().map(|got| got.body.clone()).collect();
    assert_eq!(bodies, ["charge", "charge", "charges"]);
}

#[tokio::test]
async fn rfc6750_b2_the_first_answer_stands_where_the_policys_second_attempt_fails() {
    let world = World::new().await;
    let alice = world.caller("alice");
    let layers = Stack::new(outbound(&world).layer(), RetryLayer::new(RetryRefused::default()));
    let (mut service, mut inner) = mock::spawn_layer::<Request<&str>, Response<&str>, _>(layers);
    inner.allow(2);
    for fault in ["no token", "no answer"] {
        world.time.advance(5);
        assert!(service.poll_ready().is_ready());
        let request = Request::get(world.payments.url("/")).body("").expect("request").on_behalf_of(&alice);
        let calls = world.authority.calls().len();
        let sending = tokio::spawn(service.call(request));
        let (_, reply) = inner.next_request().await.expect("the first attempt");
        if fault == "no token" {
            world.authority.answers(Answer::error(400, "invalid_grant"));
        }
        let first = Response::builder().status(401).header(INVALID.0, INVALID.1).body("first").expect("response");
        reply.send_response(first);
        if fault == "no answer" {
            inner.allow(1);
            inner.next_request().await.expect("the second attempt").1.send_error("gone");
        }
        let response = sending.await.expect("joined").expect("an answer");
        assert!(response.extensions().get::<TargetRefusal>().is_some_and(TargetRefusal::invites_retry), "{fault}");
        assert_eq!((response.status().as_u16(), response.into_body()), (401, "first"), "{fault}");
        assert!(world.authority.calls().len() > calls, "{fault}");
        world.authority.answers(issued(300));
        inner.allow(1);
    }
}

#[tokio::test]
async fn out_b8_the_policys_second_attempt_is_for_whoever_made_the_first() {
    let world = World::new().await;
    let (alice, bob) = (world.caller("alice"), world.caller("bob"));
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new(RetryRefused::default()))
        .layer(outbound(&world).layer())
        .service(hyper(false));
    let get = || request(&world, Method::GET);
    let call = |request: Request<Full<Bytes>>| client.clone().call(request);
    let subjects = || {
        let subject = |call: Call| call.get("subject_token").cloned().unwrap_or_else(|| "none".to_owned());
        world.authority.calls().into_iter().rev().take(2).map(subject).collect::<Vec<_>>()
    };
    // Each is made in one scope, and polled in another's.
    let made = [
        (ambient::enter(&mut Some(alice.clone()), || call(get())), "token-of-alice"),
        (ambient::enter(&mut Some(bob.clone()), || call(get().on_behalf_of(&alice))), "token-of-alice"),
        (ambient::enter(&mut Some(alice.clone()), || call(get().as_service())), "none"),
    ];
    for (made, expected) in made {
        world.time.advance(5);
        world.payments.answers_next(401, &[INVALID]);
        assert_eq!(bob.scope(made).await.expect("sent").status(), 200);
        assert_eq!(subjects(), [expected, expected]);
    }
    // In no scope, nobody's, wherever it is polled.
    let refused = bob.scope(ambient::enter(&mut None, || call(get()))).await.expect_err("nobody's");
    assert_eq!(Refusal::find(&*refused).map(Refusal::check), Some("no_caller"));
}

#[test]
fn a_service_with_the_policy_is_shared_and_sent_whatever_its_bodies_are() {
    fn shared<T: Clone + Send + Sync + std::fmt::Debug>(_: &T) {}
    struct Unshared(std::cell::Cell<u8>);
    let policy = RetryRefused::<Unshared>::new(Retries::Never);
    shared(&policy);
    assert_eq!(format!("{policy:?}"), "RetryRefused { retries: Never, .. }");
    let _ = Unshared(std::cell::Cell::new(0)).0;
}
