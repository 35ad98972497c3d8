//! A channel of tonic whose calls carry the credential of their target.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response, Uri, uri};
use pin_project_lite::pin_project;
use tonic::{
    Code, Status,
    body::Body,
    transport::{self, Channel, Endpoint},
};
use tower::retry::{Retry, future::ResponseFuture};
use tower_identity_core::RefusalKind;
use tower_service::Service;

use crate::{BoxError, Outbound, OutboundError, OutboundService, Replay, Retries, RetryRefused};

impl Outbound {
    /// A channel to this endpoint, which is connected to when it is first called: for the clients that tonic generates.
    ///
    /// Where the endpoint is, is where every call goes, and whose token it gets; an origin that the endpoint or a
    /// client says besides is not heeded. Which target that is, is looked up at each call, as for any request.
    ///
    /// ```
    /// use tonic::transport::Endpoint;
    /// # use tower_identity_jose::{Algorithm, SigningKey};
    /// # use tower_identity_oauth::{ClientAuth, TokenEndpoint};
    /// # use tower_identity_outbound::{GrpcChannel, Outbound, Target};
    /// # struct PaymentsClient<T>(tonic::client::Grpc<T>);
    /// # impl<T: tonic::client::GrpcService<tonic::body::Body>> PaymentsClient<T> {
    /// #     fn new(channel: T) -> Self { Self(tonic::client::Grpc::new(channel)) }
    /// #     async fn charge(&mut self) -> Result<(), tonic::Status> {
    /// #         self.0.ready().await.map_err(|error| tonic::Status::from_error(error.into()))
    /// #     }
    /// # }
    /// # let auth = ClientAuth::private_key_jwt("orders", SigningKey::generate(Algorithm::Es256)?)?;
    /// # let outbound = Outbound::builder(TokenEndpoint::discover("https://login.example.com", auth))
    /// #     .target(Target::origin("https://payments.internal")?.audience("payments").token_exchange())
    /// #     .build()?;
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    ///
    /// let channel = outbound.channel(Endpoint::from_static("https://payments.internal"));
    /// let mut payments = PaymentsClient::new(channel);
    /// // In a handler, the call carries a token for the user whose request it handles.
    /// payments.charge().await?;
    /// # Ok::<_, tonic::Status>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Outside of a runtime of tokio, where tonic keeps the connection.
    #[must_use]
    pub fn channel(&self, endpoint: Endpoint) -> GrpcChannel {
        let (endpoint, origin) = pinned(endpoint);
        GrpcChannel::new(self, endpoint.connect_lazy(), origin)
    }

    /// The same over connections of another kind: with a certificate that is renewed (`ClientTls::connector` of
    /// `tower-identity`), or by a Unix socket. Who connects is given the endpoint as it is pinned, and is to use that one.
    ///
    /// ```
    /// # use tonic::transport::Endpoint;
    /// # use tower_identity_outbound::Outbound;
    /// # use hyper_util::client::legacy::connect::HttpConnector;
    /// # fn channel(outbound: &Outbound, connector: HttpConnector) {
    /// let payments = Endpoint::from_static("https://payments.internal");
    /// let channel = outbound.channel_by(payments, |endpoint| endpoint.connect_with_connector_lazy(connector));
    /// # let _ = channel;
    /// # }
    /// ```
    ///
    /// TLS is the connector's then, and tonic's own has to be off: with one of its features `tls-*`, tonic makes its own for
    /// `https`, above the connector's.
    #[must_use]
    pub fn channel_by(&self, endpoint: Endpoint, connect: impl FnOnce(Endpoint) -> Channel) -> GrpcChannel {
        let (endpoint, origin) = pinned(endpoint);
        GrpcChannel::new(self, connect(endpoint), origin)
    }

    /// The same, connected to now.
    ///
    /// # Errors
    ///
    /// When it cannot be connected to.
    pub async fn connect_channel(&self, endpoint: Endpoint) -> Result<GrpcChannel, transport::Error> {
        let (endpoint, origin) = pinned(endpoint);
        Ok(GrpcChannel::new(self, endpoint.connect().await?, origin))
    }
}

