//! Identity through a mesh of services: who is calling, for whom, and the right token for every call onward.
//!
//! This is the one dependency that a service adds. It holds no logic of its own but [reading a file](Settings); it
//! brings together the rooms that do the work:
//!
//! ```text
//! request ─▶ AuthLayer ─▶ RequireLayer ─▶ handler(caller: Caller) ─▶ HttpClient or OutboundLayer ─▶ next service
//!            │ Verifier     │ Rule                                    │ Target: which token goes there
//!            ▼              ▼                                         ▼
//!            TrustedIssuer  Refusal ─▶ status, challenge, problem     TokenEndpoint ─▶ token, cached per user
//! ```
//!
//! | what you want | where it is |
//! |---|---|
//! | authenticate callers | [`Verifier`], [`TrustedIssuer`], [`AuthLayer`] |
//! | accept tokens that only their issuer can read | [`TrustedIssuer::opaque`], [`Introspection`]; [`TrustedIssuer::split`] |
//! | say where credentials are, and what may come from outside | [`Source`], [`AuthLayer::edge`], [`edge`] |
//! | say who may | [`RequireLayer`] and [`rule`] |
//! | tell clients where to get a token | [`ResourceMetadata`] |
//! | know who it is, in a handler | [`Caller`], [`UserCaller`], [`WorkloadCaller`], [`PathUser`], [`Claims`] |
//! | call on, with the right token | [`Outbound`], [`Target`], [`TokenEndpoint`], [`ClientAuth`], [`HttpClient`]; over gRPC, `Outbound::channel` |
//! | carry the caller into a task or a stream | [`CallerContext::scope`], [`CallerContext::scope_stream`] |
//! | end long work with the caller's credential | [`CallerContext::ended`], [`AuthLayer::streams`] |
//! | answer errors of downstream calls | [`Problem`] |
//! | take a caller's credential and its user's on one request | [`Verifier::pair`], [`VerifierBuilder::user_issuer`] |
//! | know callers by their client certificates | [`AuthLayer::client_certificate`], [`CertificateAnchor`], [`Connection`] |
//! | certificates of the Workload API of SPIFFE | `WorkloadApi` (feature `spiffe`) |
//! | connect with TLS, and follow its files | `ClientTls`, `Settings::client_tls` (feature `tls`) |
//! | listen with TLS, and follow its files | `ServerTls`, `TlsListener`, `EachConnection` (feature `tls`) |
//! | know one workload under many names | [`VerifierBuilder::workload`] |
//! | know why a token is refused | [`Verifier::explain`]; in development, in the answer too: [`danger`] |
//! | end tokens before their time | [`Revocations`], [`EventReceiver`], [`SecurityEvents`]; `docs/revocation.md` |
//! | accept tokens that nobody reads on their way | [`TrustedIssuer::encrypted_to`], [`DecryptionKey`], [`EncryptionKey`] |
//! | hand work over by a queue, with a record of for whom | [`HandOff`], [`HandOffs`]; [`Verifier::handed_off`], [`Producer`]; `docs/handing-over.md` |
//! | do all of this from a file | [`Settings`]; from one that changes while the service runs, [`LiveSettings`] |
//!
//! # The stack
//!
//! What is open stands beside what is guarded, by the structure of the router and never by how a path looks; and what
//! browsers need is around both, because a preflight has no credential and a page has to read why it was refused:
//!
//! ```
//! # #[cfg(feature = "axum")] mod example {
//! use axum::{Router, http::{Method, header}, routing::get};
//! use tower_http::cors::CorsLayer;
//! use tower_identity::{RequireLayer, Settings, SettingsError, rule::scope};
//!
//! pub fn app(settings: &Settings) -> Result<Router, SettingsError> {
//!     let metadata = settings.resource()?;
//!     let guarded = Router::new()
//!         .route("/orders", get(|| async { "orders" }).layer(RequireLayer::new(scope("orders:read"))))
//!         .layer(settings.auth_layer()?);
//!     Ok(Router::new()
//!         .route("/health", get(|| async { "up" }))
//!         .route_service(metadata.path(), metadata.clone())
//!         .merge(guarded)
//!         .layer(
//!             CorsLayer::new()
//!                 .allow_origin(["https://shop.example.com".parse().expect("an origin")])
//!                 .allow_methods([Method::GET])
//!                 .allow_headers([header::AUTHORIZATION])
//!                 .expose_headers([header::WWW_AUTHENTICATE]),
//!         ))
//! }
//! # }
//! ```
//!
//! What is told to the operator, as events and metrics: `docs/telemetry.md` in the repository.
//!
//! Feature `axum` (default) brings the extractors, feature `reqwest` (default) brings [`HttpClient`], feature `tonic`
//! turns what a gRPC service refuses into its `Status`: `Caller::of(request.extensions())?`, and brings `GrpcChannel`, to
//! call on over gRPC. Feature `retry` brings
//! `RetryRefused`, a policy for tower's retry layer. Feature `tls` brings `TlsListener`, for `axum::serve`. Feature
//! `edge` brings `EdgeLayer` and `Mint`: `docs/edge.md`. Feature
//! `transaction-tokens` follows draft-ietf-oauth-transaction-tokens-11: `docs/transaction-tokens.md`.

mod config;

/// Looser than a service should be. Everything here is named where it is used.
pub mod danger {
    pub use tower_identity_inbound::danger::{explain_refusals, id_token, plain_user};
    pub use tower_identity_outbound::danger::PlainUser;
    pub use tower_identity_verify::danger::{id_tokens, plain_users, self_asserted, trusted_caller};
}

