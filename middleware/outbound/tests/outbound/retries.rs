//! The second attempt of the client over reqwest: of which requests, after which answers, for whom, and what stands
//! where it fails.

use reqwest::{Body, Method, Response};
use tower_identity_core::{Refusal, RefusalKind, Scopes, ambient};
use tower_identity_outbound::{HttpClient, ResponseExt, Retries};

use crate::support::{Answer, EXCHANGE, World, echoed};

const INVALID: (&str, &str) = ("www-authenticate", r#"Bearer realm="payments", error="invalid_token""#);
const TOO_LITTLE: (&str, &str) = ("www-authenticate", r#"Bearer error="insufficient_scope""#);
const SIGN_IN: (&str, &str) = ("www-authenticate", r#"Bearer error="insufficient_user_authentication""#);
const NONCE: [(&str, &str); 2] = [("www-authenticate", r#"DPoP error="use_dpop_nonce""#), ("dpop-nonce", "n")];

/// The status and the body of an answer: the `Authorization` of the attempt that it belongs to.
async fn answer(response: Response) -> (u16, String) {
    (response.status().as_u16(), response.text().await.expect("body"))
}

fn token(number: usize) -> String {
    format!("Bearer token-{number}")
}

/// Alice's request, and what becomes of it.
async fn ask(world: &World, http: &HttpClient) -> (u16, String) {
    let request = http.get(world.payments.url("/")).on_behalf_of(&world.caller("alice"));
    answer(request.send().await.expect("an answer")).await
}

#[tokio::test]
async fn rfc6750_b2_what_is_refused_for_its_token_is_tried_once_more_and_nothing_else_is() {
    type Fields<'f> = &'f [(&'static str, &'f str)];
    let cases: [(&str, u16, Fields<'_>, bool); 8] = [
        ("another token is wanted", 401, &[INVALID], true),
        ("another nonce is wanted", 401, &NONCE, true),
        ("nothing is said", 401, &[], false),
        ("another scope is wanted", 401, &[TOO_LITTLE], false),
        ("another sign-in is wanted", 401, &[SIGN_IN], false),
        ("403 is final", 403, &[INVALID], false),
        ("so is 407", 407, &[INVALID], false),
        ("and 503", 503, &[INVALID], false),
    ];
    for (name, status, fields, again) in cases {
        let world = World::new().await;
        world.payments.answers_next(status, fields);
        let (got, _) = ask(&world, &world.for_users()).await;
        assert_eq!(
            (got, world.payments.got().len()),
            (if again { 200 } else { status }, 1 + usize::from(again)),
            "{name}"
        );
    }
}

#[tokio::test]
async fn rfc9470_b1_a_sign_in_that_a_target_wants_is_for_the_user_whose_token_it_was_sent_and_for_nobody_else() {
    let (world, again) = (
        World::new().await,
        RefusalKind::InsufficientAuthentication { scope: Scopes::default(), acr_values: Vec::new(), max_age: None },
    );
    for (http, expected) in [(world.for_users(), again), (world.for_itself(), RefusalKind::BadUpstream)] {
        world.payments.answers_next(401, &[SIGN_IN]);
        let alice = world.caller("alice");
        let answer = alice.scope(async { http.get(world.payments.url("/")).send().await }).await.expect("an answer");
        let unsuccessful = answer.successful().expect_err("no success");
        assert_eq!(Refusal::find(&unsuccessful).map(Refusal::kind), Some(&expected));
    }
}

#[tokio::test]
async fn rfc6750_b2_the_second_attempt_has_a_new_token_and_is_the_last() {
    let world = World::new().await;
    let http = world.for_users();
    world.payments.answers_next(401, &[INVALID]);
    assert_eq!(ask(&world, &http).await, (200, token(1)));
    assert_eq!(world.authority.calls().len(), 2);
    assert_eq!(world.authority.calls()[0], world.authority.calls()[1]);
    assert_eq!(ask(&world, &http).await, (200, token(1)), "what the second brought is remembered");

    // A target that goes on refusing is not asked a third time.
    world.time.advance(5);
    (0..3).for_each(|_| world.payments.answers_next(401, &[INVALID]));
    assert_eq!(ask(&world, &http).await, (401, token(2)));
    assert_eq!((world.payments.got().len(), world.authority.calls().len()), (5, 3));
}

#[tokio::test]
async fn rfc6750_b2_a_request_of_any_method_is_sent_again_as_it_was_unless_the_client_is_told_otherwise() {
    let cases = [
        (Retries::Refused, Method::GET, true),
        (Retries::Refused, Method::POST, true),
        (Retries::Refused, Method::PATCH, true),
        (Retries::Idempotent, Method::PUT, true),
        (Retries::Idempotent, Method::DELETE, true),
        (Retries::Idempotent, Method::POST, false),
        (Retries::Idempotent, Method::PATCH, false),
        (Retries::Never, Method::GET, false),
    ];
    for (retries, method, again) in cases {
        let world = World::new().await;
        let http = world.for_itself().retries(retries);
        world.payments.answers_next(401, &[INVALID]);
        let request = http.request(method.clone(), world.payments.url("/v1?x=y")).header("x-order", "7").body("charge");
        let (status, _) = answer(request.send().await.expect("an answer")).await;
        assert_eq!(status, if again { 200 } else { 401 }, "{retries:?} {method}");
        let got = world.payments.got();
        assert_eq!(got.len(), 1 + usize::from(again), "{retries:?} {method}");
        for (number, got) in got.iter().enumerate() {
            assert_eq!((&got.method, &*got.path, &got.body[..]), (&method, "/v1?x=y", b"charge".as_slice()));
            assert_eq!(
                (got.authorization(), &got.headers["x-order"]),
                (vec![&*token(number)], &"7".parse().expect("x"))
            );
        }
    }
}

#[tokio::test]
async fn a_body_that_comes_as_a_stream_is_sent_once() {
    let world = World::new().await;
    let http = world.for_itself();
    let post = |body: Body| http.post(world.payments.url("/")).body(body).send();
    world.payments.answers_next(401, &[INVALID]);
    let stream = Body::wrap(http_body_util::Full::<axum::body::Bytes>::from("charge"));
    assert_eq!(answer(post(stream).await.expect("an answer")).await, (401, token(0)));
    world.time.advance(5);
    world.payments.answers_next(401, &[INVALID]);
    assert_eq!(answer(post("charge".into()).await.expect("an answer")).await, (200, token(2)), "the control");
}

#[tokio::test]
async fn rfc6750_b2_the_first_answer_stands_where_the_second_attempt_fails() {
    let world = World::new().await;
    let http = world.for_users();
    assert_eq!(ask(&world, &http).await, (200, token(0)));
    world.authority.answers(Answer::error(400, "invalid_grant"));
    world.payments.answers_next(401, &[INVALID]);
    assert_eq!(ask(&world, &http).await, (401, token(0)));
    assert_eq!((world.authority.calls().len(), world.payments.got().len()), (2, 2), "no token, and nothing sent");
}

/// A target that answers the first request, and closes the connection at every other.
#[tokio::test]
async fn rfc6750_b2_the_first_answer_stands_where_the_target_is_gone() {
    use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpListener};

    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let origin = format!("http://{}", listener.local_addr().expect("address"));
    let target = tower_identity_outbound::Target::origin(&origin).expect("origin").audience("payments");
    let target = target.client_credentials().plaintext(tower_identity_outbound::Plaintext::Loopback);
    let http = crate::support::client(&world.builder().target(target).build().expect("outbound"));
    let served = tokio::spawn(async move {
        let head = format!("HTTP/1.1 401 Unauthorized\r\n{}: {}\r\n", INVALID.0, INVALID.1);
        let answer = format!("{head}content-length: 5\r\nconnection: close\r\n\r\nfirst");
        for answer in [&*answer, ""] {
            let (mut connection, _) = listener.accept().await.expect("a connection");
            let mut request = vec![0; 4096];
            assert!(connection.read(&mut request).await.expect("a request") > 0);
            connection.write_all(answer.as_bytes()).await.expect("answered");
        }
    });
    let first = http.get(format!("{origin}/")).send().await.expect("the first answer");
    assert_eq!(answer(first).await, (401, "first".to_owned()));
    served.await.expect("two attempts");
    assert_eq!(world.authority.calls().len(), 2);
}

#[tokio::test]
async fn out_b8_the_second_attempt_is_for_whoever_made_the_first() {
    let world = World::new().await;
    let http = world.for_users();
    let (alice, bob) = (world.caller("alice"), world.caller("bob"));
    let get = || http.get(world.payments.url("/"));
    let subjects = || {
        let calls = world.authority.calls();
        let subject = |call: &crate::support::Call| call.get("subject_token").cloned().unwrap_or_default();
        calls.iter().rev().take(2).map(subject).collect::<Vec<_>>()
    };

    // Made in alice's scope, and polled in bob's, and in nobody's.
    world.payments.answers_next(401, &[INVALID]);
    let made = ambient::enter(&mut Some(alice.clone()), || get().send());
    echoed(bob.scope(made).await).await;
    assert_eq!(subjects(), ["token-of-alice", "token-of-alice"]);
    world.time.advance(5);
    world.payments.answers_next(401, &[INVALID]);
    let made = ambient::enter(&mut Some(bob.clone()), || get().send());
    echoed(made.await).await;
    assert_eq!(subjects(), ["token-of-bob", "token-of-bob"]);

    // What a request says wins in both attempts.
    world.time.advance(5);
    world.payments.answers_next(401, &[INVALID]);
    let made = get().on_behalf_of(&alice).send();
    echoed(bob.scope(made).await).await;
    assert_eq!(subjects()[0], "token-of-alice");
    world.time.advance(5);
    let before = world.authority.calls().len();
    world.payments.answers_next(401, &[INVALID]);
    echoed(bob.scope(get().as_service().send()).await).await;
    let grants: Vec<_> = world.authority.calls()[before..].iter().map(|call| call["grant_type"].clone()).collect();
    assert_eq!(grants, ["client_credentials", "client_credentials"]);
    assert!(world.authority.calls()[..before].iter().all(|call| call["grant_type"] == EXCHANGE));
}
