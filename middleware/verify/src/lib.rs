//! Credentials in, verified tokens out.
//!
//! A [`Verifier`] holds the issuers that this service trusts, each with the audience that this service goes by there,
//! and turns a bearer token into a [`CallerContext`](tower_identity_core::CallerContext) or a
//! [`Refusal`](tower_identity_core::Refusal).

mod claim;
mod claims;
mod issuer;
mod judge;
mod keys;
mod settings;
mod source;
mod trusted;
mod verification;
mod verifier;

pub use self::{
    issuer::{NeedsAudience, TrustedIssuer},
    settings::IssuerSettings,
    verification::Verification,
    verifier::{Verifier, VerifierBuilder},
};
