//! The settings of a verifier, as they stand at one time.

use std::{any::Any, sync::Arc};

use arc_swap::Guard;
use rustls_pki_types::CertificateDer;
use tower_identity_core::{CallerContext, CertificateThumbprint, Clock, Issuer, Refusal};

use crate::{Verification, inner::Inner, proof::Proof};

/// The settings of a [`Verifier`](crate::Verifier) as they stand at one time. Whatever [takes their
/// place](crate::Verifier::replace) meanwhile, what one of these says and decides is of one generation.
///
/// For a moment, not to be kept: made without a lock and without a count, of which each thread can have a few at no cost.
#[derive(Debug)]
pub struct Current(pub(crate) Guard<Arc<Inner>>);

impl Current {
    /// Which generation these are, counted from 1.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.0.generation
    }

    /// The same generation, to be kept for as long as one request waits: by a count, in the place of what a thread has few of.
    #[must_use]
    pub fn kept(&self) -> Self {
        Self(Guard::from_inner(Arc::clone(&self.0)))
    }

    /// The time that these settings go by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The same, for a request over a connection whose peer has proven the key of this certificate, if of one: tokens that
    /// are bound to it (RFC 8705 §3) are accepted too, and those that are bound to another are refused as ever.
    ///
    /// The caller of this has to know that from its TLS acceptor. Nobody else need have heard of the certificate: it may be
    /// of any authority, or of none.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// use serde_json::json;
    /// use tower_identity_core::CertificateThumbprint;
    /// use tower_identity_testkit::{Endpoint, TestIssuer};
    /// use tower_identity_verify::{TrustedIssuer, Verifier, check};
    ///
    /// let login = TestIssuer::start();
    /// let home = TrustedIssuer::keys_at(login.issuer().as_str(), login.url(Endpoint::Keys)).audience("orders");
    /// let verifier = Verifier::builder(home).build()?;
    ///
    /// // SHA-256 of "abc", which stands for a certificate here.
    /// let cnf = json!({"x5t#S256": "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"});
    /// let token = login.token().subject("alice").client("storefront").audience("orders").claim("cnf", cnf).build();
    ///
    /// let its_own = CertificateThumbprint::of(b"abc");
    /// let caller = verifier.current().over(Some(its_own)).bearer(token.expose()).await.expect("its certificate was proven");
    /// assert_eq!(caller.caller_token().bound_to(), Some(&its_own));
    /// let stolen = verifier.current().over(None).bearer(token.expose()).await.expect_err("nothing was");
    /// assert_eq!(stolen.check(), check::CNF);
    /// # Ok::<(), tower_identity_core::InvalidSetting>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn over(&self, certificate: Option<CertificateThumbprint>) -> Over<'_> {
        Over { settings: &self.0, proof: Proof::of(certificate) }
    }

    /// As [`Verifier::bearer`](crate::Verifier::bearer).
    pub fn bearer(&self, token: &str) -> Verification {
        self.0.bearer(token, Proof::NOTHING)
    }

    /// The caller of a token that was verified before, by these settings, as one of a caller: where all that may have
    /// changed since is as it was. What [`bearer`](Self::bearer) says then, without a look at the form of the token: these
    /// very bytes had it.
    ///
    /// `None` says nothing of a token. Where that is the answer, [`bearer_anew`](Self::bearer_anew) does not look twice.
    #[must_use]
    pub fn recall(&self, token: &[u8]) -> Option<CallerContext> {
        self.0.recall(token, &self.0.remembered, Proof::NOTHING)
    }

    /// As [`bearer`](Self::bearer), of a token that was just not to be [recalled](Self::recall).
    pub fn bearer_anew(&self, token: &str) -> Verification {
        self.0.bearer_anew(token, Proof::NOTHING)
    }

    /// As [`Verifier::pair`](crate::Verifier::pair).
    pub fn pair(&self, caller: &str, user: &str) -> Verification {
        self.0.pair(caller, user, Proof::NOTHING)
    }

    /// As [`Verifier::alone`](crate::Verifier::alone).
    pub fn alone(&self, caller: &str) -> Verification {
        self.0.alone(caller, Proof::NOTHING)
    }

    /// As [`Verifier::certificate`](crate::Verifier::certificate).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn certificate(&self, chain: &[CertificateDer<'static>]) -> Result<CallerContext, Refusal> {
        self.0.certificate(chain)
    }

    /// As [`Verifier::certificate_and_token`](crate::Verifier::certificate_and_token).
    pub fn certificate_and_token(&self, chain: &[CertificateDer<'static>], token: &str) -> Verification {
        self.0.certificate_and_token(chain, token)
    }

    /// The workload of a certificate, for a user whom it [names in plain text](crate::danger::plain_users).
    ///
    /// # Errors
    ///
    /// As of [`Over::naming`].
    pub fn certificate_naming(&self, chain: &[CertificateDer<'static>], user: &str) -> Result<CallerContext, Refusal> {
        self.0.certificate(chain).and_then(|caller| self.0.named(&caller, user))
    }

    /// The workload of a certificate, for the user whose [ID token](crate::danger::id_tokens) it presents: as of
    /// [`Over::signed_in`].
    pub fn certificate_signed_in(&self, chain: &[CertificateDer<'static>], id_token: &str) -> Verification {
        self.0.signed_in(self.0.certificate(chain).into(), id_token)
    }

    /// The longest token that is looked at, in bytes.
    #[must_use]
    pub fn max_token_bytes(&self) -> usize {
        self.0.limits.token_bytes()
    }

    /// The issuer that workload names without an issuer refer to, as [`Verifier::home`](crate::Verifier::home).
    #[must_use]
    pub fn home(&self) -> &Issuer {
        self.0.home()
    }

    /// The trusted issuers, home first, every tenant for itself.
    pub fn issuers(&self) -> impl Iterator<Item = &Issuer> {
        self.0.issuers()
    }

    /// What was put [beside](crate::VerifierBuilder::beside) these settings, where it is of this type.
    #[must_use]
    pub fn beside<T: Any>(&self) -> Option<&T> {
        self.0.beside.as_ref()?.downcast_ref()
    }
}

/// The settings as they stand, for requests over one connection: see [`Current::over`].
#[derive(Debug, Clone, Copy)]
pub struct Over<'v> {
    settings: &'v Arc<Inner>,
    proof: Proof,
}

impl Over<'_> {
    /// As [`Verifier::bearer`](crate::Verifier::bearer).
    pub fn bearer(&self, token: &str) -> Verification {
        self.settings.bearer(token, self.proof)
    }

    /// As [`Verifier::pair`](crate::Verifier::pair), where both tokens may be bound: to one certificate, which relates them.
    pub fn pair(&self, caller: &str, user: &str) -> Verification {
        self.settings.pair(caller, user, self.proof)
    }

    /// As [`Verifier::alone`](crate::Verifier::alone).
    pub fn alone(&self, caller: &str) -> Verification {
        self.settings.alone(caller, self.proof)
    }

    /// Verifies a caller's own token, for a user whom it [names in plain text](crate::danger::plain_users).
    ///
    /// Besides the refusals of `bearer`, [`UnrelatedCredentials`](tower_identity_core::RefusalKind::UnrelatedCredentials) where
    /// the token is not the caller's own, names a user itself, or is of a caller whose word is not taken; and
    /// [`MalformedRequest`](tower_identity_core::RefusalKind::MalformedRequest), check
    /// [`plain_user`](crate::check::PLAIN_USER), where the name is none.
    pub fn naming(&self, caller: &str, user: &str) -> Verification {
        self.settings.naming(caller, user, self.proof)
    }

    /// Verifies a caller's own token, for the user whose [ID token](crate::danger::id_tokens) it presents beside it.
    ///
    /// Besides the refusals of `bearer`, those of the ID token as of a user's credential, and
    /// [`UnrelatedCredentials`](tower_identity_core::RefusalKind::UnrelatedCredentials) where the caller's token is not its own,
    /// names a user itself, or is of a caller that is not listed.
    pub fn signed_in(&self, caller: &str, id_token: &str) -> Verification {
        self.settings.signed_in(self.settings.bearer(caller, self.proof), id_token)
    }
}
