//! What a verifier is made of.

mod connect;
mod trusted_callers;

use std::{any::Any, fmt, sync::Arc};

use tower_identity_core::{CallerName, Clock, InvalidSetting, Issuer, Revocations};
use tower_identity_jose::Limits;
use tower_identity_oauth::Http;
use tower_identity_refresh::system_clock;

use self::{connect::Connect, trusted_callers::TrustedCallers};
#[cfg(feature = "transaction-tokens")]
use crate::transactions::{self, TransactionTokens, TrustDomains};
use crate::{
    Producer, Remember, RevocationFeed, TrustedIssuer, Verifier,
    aliases::{AliasTable, Namespace},
    asserting::{self, Asserting},
    certificate::{CertificateAnchor, Certificates},
    encrypted,
    events::telemetry,
    feed::Pulls,
    hand_off,
    inner::Inner,
    issuer::Checked,
    naming,
    profile::SELF_ASSERTED,
    relation::Relations,
    remembered::{Memory, Whose},
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
    asserting: Vec<Asserting>,
    pub(crate) producers: Vec<Producer>,
    limits: Limits,
    remember: Remember,
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
            asserting: Vec::new(),
            producers: Vec::new(),
            limits: Limits::default(),
            remember: Remember::default(),
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

    /// Takes time from another clock: the [system's](system_clock) by default.
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

    fn set_up(self, former: Option<&Inner>) -> Result<Inner, InvalidSetting> {
        // One clock for all generations: moments of two could not be compared.
        let clock = former.map(|former| former.clock.clone()).or(self.clock).unwrap_or_else(system_clock);
        // And one list: what was revoked stays so, and whoever fills the list goes on.
        let revocations = former.map(|former| former.revocations().clone()).or(self.revocations);
        let revocations = revocations.unwrap_or_else(|| Revocations::new(clock.clone()));
        revocations.tell(telemetry::changed);
        let callers = checked(self.issuers, "issuer", &[])?;
        let users = checked(self.user_issuers, "user_issuer", &callers)?;
        let home = callers[0].anchor.is_one_issuer().then(|| callers[0].anchor.name().clone());

        let of = |all: &[Checked]| -> Vec<Issuer> {
            all.iter().flat_map(|issuer| issuer.anchor.issuers().cloned()).collect()
        };
        let (mut of_callers, of_users) = (of(&callers), of(if users.is_empty() { &callers } else { &users }));
        let of_tokens = [&*of_callers, &*of_users].concat();
        let certificates =
            Certificates::build(self.certificates, &of_tokens, home.as_ref(), &revocations, !users.is_empty(), &clock)?;
        of_callers.extend(certificates.issuers().cloned());
        let known = [&*of_callers, &*of_users].concat();
        let asserting = asserting::checked(self.asserting, &SELF_ASSERTED, asserting::SELF_ASSERTED, &known)?;
        let producers = hand_off::checked(self.producers, &known)?;
        of_callers.extend(of(&asserting).into_iter().chain(of(&producers)));
        let trusted = [&*of_callers, &*of_users].concat();
        #[cfg(feature = "transaction-tokens")]
        let transactions = transactions::checked(self.transactions, &trusted, [&callers, &users])?;
        #[cfg(feature = "transaction-tokens")]
        let trusted = [trusted, transactions.iter().map(|domain| domain.name().clone()).collect()].concat();
        let names = Namespace { home: home.as_ref(), trusted: &trusted };
        let rows = self
            .workloads
            .into_iter()
            .enumerate()
            .map(|(at, row)| row.map_err(|invalid| invalid.within("is").within(at).within("workload")));
        let aliases = Arc::new(AliasTable::build(rows.collect::<Result<_, _>>()?, names)?);
        // Who is trusted for users alone is no caller.
        let names_of_callers = Namespace { home: home.as_ref(), trusted: &of_callers };
        let trusts = self.trusted_callers.into_iter().enumerate().map(|(at, row)| {
            row.check(&aliases, names_of_callers, &of_users)
                .map_err(|invalid| invalid.within(at).within("trusted_caller"))
        });
        let trusts = trusts.collect::<Result<_, _>>()?;
        #[cfg(feature = "transaction-tokens")]
        let (domains, carriers) = transactions::carried(transactions, &aliases, names_of_callers)?;
        let naming = self.naming.into_iter().enumerate().map(|(at, row)| {
            row.check(&aliases, names_of_callers, &of_users).map_err(|invalid| naming::of_row(invalid, at))
        });
        let naming = naming.collect::<Result<Box<_>, _>>()?;
        naming::checked(&naming)?;
        let relations = Relations {
            may_act: self.may_act,
            trusted: trusts,
            naming,
            #[cfg(feature = "transaction-tokens")]
            carriers,
            aliases,
        };

        let http = match former {
            Some(former) => former.http.clone(),
            None => Http::new(clock.clone()).map_err(|error| InvalidSetting::new("issuer", error.to_string()))?,
        };
        let headers = Arc::default();
        let connect = Connect {
            home: home.as_ref(),
            http: &http,
            limits: &self.limits,
            headers: &headers,
            aliases: &relations.aliases,
            revocations: &revocations,
        };
        let before = former.map(|former| (&*former.trusted, former.opaque.as_ref()));
        let of_callers = of_callers.into();
        let (trusted, opaque) = connect.all(callers, "issuer", &of_callers, before)?;
        let (asserting, _) = connect.all(asserting, asserting::SELF_ASSERTED, &of_callers, before)?;
        asserting::tell(&asserting, former.map(|former| &*former.trusted));
        #[cfg(feature = "transaction-tokens")]
        let domains = {
            let before = former.map(|former| (&*former.trust_domains.all, None));
            connect.all(domains, "transaction_tokens", &Arc::from([]), before)?.0
        };
        let before = former.map(|former| (&*former.producers, None));
        let (producers, _) = connect.all(producers, asserting::HANDED_OFF_BY, &of_callers, before)?;
        let before = former.map(|former| (&*former.users, former.users_opaque.as_ref()));
        let (users, users_opaque) = if users.is_empty() {
            let users = trusted.iter().map(|issuer| Arc::new(issuer.for_users())).collect();
            let former = before.and_then(|(_, opaque)| opaque);
            (
                users,
                opaque.as_ref().map(|opaque| Arc::new(opaque.for_users().succeeding(former.map(|former| &**former)))),
            )
        } else {
            connect.all(users, "user_issuer", &Arc::from([]), before)?
        };
        let users: Box<[_]> =
            users.into_iter().chain(asserting.iter().map(|service| Arc::new(service.for_users()))).collect();
        let trusted: Box<[_]> = trusted.into_iter().chain(asserting).collect();
        let memory = |whose| Arc::new(Memory::new(self.remember, whose));
        relations.tell(former.map(|former| &former.relations));
        // And one feed, which goes on from where it is.
        let pulls = match former {
            Some(former) => former.pulls.clone(),
            None => self.feed.map(|(feed, comes_first)| Arc::new(Pulls::new(feed, revocations, comes_first))),
        };
        let encrypting = trusted.iter().chain(&users);
        #[cfg(feature = "transaction-tokens")]
        let encrypting = encrypting.chain(&domains);
        let decryption = encrypted::keys(encrypting);
        Ok(Inner {
            trusted,
            decryption,
            users,
            producers,
            opaque,
            users_opaque,
            remembered: memory(Whose::Callers),
            users_remembered: memory(Whose::Users),
            #[cfg(feature = "transaction-tokens")]
            trust_domains: TrustDomains { all: domains, remembered: memory(Whose::Transactions) },
            certificates,
            relations,
            limits: self.limits,
            headers,
            clock,
            http,
            generation: former.map_or(1, |former| former.generation + 1),
            beside: self.beside,
            pulls,
        })
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

/// The issuers, of which none is there twice, and none shares a file with another.
fn checked(issuers: Vec<TrustedIssuer>, field: &str, before: &[Checked]) -> Result<Vec<Checked>, InvalidSetting> {
    let of = |index: usize| move |wrong: InvalidSetting| wrong.within(index).within(field);
    let mut checked: Vec<Checked> = Vec::with_capacity(issuers.len());
    for (index, issuer) in issuers.into_iter().enumerate() {
        let issuer = issuer.check().map_err(of(index))?;
        let twice = |other: &Checked| other.anchor.issuers().any(|one| issuer.anchor.issuers().any(|own| own == one));
        if checked.iter().any(twice) {
            return Err(of(index)(InvalidSetting::new("issuer", "is trusted twice")));
        }
        let shared = before.iter().chain(&checked).find_map(|other| issuer.keys.shares_a_file(&other.keys));
        if let Some(field) = shared {
            let rule = "is a file of another issuer too, which one of them writes";
            return Err(of(index)(InvalidSetting::new(field, rule).within("keys")));
        }
        checked.push(issuer);
    }
    Ok(checked)
}
