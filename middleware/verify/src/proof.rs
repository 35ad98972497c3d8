//! What the connection of a request proves: the certificate that a token has to be bound to, if it is bound.
//!
//! Asked of every token on every request, remembered or not: what is remembered is that a token is good, and never over
//! which connection it came.

use tower_identity_core::{CallerContext, CertificateThumbprint, Refusal, VerifiedToken};

use crate::{Verification, check, claim::refuse};

/// The certificate whose key the other end of the connection has proven, if it has. Nothing, of a bearer's request.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Proof(Option<CertificateThumbprint>);

impl Proof {
    pub(crate) const NOTHING: Self = Self(None);

    pub(crate) fn of(certificate: Option<CertificateThumbprint>) -> Self {
        Self(certificate)
    }

    /// Whether a token may be accepted on such a request (RFC 8705 §3).
    #[inline]
    pub(crate) fn suffices(&self, token: &VerifiedToken) -> bool {
        !token.is_bound() || self.is_of(token)
    }

    #[cold]
    fn is_of(&self, token: &VerifiedToken) -> bool {
        self.0.is_some() && self.0.as_ref() == token.bound_to()
    }

    /// The decision on a token, where the request proves what the token asks for.
    pub(crate) fn demanded(self, decision: Result<CallerContext, Refusal>) -> Result<CallerContext, Refusal> {
        let caller = decision?;
        let token = caller.caller_token();
        if self.suffices(token) {
            return Ok(caller);
        }
        let detail = match self.0 {
            Some(_) => "the token is bound to another certificate than that of the connection",
            None => "the token is bound to a certificate, and came over a connection that proved none",
        };
        Err(refuse(check::CNF, detail).issuer(token.issuer().clone()))
    }

    /// The same, of a decision that may have to wait.
    pub(crate) fn demanded_of(self, verification: Verification) -> Verification {
        match verification.try_now() {
            Ok(decision) => Verification::decided(self.demanded(decision)),
            Err(waiting) => Verification::fetching(Box::pin(async move { self.demanded(waiting.await) })),
        }
    }
}
