//! Which issuers are trusted, and the verification of a token by their rules.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tower_identity_core::{InvalidSetting, Issuer, Revocations, SecretToken};
use tower_identity_oauth::Http;

use crate::{
    Current, Explanation, TrustedIssuer, Verification,
    builder::VerifierBuilder,
    explain::{judged_at, walk_opaque},
    inner::Inner,
    opaque::is_jwt_like,
    proof::Proof,
    trusted::Trusted,
};

/// Turns bearer tokens into verified callers. Cheap to clone; clones share their keys, and settings that take the place of
/// others ([`replace`](Self::replace)).
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
pub struct Verifier(pub(crate) Arc<Swap>);

/// The settings, and what takes their place.
#[derive(Debug)]
pub(crate) struct Swap {
    pub(crate) now: ArcSwap<Inner>,
    /// That of every generation.
    revocations: Revocations,
    replacing: Mutex<()>,
}

impl Verifier {
    pub(crate) fn of(settings: Inner) -> Self {
        let revocations = settings.revocations().clone();
        Self(Arc::new(Swap { now: ArcSwap::from_pointee(settings), revocations, replacing: Mutex::default() }))
    }

    /// A verifier that trusts this issuer, its *home*: the one that workload names without an issuer refer to.
    pub fn builder(home: TrustedIssuer) -> VerifierBuilder {
        VerifierBuilder::new(home)
    }

    /// Verifies the token of an `Authorization: Bearer` header: a signed access token (RFC 9068) of a trusted issuer,
    /// addressed to us, within its time, and not bound to a key: one that is bound to a certificate is accepted
    /// [over](Current::over) its connection.
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
        self.0.now.load().bearer(token, Proof::NOTHING)
    }

    /// Explains what becomes of a token, and why: the verdict of [`bearer`](Self::bearer), and every check in order, those
    /// behind a failed one too where they still mean something. For people; it takes its time.
    ///
    /// Keys are fetched as for a verification, and out of the same budget.
    ///
    /// The token is looked at as a caller's. A user's own credential, of a
    /// [`user_issuer`](VerifierBuilder::user_issuer), is explained by a verifier whose home that issuer is, and what relates the two by neither.
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
        let (verifier, token) = (self.0.now.load_full(), SecretToken::new(token));
        async move {
            let decision = verifier.bearer(token.expose(), Proof::NOTHING).await;
            // Of an encrypted token that is read here, what is inside is looked at.
            let token = verifier.decrypted(token.expose()).unwrap_or(token);
            match &verifier.opaque {
                Some(opaque) if !is_jwt_like(token.expose()) => {
                    let judged_at = judged_at(&decision, &verifier);
                    Explanation::new(decision, judged_at, walk_opaque(&token, opaque, &verifier, judged_at).await)
                }
                _ => Explanation::of_jwt(decision, &token, &verifier, &verifier.trusted).await,
            }
        }
    }

    /// Puts other settings in the place of these, for every clone and for every request that comes from now on; all of
    /// them or, where one breaks a rule, none. Says which generation of settings they are.
    ///
    /// A request is judged by one generation, whole: one that waits for keys finishes by the settings that it came under.
    /// The [current](Self::current) ones are read without a lock.
    ///
    /// An issuer whose keys are found and kept as before goes on with them, whatever else is said of it: nothing is fetched
    /// anew, and an outage of it is not felt. Where they are kept in another way, as by another `save`, the keys at hand
    /// serve until the first fetch; where they are found elsewhere, or pinned to others, there are none. Likewise what an
    /// issuer of opaque tokens said of them is remembered while it is asked at the same endpoint, as the same client. The
    /// clock, the list of what is revoked and its feed stay as they are, whatever the builder says.
    ///
    /// ```
    /// use tower_identity_verify::{TrustedIssuer, Verifier};
    ///
    /// let login = || TrustedIssuer::discover("https://login.example.com").audience("orders");
    /// let partner = TrustedIssuer::discover("https://partner.example").audience("orders");
    /// let verifier = Verifier::builder(login()).issuer(partner).build()?;
    /// assert_eq!((verifier.issuers().count(), verifier.generation()), (2, 1));
    ///
    /// assert!(verifier.replace(Verifier::builder(login()).issuer(login())).is_err(), "trusted twice");
    /// assert_eq!((verifier.issuers().count(), verifier.generation()), (2, 1));
    ///
    /// assert_eq!(verifier.replace(Verifier::builder(login()))?, 2);
    /// assert_eq!(verifier.issuers().count(), 1);
    /// # Ok::<(), tower_identity_core::InvalidSetting>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`VerifierBuilder::build`]. Then nothing has changed.
    pub fn replace(&self, settings: VerifierBuilder) -> Result<u64, InvalidSetting> {
        // One after the other, so that each succeeds the one before it. No request takes this lock.
        let _one_at_a_time = self.0.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let next = settings.succeed(&self.0.now.load_full())?;
        let generation = next.generation;
        self.0.now.store(Arc::new(next));
        Ok(generation)
    }

    /// The settings as they stand: for whoever asks more than one thing of them for one request.
    #[must_use]
    pub fn current(&self) -> Current {
        Current(self.0.now.load())
    }

    /// How many times the settings were [replaced](Self::replace), counted from 1.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.0.now.load().generation
    }

    /// The issuer that workload names without an issuer refer to. Where home has more than one tenant, their pattern,
    /// which is no workload's issuer.
    #[must_use]
    pub fn home(&self) -> Issuer {
        self.0.now.load().home().clone()
    }

    /// The longest token that is looked at, in bytes.
    #[must_use]
    pub fn max_token_bytes(&self) -> usize {
        self.0.now.load().limits.token_bytes()
    }

    /// The name under which an issuer's tokens are trusted: the issuer itself, or, of a tenant, the pattern that it is
    /// of. A name from the configuration, and so one that a label may have.
    #[must_use]
    pub fn anchor_of(&self, issuer: &Issuer) -> Option<Issuer> {
        self.0.now.load().anchor_of(issuer).cloned()
    }

    /// What is revoked: the list that this verifier asks, and its clones, whatever takes the place of its settings.
    #[must_use]
    pub fn revocations(&self) -> &Revocations {
        &self.0.revocations
    }

    /// What its issuers without authorities of their own are asked by.
    pub(crate) fn http(&self) -> Http {
        self.0.now.load().http.clone()
    }

    /// The issuer of this name, of callers or of users, if it is trusted.
    pub(crate) fn trusts(&self, name: &str) -> Option<Issuer> {
        self.0.now.load().trusts(name)
    }

    /// The issuer of this name, if its JWTs are accepted.
    pub(crate) fn issuer_of_jwts(&self, issuer: &Issuer) -> Option<Arc<Trusted>> {
        self.0.now.load().issuer_of_jwts(issuer).cloned()
    }

    /// Whether tokens of this issuer say of which tenant their users are.
    pub(crate) fn has_tenants(&self, issuer: &Issuer) -> bool {
        self.0.now.load().has_tenants(issuer)
    }

    /// The issuers of workloads whose client certificates are [trusted](VerifierBuilder::certificates).
    pub fn certificate_issuers(&self) -> impl Iterator<Item = Issuer> + use<> {
        self.0.now.load().certificates.issuers().cloned().collect::<Vec<_>>().into_iter()
    }

    /// The trusted issuers of tokens, home first, every tenant for itself.
    pub fn issuers(&self) -> impl Iterator<Item = Issuer> + use<> {
        self.0.now.load().issuers().cloned().collect::<Vec<_>>().into_iter()
    }
}
