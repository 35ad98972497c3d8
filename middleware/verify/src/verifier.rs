//! Which issuers are trusted, and the verification of a token by their rules.

use std::sync::Arc;

use tower_identity_core::{Clock, InvalidSetting, Issuer, Refusal, RefusalKind};
use tower_identity_jose::{Accept, Limits, Unverified};
use tower_identity_oauth::Http;
use tower_identity_refresh::system_clock;

use crate::{
    TrustedIssuer, Verification, check,
    claim::refuse,
    claims::Claims,
    issuer::Checked,
    judge::Rules,
    trusted::{Attempt, Trusted},
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
pub struct Verifier(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Home first, so never empty. Few, so that a walk beats a hash.
    trusted: Box<[Arc<Trusted>]>,
    limits: Limits,
    clock: Clock,
}

impl Verifier {
    /// A verifier that trusts this issuer, its *home*: the one that workload names without an issuer refer to.
    pub fn builder(home: TrustedIssuer) -> VerifierBuilder {
        VerifierBuilder { issuers: vec![home], clock: None }
    }

    /// Verifies the token of an `Authorization: Bearer` header: a signed access token (RFC 9068) of a trusted issuer,
    /// addressed to us, within its time, and not bound to a key.
    ///
    /// Decided at once where the issuer's keys are at hand. Otherwise the verification waits for keys: when there were
    /// none yet, and when the token names a key that is not among them, which costs the issuer one fetch in 30 s at
    /// most. Its refusals are
    ///
    /// - [`InvalidToken`](RefusalKind::InvalidToken) for every token that is not acceptable, of a stranger or of a
    ///   trusted issuer alike;
    /// - [`Unavailable`](RefusalKind::Unavailable) when that cannot be decided, because the issuer's keys are out of
    ///   reach. Keys that were fetched before go on verifying for 24 h.
    ///
    /// Waiting for keys, and refreshing them in the background, needs a tokio runtime.
    pub fn bearer(&self, token: &str) -> Verification {
        let (trusted, attempt) = match self.0.attempt(token) {
            Ok(attempted) => attempted,
            Err(refusal) => return Verification::decided(Err(refusal)),
        };
        if let Attempt::Decided(decision) = attempt {
            return Verification::decided(decision);
        }
        let arrived = self.0.clock.monotonic();
        let trusted = Arc::clone(trusted);
        Verification::fetching(Box::pin(async move { trusted.settle(attempt, arrived).await }))
    }

    /// The issuer that workload names without an issuer refer to.
    #[must_use]
    pub fn home(&self) -> &Issuer {
        &self.0.trusted[0].rules.issuer
    }

    /// The trusted issuers, home first.
    pub fn issuers(&self) -> impl Iterator<Item = &Issuer> {
        self.0.trusted.iter().map(|trusted| &trusted.rules.issuer)
    }
}

impl Inner {
    fn attempt(&self, token: &str) -> Result<(&Arc<Trusted>, Attempt), Refusal> {
        let token = Unverified::<Claims>::parse(token, &self.limits)
            .map_err(|error| Refusal::new(RefusalKind::InvalidToken, error.check()).caused_by(error))?;
        let trusted = self.issuer_of(token.claims_unverified())?;
        Ok((trusted, trusted.attempt(token)))
    }

    /// Whose keys to try: the one that the token names, byte for byte (RFC 9068 §4), among those that are trusted.
    /// What the token says chooses among them and adds nothing.
    fn issuer_of(&self, claims: &Claims) -> Result<&Arc<Trusted>, Refusal> {
        let iss = claims.iss.as_ref().required(check::ISS, "iss")?;
        self.trusted
            .iter()
            .find(|trusted| trusted.rules.issuer == *iss)
            .ok_or_else(|| refuse(check::ISS, format!("{iss:?} is not trusted")))
    }
}

/// Collects what a [`Verifier`] needs.
#[derive(Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct VerifierBuilder {
    issuers: Vec<TrustedIssuer>,
    clock: Option<Clock>,
}

impl VerifierBuilder {
    /// Trusts another issuer too. Each speaks for its own users and workloads only.
    pub fn issuer(mut self, another: TrustedIssuer) -> Self {
        self.issuers.push(another);
        self
    }

    /// Takes time from another clock: the [system's](system_clock) by default.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Builds the verifier. Needs no runtime, and no issuer that is up: keys are fetched at first use.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] names the issuer (`issuer[0]` is home) and the field that breaks a rule: an issuer or a key
    /// set's URL that is neither https nor http on this machine, an empty audience, no algorithms, a leeway of more
    /// than 120 s, an issuer that is named twice.
    pub fn build(self) -> Result<Verifier, InvalidSetting> {
        let clock = self.clock.unwrap_or_else(system_clock);
        let of = |index: usize| move |wrong: InvalidSetting| wrong.within(index).within("issuer");

        let mut checked: Vec<Checked> = Vec::with_capacity(self.issuers.len());
        for (index, issuer) in self.issuers.into_iter().enumerate() {
            let issuer = issuer.check().map_err(of(index))?;
            if checked.iter().any(|other| other.issuer == issuer.issuer) {
                return Err(of(index)(InvalidSetting::new("issuer", "is trusted twice")));
            }
            checked.push(issuer);
        }

        let issuers: Vec<Issuer> = checked.iter().map(|issuer| issuer.issuer.clone()).collect();
        let http = Http::new(clock.clone()).map_err(|error| InvalidSetting::new("issuer", error.to_string()))?;
        let trusted = checked
            .into_iter()
            .enumerate()
            .map(|(index, issuer)| trust(issuer, index == 0, &issuers, &http, &clock).map(Arc::new).map_err(of(index)))
            .collect::<Result<_, _>>()?;
        Ok(Verifier(Arc::new(Inner { trusted, limits: Limits::default(), clock })))
    }
}

fn trust(issuer: Checked, home: bool, all: &[Issuer], http: &Http, clock: &Clock) -> Result<Trusted, InvalidSetting> {
    let name = issuer.issuer;
    let keys = issuer.keys.connect(&name, None, http)?;
    let table = issuer.profile.table();
    let accept = Accept::new(table.types.iter().cloned(), issuer.algorithms);
    Ok(Trusted {
        accept: if table.untyped { accept.or_untyped() } else { accept },
        keys,
        clock: clock.clone(),
        rules: Rules {
            home,
            audiences: issuer.audiences,
            leeway: issuer.leeway,
            others: all.iter().filter(|other| **other != name).cloned().collect(),
            issuer: name,
        },
    })
}
