//! A channel that carries credentials, under clients that tonic generated: over real HTTP/2, to a till behind the layers.

use axum_identity::Problem;
use demo_api::payments::{
    Charge, ChargeRequest, StatementRequest,
    payments_client::PaymentsClient,
    payments_server::{Payments, PaymentsServer},
};
use futures_util::stream::{self, BoxStream};
use http::Uri;
use tonic::{
    Code, Request, Response, Status,
    client::Grpc,
    service::{Interceptor, Routes},
    transport::{Endpoint, server::Server},
};
use tonic_prost::ProstCodec;
use tower_identity::{
    AuthLayer, ClientAuth, GrpcChannel, Outbound, OutboundBuilder, OutboundError, Plaintext, Refusal, RequestExt,
    RequireLayer, Retries, Revocation, Revocations, Target, TokenEndpoint, TrustedIssuer, Verifier, rule::user,
    system_clock,
};
use tower_identity_testkit::{Endpoint as At, TestCaller, TestIssuer};

use super::till::{Refused, SUM, Served, asked, auth, bearer, charged, good, refused, routes, with};
use crate::step_up::{self, AGAIN};

/// Exchanges for tokens to these tills.
fn outbound(issuer: &TestIssuer, origins: &[&str]) -> Outbound {
    let auth = ClientAuth::client_secret_basic("orders", "secret").expect("a client");
    let server = TokenEndpoint::discover(issuer.issuer().as_str(), auth);
    let builder = Outbound::builder(server).plaintext(Plaintext::Loopback);
    let target = |origin: &&str| Target::origin(origin).expect("an origin").audience("payments").token_exchange();
    origins.iter().map(target).fold(builder, OutboundBuilder::target).build().expect("outbound")
}

fn endpoint(till: &Served) -> Endpoint {
    Endpoint::from_shared(till.origin()).expect("an origin")
}

/// A till that hears of revoked tokens.
async fn till_that_hears(issuer: &TestIssuer) -> (Served, Revocations) {
    let list = Revocations::new(system_clock());
    let trusted = TrustedIssuer::discover(issuer.issuer().as_str()).audience("payments");
    let verifier = Verifier::builder(trusted).revocations(list.clone()).build().expect("a verifier");
    let server =
        Server::builder().layer(AuthLayer::new(verifier)).layer(RequireLayer::new(user())).add_routes(routes());
    (Served::start(|incoming| server.serve_with_incoming(incoming)).await, list)
}

/// Numbers the tokens of this issuer, which then are known by what they are.
fn number(issuer: &TestIssuer) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    issuer.edit_tokens(move |token| {
        let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        token.claim("jti", format!("token-{number}"))
    });
}

fn revoke(list: &Revocations, issuer: &TestIssuer, number: usize) {
    let token = format!("token-{number}").parse().expect("a token id");
    assert!(list.revoke(Revocation::token(issuer.issuer().clone(), token)));
}

async fn statement(client: &mut PaymentsClient<GrpcChannel>) -> Result<Vec<Charge>, Status> {
    let mut stream = client.statement(StatementRequest {}).await?.into_inner();
    let mut all = Vec::new();
    while let Some(charge) = stream.message().await? {
        all.push(charge);
    }
    Ok(all)
}

async fn sum(channel: GrpcChannel) -> Result<ChargeRequest, Status> {
    let mut grpc = Grpc::new(channel);
    grpc.ready().await?;
    let charges = Request::new(stream::iter([asked(1), asked(2)]));
    let codec = ProstCodec::<ChargeRequest, ChargeRequest>::default();
    Ok(grpc.client_streaming(charges, SUM.parse().expect("a path"), codec).await?.into_inner())
}

#[tokio::test]
async fn out_b8_each_kind_of_call_carries_a_token_for_the_user_whose_code_makes_it() {
    let issuer = TestIssuer::start();
    let till = Served::behind(auth(&issuer), user()).await;
    let outbound = outbound(&issuer, &[&till.origin()]);
    let alice = TestCaller::workload("web").user("alice").signed_by(&issuer).context();
    let lines = || [1, 2].map(|cents| charged(&issuer, "for nobody", &format!("order-{cents}"), cents)).to_vec();
    for channel in [outbound.channel(endpoint(&till)), outbound.connect_channel(endpoint(&till)).await.expect("there")]
    {
        let mut client = PaymentsClient::new(channel.clone());
        let charge = alice.scope(client.charge(asked(1))).await.expect("charged").into_inner();
        assert_eq!(charge, charged(&issuer, "for alice", "order-1", 1));
        assert_eq!(alice.scope(statement(&mut client)).await.expect("told"), lines());
        assert_eq!(alice.scope(sum(channel)).await.expect("summed").cents, 3);
        // What a call says wins.
        let said = client.charge(Request::new(asked(2)).on_behalf_of(&alice)).await.expect("charged").into_inner();
        assert_eq!(said, charged(&issuer, "for alice", "order-2", 2));
        let own = alice.scope(client.charge(Request::new(asked(2)).as_service())).await.expect_err("nobody's");
        assert_eq!(own.code(), Code::PermissionDenied, "the till wants a user");
    }
    assert_eq!(issuer.calls(At::Token), 2);
}

