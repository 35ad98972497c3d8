//! Credentials in, verified tokens out.
//!
//! A [`Verifier`] holds the issuers that this service trusts, each with the audience that this service goes by there,
//! and turns a bearer token into a [`CallerContext`](tower_identity_core::CallerContext) or a
//! [`Refusal`](tower_identity_core::Refusal). It accepts signed access tokens: of the strict profile of RFC 9068 unless
//! an issuer has another [`Profile`].
//!
//! ```text
//! &str ──parse──▶ whose is it? ──keys at hand──▶ genuine? ──▶ for us, now, whom does it name? ──▶ CallerContext
//!         jose    iss, trusted?       │           jose          judge
//!                                     └ none, or not this one: wait for the issuer, within its budget
//! ```
//!
//! A token that is no JWT is [asked about](TrustedIssuer::opaque) where it was issued (RFC 7662), or [joined](SplitTokens)
//! to the rest of it; what it stands for is judged by the same functions.
//!
//! An issuer that is out of reach is no verdict: keys fetched before go on verifying for 24 h, and what cannot be
//! decided is [`Unavailable`](tower_identity_core::RefusalKind::Unavailable), never
//! [`InvalidToken`](tower_identity_core::RefusalKind::InvalidToken). Tokens of unknown keys, however many, cost their
//! issuer one fetch in 30 s, and keep no token of a known key waiting; one whose key may be newer than the keys at hand is
//! told when to come back.
//!
//! Where it goes: inside `AuthLayer` of the room `inbound`, which reads the header and renders the refusal.
//!
//! | module | what it holds |
//! |---|---|
//! | `issuer`, `settings` | [`TrustedIssuer`], in code and from a file |
//! | `profile` | [`Profile`], what an issuer's tokens look like, and the tables behind it |
//! | `verifier`, `builder` | [`Verifier`], which other settings can be put into, and what it is made of |
//! | `inner`, `current` | the settings at work: one generation of them, and [`Current`], a look at it |
//! | `verification` | [`Verification`], its future |
//! | `remembered` | tokens that were verified, and need not be verified again |
//! | `pair` | two credentials on one request, the caller's and the user's |
//! | `certificate` | client certificates as the caller's credential: their anchors, chains, and the tokens beside them |
//! | `proof` | what the connection of a request proves, and tokens that are bound to it |
//! | `transactions` | `TransactionTokens`: a trust domain's, beside the credential of whoever carries them (feature `transaction-tokens`) |
//! | `relation` | whether two verified tokens belong together: a pure function of them |
//! | `naming` | users who have no credential, and are named by their caller |
//! | `aliases` | the workloads that go by several names |
//! | [`danger`], `asserting` | callers and services whose word is taken for whom they call |
//! | `hand_off` | work that another service has handed over, and for whom |
//! | `encrypted` | tokens that are encrypted to this service |
//! | `trusted` | one issuer at work: opening, judging, and waiting for keys |
//! | `keys`, `source` | its keys, kept fresh, and where they are fetched from |
//! | `opaque` | tokens that are no JWTs: asked about (RFC 7662), or put together again ([`SplitTokens`]) |
//! | `anchor`, `spiffe` | whose tokens they are: an issuer's, its tenants', a trust domain's |
//! | `claim`, `claims`, `text` | the claims as they were found: absent, right, or wrong |
//! | `shown` | what a token says, in the words of a refusal |
//! | [`check`] | the checks by name, in their order |
//! | `judge` | the verdict on them: pure functions of claims, rules and time, one for each check |
//! | `events` | [`EventReceiver`]: security events that revoke (RFC 8417) |
//! | `feed` | [`RevocationFeed`]: revocations that are pulled |
//! | `explain` | [`Explanation`]: every check of a token in order, for people |

mod aliases;
mod anchor;
mod asserting;
mod builder;
mod certificate;
pub mod check;
mod claim;
mod claims;
mod current;
pub mod danger;
mod encrypted;
mod events;
mod explain;
mod feed;
mod hand_off;
mod id_tokens;
mod inner;
mod issuer;
mod judge;
mod keys;
mod naming;
mod opaque;
mod pair;
mod plain;
mod profile;
mod proof;
mod relation;
mod remembered;
mod settings;
mod shown;
mod source;
mod spiffe;
mod text;
#[cfg(feature = "transaction-tokens")]
mod transactions;
mod trusted;
mod verification;
mod verifier;

#[cfg(feature = "transaction-tokens")]
pub use self::transactions::{TransactionTokenSettings, TransactionTokens};
pub use self::{
    asserting::SelfAssertedSettings,
    builder::VerifierBuilder,
    certificate::{CertificateAnchor, CertificateSettings, NameKind},
    current::{Current, Over},
    events::{EventReceiver, EventReceiverBuilder, Received},
    explain::{Checked, Explanation, Outcome, Verdict},
    feed::{FeedError, Pulled, RevocationFeed},
    hand_off::{Producer, ProducerSettings},
    issuer::{NeedsAudience, TrustedIssuer},
    keys::KeySettings,
    opaque::{MemorySplitTokens, SplitToken, SplitTokens, StoreError, Unsplittable},
    profile::Profile,
    remembered::Remember,
    settings::IssuerSettings,
    verification::Verification,
    verifier::Verifier,
};
