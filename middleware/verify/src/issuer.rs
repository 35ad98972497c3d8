//! Whom a verifier trusts, and what this service is called there.

use std::{sync::Arc, time::Duration};

use tower_identity_core::{Audience, InvalidSetting, Issuer, Topic};
use tower_identity_jose::{Algorithm, DecryptionKey, KeySet};
use tower_identity_oauth::Introspection;

use crate::{
    Profile, SplitTokens,
    anchor::Anchor,
    keys::{KeyLocation, KeyOptions, KeyPlan},
    opaque::Redeeming,
    profile::Table,
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
    pub(crate) whom: Whom,
    pub(crate) tenants: Vec<String>,
    pub(crate) keys: KeyOptions,
    pub(crate) audiences: Vec<String>,
    pub(crate) profile: Profile,
    pub(crate) algorithms: Option<Vec<Algorithm>>,
    pub(crate) leeway: Duration,
    pub(crate) issued_to_is_sender: bool,
    pub(crate) redeeming: Option<Redeeming>,
    pub(crate) encrypted_to: Option<Vec<DecryptionKey>>,
}

/// A trusted issuer that still lacks what this service is called there. No verifier accepts it.
#[derive(Debug, Clone)]
#[must_use = "an issuer is trusted only for tokens that are addressed to this service: name its audience"]
pub struct NeedsAudience {
    whom: Whom,
    keys: KeyLocation,
    redeeming: Option<Redeeming>,
}

/// Whose tokens are trusted, as it is configured.
#[derive(Debug, Clone)]
pub(crate) enum Whom {
    Issuer(String),
    /// One whose keys are given.
    GivenKeys(String),
    TrustDomain(String),
}

/// What [`TrustedIssuer::check`] found to be in order.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) anchor: Anchor,
    pub(crate) audiences: Vec<Audience>,
    pub(crate) table: &'static Table,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) leeway: Duration,
    pub(crate) longest: Option<Duration>,
    pub(crate) issued_to_is_sender: bool,
    pub(crate) users_of: Arc<[Issuer]>,
    pub(crate) topics: Arc<[Topic]>,
    pub(crate) encrypted_to: Option<Arc<[DecryptionKey]>>,
    pub(crate) keys: KeyPlan,
    pub(crate) redeeming: Option<Redeeming>,
}

impl TrustedIssuer {
    /// Trusts an issuer and finds its keys by its metadata (RFC 8414, OpenID Connect Discovery), which must name exactly
    /// this issuer.
    pub fn discover(issuer: impl Into<String>) -> NeedsAudience {
        NeedsAudience::new(Whom::Issuer(issuer.into()), KeyLocation::Metadata)
    }

    /// Trusts an issuer whose keys are at a URL of their own. Its metadata is not read, so the issuer may be known by a
    /// public name while its keys come from inside; `iss` is compared with the issuer all the same.
    pub fn keys_at(issuer: impl Into<String>, jwks_uri: impl Into<String>) -> NeedsAudience {
        NeedsAudience::new(Whom::Issuer(issuer.into()), KeyLocation::At(jwks_uri.into()))
    }

    /// Trusts an issuer whose keys are given and never fetched.
    ///
    /// Given for `spiffe://<trust domain>` and [`Profile::JwtSvid`], they are the keys of that trust domain.
    pub fn keys(issuer: impl Into<String>, keys: KeySet) -> NeedsAudience {
        NeedsAudience::new(Whom::GivenKeys(issuer.into()), KeyLocation::Given(keys))
    }

    /// Trusts the workloads of a SPIFFE trust domain, whose keys are in the bundle at this URL (SPIFFE Trust Domain and
    /// Bundle §4). Its tokens are [`Profile::JwtSvid`].
    ///
    /// They are told by the trust domain of their subject; the issuer of the workloads is `spiffe://<trust domain>`.
    ///
    /// ```
    /// use tower_identity_verify::{TrustedIssuer, Verifier};
    ///
    /// let bundle = "https://spire.example.org/bundle";
    /// let verifier = Verifier::builder(TrustedIssuer::trust_domain("example.org", bundle).audience("orders")).build()?;
    /// assert_eq!(verifier.home().as_str(), "spiffe://example.org");
    /// # Ok::<(), tower_identity_core::InvalidSetting>(())
    /// ```
    pub fn trust_domain(name: impl Into<String>, bundle: impl Into<String>) -> NeedsAudience {
        NeedsAudience::new(Whom::TrustDomain(name.into()), KeyLocation::TrustBundle(bundle.into()))
    }

