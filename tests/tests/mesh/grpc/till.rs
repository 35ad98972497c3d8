//! A till that speaks gRPC under tonic's own server, and what its clients get.

use std::{future::Future, net::SocketAddr};

use axum::{Router, routing::post};
use demo_api::payments::{
    Charge, ChargeRequest, Identity, StatementRequest,
    payments_client::PaymentsClient,
    payments_server::{Payments, PaymentsServer},
};
use futures_util::stream::{self, BoxStream, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::{net::TcpListener, task::JoinHandle};
use tonic::{
    Code, Request, Response, Status, Streaming,
    metadata::MetadataMap,
    server::Grpc,
    service::Routes,
    transport::{
        self, Channel, Endpoint,
        server::{Server, TcpIncoming},
    },
};
use tonic_prost::ProstCodec;
use tower_identity::{
    AuthLayer, Caller, RequireLayer, Rule, ambient,
    rule::{callers, scope, user},
};
use tower_identity_testkit::{TestIssuer, TokenBuilder};

use crate::servers::verifier;

/// A server on a free loopback port, until it is dropped.
pub(super) struct Served {
    pub(super) address: SocketAddr,
    task: JoinHandle<Result<(), transport::Error>>,
}

impl Served {
    pub(super) async fn start<F>(serve: impl FnOnce(TcpIncoming) -> F) -> Self
    where
        F: Future<Output = Result<(), transport::Error>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        Self { address, task: tokio::spawn(serve(TcpIncoming::from(listener))) }
    }

    /// A till behind both layers.
    pub(super) async fn behind(auth: AuthLayer, rule: Rule) -> Self {
        let server = Server::builder().layer(auth).layer(RequireLayer::new(rule)).add_routes(routes());
        Self::start(|incoming| server.serve_with_incoming(incoming)).await
    }

    pub(super) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) async fn channel(&self) -> Channel {
        Endpoint::from_shared(self.origin()).expect("an origin").connect().await.expect("it listens")
    }

    pub(super) async fn client(&self) -> PaymentsClient<Channel> {
        PaymentsClient::new(self.channel().await)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) fn auth(issuer: &TestIssuer) -> AuthLayer {
    AuthLayer::new(verifier(issuer, "payments")).realm("payments")
}

/// What [`good`] tokens satisfy.
pub(super) fn charging() -> Rule {
    scope("payments:charge").and(user()).and(callers(["orders"]))
}

pub(super) fn good(issuer: &TestIssuer) -> TokenBuilder {
    let token = issuer.token().subject("alice").client("orders").acted_by("orders");
    token.audience("payments").scope("payments:charge")
}

/// Charges whoever calls. The id of a charge says for whom the code ran that made it.
#[derive(Clone)]
struct Till;

#[tonic::async_trait]
impl Payments for Till {
    type StatementStream = BoxStream<'static, Result<Charge, Status>>;

    async fn charge(&self, request: Request<ChargeRequest>) -> Result<Response<Charge>, Status> {
        let caller = Caller::of(request.extensions())?;
        Ok(Response::new(charge(&caller, request.into_inner())))
    }

    async fn statement(&self, request: Request<StatementRequest>) -> Result<Response<Self::StatementStream>, Status> {
        let caller = Caller::of(request.extensions())?;
        let asked = [1, 2].map(|cents| ChargeRequest { order: format!("order-{cents}"), cents });
        Ok(Response::new(stream::iter(asked).map(move |asked| Ok(charge(&caller, asked))).boxed()))
    }
}

fn charge(caller: &Caller, asked: ChargeRequest) -> Charge {
    let current = ambient::current();
    let user = current.as_ref().and_then(|context| context.principal().user());
    let named = |id: &dyn ToString, issuer: &dyn ToString| Identity { id: id.to_string(), issuer: issuer.to_string() };
    let workload = caller.workload();
    Charge {
        id: user.map_or_else(|| "for nobody".to_owned(), |user| format!("for {}", user.id)),
        order: asked.order,
        cents: asked.cents,
        user: caller.user().map(|user| named(&user.id, &user.issuer)),
        requested_by: Some(named(&workload.id, &workload.issuer)),
    }
}

/// A charge that orders asked for, for alice.
pub(super) fn charged(issuer: &TestIssuer, ran: &str, order: &str, cents: u64) -> Charge {
    let named = |id: &str| Some(Identity { id: id.to_owned(), issuer: issuer.issuer().to_string() });
    Charge { id: ran.to_owned(), order: order.to_owned(), cents, user: named("alice"), requested_by: named("orders") }
}

pub(super) fn asked(cents: u64) -> ChargeRequest {
    ChargeRequest { order: format!("order-{cents}"), cents }
}

/// Takes a stream of charges, and answers what they come to.
pub(super) const SUM: &str = "/test.Till/Sum";

async fn sum(request: axum::extract::Request) -> http::Response<tonic::body::Body> {
    let sum = tower::service_fn(async |request: Request<Streaming<ChargeRequest>>| {
        let mut charges = request.into_inner();
        let mut cents = 0;
        while let Some(charge) = charges.message().await? {
            cents += charge.cents;
        }
        Ok(Response::new(ChargeRequest { order: "all".to_owned(), cents }))
    });
    Grpc::new(ProstCodec::default()).client_streaming(sum, request).await
}

/// The till, and what sums.
pub(super) fn routes() -> Routes {
    let till = Routes::new(PaymentsServer::new(Till)).into_axum_router();
    Routes::from(till.merge(Router::new().route(SUM, post(sum))))
}

/// A request with these metadata, in this order.
pub(super) fn with<T>(metadata: &[(&'static str, String)], message: T) -> Request<T> {
    let mut headers = HeaderMap::new();
    for (name, value) in metadata {
        headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"));
    }
    Request::from_parts(MetadataMap::from_headers(headers), http::Extensions::new(), message)
}

pub(super) fn bearer(token: TokenBuilder) -> (&'static str, String) {
    ("authorization", format!("Bearer {}", token.build().expose()))
}

/// What a client can tell of a refusal, but for the correlation id, which is another each time.
#[derive(Debug, PartialEq)]
pub(super) struct Refused {
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) challenge: Option<String>,
    pub(super) retry_after: Option<String>,
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        let text = |name| status.metadata().get(name).map(|value| value.to_str().expect("ascii").to_owned());
        assert!(text("x-correlation-id").is_some(), "{status:?}");
        Self {
            code: status.code(),
            message: status.message().to_owned(),
            challenge: text("www-authenticate"),
            retry_after: text("retry-after"),
        }
    }
}

/// A refusal that challenges its caller with these parameters, after the realm.
pub(super) fn challenged(code: Code, message: &str, parameters: &str) -> Refused {
    Refused { challenge: Some(format!("Bearer realm=\"payments\"{parameters}")), ..refused(code, message) }
}

pub(super) fn refused(code: Code, message: &str) -> Refused {
    Refused { code, message: message.to_owned(), challenge: None, retry_after: None }
}

/// Reads a stream to its end.
pub(super) async fn read(answer: Result<Response<Streaming<Charge>>, Status>) -> Result<Vec<Charge>, Refused> {
    let mut stream = answer?.into_inner();
    let mut all = Vec::new();
    while let Some(charge) = stream.message().await? {
        all.push(charge);
    }
    Ok(all)
}
