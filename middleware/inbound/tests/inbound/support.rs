//! Callers made by hand, and what the tests read out of responses and events.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use serde_json::Value;
use tower_identity_core::{
    ActorChain, AuthenticationContext, Binding, CallerContext, Evidence, Identity, Scopes, SecretToken, Timestamp,
    User, VerifiedToken, VerifiedTokenParts, Workload,
};

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
            evidence: Evidence::IssuedTo,
            binding: Binding::SameToken,
        }
    }
}

impl Given {
    #[expect(clippy::disallowed_methods, reason = "a test of rules and rendering states who is calling")]
    pub(crate) fn context(&self) -> CallerContext {
        let issuer = self.token_issuer.parse().expect("issuer");
        let token = VerifiedToken::assertion(VerifiedTokenParts {
            token: SecretToken::new("secret-token"),
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
            authentication: AuthenticationContext::default(),
            expires_at: Timestamp::from_secs(2_000_000_000),
            payload: Arc::from(&b"{}"[..]),
        });
        CallerContext::assertion(Arc::new(token), None, self.binding)
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