    /// Trusts an issuer whose tokens are opaque: it is asked about each (RFC 7662), and what it says is judged as the claims
    /// of a JWT are. What has not the form of a JWT is such a token, and so at most one issuer of a verifier is opaque; its
    /// JWTs are accepted from nobody.
    ///
    /// The answer has to say whom the token is for (`aud`) and to whom it was issued (`client_id`). It is
    /// [remembered](Introspection::remember) for a minute at most, and judged again on each request.
    ///
    /// The keys that answers are [signed](Introspection::signed) with, or the [JWTs](Introspection::phantom) in their place,
    /// are found and kept as any issuer's. What is said of an issuer's certificates ([`keys_ca_file`](Self::keys_ca_file))
    /// holds for the endpoint too, whatever the form of its answers. Of such a JWT the [profile](Self::profile) says what it looks like.
    ///
    /// ```
    /// use tower_identity_oauth::{ClientAuth, Introspection};
    /// use tower_identity_verify::{TrustedIssuer, Verifier};
    ///
    /// let orders = ClientAuth::client_secret_basic("orders", "s3cr3t")?;
    /// let login = TrustedIssuer::opaque("https://login.example.com", Introspection::discovered(orders)).audience("orders");
    /// let verifier = Verifier::builder(login).build()?;
    /// # Ok::<(), tower_identity_core::InvalidSetting>(())
    /// ```
    pub fn opaque(issuer: impl Into<String>, introspection: Introspection) -> NeedsAudience {
        let redeeming = Redeeming::Introspection(introspection);
        let keys = if redeeming.needs_keys() { KeyLocation::Metadata } else { KeyLocation::Unneeded };
        NeedsAudience { redeeming: Some(redeeming), ..NeedsAudience::new(Whom::Issuer(issuer.into()), keys) }
    }