#[cfg(feature = "axum")]
pub use axum_identity::{Caller, Claims, NamesUser, PathUser, Problem, Rejection, UserCaller, WorkloadCaller};
#[cfg(feature = "transaction-tokens")]
pub use tower_identity_core::transaction_tokens;
pub use tower_identity_core::{
    Actor, ActorChain, Attributes, Audience, AuthenticationContext, Binding, BoxFuture, CallerContext,
    CertificateThumbprint, ClientId, Clock, DemandedClaims, Email, EndReason, Ended, Evidence, Fault, Fingerprint,
    Groups, InvalidSetting, Issuer, Principal, Refusal, RefusalKind, Revocation, Revocations, Scope, Scopes,
    SecretToken, SessionId, Subject, Tenant, Timestamp, TokenId, Topic, TransactionId, User, WithCauses, Workload,
    ambient,
};
#[cfg(feature = "edge")]
pub use tower_identity_edge::{
    Attribute, EdgeAnswer, EdgeLayer, Exchange, ExchangeBuilder, KeyRing, KeySetEndpoint, KeyTooOld, Mint, MintBuilder,
    MintError, Minted, NameTable, Pairwise, Rotation, TrustDomain, UserNames,
};
pub use tower_identity_inbound::{
    AtEdge, AuthLayer, CallerName, CertificateForm, ClientCertificate, Connection, CorrelationId, EdgeBody,
    ForwardAuthLayer, ForwardedCertificate, Inbound, IssuerName, OriginalRequest, ProxyPeer, RequireLayer,
    ResourceMetadata, ResourceMetadataBuilder, ResourceSettings, Rule, RuleHandle, RuleSet, SecurityEvents,
    SessionCookie, SessionStore, Source, Streams, edge, rule,
};
pub use tower_identity_jose::{Algorithm, DecryptionKey, EncryptionKey, KeySet, Limits, SigningKey};
#[cfg(feature = "edge")]
pub use tower_identity_jose::{KeyedHash, ShortKey};
#[cfg(feature = "transaction-tokens")]
pub use tower_identity_oauth::Transaction;
pub use tower_identity_oauth::{
    AnswerForm, AssertionAudience, AssertionStyle, AssertionTyp, BasicEncoding, ClientAuth, CustomGrantType,
    DiscoveryOrder, Introspection, IntrospectionSettings, Parameters, ServerSettings, TargetService, TokenEndpoint,
};
#[cfg(feature = "transaction-tokens")]
pub use tower_identity_outbound::TransactionToken;
pub use tower_identity_outbound::{
    BoxError, Candidate, Chaining, Demand, Embedded, EntraOnBehalfOf, HandOff, HandOffSettings, HandOffs, IdJag,
    MAX_CREDENTIAL_BYTES, OnBehalfOf, Outbound, OutboundBuilder, OutboundError, OutboundLayer, OutboundService,
    Plaintext, ReadableJwt, Relay, Replacement, RequestExt, Retries, Signed, Strategies, Strategy, Target,
    TargetRefusal, TargetSettings, TokenExchange, TokenFile, Unlisted,
};
#[cfg(feature = "tonic")]
pub use tower_identity_outbound::{GrpcChannel, GrpcFuture};
#[cfg(feature = "reqwest")]
pub use tower_identity_outbound::{HttpClient, RequestBuilder, ResponseExt, SendError, Unsuccessful};
#[cfg(feature = "retry")]
pub use tower_identity_outbound::{Replay, RetryRefused, SetAside};
pub use tower_identity_refresh::{Posted, system_clock};
#[cfg(feature = "spiffe")]
pub use tower_identity_spiffe::{NotReady, WorkloadApi};
#[cfg(feature = "tls")]
pub use tower_identity_tls::{
    ClientTls, ClientTlsBuilder, Connected, Connector, EachConnection, HandshakeError, ServerTls, ServerTlsBuilder,
    TlsListener, TlsSettings,
};
pub use tower_identity_verify::{
    CertificateAnchor, CertificateSettings, Checked, EventReceiver, EventReceiverBuilder, Explanation, FeedError,
    IssuerSettings, KeySettings, MemorySplitTokens, NameKind, Outcome, Producer, ProducerSettings, Profile, Pulled,
    Received, Remember, RevocationFeed, SelfAssertedSettings, SplitToken, SplitTokens, StoreError, TrustedIssuer,
    Unsplittable, Verdict, Verifier, VerifierBuilder, check,
};
#[cfg(feature = "transaction-tokens")]
pub use tower_identity_verify::{TransactionTokenSettings, TransactionTokens};

#[cfg(feature = "edge")]
pub use self::config::Edge;
pub use self::config::{LiveSettings, Settings, SettingsDigest, SettingsError};

/// The examples of the README are compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[derive(Debug)]
pub struct Readme;

/// So are those of the documents that have some.
#[cfg(doctest)]
#[doc = include_str!("../../docs/revocation.md")]
#[derive(Debug)]
pub struct RevocationDocument;

#[cfg(doctest)]
#[doc = include_str!("../../docs/handing-over.md")]
#[derive(Debug)]
pub struct HandingOverDocument;

#[cfg(doctest)]
#[doc = include_str!("../../docs/forward-auth.md")]
#[derive(Debug)]
pub struct ForwardAuthDocument;

#[cfg(all(doctest, feature = "edge"))]
#[doc = include_str!("../../docs/edge.md")]
#[derive(Debug)]
pub struct EdgeDocument;

/// These are about clients of others, too.
#[cfg(all(doctest, feature = "tonic"))]
#[doc = include_str!("../../docs/outbound.md")]
#[derive(Debug)]
pub struct OutboundDocument;
