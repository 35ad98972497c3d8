//! Whom a verifier trusts, and what this service is called there.

use std::time::Duration;

use tower_identity_core::{Audience, InvalidSetting, Issuer};
use tower_identity_jose::{Algorithm, KeySet};

use crate::{
    Profile,
    keys::{KeyLocation, KeyOptions, KeyPlan},
};

const DEFAULT_LEEWAY: Duration = Duration::from_secs(30);
const MAX_LEEWAY: Duration = Duration::from_secs(120);

/// An issuer that is trusted, and the audience that this service goes by there.
///
/// Made in two steps, because a verifier without an audience accepts tokens that were meant for others: a constructor
/// gives a [`NeedsAudience`], and its [`audience`](NeedsAudience::audience) gives the `TrustedIssuer`.
///
/// ```
/// use tower_identity_verify::{TrustedIssuer, Verifier};
///
/// let verifier = Verifier::builder(TrustedIssuer::discover("https://login.example.com").audience("orders")).build()?;
/// assert_eq!(verifier.home().as_str(), "https://login.example.com");
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
///
/// An issuer alone is not enough:
///
/// ```compile_fail,E0308
/// use tower_identity_verify::{TrustedIssuer, Verifier};
///
/// let verifier = Verifier::builder(TrustedIssuer::discover("https://login.example.com")).build()?;
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
///
/// What is wrong in the strings (an empty audience, an issuer without https) is reported by
/// [`VerifierBuilder::build`](crate::VerifierBuilder::build).
#[derive(Debug, Clone)]
pub struct TrustedIssuer {
    pub(crate) issuer: String,
    pub(crate) keys: KeyOptions,
    pub(crate) audiences: Vec<String>,
    pub(crate) profile: Profile,
    pub(crate) algorithms: Option<Vec<Algorithm>>,
    pub(crate) leeway: Duration,
}

/// A trusted issuer that still lacks what this service is called there. No verifier accepts it.
#[derive(Debug, Clone)]
#[must_use = "an issuer is trusted only for tokens that are addressed to this service: name its audience"]
pub struct NeedsAudience {
    issuer: String,
    keys: KeyLocation,
}

/// What [`TrustedIssuer::check`] found to be in order.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) issuer: Issuer,
    pub(crate) audiences: Vec<Audience>,
    pub(crate) profile: Profile,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) leeway: Duration,
    pub(crate) keys: KeyPlan,
}

impl TrustedIssuer {
    /// Trusts an issuer and finds its keys by its metadata (RFC 8414, OpenID Connect Discovery), which must name exactly
    /// this issuer.
    pub fn discover(issuer: impl Into<String>) -> NeedsAudience {
        NeedsAudience { issuer: issuer.into(), keys: KeyLocation::Metadata }
    }

    /// Trusts an issuer whose keys are at a URL of their own. Its metadata is not read, so the issuer may be known by a
    /// public name while its keys come from inside; `iss` is compared with the issuer all the same.
    pub fn keys_at(issuer: impl Into<String>, jwks_uri: impl Into<String>) -> NeedsAudience {
        NeedsAudience { issuer: issuer.into(), keys: KeyLocation::At(jwks_uri.into()) }
    }

    /// Trusts an issuer whose keys are given and never fetched.
    pub fn keys(issuer: impl Into<String>, keys: KeySet) -> NeedsAudience {
        NeedsAudience { issuer: issuer.into(), keys: KeyLocation::Given(keys) }
    }

    /// Adds another audience that this service goes by at this issuer: a token for any one of them is for us.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// What this issuer's access tokens look like: [`Profile::Rfc9068`] by default.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// The signature algorithms that this issuer may use: by default those of its profile, for most ES256, RS256,
    /// PS256, EdDSA and Ed25519. Neither a token nor the issuer's metadata adds to them.
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// How far the clocks of issuer and service may differ: 30 s by default, 120 s at most.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Reads the strings and keeps the rules; a broken one is named by the field of [`IssuerSettings`](crate::IssuerSettings).
    pub(crate) fn check(self) -> Result<Checked, InvalidSetting> {
        let issuer = Issuer::parse(&self.issuer).map_err(|wrong| InvalidSetting::new("issuer", wrong.to_string()))?;
        let keys = self.keys.check(&issuer)?;
        let audiences = self
            .audiences
            .iter()
            .map(Audience::parse)
            .collect::<Result<_, _>>()
            .map_err(|wrong| InvalidSetting::new("audience", wrong.to_string()))?;
        let algorithms = self.algorithms.unwrap_or_else(|| self.profile.table().algorithms.to_vec());
        if algorithms.is_empty() {
            return Err(InvalidSetting::new("algorithms", "names no algorithm"));
        }
        if self.leeway > MAX_LEEWAY {
            return Err(InvalidSetting::new("leeway_seconds", format!("more than {} s", MAX_LEEWAY.as_secs())));
        }
        Ok(Checked { issuer, audiences, profile: self.profile, algorithms, leeway: self.leeway, keys })
    }
}

impl NeedsAudience {
    /// Names the audience that this service goes by at this issuer: compared byte for byte (RFC 9068 §4).
    pub fn audience(self, audience: impl Into<String>) -> TrustedIssuer {
        TrustedIssuer {
            issuer: self.issuer,
            keys: KeyOptions::new(self.keys),
            audiences: vec![audience.into()],
            profile: Profile::default(),
            algorithms: None,
            leeway: DEFAULT_LEEWAY,
        }
    }
}