    /// Trusts an issuer whose tokens are split: clients have the signatures of its JWTs alone, and this store has the rest.
    /// Joined again, a token is verified like any other of the issuer. At most one issuer of a verifier is
    /// [opaque](Self::opaque) or split; its whole JWTs are accepted from nobody.
    ///
    /// ```
    /// use tower_identity_refresh::system_clock;
    /// use tower_identity_verify::{MemorySplitTokens, TrustedIssuer, Verifier};
    ///
    /// let store = MemorySplitTokens::new(10_000, system_clock());
    /// let login = TrustedIssuer::split("https://login.example.com", store.clone()).audience("orders");
    /// let verifier = Verifier::builder(login).build()?;
    /// # Ok::<(), tower_identity_core::InvalidSetting>(())
    /// ```
    pub fn split(issuer: impl Into<String>, store: impl SplitTokens) -> NeedsAudience {
        let redeeming = Redeeming::Split(Arc::new(store));
        NeedsAudience {
            redeeming: Some(redeeming),
            ..NeedsAudience::new(Whom::Issuer(issuer.into()), KeyLocation::Metadata)
        }
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

    /// The tenants that are trusted, of an issuer whose identifier has `{tenantid}` in the tenant's place: for the
    /// profiles of Entra, and never empty there.
    ///
    /// Each is an issuer of its own, with users and workloads of its own. Where there is more than one, plain workload
    /// names mean workloads of none.
    ///
    /// ```
    /// use tower_identity_verify::{Profile, TrustedIssuer, Verifier};
    ///
    /// let entra = TrustedIssuer::discover("https://login.microsoftonline.com/{tenantid}/v2.0")
    ///     .audience("6e74172b-be56-4843-9ff4-e66a39bb12e3")
    ///     .profile(Profile::EntraV2)
    ///     .tenants(["72f988bf-86f1-41af-91ab-2d7cd011db47"]);
    /// let verifier = Verifier::builder(entra).build()?;
    /// let issuers: Vec<_> = verifier.issuers().map(|issuer| issuer.to_string()).collect();
    /// assert_eq!(issuers, ["https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0"]);
    /// # Ok::<(), tower_identity_core::InvalidSetting>(())
    /// ```
    #[must_use]
    pub fn tenants(mut self, tenants: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.tenants = tenants.into_iter().map(Into::into).collect();
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

    /// Says that users' tokens of this issuer come straight from the client that they were issued to: nobody relays
    /// them, nor passes them on to this service for the client.
    ///
    /// Then such a token shows who sent it ([`Evidence::DirectClient`](tower_identity_core::Evidence::DirectClient)), and
    /// the client may be on a list of callers. By default it does not: a service that relays the token which it was sent
    /// would call in its client's name, and so would whoever stole it.
    #[must_use]
    pub fn issued_to_is_sender(mut self) -> Self {
        self.issued_to_is_sender = true;
        self
    }

    /// Reads the strings and keeps the rules; a broken one is named by the field of [`IssuerSettings`](crate::IssuerSettings).
    pub(crate) fn check(self) -> Result<Checked, InvalidSetting> {
        let answers = self.redeeming.as_ref().and_then(Redeeming::table);
        if answers.is_some() && self.profile != Profile::default() {
            return Err(InvalidSetting::new("profile", "is that of JWTs, and what the issuer answers is none"));
        }
        let table = answers.unwrap_or_else(|| self.profile.table());
        self.check_by(table)
    }

    /// The same, where its tokens look like this.
    pub(crate) fn check_by(self, table: &'static Table) -> Result<Checked, InvalidSetting> {
        let anchor = match &self.whom {
            Whom::GivenKeys(id) if self.profile == Profile::JwtSvid => {
                let name = id.strip_prefix("spiffe://").unwrap_or(id);
                Anchor::trust_domain(name, &self.tenants, &table.issuer)?
            }
            Whom::Issuer(issuer) | Whom::GivenKeys(issuer) => Anchor::issuer(issuer, &self.tenants, &table.issuer)?,
            Whom::TrustDomain(name) => Anchor::trust_domain(name, &self.tenants, &table.issuer)?,
        };
        self.check_for(anchor, table)
    }

    /// The same, where it is known whose tokens they are.
    pub(crate) fn check_for(self, anchor: Anchor, table: &'static Table) -> Result<Checked, InvalidSetting> {
        let keys = self.keys.check(&anchor, self.leeway)?;
        let audiences = self
            .audiences
            .iter()
            .map(Audience::parse)
            .collect::<Result<_, _>>()
            .map_err(|wrong| InvalidSetting::new("audience", wrong.to_string()))?;
        let algorithms = self.algorithms.unwrap_or_else(|| table.algorithms.default().to_vec());
        if algorithms.is_empty() {
            return Err(InvalidSetting::new("algorithms", "names no algorithm"));
        }
        if let Some(other) = algorithms.iter().find(|algorithm| !table.algorithms.allow(**algorithm)) {
            return Err(InvalidSetting::new("algorithms", format!("names {other}, which the profile rules out")));
        }
        if self.leeway > MAX_LEEWAY {
            return Err(InvalidSetting::new("leeway_seconds", format!("more than {} s", MAX_LEEWAY.as_secs())));
        }
        if let Some(Redeeming::Introspection(introspection)) = &self.redeeming {
            introspection.check(anchor.name()).map_err(|wrong| wrong.within("introspection"))?;
        }
        let encrypted_to: Option<Arc<[_]>> = self.encrypted_to.map(Into::into);
        if encrypted_to.as_ref().is_some_and(|keys| keys.is_empty()) {
            return Err(InvalidSetting::new("decryption_key_file", "names no key"));
        }
        if encrypted_to.is_some() && self.redeeming.is_some() {
            return Err(InvalidSetting::new("decryption_key_file", "is of JWTs, and tokens of the issuer are opaque"));
        }
        Ok(Checked {
            anchor,
            audiences,
            table,
            algorithms,
            leeway: self.leeway,
            longest: table.longest,
            issued_to_is_sender: self.issued_to_is_sender,
            users_of: Arc::from([]),
            topics: Arc::from([]),
            encrypted_to,
            keys,
            redeeming: self.redeeming,
        })
    }
}

impl NeedsAudience {
    fn new(whom: Whom, keys: KeyLocation) -> Self {
        Self { whom, keys, redeeming: None }
    }

    /// Names the audience that this service goes by at this issuer: compared byte for byte (RFC 9068 §4).
    pub fn audience(self, audience: impl Into<String>) -> TrustedIssuer {
        let profile = match self.whom {
            Whom::Issuer(_) | Whom::GivenKeys(_) => Profile::default(),
            Whom::TrustDomain(_) => Profile::JwtSvid,
        };
        TrustedIssuer {
            whom: self.whom,
            tenants: Vec::new(),
            keys: KeyOptions::new(self.keys),
            audiences: vec![audience.into()],
            profile,
            algorithms: None,
            leeway: DEFAULT_LEEWAY,
            issued_to_is_sender: false,
            redeeming: self.redeeming,
            encrypted_to: None,
        }
    }
}
