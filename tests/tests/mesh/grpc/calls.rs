//! What a client of tonic gets for each row of the error map, with a control that differs in one thing and passes.

use std::time::Duration;

use demo_api::payments::{ChargeRequest, StatementRequest};
use futures_util::stream;
use tonic::{Code, Request, Response, client::Grpc, transport::Channel, transport::server::Server};
use tonic_prost::ProstCodec;
use tower_identity::{
    RequireLayer,
    rule::{acr, max_age, user},
};
use tower_identity_testkit::{Endpoint, LogCapture, TestIssuer, TokenBuilder};

use super::till::{
    Refused, SUM, Served, asked, auth, bearer, challenged, charged, charging, good, read, refused, routes, with,
};

/// The longest token that is read.
const LONGEST: usize = 8192;

/// Calls every kind of method with these metadata: unary, and with a stream of answers, of requests, and of both. All
/// refuse alike, or all answer what they should.
async fn call(till: &Served, issuer: &TestIssuer, metadata: &[(&'static str, String)]) -> Result<(), Refused> {
    let mut client = till.client().await;
    let charge = client.charge(with(metadata, asked(1))).await.map_err(Refused::from);
    let statement = read(client.statement(with(metadata, StatementRequest {})).await).await;
    let sum = sum(till.channel().await, with(metadata, stream::iter([asked(1), asked(2)]))).await;
    match charge {
        Ok(charge) => {
            assert_eq!(charge.into_inner(), charged(issuer, "for alice", "order-1", 1));
            let lines = [1, 2].map(|cents| charged(issuer, "for nobody", &format!("order-{cents}"), cents));
            assert_eq!(statement, Ok(lines.to_vec()));
            assert_eq!(sum, Ok(ChargeRequest { order: "all".to_owned(), cents: 3 }));
            Ok(())
        }
        Err(refused) => {
            assert_eq!(statement.as_ref(), Err(&refused));
            assert_eq!(sum.as_ref(), Err(&refused));
            Err(refused)
        }
    }
}

/// Sends a stream of charges, and gets what they come to.
async fn sum<S>(channel: Channel, charges: Request<S>) -> Result<ChargeRequest, Refused>
where
    S: futures_util::Stream<Item = ChargeRequest> + Send + 'static,
{
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.expect("connected");
    let codec = ProstCodec::<ChargeRequest, ChargeRequest>::default();
    let answer = grpc.client_streaming(charges, SUM.parse().expect("a path"), codec).await;
    Ok(answer?.into_inner())
}

fn absent() -> Refused {
    challenged(Code::Unauthenticated, "this request needs an access token", "")
}

fn malformed() -> Refused {
    let message = "the request presents its credential in a malformed way";
    challenged(Code::Unauthenticated, message, ", error=\"invalid_request\"")
}

fn invalid() -> Refused {
    challenged(Code::Unauthenticated, "the access token was not accepted", ", error=\"invalid_token\"")
}

fn wired_wrongly() -> Refused {
    refused(Code::Internal, "this service could not handle the request")
}

fn denied() -> Refused {
    refused(Code::PermissionDenied, "this caller may not do this")
}

type Metadata = Vec<(&'static str, String)>;

/// Each is refused so, and what differs from all of them in one thing passes.
async fn each_is_refused(
    till: &Served,
    issuer: &TestIssuer,
    cases: impl IntoIterator<Item = (&str, Metadata, Refused)>,
) {
    for (name, metadata, expected) in cases {
        assert_eq!(call(till, issuer, &metadata).await, Err(expected), "{name}");
    }
    assert_eq!(call(till, issuer, &[bearer(good(issuer))]).await, Ok(()), "the control");
}

#[tokio::test]
async fn g3_what_the_caller_did_wrong_is_16_or_7_with_its_challenge() {
    let issuer = TestIssuer::start();
    let till = Served::behind(auth(&issuer), charging()).await;
    let token = || good(&issuer);
    let too_little = challenged(
        Code::PermissionDenied,
        "the access token lacks a scope that this request needs",
        ", error=\"insufficient_scope\", scope=\"payments:charge\"",
    );
    let cases = [
        ("nothing", vec![], absent()),
        ("another scheme", vec![("authorization", "Basic b3JkZXJzOg==".to_owned())], absent()),
        ("binary metadata", vec![("authorization-bin", base64(&bearer(token()).1))], absent()),
        ("no token", vec![("authorization", "Bearer x".to_owned())], invalid()),
        ("another audience", vec![bearer(token().audience("orders"))], invalid()),
        ("a tampered signature", vec![bearer(token().tampered())], invalid()),
        ("another scope", vec![bearer(token().scope("payments:read"))], too_little),
        ("no user", vec![bearer(token().subject("orders"))], denied()),
        ("another caller", vec![bearer(token().acted_by("storefront"))], denied()),
    ];
    each_is_refused(&till, &issuer, cases).await;
}

#[tokio::test]
async fn g5_a_credential_that_cannot_be_read_is_16_and_never_3() {
    let issuer = TestIssuer::start();
    let till = Served::behind(auth(&issuer), charging()).await;
    let outside = vec![("authorization", "Bearer a b".to_owned())];
    assert_eq!(malformed().code, Code::Unauthenticated);
    each_is_refused(&till, &issuer, [("outside the grammar", outside, malformed())]).await;
}

#[tokio::test]
async fn g6_metadata_that_is_joined_is_refused_as_metadata_that_is_repeated() {
    let issuer = TestIssuer::start();
    let till = Served::behind(auth(&issuer), charging()).await;
    let good = || bearer(good(&issuer));
    let cases = [
        ("repeated metadata", vec![good(), good()], malformed()),
        ("joined metadata", vec![("authorization", format!("{}, {}", good().1, good().1))], malformed()),
        ("joined with no token", vec![("authorization", format!("{}, Bearer x", good().1))], malformed()),
    ];
    each_is_refused(&till, &issuer, cases).await;
}

#[tokio::test]
async fn e5_a_sign_in_that_is_too_weak_or_too_old_is_16_with_what_would_do() {
    let issuer = TestIssuer::start();
    let stronger = charging().and(acr(["urn:example:mfa"])).and(max_age(Duration::from_secs(300)));
    let till = Served::behind(auth(&issuer), stronger).await;
    let now = good(&issuer).claims()["iat"].as_u64().expect("a time");
    let signed_in = |class: &str, ago: u64| bearer(good(&issuer).claim("acr", class).claim("auth_time", now - ago));
    let again = |parameters: &str| {
        let message = "the user has to sign in again, or by stronger means";
        let parameters = format!(", error=\"insufficient_user_authentication\"{parameters}");
        challenged(Code::Unauthenticated, message, &parameters)
    };
    let both = ", acr_values=\"urn:example:mfa\", max_age=\"300\"";
    let with_scope = format!(", scope=\"payments:charge\"{both}");
    for (name, token, expected) in [
        ("nothing is said", bearer(good(&issuer)), Err(again(both))),
        ("a scope is missing too", bearer(good(&issuer).scope("payments:read")), Err(again(&with_scope))),
        ("too weak", signed_in("urn:example:pwd", 0), Err(again(", acr_values=\"urn:example:mfa\""))),
        ("too old", signed_in("urn:example:mfa", 900), Err(again(", max_age=\"300\""))),
        ("the control", signed_in("urn:example:mfa", 0), Ok(())),
    ] {
        assert_eq!(call(&till, &issuer, &[token]).await, expected, "{name}");
    }
}

fn base64(text: &str) -> String {
    base64_simd::STANDARD.encode_to_string(text)
}

#[tokio::test]
async fn e10_an_issuer_that_is_out_of_reach_is_14_and_says_when_to_come_back() {
    let issuer = TestIssuer::start();
    let metadata = [bearer(good(&issuer))];

    issuer.stop();
    let cold = Served::behind(auth(&issuer), charging()).await;
    let refusal = Refused::from(cold.client().await.charge(with(&metadata, asked(1))).await.expect_err("no keys"));
    let retry_after = refusal.retry_after.clone().expect("says when to come back");
    assert!((1..=30).contains(&retry_after.parse::<u64>().expect("seconds")), "{retry_after}");
    let unavailable = refused(Code::Unavailable, "this cannot be decided now, try again later");
    assert_eq!(refusal, Refused { retry_after: Some(retry_after), ..unavailable });

    issuer.restart();
    let warm = Served::behind(auth(&issuer), charging()).await;
    assert_eq!(call(&warm, &issuer, &metadata).await, Ok(()));
    issuer.stop();
    assert_eq!(call(&warm, &issuer, &metadata).await, Ok(()), "known keys go on verifying");
}

#[tokio::test]
async fn e12_layers_in_the_wrong_order_are_13_and_never_a_bypass() {
    let issuer = TestIssuer::start();
    let metadata = [bearer(good(&issuer))];
    let (outer, inner) = (RequireLayer::new(user()), RequireLayer::new(charging()));

    let server = Server::builder().layer(outer).layer(auth(&issuer)).add_routes(routes());
    let inside_out = Served::start(|incoming| server.serve_with_incoming(incoming)).await;
    assert_eq!(call(&inside_out, &issuer, &metadata).await, Err(wired_wrongly()), "require outside of auth");

    let server = Server::builder().layer(auth(&issuer)).layer(auth(&issuer)).add_routes(routes());
    let twice = Served::start(|incoming| server.serve_with_incoming(incoming)).await;
    assert_eq!(call(&twice, &issuer, &metadata).await, Err(wired_wrongly()), "authenticated twice");

    let server = Server::builder().add_routes(routes());
    let open = Served::start(|incoming| server.serve_with_incoming(incoming)).await;
    let mut client = open.client().await;
    let answer = client.charge(with(&metadata, asked(1))).await.map_err(Refused::from);
    assert_eq!(answer.map(|_| ()), Err(wired_wrongly()), "a handler without auth");
    let answer = read(client.statement(with(&metadata, StatementRequest {})).await).await;
    assert_eq!(answer, Err(wired_wrongly()), "a handler that streams, without auth");

    let server = Server::builder().layer(auth(&issuer)).layer(inner).add_routes(routes());
    let control = Served::start(|incoming| server.serve_with_incoming(incoming)).await;
    assert_eq!(call(&control, &issuer, &metadata).await, Ok(()));
}

#[tokio::test]
async fn g3_a_handler_that_asks_for_a_caller_challenges_as_the_layers_do() {
    let issuer = TestIssuer::start();
    let server = Server::builder().layer(auth(&issuer).optional()).add_routes(routes());
    let till = Served::start(|incoming| server.serve_with_incoming(incoming)).await;
    let mut client = till.client().await;
    for (metadata, expected) in [
        (vec![], Err(absent())),
        (vec![bearer(good(&issuer).tampered())], Err(invalid())),
        (vec![bearer(good(&issuer))], Ok(charged(&issuer, "for alice", "order-1", 1))),
    ] {
        let answer = client.charge(with(&metadata, asked(1))).await.map(Response::into_inner).map_err(Refused::from);
        assert_eq!(answer, expected);
    }
}

/// A token of exactly this many bytes.
fn of_length(token: impl Fn() -> TokenBuilder, length: usize) -> TokenBuilder {
    let bare = token().claim("pad", "").build().expose().len();
    // Three bytes of payload are four of the token: near enough, then byte by byte.
    (((length - bare) * 3 / 4 - 4)..)
        .map(|pad| token().claim("pad", "x".repeat(pad)))
        .find(|padded| padded.clone().build().expose().len() >= length)
        .expect("tokens grow with their claims")
}

#[tokio::test]
async fn g7_a_token_of_8_kib_fits_and_one_that_is_longer_is_refused_for_its_length() {
    let issuer = TestIssuer::start();
    let till = Served::behind(auth(&issuer), charging()).await;
    let longest = of_length(|| good(&issuer), LONGEST);
    assert_eq!(longest.clone().build().expose().len(), LONGEST);
    assert_eq!(call(&till, &issuer, &[bearer(longest)]).await, Ok(()));

    let asked_for_keys = issuer.calls(Endpoint::Keys);
    let logs = LogCapture::start();
    let longer = bearer(of_length(|| good(&issuer), LONGEST + 2));
    let length = longer.1.len() - "Bearer ".len();
    assert_eq!(call(&till, &issuer, &[longer]).await, Err(malformed()));
    assert!(logs.text().contains("check=\"length\""), "{}", logs.text());
    assert!(logs.text().contains(&format!("{length} bytes, at most {LONGEST}")), "{}", logs.text());
    assert_eq!(issuer.calls(Endpoint::Keys), asked_for_keys);
}