/// An endpoint whose calls name the server that it connects to, and no other behind the same address.
fn pinned(endpoint: Endpoint) -> (Endpoint, uri::Parts) {
    let origin = endpoint.uri().clone();
    (endpoint.origin(origin.clone()), origin.into_parts())
}

/// A channel of tonic whose calls carry the credential of their target. Cheap to clone.
///
/// A call that is not sent fails with a [`Status`] of this service: 16, 7, 14 or 13, by the same table that its own
/// callers are answered by. The [`OutboundError`] is its source. A handler that passes it on makes a problem of it,
/// which adds the challenge: `map_err(Problem::from)?`.
///
/// What a target refuses as `invalid_token`, with status 16 in the place of an answer, is called again with a new token,
/// once, if the messages of the call were at hand as a whole and no more than 64 KiB: unary calls and those with a
/// stream of answers only. [`retries`](Self::retries) switches it off.
#[derive(Clone)]
pub struct GrpcChannel {
    origin: Origin,
    service: Retry<RetryRefused<Body>, OutboundService<Replaying>>,
}

/// Scheme and authority of every call.
#[derive(Clone)]
struct Origin(Option<(uri::Scheme, uri::Authority)>);

impl GrpcChannel {
    fn new(outbound: &Outbound, channel: Channel, origin: uri::Parts) -> Self {
        let service = tower_layer::Layer::layer(&outbound.layer(), Replaying(channel));
        let origin = Origin(origin.scheme.zip(origin.authority));
        Self { origin, service: Retry::new(RetryRefused::default(), service) }
    }

    /// Which calls are made once again. All of gRPC's are `POST`. Default: [`Retries::Refused`].
    #[must_use]
    pub fn retries(self, retries: Retries) -> Self {
        Self { origin: self.origin, service: Retry::new(RetryRefused::new(retries), self.service.into_inner()) }
    }
}

impl Origin {
    /// The path, here. Of an endpoint that says no origin, every call is refused for its relative address.
    fn pin(&self, address: Uri) -> Uri {
        let mut parts = uri::Parts::default();
        parts.path_and_query = address.into_parts().path_and_query.or(Some(uri::PathAndQuery::from_static("/")));
        (parts.scheme, parts.authority) = self.0.clone().unzip();
        Uri::from_parts(parts).expect("scheme, authority and path, or a path alone, are an address")
    }
}

impl Service<Request<Body>> for GrpcChannel {
    type Response = Response<Body>;
    type Error = Status;
    type Future = GrpcFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.service.poll_ready(cx).map_err(status)
    }

    fn call(&mut self, request: Request<Body>) -> GrpcFuture {
        let (mut head, body) = request.into_parts();
        head.uri = self.origin.pin(head.uri);
        GrpcFuture { answer: self.service.call(Request::from_parts(head, Replay::new(body))) }
    }
}

pin_project! {
    /// The future of a [`GrpcChannel`].
    #[must_use = "futures do nothing unless polled"]
    pub struct GrpcFuture {
        #[pin]
        answer: ResponseFuture<RetryRefused<Body>, OutboundService<Replaying>, Request<Replay<Body>>>,
    }
}

impl Future for GrpcFuture {
    type Output = Result<Response<Body>, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(ready!(self.project().answer.poll(cx)).map_err(status))
    }
}

/// The channel, for bodies that may be sent again.
#[derive(Clone)]
struct Replaying(Channel);

impl Service<Request<Replay<Body>>> for Replaying {
    type Response = Response<Body>;
    type Error = transport::Error;
    type Future = <Channel as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), transport::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Replay<Body>>) -> Self::Future {
        self.0.call(request.map(Body::new))
    }
}

