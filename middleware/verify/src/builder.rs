//! What a verifier is made of.

mod connect;
mod set_up;
mod trusted_callers;

use std::{any::Any, fmt, sync::Arc};

use rustls::ClientConfig;
use tower_identity_core::{CallerName, Clock, InvalidSetting, Revocations};
use tower_identity_jose::Limits;

pub(crate) use self::trusted_callers::TrustedCallers;
#[cfg(feature = "transaction-tokens")]
use crate::transactions::TransactionTokens;
use crate::{
    Producer, Remember, RevocationFeed, TrustedIssuer, Verifier, asserting::Asserting, certificate::CertificateAnchor,
    id_tokens::Presenting, inner::Inner,
};

/// Collects what a [`Verifier`] needs.
#[derive(Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct VerifierBuilder {
    issuers: Vec<TrustedIssuer>,
    user_issuers: Vec<TrustedIssuer>,
    #[cfg(feature = "transaction-tokens")]
    pub(crate) transactions: Vec<TransactionTokens>,
    certificates: Vec<CertificateAnchor>,
    workloads: Vec<Result<Vec<CallerName>, InvalidSetting>>,
    may_act: bool,
    trusted_callers: Vec<TrustedCallers>,
    naming: Vec<TrustedCallers>,
    pub(crate) id_tokens: Vec<Presenting>,
    asserting: Vec<Asserting>,
    pub(crate) producers: Vec<Producer>,
    limits: Limits,
    remember: Remember,
    tls: Option<Arc<ClientConfig>>,
    clock: Option<Clock>,
    revocations: Option<Revocations>,
    beside: Option<Arc<dyn Any + Send + Sync>>,
    feed: Option<(Arc<dyn RevocationFeed>, bool)>,
}

impl VerifierBuilder {
    pub(crate) fn new(home: TrustedIssuer) -> Self {
        Self {
            issuers: vec![home],
            user_issuers: Vec::new(),
            #[cfg(feature = "transaction-tokens")]
            transactions: Vec::new(),
            certificates: Vec::new(),
            workloads: Vec::new(),
            may_act: false,
            trusted_callers: Vec::new(),
            naming: Vec::new(),
            id_tokens: Vec::new(),
            asserting: Vec::new(),
            producers: Vec::new(),
            limits: Limits::default(),
            remember: Remember::default(),
            tls: None,
            clock: None,
            revocations: None,
            beside: None,
            feed: None,
        }
    }

    /// Trusts another issuer too. Each speaks for its own users and workloads only.
    pub fn issuer(mut self, another: TrustedIssuer) -> Self {
        self.issuers.push(another);
        self
    }

    /// Trusts an issuer for the credential that a user has beside the caller's ([`Verifier::pair`]), and for that only.
    ///
    /// Without any, those are accepted of the callers' issuers. With one or more, of these alone: so a user's credential
    /// may have an audience, or a profile, of its own. An issuer of callers may be named here too.
    pub fn user_issuer(mut self, issuer: TrustedIssuer) -> Self {
        self.user_issuers.push(issuer);
        self
    }

    /// Trusts the client certificates of this anchor, for the credential of a caller ([`Verifier::certificate`]). Each
    /// anchor speaks for its own workloads only.
    pub fn certificates(mut self, anchor: CertificateAnchor) -> Self {
        self.certificates.push(anchor);
        self
    }

    /// Says that these names are one workload's: a client id at one issuer, a SPIFFE ID, a service account. The first is
    /// the one that it is [called by](tower_identity_core::Principal::workload) from then on.
    ///
    /// A credential is verified as it stands, by the rules of its own issuer. Then whoever presents it is known by all
    /// names of its row: lists of callers, and what relates two credentials, compare these. A plain name is of home. Names
    /// of issuers that are not trusted, and a name that is listed twice, are refused by [`build`](Self::build).
    ///
    /// ```
    /// use tower_identity_core::CallerName;
    /// use tower_identity_verify::{TrustedIssuer, Verifier};
    ///
    /// let bundle = "https://spire.example.org/bundle";
    /// let verifier = Verifier::builder(TrustedIssuer::discover("https://login.example.com").audience("payments"))
    ///     .issuer(TrustedIssuer::trust_domain("example.org", bundle).audience("payments"))
    ///     .workload(["orders".try_into()?, CallerName::of_issuer("spiffe://example.org", "spiffe://example.org/orders")?])
    ///     .build()?;
    /// # let _ = verifier;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn workload<N>(mut self, names: N) -> Self
    where
        N: IntoIterator<Item: TryInto<CallerName, Error: fmt::Display>>,
    {
        self.workloads.push(read(names));
        self
    }

    /// Accepts a user's credential beside that of a caller which it names as who may act (`may_act`, RFC 8693 §4.4).
    ///
    /// Not by default: the claim is meant for the authorization server, which makes an actor of whoever may be one.
    pub fn accept_may_act(mut self) -> Self {
        self.may_act = true;
        self
    }