#[tokio::test]
async fn rfc6750_b1_a_channel_calls_its_endpoint_whatever_origin_is_said_besides() {
    let issuer = TestIssuer::start();
    let (till, stranger) = (Served::behind(auth(&issuer), user()).await, Served::behind(auth(&issuer), user()).await);
    let outbound = outbound(&issuer, &[&till.origin()]);
    let alice = TestCaller::workload("web").user("alice").signed_by(&issuer).context();
    let elsewhere = || -> Uri { stranger.origin().parse().expect("an origin") };

    let mut client = PaymentsClient::with_origin(outbound.channel(endpoint(&till).origin(elsewhere())), elsewhere());
    assert_eq!(alice.scope(client.charge(asked(1))).await.expect("charged").into_inner().order, "order-1");

    // A listed origin that is said over a channel to a stranger opens nothing.
    let listed = till.origin().parse().expect("an origin");
    let mut client = PaymentsClient::with_origin(outbound.channel(endpoint(&stranger).origin(listed)), elsewhere());
    let refused = alice.scope(client.charge(asked(1))).await.expect_err("not listed");
    assert_eq!((refused.code(), Refusal::find(&refused).map(Refusal::check)), (Code::Internal, Some("target")));
    assert_eq!(issuer.calls(At::Token), 1);
}

/// Says another credential, another host, or what it has to say.
struct Says(&'static str, String);

impl Interceptor for Says {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert(self.0, self.1.parse().expect("a value"));
        Ok(request)
    }
}

#[tokio::test]
async fn an_interceptor_adds_what_it_likes_but_no_credential() {
    let issuer = TestIssuer::start();
    let till = Served::behind(auth(&issuer), user()).await;
    let channel = outbound(&issuer, &[&till.origin()]).channel(endpoint(&till));
    let alice = TestCaller::workload("web").user("alice").signed_by(&issuer).context();
    let bob = issuer.token().subject("bob").client("orders").audience("payments").build();
    for (name, value) in [("authorization", format!("Bearer {}", bob.expose())), ("x-order", "7".to_owned())] {
        let mut client = PaymentsClient::with_interceptor(channel.clone(), Says(name, value));
        let charge = alice.scope(client.charge(asked(1))).await.map(Response::into_inner);
        assert_eq!(charge.expect("charged").user.map(|user| user.id).as_deref(), Some("alice"), "{name}");
    }
    let mut client = PaymentsClient::with_interceptor(channel, Says("host", "stranger.example".to_owned()));
    let refused = alice.scope(client.charge(asked(1))).await.expect_err("another host");
    assert_eq!(Refusal::find(&refused).map(Refusal::check), Some("host"));
}

#[tokio::test]
async fn g3_what_is_not_sent_is_a_status_of_ours_that_says_nothing_of_us() {
    let issuer = TestIssuer::start();
    let till = Served::behind(auth(&issuer), user()).await;
    let outbound = outbound(&issuer, &[&till.origin()]);
    let mut client = PaymentsClient::new(outbound.channel(endpoint(&till)));
    let alice = TestCaller::workload("web").user("alice").signed_by(&issuer).context();
    let nobody = TestCaller::workload("web").signed_by(&issuer).context();
    issuer.stop();
    let internal = (Code::Internal, "this service could not handle the request");
    let cases = [
        (None, internal, "no_caller"),
        (Some(&nobody), (Code::PermissionDenied, "this caller may not do this"), "no_user"),
        (Some(&alice), (Code::Unavailable, "this cannot be decided now, try again later"), "token_request"),
    ];
    for (caller, expected, check) in cases {
        let call = client.charge(asked(1));
        let status = match caller {
            Some(caller) => caller.scope(call).await,
            None => call.await,
        };
        let status = status.expect_err("not sent");
        assert_eq!((status.code(), status.message()), expected, "{check}");
        assert_eq!(Refusal::find(&status).map(Refusal::check), Some(check));
        assert!(
            std::error::Error::source(&status).is_some_and(<dyn std::error::Error>::is::<OutboundError>),
            "{check}"
        );
        assert!(status.metadata().is_empty() && status.details().is_empty(), "{check}");
    }

    // What was sent and not answered is what tonic makes of it. To another client, which remembers no outage.
    issuer.restart();
    let gone = till.origin();
    drop(till);
    let channel = self::outbound(&issuer, &[&gone]).channel(Endpoint::from_shared(gone).expect("an origin"));
    let mut client = PaymentsClient::new(channel);
    let status = alice.scope(client.charge(asked(1))).await.expect_err("nobody there");
    assert_eq!((status.code(), Refusal::find(&status).is_none()), (Code::Unavailable, true), "{status:?}");
}

