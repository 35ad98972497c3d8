//! Who is calling, and for whom: the types that every room of tower-identity shares.
//!
//! Nothing here speaks HTTP, runs on a particular runtime, or does I/O. A request's credential becomes a
//! [`VerifiedToken`] (in the room `verify`), one or two of them become a [`CallerContext`], the context travels
//! with the request's handler as its [ambient scope](ambient), and a [`Principal`] is how it is read.
//!
//! | module | what it holds |
//! |---|---|
//! | [`names`] | issuer, subject, audience and their kin: strings that cannot be swapped or empty |
//! | [`scopes`] | scope tokens and sets of them |
//! | [`secret`] | [`SecretToken`], which never prints |
//! | [`caller`] | [`CallerName`], a workload as a configuration names it |
//! | [`bearer`] | the form of a bearer token: its grammar and its longest length |
//! | [`fingerprint`] | SHA-256 over framed fields: what cache keys are made of |
//! | [`thumbprint`] | [`CertificateThumbprint`], by which a token is bound to a certificate |
//! | [`identity`] | workloads, users, actors and the evidence for them |
//! | [`attributes`] | what a token says of its subject beside who it is |
//! | [`token`] | [`VerifiedToken`], made only by verification |
//! | [`credential`] | [`Credential`], what it was made of: a token or a certificate |
//! | [`context`] | [`CallerContext`] and [`Principal`] |
//! | [`standing`] | how a caller stands on a request: tied to its user, trusted, or alone; and its names |
//! | [`ambient`] | the context of the code that is running now |
//! | [`fields`] | header fields that speak of an identity, in every spelling |
//! | [`revocation`] | what is revoked, and asking whether a token is |
//! | [`ended`] | [`Ended`]: when a caller's credential is good no longer |
//! | [`clock`] | the only source of time |
//! | [`refusal`] | why a request is refused or failed, as data |
//! | [`settings`] | what is wrong in a configuration |

pub mod ambient;
pub mod attributes;
pub mod bearer;
pub mod caller;
mod causes;
pub mod clock;
pub mod context;
pub mod credential;
mod demanded_claims;
pub mod ended;
pub mod fields;
pub mod fingerprint;
mod future;
pub mod identity;
pub mod names;
pub mod refusal;
pub mod revocation;
pub mod scopes;
pub mod secret;
pub mod settings;
pub mod standing;
mod text;
pub mod thumbprint;
pub mod token;
#[cfg(feature = "transaction-tokens")]
pub mod transaction_tokens;

pub use self::{
    attributes::{Attributes, Email, Groups},
    caller::CallerName,
    causes::WithCauses,
    clock::{Clock, Moment, TimeSource, Timestamp},
    context::{Binding, CallerContext, Principal},
    credential::Credential,
    demanded_claims::{DemandedClaims, MAX_DEMANDED_CLAIMS_BYTES},
    ended::{EndReason, Ended},
    fingerprint::Fingerprint,
    future::BoxFuture,
    identity::{Actor, ActorChain, AuthenticationContext, Evidence, User, Workload},
    names::{Audience, ClientId, InvalidName, Issuer, SessionId, Subject, Tenant, TokenId, Topic, TransactionId},
    refusal::{Fault, Refusal, RefusalKind},
    revocation::{Revocation, Revocations},
    scopes::{InvalidScope, Scope, Scopes},
    secret::SecretToken,
    settings::InvalidSetting,
    standing::{Aliases, Standing},
    thumbprint::CertificateThumbprint,
    token::{Identity, VerifiedToken, VerifiedTokenParts},
};