    /// What [`danger::trusted_caller`](crate::danger::trusted_caller) allows.
    pub(crate) fn trusting<C, I>(mut self, callers: C, users_of: I) -> Self
    where
        C: IntoIterator<Item: TryInto<CallerName, Error: fmt::Display>>,
        I: IntoIterator<Item: Into<String>>,
    {
        let users_of = users_of.into_iter().map(Into::into).collect();
        self.trusted_callers.push(TrustedCallers { callers: read(callers), users_of });
        self
    }

    /// What [`danger::plain_users`](crate::danger::plain_users) allows.
    pub(crate) fn naming<C>(mut self, callers: C, users_of: String) -> Self
    where
        C: IntoIterator<Item: TryInto<CallerName, Error: fmt::Display>>,
    {
        self.naming.push(TrustedCallers { callers: read(callers), users_of: vec![users_of] });
        self
    }

    /// What [`danger::self_asserted`](crate::danger::self_asserted) allows.
    pub(crate) fn asserted_by(mut self, service: TrustedIssuer, users_of: Vec<String>) -> Self {
        self.asserting.push(Asserting { service, users_of });
        self
    }

    /// Sets how large a token may be, and how deep. Default: [`Limits::default`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets how many verified tokens are remembered. Default: [`Remember::default`], 100,000 tokens or 64 MiB of them.
    ///
    /// A token that is remembered is not verified again: its signature is not checked, its text not read. What a request
    /// is accepted for is the same. The time of the token, with its issuer's leeway, whether its key is still in the
    /// issuer's set, and whether it was [revoked](Self::revocations) are asked on each request; how its caller stands, and with which user, is decided on each; and no
    /// refusal is remembered. [`Remember::nothing`] does without.
    pub fn remember(mut self, remember: Remember) -> Self {
        self.remember = remember;
        self
    }

    /// Connects by this TLS for issuers that name no [authorities of their own](TrustedIssuer::keys_ca_file): it says whose
    /// certificates their servers have to be, and which is shown to those that ask for one, in place of what the system trusts
    /// and of none. Of the settings that follow others by [`replace`](Verifier::replace), it is of no account.
    pub fn tls(mut self, config: impl Into<Arc<ClientConfig>>) -> Self {
        self.tls = Some(config.into());
        self
    }

    /// Takes time from another clock: the [system's](tower_identity_refresh::system_clock) by default.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Shares a list of what is revoked, with other verifiers and with whatever fills it. Default: one of its own, empty.
    pub fn revocations(mut self, list: Revocations) -> Self {
        self.revocations = Some(list);
        self
    }

    /// Puts something beside these settings that stands and falls with them, such as the rules of the same file: whoever
    /// judges a request by both takes both from one [`Current`](crate::Current), and so of one generation.
    pub fn beside<T: Any + Send + Sync>(mut self, what: T) -> Self {
        self.beside = Some(Arc::new(what));
        self
    }

    /// Pulls revocations from here too, beginning with the first verification, as long as there is a clone of the verifier.
    ///
    /// Until the feed answers for the first time, what was revoked before this process began is not known. Tokens are
    /// accepted all the same, as they are while the feed is down later on, and the age of what is known is told
    /// (`tower_identity_revocation_feed_age_seconds`); [`require_revocation_feed`](Self::require_revocation_feed) has them wait.
    pub fn revocation_feed(mut self, feed: impl RevocationFeed) -> Self {
        self.feed = Some((Arc::new(feed), false));
        self
    }

    /// The same, and until the feed has answered for the first time no token is decided about: such requests are answered
    /// 503 and may come back.
    pub fn require_revocation_feed(mut self, feed: impl RevocationFeed) -> Self {
        self.feed = Some((Arc::new(feed), true));
        self
    }

    /// Builds the verifier. Needs no runtime, and no issuer that is up: keys are fetched at first use.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] names the issuer (`issuer[0]` is home; `user_issuer[0]`) and the field that breaks a rule: an
    /// issuer or a key set's URL that is neither https nor http on this machine, an empty audience, no algorithms, a
    /// leeway of more than 120 s, an issuer that is named twice, a file in which the keys of two are saved. Likewise one of
    /// [`certificates`](Self::certificates), a row of [`workload`](Self::workload), and one
    /// of [`danger::trusted_caller`](crate::danger::trusted_caller), of [`danger::self_asserted`](crate::danger::self_asserted)
    /// or of [`handed_off_by`](Self::handed_off_by).
    pub fn build(self) -> Result<Verifier, InvalidSetting> {
        self.set_up(None).map(Verifier::of)
    }

    /// The next generation of settings, which goes on with what is as it was.
    pub(crate) fn succeed(self, former: &Inner) -> Result<Inner, InvalidSetting> {
        self.set_up(Some(former))
    }
}

/// Names, as code writes them.
pub(crate) fn read<N>(names: N) -> Result<Vec<CallerName>, InvalidSetting>
where
    N: IntoIterator<Item: TryInto<CallerName, Error: fmt::Display>>,
{
    let names = names.into_iter().enumerate();
    names.map(|(at, name)| name.try_into().map_err(|wrong| InvalidSetting::new(at, wrong.to_string()))).collect()
}
