//! A certificate on a request, alone or with a token beside it.

use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use tower_identity_core::{CallerContext, Refusal, RefusalKind, Standing, Timestamp, VerifiedToken};
use tower_identity_jose::Compact;

use crate::{
    Verification, Verifier, check,
    claims::{Claims, Unread},
    inner::Inner,
    opaque::is_jwt_like,
    pair::still_good,
    proof::Proof,
    trusted::issuer_among,
};

impl Verifier {
    /// Verifies the certificate chain of a connection, its leaf first, as the caller's credential: the workload that it
    /// names, for itself and [alone](Standing::alone). What was verified is remembered, and its time asked about again.
    ///
    /// The caller of this has to know from its TLS acceptor that the peer proved the key of the leaf. Nothing that a request
    /// says is such knowledge.
    ///
    /// # Errors
    ///
    /// [`InvalidToken`](RefusalKind::InvalidToken), check [`certificate`](check::CERTIFICATE), of a chain that does not hold:
    /// it ends at no root of its anchor, it or a link of it has ended or not begun, it is not a client's, or it does not have
    /// the one name that the anchor asks for.
    pub fn certificate(&self, chain: &[CertificateDer<'static>]) -> Result<CallerContext, Refusal> {
        self.0.now.load().certificate(chain)
    }

    /// Verifies a certificate chain as the caller's credential, and the token beside it. What the two say together:
    ///
    /// | the token names | | and then |
    /// |---|---|---|
    /// | a user, and by `act` or `client_id` the certificate's workload | by [configured](crate::VerifierBuilder::workload) names, since they are of different issuers | the caller is the certificate's, user and rights are the token's |
    /// | a user and this workload in `may_act` | where that is [accepted](crate::VerifierBuilder::accept_may_act) | the same |
    /// | a user, and is bound to this certificate (RFC 8705) | by its key, whatever the names | the same |
    /// | a user and another workload | | [`UnrelatedCredentials`](RefusalKind::UnrelatedCredentials), unless this caller is [trusted](crate::danger::trusted_caller) |
    /// | no user, and the certificate's workload | by configured names | the caller is the certificate's, rights are the token's |
    /// | no user, and is bound to this certificate | by its key, whatever the names | the same |
    /// | no user, and another workload | | [`UnrelatedCredentials`](RefusalKind::UnrelatedCredentials) |
    ///
    /// A token of a [users' issuer](crate::VerifierBuilder::user_issuer) is judged by what was said of that. Where there are
    /// such, tokens of other issuers are the workload's own, and one that names a user is not accepted.
    ///
    /// A token that is bound to another certificate is refused, check [`cnf`](check::CNF).
    ///
    /// Refusals of the certificate come first, also where the token is good.
    pub fn certificate_and_token(&self, chain: &[CertificateDer<'static>], token: &str) -> Verification {
        self.0.now.load().certificate_and_token(chain, token)
    }
}

impl Inner {
    pub(crate) fn certificate(&self, chain: &[CertificateDer<'static>]) -> Result<CallerContext, Refusal> {
        let (certificate, now) = self.certified(chain)?;
        let standing = self.relations.aliases.name(Standing::alone(), &certificate);
        Ok(stated(certificate, None, standing, now))
    }

    pub(crate) fn certificate_and_token(
        self: &Arc<Self>,
        chain: &[CertificateDer<'static>],
        token: &str,
    ) -> Verification {
        let certificate = match self.certified(chain) {
            Ok(certified) => certified,
            Err(refusal) => return Verification::decided(Err(refusal)),
        };
        let of_users = self.judges_as_users(token);
        let proof = Proof::of(certificate.0.bound_to().copied());
        let token = if of_users { self.user(token, proof) } else { self.bearer(token, proof) };
        match token.try_now() {
            Ok(token) => Verification::decided(token.and_then(|token| self.beside(certificate, &token, of_users))),
            Err(waiting) => {
                let settings = Arc::clone(self);
                Verification::fetching(Box::pin(async move {
                    waiting.await.and_then(|token| settings.beside(certificate, &token, of_users))
                }))
            }
        }
    }

    /// Whom the chain names now, where it is known what was revoked.
    fn certified(&self, chain: &[CertificateDer<'static>]) -> Result<(Arc<VerifiedToken>, Timestamp), Refusal> {
        if let Some(pulls) = &self.pulls {
            pulls.admit()?;
        }
        let now = self.clock.wall();
        self.certificates.verify(chain, now).map(|certificate| (certificate, now))
    }

    fn beside(
        &self,
        certificate: (Arc<VerifiedToken>, Timestamp),
        token: &CallerContext,
        of_users: bool,
    ) -> Result<CallerContext, Refusal> {
        let (certificate, then) = certificate;
        let (judged_at, token) = (token.judged_at(), token.caller_token());
        still_good(&certificate, then, judged_at)?;
        if !of_users && token.identity().user.is_some() {
            let detail = "it names a user, and its issuer is trusted for callers' own tokens alone";
            let refusal = Refusal::new(RefusalKind::InvalidToken, check::ISS).detail(detail);
            return Err(refusal.issuer(token.issuer().clone()));
        }
        let standing = self.relations.relate_to_certificate(&certificate, token)?;
        Ok(stated(certificate, Some(Arc::clone(token)), standing, judged_at))
    }

    /// Whether what is said of users' issuers holds for this token: it is of one of them, or there is no such list.
    fn judges_as_users(&self, token: &str) -> bool {
        if !self.certificates.users_are_apart {
            return true;
        }
        if !is_jwt_like(token) {
            return self.users_opaque.is_some();
        }
        let Ok(compact) = Compact::parse(token, &self.limits) else { return true };
        let mut claims = Claims::default();
        let Ok(token) = compact.claims_by(Unread(&mut claims)) else { return true };
        issuer_among(&self.users, token.claims_unverified()).is_ok()
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the verification that may state its result")]
fn stated(
    certificate: Arc<VerifiedToken>,
    beside: Option<Arc<VerifiedToken>>,
    standing: Standing,
    judged_at: Timestamp,
) -> CallerContext {
    CallerContext::assertion(certificate, beside, standing, judged_at)
}
