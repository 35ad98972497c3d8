//! Which issuers are trusted, and the verification of a token by their rules.

use std::sync::Arc;

use tower_identity_core::{CallerContext, Clock, Issuer, Refusal, Revocations, SecretToken};
use tower_identity_jose::{Compact, KnownHeaders, Limits};

use crate::{
    Explanation, TrustedIssuer, Verification,
    anchor::Anchor,
    builder::VerifierBuilder,
    claims::{Claims, Unread},
    explain::{walk, walk_opaque},
    opaque::{Opaque, is_jwt_like},
    relation::Relations,
    trusted::{Attempt, Trusted, issuer_among, unreadable},
};

/// Turns bearer tokens into verified callers. Cheap to clone; clones share their keys.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use tower_identity_core::RefusalKind;
/// use tower_identity_verify::{TrustedIssuer, Verifier};
///
/// let verifier = Verifier::builder(TrustedIssuer::discover("https://login.example.com").audience("orders"))
///     .issuer(TrustedIssuer::discover("https://partner.example").audience("https://orders.example.com"))
///     .build()?;
///
/// let refused = verifier.bearer("not-a-token").await.expect_err("no token");
/// assert_eq!((refused.kind(), refused.check()), (&RefusalKind::InvalidToken, "format"));
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Verifier(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    /// Home first, so never empty. Few, so that a walk beats a hash.
    pub(crate) trusted: Box<[Arc<Trusted>]>,
    /// Whose users may present a credential of their own beside their caller's.
    pub(crate) users: Box<[Arc<Trusted>]>,
    /// The one whose tokens are opaque, if there is one, among each of the two.
    pub(crate) opaque: Option<Arc<Opaque>>,
    pub(crate) users_opaque: Option<Arc<Opaque>>,
    pub(crate) relations: Relations,
    pub(crate) limits: Limits,
    pub(crate) headers: Arc<KnownHeaders>,
    pub(crate) clock: Clock,
}

impl Verifier {
    /// A verifier that trusts this issuer, its *home*: the one that workload names without an issuer refer to.
    pub fn builder(home: TrustedIssuer) -> VerifierBuilder {
        VerifierBuilder::new(home)
    }

    /// Verifies the token of an `Authorization: Bearer` header: a signed access token (RFC 9068) of a trusted issuer,
    /// addressed to us, within its time, and not bound to a key.
    ///
    /// Decided at once where the issuer's keys are at hand. Otherwise the verification waits for keys: when there were
    /// none yet, and when the token names a key that is not among them, which costs the issuer one fetch in 30 s at
    /// most. Its refusals are
    ///
    /// - [`InvalidToken`](tower_identity_core::RefusalKind::InvalidToken) for every token that is not acceptable, of a stranger or of a
    ///   trusted issuer alike;
    /// - [`Unavailable`](tower_identity_core::RefusalKind::Unavailable) when that cannot be decided: the issuer's keys are out of reach, and
    ///   those that were fetched before go on verifying for 24 h only; or the token's key may be newer than they are, and
    ///   it is not time to ask for others.
    ///
    /// Waiting for keys, and refreshing them in the background, needs a tokio runtime.
    pub fn bearer(&self, token: &str) -> Verification {
        self.verify(token, &self.0.trusted, self.0.opaque.as_ref())
    }

    /// Verifies a user's own credential, as [`bearer`](Self::bearer) does.
    pub(crate) fn user(&self, token: &str) -> Verification {
        self.verify(token, &self.0.users, self.0.users_opaque.as_ref())
    }

    fn verify(&self, token: &str, trusted: &[Arc<Trusted>], opaque: Option<&Arc<Opaque>>) -> Verification {
        if let Some(opaque) = opaque.filter(|_| !is_jwt_like(token)) {
            return opaque.verify(token);
        }
        let compact = match Compact::parse_knowing(token, &self.0.limits, &self.0.headers) {
            Ok(compact) => compact,
            Err(error) => return Verification::decided(Err(unreadable(error))),
        };
        let mut claims = Claims::default();
        let trusted = match attempt(&compact, &mut claims, trusted) {
            Ok((_, Attempt::Decided(decision))) => return Verification::decided(decision),
            Err(refusal) => return Verification::decided(Err(refusal)),
            Ok((trusted, Attempt::NoKeys(_) | Attempt::UnknownKey(..))) => Arc::clone(trusted),
        };
        let arrived = self.0.clock.monotonic();
        // The claims borrow from the token and cannot move along with it: they are read again where it waits.
        Verification::fetching(Box::pin(async move {
            let mut claims = Claims::default();
            let token = compact.claims_by(Unread(&mut claims)).map_err(unreadable)?;
            trusted.settle(token, arrived).await
        }))
    }

