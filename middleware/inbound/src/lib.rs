//! Who is calling, decided at the door: authentication and rules as tower layers, every refusal rendered in one place.
//!
//! ```text
//! request ─▶ AuthLayer ──────────────▶ RequireLayer ─▶ handler, in the caller's ambient scope
//!            │ Presented: what it         │ Rule: may they
//!            │   presents                 │
//!            │ Verifier: is it genuine    │
//!            ▼                            ▼
//!            Refusal ──▶ decision (one event) ──▶ render (status, challenge, problem or grpc-status)
//! ```
//!
//! [`AuthLayer`] leaves exactly one [`Inbound`] in the request; whatever comes later and misses it answers 500,
//! because a request that nobody authenticated is a wiring error, never an anonymous caller. The layers are generic
//! over body types ([`AuthBody`]), so that they fit under axum and tonic alike, and a refusal is an `Ok(response)`
//! that carries its [`Refusal`](tower_identity_core::Refusal) as an extension for outer layers.
//!
//! | module | what it holds |
//! |---|---|
//! | [`auth`] | [`AuthLayer`]: authenticates, opens the ambient scope, calls on |
//! | [`source`] | [`Source`]: where a credential may be |
//! | [`session`] | [`SessionStore`]: which token the id in a cookie stands for |
//! | [`presented`] | [`Presented`]: what a request presents, absent, malformed or a credential |
//! | [`inbound`] | [`Inbound`]: what authentication leaves in the request |
//! | [`require`] | [`RequireLayer`]: applies a rule |
//! | [`rule`] | [`Rule`] and the functions that it is written with |
//! | [`connection`] | [`Connection`]: what an acceptor knows of the connection, client certificates among it |
//! | [`proxy`] | [`ProxyPeer`]: which peers are proxies of ours, whose word is taken |
//! | [`forwarded`] | [`ForwardedCertificate`]: the certificate of a caller whose TLS ends at one of them |
//! | [`forward_auth`] | [`ForwardAuthLayer`]: answers a proxy that asks whether a request may pass |
//! | [`edge`] | what requests from outside say of an identity and may not; [`EdgeBody`], whose trailers do not |
//! | [`resource`] | [`ResourceMetadata`]: what clients may know of this service (RFC 9728) |
//! | [`events`] | [`SecurityEvents`]: the endpoint that revocations are pushed to (RFC 8935) |
//! | [`asked`] | [`Asked`]: how a request came, as far as its refusal depends on it |
//! | [`render`] | the error map: from a refusal to what the peer learns |
//! | [`decision`] | the one event a decision leaves for the operator, and its count |
//! | [`correlation`] | [`CorrelationId`], which ties the two |
//! | [`danger`], `plain_user` | looser than production may be: refusals that are explained to the peer, users in plain text |
//! | [`streams`] | [`Streams`]: what becomes of streams whose caller's credential ends |
//! | [`body`] | [`AuthBody`]: the inner service's body, or a refusal's |

pub mod asked;
pub mod auth;
pub mod body;
mod challenge;
pub mod connection;
mod cookie;
pub mod correlation;
mod counted;
mod cross_site;
pub mod danger;
pub mod decision;
pub mod edge;
pub mod events;
mod fields;
pub mod forward_auth;
pub mod forwarded;
pub mod inbound;
mod observed;
mod plain_user;
pub mod presented;
pub mod proxy;
pub mod render;
pub mod require;
pub mod resource;
pub mod rule;
pub mod session;
pub mod source;
mod stage;
pub mod streams;
mod unenforced;

pub use self::{
    asked::Asked,
    auth::{AuthFuture, AuthLayer, AuthService, ClientCertificate},
    body::AuthBody,
    connection::Connection,
    correlation::CorrelationId,
    edge::{AtEdge, EdgeBody, Inside},
    events::SecurityEvents,
    forward_auth::{ForwardAuthLayer, ForwardAuthService, OriginalRequest},
    forwarded::{CertificateForm, ForwardedCertificate},
    inbound::Inbound,
    presented::{Credentials, Presented},
    proxy::ProxyPeer,
    require::{RequireFuture, RequireLayer, RequireService},
    resource::{ResourceMetadata, ResourceMetadataBuilder, ResourceSettings},
    rule::{CallerName, IssuerName, Rule, RuleHandle, RuleSet},
    session::{SessionCookie, SessionStore},
    source::{Source, Sources},
    streams::Streams,
};
