//! The two ends of the wire, for real on loopback: a token endpoint and a target that record what they get; and time.

mod authority;
mod folder;
mod heard_time;
mod log;

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::pin,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, Version},
    response::Response,
};
use serde_json::Value;
use tokio::net::TcpListener;
use tower_identity_core::{
    ActorChain, Attributes, AuthenticationContext, Binding, BoxFuture, CallerContext, Clock, Credential, Evidence,
    Identity, Moment, Revocations, Scopes, SecretToken, TimeSource, Timestamp, User, VerifiedToken, VerifiedTokenParts,
    Workload,
};
use tower_identity_oauth::TokenEndpoint;
use tower_identity_outbound::{HttpClient, Outbound, OutboundBuilder, Plaintext, SendError, Target};

pub(crate) use self::{
    authority::{Answer, Authority, Call, call, issued},
    folder::Folder,
    heard_time::HeardTime,
    log::Log,
};

/// 2026-11-01T00:00:00Z.
pub(crate) const START: u64 = 1_793_491_200;

/// The `grant_type` of an exchange.
pub(crate) const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// How often a test lets others run while it waits for what has to come.
const PATIENCE: usize = 1_000_000;

/// One request that a target got.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) method: Method,
    /// Host and port, where the request's address says them: over HTTP/2.
    #[cfg(feature = "tonic")]
    pub(crate) authority: Option<String>,
    pub(crate) path: String,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Got {
    /// The values of `Authorization`, all of them.
    pub(crate) fn authorization(&self) -> Vec<&str> {
        self.headers.get_all("authorization").iter().map(|value| value.to_str().expect("ascii")).collect()
    }
}

