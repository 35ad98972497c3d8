//! Which issuers are trusted, and the verification of a token by their rules.

use std::sync::Arc;

use tower_identity_core::{Clock, InvalidSetting, Issuer};

use crate::{TrustedIssuer, Verification};

/// Turns bearer tokens into verified callers. Cheap to clone; clones share their keys.
#[derive(Debug, Clone)]
pub struct Verifier(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    issuers: Vec<Issuer>,
}

impl Verifier {
    /// A verifier that trusts this issuer, its *home*: the one that workload names without an issuer refer to.
    #[must_use]
    pub fn builder(home: TrustedIssuer) -> VerifierBuilder {
        VerifierBuilder { issuers: vec![home] }
    }

    /// Verifies the token of an `Authorization: Bearer` header: an RFC 9068 access token of a trusted issuer, for us.
    pub fn bearer(&self, _token: &str) -> Verification {
        unimplemented!()
    }

    /// The issuer that workload names without an issuer refer to.
    #[must_use]
    pub fn home(&self) -> &Issuer {
        unimplemented!()
    }

    /// The trusted issuers, home first.
    pub fn issuers(&self) -> impl Iterator<Item = &Issuer> {
        self.0.issuers.iter()
    }
}

/// Collects what a [`Verifier`] needs.
#[derive(Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct VerifierBuilder {
    issuers: Vec<TrustedIssuer>,
}

impl VerifierBuilder {
    /// Trusts another issuer too.
    pub fn issuer(mut self, another: TrustedIssuer) -> Self {
        self.issuers.push(another);
        self
    }

    /// Takes time from another clock: the system's by default.
    pub fn clock(self, _clock: Clock) -> Self {
        self
    }

    /// Builds the verifier. Needs no runtime, and no issuer that is up: keys are fetched at first use.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] names the issuer (`issuer[0]` is home) and the field that breaks a rule.
    pub fn build(self) -> Result<Verifier, InvalidSetting> {
        unimplemented!()
    }
}
