//! Callers made by hand, the layer in front of an issuer, and what the tests read out of responses.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tower::{Layer, ServiceExt, service_fn};
use tower_identity_core::{
    ActorChain, Attributes, AuthenticationContext, Binding, CallerContext, Credential, Evidence, Identity, Revocations,
    Scopes, SecretToken, Timestamp, User, VerifiedToken, VerifiedTokenParts, Workload, ambient,
};
use tower_identity_inbound::{AuthBody, AuthLayer, Inbound};
use tower_identity_testkit::{ManualClock, TestIssuer, TokenBuilder};
use tower_identity_verify::{TrustedIssuer, Verifier};

pub(crate) const HOME: &str = "https://as.example";
pub(crate) const PARTNER: &str = "https://partner.example";

/// A caller, described by what the tests vary.
#[derive(Clone)]
pub(crate) struct Given {
    pub(crate) workload: &'static str,
    /// Who vouches for the workload: another than the token's issuer where an actor names its own.
    pub(crate) workload_issuer: &'static str,
    pub(crate) token_issuer: &'static str,
    pub(crate) user: Option<&'static str>,
    pub(crate) scopes: &'static str,
    pub(crate) evidence: Evidence,
    pub(crate) binding: Binding,
}

impl Default for Given {
    /// `orders` of the home issuer, for itself, with no scope.
    fn default() -> Self {
        Self {
            workload: "orders",
            workload_issuer: HOME,
            token_issuer: HOME,
            user: None,
            scopes: "",
            evidence: Evidence::Subject,
            binding: Binding::SameToken,
        }
    }
}

impl Given {
    #[expect(clippy::disallowed_methods, reason = "a test of rules and rendering states who is calling")]
    pub(crate) fn context(&self) -> CallerContext {
        let issuer = self.token_issuer.parse().expect("issuer");
        let token = VerifiedToken::assertion(VerifiedTokenParts {
            credential: Credential::Token { token: SecretToken::new("secret-token"), payload: Arc::from(&b"{}"[..]) },
            home: self.token_issuer == HOME,
            identity: Identity {
                workload: Workload {
                    id: self.workload.parse().expect("subject"),
                    issuer: self.workload_issuer.parse().expect("issuer"),
                },
                evidence: self.evidence,
                user: self.user.map(|id| User {
                    id: id.parse().expect("subject"),
                    issuer: self.token_issuer.parse().expect("issuer"),
                    tenant: None,
                }),
            },
            issuer,
            actors: ActorChain::default(),
            scopes: Scopes::parse(self.scopes).expect("scopes"),
            audience: vec!["payments".parse().expect("audience")],
            token_id: None,
            transaction: None,
            trust_domain: None,
            authentication: AuthenticationContext::default(),
            attributes: Attributes::default(),
            issued_at: None,
            expires_at: Timestamp::from_secs(2_000_000_000),
            certificate: None,
            revocations: Revocations::new(ManualClock::new().clock()),
        });
        CallerContext::assertion(Arc::new(token), None, self.binding, Timestamp::from_secs(1_900_000_000))
    }
}

/// A response as a peer sees it.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) challenge: Option<String>,
    pub(crate) body: Value,
}

pub(crate) async fn see<B>(response: Response<B>) -> Seen
where
    B: http_body::Body<Data = Bytes, Error: std::fmt::Debug>,
{
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.expect("the body of a refusal cannot fail").to_bytes();
    Seen {
        status: parts.status.as_u16(),
        challenge: header(&parts.headers, "www-authenticate"),
        body: if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).expect("a JSON body") },
    }
}

pub(crate) fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(|value| value.to_str().expect("visible ASCII").to_owned());
    assert_eq!(values.next(), None, "{name} stands twice");
    value
}

/// A refusal, as far as tests of layers compare it: status, challenge, and the code of the problem.
pub(crate) async fn refused<B>(response: Response<B>) -> (u16, Option<String>, String)
where
    B: http_body::Body<Data = Bytes, Error: std::fmt::Debug>,
{
    let correlation = header(response.headers(), "x-correlation-id").expect("a correlation id");
    let Seen { status, challenge, body } = see(response).await;
    assert_eq!((&body["correlation_id"], &body["status"]), (&correlation.into(), &status.into()));
    (status, challenge, body["code"].as_str().expect("a code").to_owned())
}

pub(crate) fn layer(issuer: &TestIssuer) -> AuthLayer {
    let home = TrustedIssuer::discover(issuer.issuer().as_str()).audience("orders");
    AuthLayer::new(Verifier::builder(home).build().expect("a verifier"))
}

/// A layer whose verifier has its keys already: it decides without waiting.
pub(crate) async fn warm(issuer: &TestIssuer) -> AuthLayer {
    let layer = layer(issuer);
    let response = through(&layer, request([issuer_token(issuer).bearer()])).await;
    assert_eq!(response.status(), 200);
    layer
}

pub(crate) fn issuer_token(issuer: &TestIssuer) -> TokenBuilder {
    issuer.token().client("storefront").subject("alice").audience("orders").scope("orders:write")
}

pub(crate) fn request(authorization: impl IntoIterator<Item = HeaderValue>) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    for value in authorization {
        request.headers_mut().append(AUTHORIZATION, value);
    }
    request
}

/// One name for each field, or kind of fields, that belongs to the message itself.
pub(crate) const OF_THE_MESSAGE: &str = "
    connection keep-alive proxy-authorization te trailer transfer-encoding upgrade http2-settings host content-type expect
    range if-match accept-encoding grpc-timeout date via max-forwards cache-control origin referer user-agent
    sec-websocket-protocol access-control-request-method authorization cookie set-cookie";

pub(crate) fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("a header value")
}

/// What a handler found in its request and around it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    pub(crate) user: Option<String>,
    pub(crate) ambient: Option<String>,
    pub(crate) headers: HeaderMap,
}

pub(crate) fn user_of(context: &CallerContext) -> String {
    context.principal().user().expect("a user").id.to_string()
}

/// Tells what it finds, at the call and at the poll.
pub(crate) async fn through(layer: &AuthLayer, request: Request<Full<Bytes>>) -> Response<AuthBody<Full<Bytes>>> {
    let handler = service_fn(|request: Request<Full<Bytes>>| {
        let ambient = ambient::current().as_ref().map(user_of);
        async move {
            assert_eq!(ambient::current().as_ref().map(user_of), ambient, "at the call and at the poll");
            let user = Inbound::of(request.extensions()).expect("always there").caller().map(user_of);
            let mut response = Response::new(Full::default());
            response.extensions_mut().insert(Found { user, ambient, headers: request.headers().clone() });
            Ok::<_, Infallible>(response)
        }
    });
    let Ok(response) = layer.layer(handler).oneshot(request).await;
    assert!(ambient::current().is_none(), "the scope ends with the call");
    response
}

pub(crate) fn found<B>(response: &Response<B>) -> Option<Found> {
    response.extensions().get().cloned()
}

/// Lets the other tasks run until this holds.
#[track_caller]
pub(crate) fn eventually(mut holds: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        for _ in 0..1_000_000 {
            if holds() {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("never came true: {caller}");
    }
}