/// What was not sent, in the words of the error map, because it may be passed on as it is; and what had no answer, as
/// tonic says it.
fn status(error: BoxError) -> Status {
    match error.downcast::<OutboundError>() {
        Ok(error) => {
            let (code, message) = told(error.refusal().kind());
            let mut status = Status::new(code, message);
            status.set_source(Arc::new(*error));
            status
        }
        Err(error) => Status::from_error(error),
    }
}

fn told(kind: &RefusalKind) -> (Code, &'static str) {
    match kind {
        RefusalKind::NoCredential | RefusalKind::MalformedRequest | RefusalKind::InvalidToken => {
            (Code::Unauthenticated, "the access token was not accepted")
        }
        RefusalKind::InsufficientAuthentication { .. } => {
            (Code::Unauthenticated, "the user has to sign in again, or by stronger means")
        }
        RefusalKind::InsufficientScope { .. } | RefusalKind::UnrelatedCredentials | RefusalKind::Denied => {
            (Code::PermissionDenied, "this caller may not do this")
        }
        RefusalKind::Unavailable { .. } => (Code::Unavailable, "this cannot be decided now, try again later"),
        RefusalKind::BadUpstream => (Code::Unavailable, "a service that this one depends on gave an unusable answer"),
        // What is not in the map is our own mistake.
        _ => (Code::Internal, "this service could not handle the request"),
    }
}

impl fmt::Debug for GrpcChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = self.origin.pin(Uri::default());
        f.debug_struct("GrpcChannel").field("origin", &format_args!("{origin}")).finish_non_exhaustive()
    }
}

impl fmt::Debug for GrpcFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcFuture").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tower_identity_core::Scopes;

    use super::*;

    #[test]
    fn a_call_goes_where_the_endpoint_is_whatever_else_is_said() {
        let cases = [
            ("https://payments.internal", "/pay.Till/Charge", "https://payments.internal/pay.Till/Charge"),
            ("https://payments.internal/x", "/pay.Till/Charge", "https://payments.internal/pay.Till/Charge"),
            ("https://payments.internal", "http://evil.example/x?y", "https://payments.internal/x?y"),
            ("https://payments.internal", "evil.example:443", "https://payments.internal/"),
            ("payments.internal:443", "http://payments.internal:443/x", "/x"),
        ];
        for (endpoint, address, expected) in cases {
            let endpoint = Endpoint::from_shared(endpoint).expect("an endpoint");
            let (_, origin) = pinned(endpoint.origin(Uri::from_static("https://evil.example")));
            let origin = Origin(origin.scheme.zip(origin.authority));
            assert_eq!(origin.pin(address.parse().expect("an address")).to_string(), expected);
        }
    }

    #[test]
    fn g3_what_is_not_sent_is_16_7_14_or_13_and_anything_else_what_it_was() {
        let none = Scopes::default;
        let seconds = Duration::from_secs(1);
        let cases = [
            (RefusalKind::NoCredential, Code::Unauthenticated),
            (RefusalKind::MalformedRequest, Code::Unauthenticated),
            (RefusalKind::InvalidToken, Code::Unauthenticated),
            (
                RefusalKind::InsufficientAuthentication { scope: none(), acr_values: vec![], max_age: None },
                Code::Unauthenticated,
            ),
            (RefusalKind::InsufficientScope { required: none() }, Code::PermissionDenied),
            (RefusalKind::UnrelatedCredentials, Code::PermissionDenied),
            (RefusalKind::Denied, Code::PermissionDenied),
            (RefusalKind::Unavailable { retry_after: seconds }, Code::Unavailable),
            (RefusalKind::BadUpstream, Code::Unavailable),
            (RefusalKind::Misconfigured, Code::Internal),
            (RefusalKind::Internal, Code::Internal),
        ];
        for (kind, expected) in cases {
            assert_eq!(told(&kind).0, expected, "{kind:?}");
        }
        assert_eq!(status(Status::aborted("theirs").into()).code(), Code::Aborted);
        assert_eq!(status("broken".into()).code(), Code::Unknown);
    }
}