/// A status and headers.
type Reply = (u16, Vec<(&'static str, String)>);

/// A service that is called: answers with the `Authorization` that it got.
#[derive(Clone)]
pub(crate) struct Callee(Arc<CalleeInner>);

struct CalleeInner {
    url: String,
    got: Mutex<Vec<Got>>,
    status: Mutex<(StatusCode, Option<String>)>,
    /// What the next requests are answered, before the rest is by `status`.
    next: Mutex<VecDeque<Reply>>,
}

impl Callee {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let status = Mutex::new((StatusCode::OK, None));
        let callee = Self(Arc::new(CalleeInner { url, got: Mutex::default(), status, next: Mutex::default() }));
        let app = Router::new().fallback(echo).with_state(callee.clone());
        tokio::spawn(async { axum::serve(listener, app).await });
        callee
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.0.url)
    }

    pub(crate) fn port(&self) -> &str {
        self.0.url.rsplit(':').next().expect("a port")
    }

    pub(crate) fn answers(&self, status: u16, location: Option<String>) {
        *self.0.status.lock().expect("unpoisoned") = (StatusCode::from_u16(status).expect("status"), location);
    }

    /// Answers the next request with this status and these headers.
    pub(crate) fn answers_next(&self, status: u16, headers: &[(&'static str, &str)]) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.0.next.lock().expect("unpoisoned").push_back((status, headers));
    }

    /// Answers no further request otherwise than the rest.
    #[cfg(feature = "retry")]
    pub(crate) fn forget_next(&self) {
        self.0.next.lock().expect("unpoisoned").clear();
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.0.got.lock().expect("unpoisoned").clone()
    }

    pub(crate) fn target(&self) -> Target {
        Target::origin(&self.0.url).expect("origin").audience("payments").scope("payments:charge")
    }
}

async fn echo(State(callee): State<Callee>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body to its end");
    let path = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let got = Got {
        method: head.method,
        #[cfg(feature = "tonic")]
        authority: head.uri.authority().map(ToString::to_string),
        path,
        version: head.version,
        headers: head.headers,
        body,
    };
    let mut response = Response::new(Body::from(got.authorization().join(", ")));
    callee.0.got.lock().expect("unpoisoned").push(got);
    let next = callee.0.next.lock().expect("unpoisoned").pop_front();
    let (status, headers) = next.unwrap_or_else(|| {
        let (status, location) = callee.0.status.lock().expect("unpoisoned").clone();
        (status.as_u16(), location.into_iter().map(|location| ("location", location)).collect())
    });
    *response.status_mut() = StatusCode::from_u16(status).expect("status");
    for (name, value) in headers {
        response.headers_mut().append(name, value.parse().expect("value"));
    }
    response
}

/// Time that stands still until it is moved.
#[derive(Clone, Default)]
pub(crate) struct ManualTime(Arc<AtomicU64>);

impl ManualTime {
    pub(crate) fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) fn clock(&self) -> Clock {
        Clock::new(self.clone())
    }
}

impl TimeSource for ManualTime {
    fn wall(&self) -> Timestamp {
        Timestamp::from_secs(START + self.0.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Moment {
        Moment::from_origin(Duration::from_secs(1000 + self.0.load(Ordering::SeqCst)))
    }

    /// Pauses between the attempts of a call are over at once. What is longer never is.
    fn sleep_until(&self, moment: Moment) -> BoxFuture<'static, ()> {
        let is_pause = moment.since(self.monotonic()) < Duration::from_secs(1);
        if is_pause { Box::pin(std::future::ready(())) } else { Box::pin(std::future::pending()) }
    }
}

/// One authorization server, one target, and time.
pub(crate) struct World {
    pub(crate) authority: Authority,
    pub(crate) payments: Callee,
    pub(crate) time: ManualTime,
    /// What is revoked of the callers.
    pub(crate) revocations: Revocations,
}

impl World {
    pub(crate) async fn new() -> Self {
        let time = ManualTime::default();
        let revocations = Revocations::new(time.clock());
        Self { authority: Authority::start().await, payments: Callee::start().await, time, revocations }
    }

    pub(crate) fn builder(&self) -> OutboundBuilder {
        self.builder_at(self.authority.endpoint("orders"))
    }

    /// The same with another server for the default one.
    pub(crate) fn builder_at(&self, server: TokenEndpoint) -> OutboundBuilder {
        Outbound::builder(server).plaintext(Plaintext::Loopback).clock(self.time.clock())
    }

    /// A client whose one target takes users' tokens.
    pub(crate) fn for_users(&self) -> HttpClient {
        client(&self.builder().target(self.payments.target().token_exchange()).build().expect("outbound"))
    }

    /// A client whose one target takes this service's own token.
    pub(crate) fn for_itself(&self) -> HttpClient {
        client(&self.builder().target(self.payments.target().client_credentials()).build().expect("outbound"))
    }

    /// A caller with a user, whose token lasts an hour.
    pub(crate) fn caller(&self, user: &str) -> CallerContext {
        self.presented(user, &format!("token-of-{user}"), 3600)
    }

    /// The same with another token.
    pub(crate) fn presented(&self, user: &str, token: &str, seconds: u64) -> CallerContext {
        self.of_issuer(self.authority.issuer(), Some(user), token, seconds)
    }

    /// The user's token beside one of the workload's own, tied in this way.
    #[expect(clippy::disallowed_methods, reason = "these tests stand where verification stands")]
    pub(crate) fn tied(&self, user: &str, binding: Binding) -> CallerContext {
        let (caller, user) = (self.caller_without_user(), self.caller(user));
        CallerContext::assertion(
            Arc::clone(caller.caller_token()),
            user.user_token().cloned(),
            binding,
            self.time.clock().wall(),
        )
    }

    pub(crate) fn caller_without_user(&self) -> CallerContext {
        self.of_issuer(self.authority.issuer(), None, "token-of-storefront", 3600)
    }

    /// A caller that proved itself by a certificate.
    pub(crate) fn by_certificate(&self, user: Option<&str>) -> CallerContext {
        self.of_credential(
            (self.authority.issuer(), None),
            user,
            Credential::Certificate(Arc::from(*b"der")),
            &["orders"],
            3600,
        )
    }

    pub(crate) fn of_issuer(&self, issuer: &str, user: Option<&str>, token: &str, seconds: u64) -> CallerContext {
        let credential = Credential::Token { token: SecretToken::new(token), payload: Arc::from(*b"{}") };
        self.of_credential((issuer, None), user, credential, &["orders"], seconds)
    }

    /// A caller with a user, by a token for these audiences with these claims, which lasts an hour.
    pub(crate) fn holding(&self, user: &str, audience: &[&str], claims: &Value) -> CallerContext {
        self.of_tenant(None, user, audience, claims)
    }

    /// A workload that acts for itself, by a token with these claims.
    pub(crate) fn of_workload(&self, claims: &Value) -> CallerContext {
        let payload = claims.to_string().into_bytes().into();
        let credential = Credential::Token { token: SecretToken::new("token-of-storefront"), payload };
        self.of_credential((self.authority.issuer(), None), None, credential, &["orders"], 3600)
    }

    /// The same as [`holding`](Self::holding), where users have tenants.
    pub(crate) fn of_tenant(
        &self,
        tenant: Option<&str>,
        user: &str,
        audience: &[&str],
        claims: &Value,
    ) -> CallerContext {
        let payload = claims.to_string();
        let token = SecretToken::new(format!("token-of-{user}"));
        let credential = Credential::Token { token, payload: payload.into_bytes().into() };
        self.of_credential((self.authority.issuer(), tenant), Some(user), credential, audience, 3600)
    }

    /// A caller with a user, whose token was verified to say something else.
    pub(crate) fn with(&self, user: &str, change: impl FnOnce(&mut VerifiedTokenParts)) -> CallerContext {
        let token = SecretToken::new(format!("token-of-{user}"));
        let credential = Credential::Token { token, payload: Arc::from(*b"{}") };
        let mut parts = self.parts((self.authority.issuer(), None), Some(user), credential, &["orders"], 3600);
        change(&mut parts);
        self.verified(parts)
    }

    fn of_credential(
        &self,
        issuer: (&str, Option<&str>),
        user: Option<&str>,
        credential: Credential,
        audience: &[&str],
        seconds: u64,
    ) -> CallerContext {
        self.verified(self.parts(issuer, user, credential, audience, seconds))
    }

    #[expect(clippy::disallowed_methods, reason = "these tests stand where verification stands")]
    fn verified(&self, parts: VerifiedTokenParts) -> CallerContext {
        let token = Arc::new(VerifiedToken::assertion(parts));
        CallerContext::assertion(token, None, Binding::SameToken, self.time.clock().wall())
    }

    fn parts(
        &self,
        (issuer, tenant): (&str, Option<&str>),
        user: Option<&str>,
        credential: Credential,
        audience: &[&str],
        seconds: u64,
    ) -> VerifiedTokenParts {
        let issuer = tower_identity_core::Issuer::parse(issuer).expect("issuer");
        VerifiedTokenParts {
            credential,
            issuer: issuer.clone(),
            home: true,
            identity: Identity {
                workload: Workload { id: "storefront".parse().expect("id"), issuer: issuer.clone() },
                evidence: Evidence::IssuedTo,
                user: user.map(|id| User {
                    id: id.parse().expect("id"),
                    issuer,
                    tenant: tenant.map(|tenant| tenant.parse().expect("tenant")),
                }),
            },
            actors: ActorChain::default(),
            scopes: Scopes::default(),
            audience: audience.iter().map(|one| one.parse().expect("audience")).collect(),
            token_id: None,
            transaction: None,
            trust_domain: None,
            authentication: AuthenticationContext::default(),
            attributes: Attributes::default(),
            issued_at: Some(self.time.clock().wall()),
            expires_at: self.time.clock().wall().saturating_add(Duration::from_secs(seconds)),
            certificate: None,
            revocations: self.revocations.clone(),
        }
    }
}

pub(crate) fn client(outbound: &Outbound) -> HttpClient {
    outbound.reqwest(reqwest::Client::builder()).expect("client")
}

const ALONE: &str = "TOWER_IDENTITY_TEST_ALONE";

/// Whether this process runs one test only: see [`run_alone`].
pub(crate) fn is_alone() -> bool {
    std::env::var_os(ALONE).is_some()
}

/// Runs a test again by itself, in a process of its own with these variables: for what a process has one of.
pub(crate) async fn run_alone(test: &'static str, variables: Vec<(&'static str, String)>) {
    let mut child = Command::new(std::env::current_exe().expect("this binary"));
    child.args(["--exact", test, "--nocapture"]).env(ALONE, "1").env_remove("NO_PROXY").env_remove("no_proxy");
    child.envs(variables);
    let output = tokio::task::spawn_blocking(move || child.output()).await.expect("joined").expect("run");
    let said = String::from_utf8_lossy(&output.stdout);
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{why}");
}

/// What a future brings while others run, too; one that waits for something that does not come fails the test.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    for _ in 0..PATIENCE {
        if let Poll::Ready(output) = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
            return output;
        }
        tokio::task::yield_now().await;
    }
    panic!("it still waits")
}

/// The `Authorization` that the target got.
pub(crate) async fn echoed(response: Result<reqwest::Response, SendError>) -> String {
    let response = response.expect("sent");
    assert_eq!(response.status(), 200);
    response.text().await.expect("body")
}

/// The failing check and the text of a refusal; what was sent is a failure of the test.
pub(crate) fn refused(response: Result<reqwest::Response, SendError>) -> (&'static str, String) {
    let error = response.expect_err("not sent");
    (error.refusal().expect("refused before it was sent").check(), error.to_string())
}