#[tokio::test]
async fn rfc6750_b2_a_call_that_is_refused_as_16_is_made_again_with_a_new_token_once() {
    let issuer = TestIssuer::start();
    number(&issuer);
    let (till, list) = till_that_hears(&issuer).await;
    let outbound = outbound(&issuer, &[&till.origin()]);
    let channel = outbound.channel(endpoint(&till));
    let mut client = PaymentsClient::new(channel.clone());
    let caller = |name: &str| TestCaller::workload("web").user(name).signed_by(&issuer).context();
    let (alice, bob) = (caller("alice"), caller("bob"));

    alice.scope(client.charge(asked(1))).await.expect("charged");
    bob.scope(client.charge(asked(1))).await.expect("charged");
    assert_eq!(issuer.calls(At::Token), 2);

    // Unary, and with a stream of answers: each user's token is revoked at the till, and nobody notices.
    revoke(&list, &issuer, 0);
    assert_eq!(alice.scope(client.charge(asked(1))).await.expect("charged again").into_inner().order, "order-1");
    assert_eq!(issuer.calls(At::Token), 3);
    revoke(&list, &issuer, 1);
    assert_eq!(bob.scope(statement(&mut client)).await.expect("told again").len(), 2);
    assert_eq!(issuer.calls(At::Token), 4);

    // A user whose every token is refused is told so: of two calls, the second is the last.
    let eve = caller("eve");
    for number in 4..6 {
        revoke(&list, &issuer, number);
    }
    let refused = eve.scope(client.charge(asked(1))).await.expect_err("refused twice");
    assert_eq!(refused.code(), Code::Unauthenticated);
    let challenge = refused.metadata().get("www-authenticate").map(|value| value.to_str().expect("ascii").to_owned());
    assert!(challenge.is_some_and(|challenge| challenge.contains("error=\"invalid_token\"")), "{refused:?}");
    assert_eq!(issuer.calls(At::Token), 6);
}

#[tokio::test]
async fn rfc6750_b2_a_call_is_not_made_again_where_that_is_switched_off_and_the_next_has_a_new_token() {
    for retries in [Retries::Idempotent, Retries::Never] {
        let issuer = TestIssuer::start();
        number(&issuer);
        let (till, list) = till_that_hears(&issuer).await;
        let channel = outbound(&issuer, &[&till.origin()]).channel(endpoint(&till)).retries(retries);
        let mut client = PaymentsClient::new(channel);
        let alice = TestCaller::workload("web").user("alice").signed_by(&issuer).context();
        revoke(&list, &issuer, 0);
        let refused = alice.scope(client.charge(asked(1))).await.expect_err("refused");
        assert_eq!((refused.code(), issuer.calls(At::Token)), (Code::Unauthenticated, 1), "{retries:?}");
        alice.scope(client.charge(asked(1))).await.expect("charged");
        assert_eq!(issuer.calls(At::Token), 2, "{retries:?}");
    }
}

/// Has payments charge what it is asked to charge.
struct Middle(PaymentsClient<GrpcChannel>);

#[tonic::async_trait]
impl Payments for Middle {
    type StatementStream = BoxStream<'static, Result<Charge, Status>>;

    async fn charge(&self, request: Request<ChargeRequest>) -> Result<Response<Charge>, Status> {
        Ok(self.0.clone().charge(request.into_inner()).await.map_err(Problem::from)?)
    }

    async fn statement(&self, _: Request<StatementRequest>) -> Result<Response<Self::StatementStream>, Status> {
        Err(Status::unimplemented("not asked for"))
    }
}

#[tokio::test]
async fn out_b7_a_sign_in_that_the_authorization_server_wants_of_the_user_reaches_our_caller_over_grpc() {
    let issuer = TestIssuer::start();
    let (authority, till) = (step_up::authority().await, Served::behind(auth(&issuer), user()).await);
    let call_by_way_of = async |token: String| {
        let channel = step_up::outbound(&issuer, &token, &till.origin()).channel(endpoint(&till));
        let middle = Routes::new(PaymentsServer::new(Middle(PaymentsClient::new(channel))));
        let server = Server::builder().layer(auth(&issuer)).add_routes(middle);
        let middle = Served::start(|incoming| server.serve_with_incoming(incoming)).await;
        let answer = middle.client().await.charge(with(&[bearer(good(&issuer))], asked(1))).await;
        answer.map(|charge| charge.into_inner().order).map_err(Refused::from)
    };
    let again = "the user has to sign in again, or by stronger means";
    let again = Refused { challenge: Some(AGAIN.to_owned()), ..refused(Code::Unauthenticated, again) };
    assert_eq!(call_by_way_of(authority.url("/token")).await, Err(again));
    assert_eq!(call_by_way_of(issuer.url(At::Token)).await.as_deref(), Ok("order-1"), "the control");
}

#[tokio::test]
async fn a_channel_is_shared_between_handlers_and_prints_where_it_leads() {
    fn shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    let issuer = TestIssuer::start();
    let channel = outbound(&issuer, &[]).channel(Endpoint::from_static("https://payments.internal"));
    shared(&channel);
    shared(&PaymentsClient::new(channel.clone()));
    assert_eq!(format!("{channel:?}"), "GrpcChannel { origin: https://payments.internal/, .. }");
}
