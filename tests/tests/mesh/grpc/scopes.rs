//! The caller's context in gRPC handlers and in what they stream, and where they call on over gRPC.

use demo_api::payments::{
    Charge, ChargeRequest, StatementRequest,
    payments_client::PaymentsClient,
    payments_server::{Payments, PaymentsServer},
};
use futures_util::stream::{self, BoxStream, StreamExt};
use tonic::{Code, Request, Response, Status, service::Routes, transport::server::Server};
use tower::ServiceBuilder;
use tower_identity::{Caller, Refusal, ambient, rule::user};
use tower_identity_testkit::{Endpoint, TestCaller, TestIssuer};

use super::till::{Served, asked, auth, bearer, charged, good, read, with};
use crate::{
    ambient::Leaf,
    servers::{exchanging, exchanging_client, leaf},
};

/// Calls on at every charge and every statement. The id of a charge is whom the leaf saw, or why nothing was sent.
struct Middle {
    leaf: Leaf,
    /// Whether the caller is carried into what is streamed.
    carried: bool,
}

fn found(id: String) -> Charge {
    Charge { id, ..Charge::default() }
}

#[tonic::async_trait]
impl Payments for Middle {
    type StatementStream = BoxStream<'static, Result<Charge, Status>>;

    async fn charge(&self, _: Request<ChargeRequest>) -> Result<Response<Charge>, Status> {
        Ok(Response::new(found(self.leaf.user().await)))
    }

    async fn statement(&self, request: Request<StatementRequest>) -> Result<Response<Self::StatementStream>, Status> {
        let caller = Caller::of(request.extensions())?;
        let leaf = self.leaf.clone();
        let late = stream::once(async move { Ok(found(leaf.user().await)) });
        Ok(Response::new(if self.carried { caller.scope_stream(late).boxed() } else { late.boxed() }))
    }
}

#[tokio::test]
async fn out_b8_a_streaming_answer_has_the_context_only_if_it_is_carried_there() {
    let issuer = TestIssuer::start();
    let leaf = leaf(&issuer, "a").await;
    let http = exchanging_client(&issuer, &[(&leaf.origin(), "a")]);
    let leaf_of = || Leaf { http: http.clone(), address: leaf.url("/whoami") };
    let metadata = [bearer(good(&issuer))];
    let serve = async |carried| {
        let middle = Middle { leaf: leaf_of(), carried };
        let server = Server::builder().layer(auth(&issuer)).add_routes(Routes::new(PaymentsServer::new(middle)));
        Served::start(|incoming| server.serve_with_incoming(incoming)).await
    };
    let (left, carried) = (serve(false).await, serve(true).await);

    let statement = read(left.client().await.statement(with(&metadata, StatementRequest {})).await).await;
    assert_eq!(statement, Ok(vec![found("no_caller".to_owned())]));
    assert_eq!(issuer.calls(Endpoint::Token), 0, "without a context nothing is asked for");

    let statement = read(carried.client().await.statement(with(&metadata, StatementRequest {})).await).await;
    assert_eq!(statement, Ok(vec![found("\"alice\"".to_owned())]));
    let charge = left.client().await.charge(with(&metadata, asked(1))).await.map(Response::into_inner);
    assert_eq!(charge.expect("answered"), found("\"alice\"".to_owned()));
    assert_eq!(issuer.calls(Endpoint::Token), 1);
}

#[tokio::test]
async fn out_b8_a_call_over_grpc_acts_for_the_user_whose_code_makes_it() {
    let issuer = TestIssuer::start();
    let till = Served::behind(auth(&issuer), user()).await;
    let outbound = exchanging(&issuer, &[(&till.origin(), "payments")]);
    let channel = ServiceBuilder::new().layer(outbound.layer()).service(till.channel().await);
    let mut client = PaymentsClient::with_origin(channel.clone(), till.origin().parse().expect("an origin"));
    let alice = TestCaller::workload("web").user("alice").signed_by(&issuer).context();

    let refused = client.charge(asked(1)).await.expect_err("nobody's code");
    assert_eq!(Refusal::find(&refused).map(Refusal::check), Some("no_caller"), "{refused:?}");
    // The layer around a channel knows nothing of where the channel connects to: what names no origin goes nowhere.
    let mut nowhere = PaymentsClient::new(channel);
    let refused = alice.scope(nowhere.charge(asked(1))).await.expect_err("to no origin");
    assert_eq!(Refusal::find(&refused).map(Refusal::check), Some("target"), "{refused:?}");
    assert_eq!(issuer.calls(Endpoint::Token), 0);

    let charge = alice.scope(client.charge(asked(1))).await.expect("charged").into_inner();
    let by_middle = Charge { requested_by: charge.requested_by.clone(), ..charged(&issuer, "for alice", "order-1", 1) };
    assert_eq!(charge, by_middle);
    assert_eq!(charge.requested_by.map(|workload| workload.id).as_deref(), Some("middle"));
    assert_eq!(issuer.calls(Endpoint::Token), 1);
    assert!(ambient::current().is_none());

    issuer.stop();
    let bob = TestCaller::workload("web").user("bob").signed_by(&issuer).context();
    let outage = bob.scope(client.charge(asked(1))).await.expect_err("no token");
    assert_eq!(outage.code(), Code::Unknown, "what was not sent has no status of the peer's");
    assert_eq!(Refusal::find(&outage).map(|refusal| refusal.kind().as_str()), Some("unavailable"));
}