    /// Explains what becomes of a token, and why: the verdict of [`bearer`](Self::bearer), and every check in order, those
    /// behind a failed one too where they still mean something. For people; it takes its time.
    ///
    /// Keys are fetched as for a verification, and out of the same budget.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// use tower_identity_verify::{Outcome, TrustedIssuer, Verdict, Verifier, check};
    ///
    /// let home = TrustedIssuer::discover("https://login.example.com").audience("orders");
    /// let verifier = Verifier::builder(home).build()?;
    ///
    /// let explanation = verifier.explain("not-a-token").await;
    /// assert_eq!(explanation.verdict(), Verdict::Refused);
    /// let [format, header, ..] = explanation.checks() else { panic!("all checks are listed") };
    /// assert_eq!((format.check, format.outcome), (check::FORMAT, Outcome::Failed));
    /// assert_eq!((header.check, header.outcome), (check::HEADER, Outcome::NotReached));
    /// println!("{explanation}");
    /// # Ok::<(), tower_identity_core::InvalidSetting>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn explain(&self, token: &str) -> impl Future<Output = Explanation> + Send + use<> {
        let (verifier, token) = (self.clone(), SecretToken::new(token));
        async move {
            let decision = verifier.bearer(token.expose()).await;
            // A token that is refused by its header alone was not worth a fetch of keys; to explain it is.
            let no_keys = match verifier.0.without_keys(token.expose()) {
                Some(trusted) => trusted.keys.loaded().await.err(),
                None => None,
            };
            let judged_at = decision.as_ref().map_or_else(|_| verifier.0.clock.wall(), CallerContext::judged_at);
            let walk = match &verifier.0.opaque {
                Some(opaque) if !is_jwt_like(token.expose()) => {
                    walk_opaque(&token, opaque, &verifier.0, judged_at).await
                }
                _ => walk(token.expose(), &verifier.0, None, judged_at, no_keys.as_ref()),
            };
            Explanation::new(decision, judged_at, walk)
        }
    }

    /// The issuer that workload names without an issuer refer to. Where home has more than one tenant, their pattern,
    /// which is no workload's issuer.
    #[must_use]
    pub fn home(&self) -> &Issuer {
        self.0.trusted[0].rules.anchor.name()
    }

    /// The longest token that is looked at, in bytes.
    #[must_use]
    pub fn max_token_bytes(&self) -> usize {
        self.0.limits.token_bytes()
    }

    /// The name under which an issuer's tokens are trusted: the issuer itself, or, of a tenant, the pattern that it is
    /// of. A name from the configuration, and so one that a label may have.
    #[must_use]
    pub fn anchor_of(&self, issuer: &Issuer) -> Option<&Issuer> {
        let anchors = self.0.trusted.iter().chain(&self.0.users).map(|trusted| &trusted.rules.anchor);
        anchors.into_iter().find(|anchor| anchor.issuers().any(|own| own == issuer)).map(Anchor::name)
    }

    /// What is revoked: the list that this verifier asks, and its clones.
    #[must_use]
    pub fn revocations(&self) -> &Revocations {
        &self.0.trusted[0].rules.revocations
    }

    /// The issuer of this name, of callers or of users, if it is trusted.
    pub(crate) fn trusts(&self, name: &str) -> Option<Issuer> {
        let all = self.0.trusted.iter().chain(&self.0.users);
        all.flat_map(|trusted| trusted.rules.anchor.issuers()).find(|issuer| *issuer == name).cloned()
    }

    /// The issuer of this name, if its JWTs are accepted.
    pub(crate) fn issuer_of_jwts(&self, issuer: &Issuer) -> Option<&Arc<Trusted>> {
        let all = self.0.trusted.iter().chain(&self.0.users).filter(|trusted| !trusted.is_opaque);
        let mut all = all.filter(|trusted| !matches!(trusted.rules.anchor, Anchor::TrustDomain { .. }));
        all.find(|trusted| trusted.rules.anchor.issuers().any(|own| own == issuer))
    }

    /// Whether tokens of this issuer say of which tenant their users are.
    pub(crate) fn has_tenants(&self, issuer: &Issuer) -> bool {
        let mut all = self.0.trusted.iter().chain(&self.0.users);
        all.any(|trusted| match &trusted.rules.anchor {
            Anchor::Tenants { tenants, .. } => tenants.iter().any(|named| named.issuer == *issuer),
            Anchor::Issuer(_) | Anchor::Asked(_) | Anchor::TrustDomain { .. } => false,
        })
    }

    /// The trusted issuers, home first, every tenant for itself.
    pub fn issuers(&self) -> impl Iterator<Item = &Issuer> {
        self.0.trusted.iter().flat_map(|trusted| trusted.rules.anchor.issuers())
    }
}

impl Inner {
    /// The issuer of this token, if it has no keys at hand.
    fn without_keys(&self, token: &str) -> Option<Arc<Trusted>> {
        let compact = Compact::parse(token, &self.limits).ok()?;
        let trusted = self.issuer_of(compact.claims().ok()?.claims_unverified()).ok()?;
        trusted.keys.at_hand(self.clock.monotonic()).is_none().then(|| Arc::clone(trusted))
    }

    /// Whose rules apply to a caller's token.
    pub(crate) fn issuer_of(&self, claims: &Claims<'_>) -> Result<&Arc<Trusted>, Refusal> {
        issuer_among(&self.trusted, claims)
    }
}

fn attempt<'t, 'i>(
    compact: &'t Compact,
    claims: &'t mut Claims<'t>,
    trusted: &'i [Arc<Trusted>],
) -> Result<(&'i Arc<Trusted>, Attempt<'t>), Refusal> {
    let token = compact.claims_by(Unread(claims)).map_err(unreadable)?;
    let trusted = issuer_among(trusted, token.claims_unverified())?;
    Ok((trusted, trusted.attempt(token)))
}
