//! Transaction tokens (draft-ietf-oauth-transaction-tokens-11): for which user a request is, said once for all services of a
//! trust domain, beside the credential of whichever of them sends it.
//!
//! ```text
//! caller: its token, or its certificate ──▶ as ever ───────────────────────────────┐
//!                                                                                   ├─▶ may it carry that? ──▶ CallerContext
//! Txn-Token ──▶ which trust domain? ──▶ genuine, of its kind, now? ──▶ user, scopes ┘
//!               aud
//! ```
//!
//! A transaction token never says who sends it: everybody along the way has it. So it counts beside a credential of the
//! caller's own, where that caller may carry it, and is worth nothing alone.
//!
//! | module | what it holds |
//! |---|---|
//! | `settings` | [`TransactionTokenSettings`], from a file |
//! | `carriers` | whether a workload may carry a transaction token: a pure function of both |
//! | `carried` | a caller and the transaction token beside its credential, or none |
//! | `explained` | why one is accepted or refused |

mod carried;
mod carriers;
mod explained;
mod settings;

use std::{fmt, sync::Arc, time::Duration};

use tower_identity_core::{CallerName, InvalidSetting, Issuer};
use tower_identity_jose::{DecryptionKey, KeySet};

pub(crate) use self::carriers::Carriers;
pub use self::settings::TransactionTokenSettings;
use crate::{
    Profile, TrustedIssuer, Verifier, VerifierBuilder,
    aliases::{AliasTable, Namespace},
    anchor::{Anchor, Named},
    builder::read,
    issuer::Checked,
    profile::TRANSACTION_TOKEN,
    remembered::Memory,
    trusted::Trusted,
};

/// The longest time that may be allowed: whatever takes longer is no transaction.
const MAX_LIFETIME: Duration = Duration::from_secs(3600);

/// The trust domains at work whose transaction tokens are accepted.
#[derive(Debug)]
pub(crate) struct TrustDomains {
    pub(crate) all: Box<[Arc<Trusted>]>,
    pub(crate) remembered: Arc<Memory>,
}

/// The transaction tokens of one trust domain (draft-ietf-oauth-transaction-tokens-11), and who may carry them.
///
/// They are signed by the keys that are named here and no others, are of the type `txntoken+jwt`, have the trust domain as their
/// one audience, and have `iat`, `exp`, `txn`, `sub`, `scope` and `req_wl`. They live for 300 s at most.
///
/// Their users are the trust domain's: [`User::issuer`](tower_identity_core::User::issuer) is the trust domain, whatever `iss`
/// they have, because `sub` is unique within it (§4.2). So the name of a trust domain is not that of a trusted issuer.
///
/// Nobody may carry them but the workload that asked for one (`req_wl`), unless [carriers](Self::carriers) are named.
///
/// ```
/// use tower_identity_verify::{TransactionTokens, TrustedIssuer, Verifier};
///
/// let shop = TransactionTokens::of("shop.internal", "https://login.example.com/transaction-keys")
///     .workloads_of("https://login.example.com")
///     .carriers(["orders", "payments"]);
/// let verifier = Verifier::builder(TrustedIssuer::discover("https://login.example.com").audience("payments"))
///     .transaction_tokens(shop)
///     .build()?;
/// # let _ = verifier;
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
#[derive(Debug)]
#[must_use = "a trust domain is trusted by the verifier that is told of it"]
pub struct TransactionTokens {
    trust_domain: String,
    issuer: TrustedIssuer,
    issued_by: Option<String>,
    workloads_of: Option<String>,
    carriers: Vec<Result<Vec<CallerName>, InvalidSetting>>,
    carriers_of: Vec<String>,
    longest: Option<Duration>,
}

impl TransactionTokens {
    /// The tokens of this trust domain: `aud`, byte for byte. The keys that sign them are at this URL.
    pub fn of(trust_domain: impl Into<String>, jwks_uri: impl Into<String>) -> Self {
        let trust_domain = trust_domain.into();
        Self::signed(TrustedIssuer::keys_at(&*trust_domain, jwks_uri).audience(&*trust_domain), trust_domain)
    }

    /// The tokens of this trust domain, where the keys that sign them are given and never fetched.
    pub fn of_keys(trust_domain: impl Into<String>, keys: KeySet) -> Self {
        let trust_domain = trust_domain.into();
        Self::signed(TrustedIssuer::keys(&*trust_domain, keys).audience(&*trust_domain), trust_domain)
    }

    fn signed(issuer: TrustedIssuer, trust_domain: String) -> Self {
        Self {
            trust_domain,
            issuer,
            issued_by: None,
            workloads_of: None,
            carriers: Vec::new(),
            carriers_of: Vec::new(),
            longest: None,
        }
    }

    /// How its keys are kept, which algorithms they sign by, and how far the clocks may differ: said as of any issuer.
    ///
    /// ```
    /// use tower_identity_verify::TransactionTokens;
    ///
    /// let shop = TransactionTokens::of("shop.internal", "https://login.example.com/transaction-keys")
    ///     .keys(|keys| keys.keys_save("transaction-keys.json"));
    /// # let _ = shop;
    /// ```
    pub fn keys(mut self, say: impl FnOnce(TrustedIssuer) -> TrustedIssuer) -> Self {
        self.issuer = say(self.issuer);
        self
    }

    /// Says that they are encrypted to one of these keys (JWE around the signed token, RFC 7519 §5.2), so that whoever has them on
    /// the way and has none of the keys, a gateway or a queue, passes them on and cannot read them: several, of which each is
    /// known to their issuer for some of the time. All services of the trust domain that verify them have the keys.
    ///
    /// By ECDH-ES on P-256 and A256GCM; what is inside is verified as any transaction token. One that is not encrypted is
    /// refused then, and one that is where this is not said: check [`encryption`](crate::check::ENCRYPTION). They go on as
    /// they came, encrypted, and are remembered so.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// use tower_identity_jose::DecryptionKey;
    /// use tower_identity_testkit::{Endpoint, TestIssuer};
    /// use tower_identity_verify::{TransactionTokens, TrustedIssuer, Verifier, check};
    ///
    /// let (login, ours) = (TestIssuer::start(), DecryptionKey::generate());
    /// let home = TrustedIssuer::discover(login.issuer().as_str()).audience("payments");
    /// let shop = TransactionTokens::of("shop.internal", login.url(Endpoint::Keys)).carriers(["orders"]);
    /// let verifier = Verifier::builder(home).transaction_tokens(shop.encrypted_to([ours.clone()])).build()?;
    ///
    /// let orders = login.token().client("orders").audience("payments").build();
    /// let of_alice = login.transaction_token("shop.internal", "storefront").subject("alice").scope("charge").build();
    /// let encrypted = ours.encryption_key().encrypt(&of_alice);
    ///
    /// let settings = verifier.current();
    /// let caller = settings.transaction(settings.bearer(orders.expose()), Some(encrypted.expose())).await.expect("alice");
    /// assert_eq!(caller.token().token(), Some(&encrypted));
    /// let plain = settings.transaction(settings.bearer(orders.expose()), Some(of_alice.expose())).await;
    /// assert_eq!(plain.expect_err("for anybody to read").check(), check::ENCRYPTION);
    /// # Ok::<(), tower_identity_core::InvalidSetting>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn encrypted_to(mut self, keys: impl IntoIterator<Item = DecryptionKey>) -> Self {
        self.issuer = self.issuer.encrypted_to(keys);
        self
    }

    /// What `iss` is, where a token has one. Unless it is said, nobody looks at it: the keys say whose the token is.
    pub fn issued_by(mut self, issuer: impl Into<String>) -> Self {
        self.issued_by = Some(issuer.into());
        self
    }

    /// The issuer at which workloads have the names that stand in `req_wl`: then the caller that this issuer calls so is the
    /// workload that asked for the token. Without it these are names of the trust domain's own, that no caller goes by unless
    /// a row of [`VerifierBuilder::workload`] says so.
    pub fn workloads_of(mut self, issuer: impl Into<String>) -> Self {
        self.workloads_of = Some(issuer.into());
        self
    }

    /// These workloads may carry every token of this trust domain: beside the credential of one of them it speaks for its
    /// user.
    ///
    /// Each of them is a user for as long as a token of theirs passes through it, with the rights of that token and for those
    /// minutes. Workloads are known by all their [names](VerifierBuilder::workload).
    pub fn carriers<N>(mut self, workloads: N) -> Self
    where
        N: IntoIterator<Item: TryInto<CallerName, Error: fmt::Display>>,
    {
        self.carriers.push(read(workloads));
        self
    }

    /// All workloads of these issuers, or SPIFFE trust domains, may carry them: where whoever they vouch for is inside.
    pub fn carriers_of<I>(mut self, issuers: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        self.carriers_of.extend(issuers.into_iter().map(Into::into));
        self
    }

    /// For how long a token may live, from `iat` to `exp`: 300 s by default, 3600 s at most.
    pub fn max_lifetime(mut self, longest: Duration) -> Self {
        self.longest = Some(longest);
        self
    }

    /// Reads the strings and keeps the rules, beside the issuers that are trusted already.
    fn check(self, trusted: &[Issuer]) -> Result<CheckedTokens, InvalidSetting> {
        let refused = |field, rule| Err(InvalidSetting::new(field, rule));
        let parse = |field: &str, text: &str| {
            Issuer::parse(text).map_err(|wrong| InvalidSetting::new(field, wrong.to_string()))
        };
        let Self { trust_domain, issuer, issued_by, workloads_of, carriers, carriers_of, longest } = self;
        let name = parse("trust_domain", &trust_domain)?;
        if trusted.contains(&name) {
            return refused(
                "trust_domain",
                "is the name of a trusted issuer too, and their users would be taken for one another",
            );
        }
        if issuer.profile != Profile::default() || !issuer.tenants.is_empty() || issuer.issued_to_is_sender {
            return refused("keys", "says of transaction tokens what is said of access tokens");
        }
        if issuer.audiences.len() > 1 {
            return refused("keys", "names another audience: that of a transaction token is the trust domain");
        }
        if longest.is_some_and(|longest| longest.is_zero() || longest > MAX_LIFETIME) {
            let rule = format!("is not between 1 and {} s", MAX_LIFETIME.as_secs());
            return Err(InvalidSetting::new("max_lifetime_seconds", rule));
        }
        let of_trusted = |text: &str| match trusted.iter().find(|issuer| **issuer == *text) {
            Some(issuer) => Ok(issuer.clone()),
            None => Err("is of an issuer that is not trusted"),
        };
        let workloads_of = workloads_of.as_deref().map(of_trusted).transpose();
        let anchor = Anchor::Transactions {
            named: Named { issuer: name, tenant: None },
            issued_by: issued_by.as_deref().map(|issuer| parse("issuer", issuer)).transpose()?,
            workloads_of: workloads_of.map_err(|rule| InvalidSetting::new("workloads_of", rule))?,
        };
        let checked = issuer.check_for(anchor, &TRANSACTION_TOKEN)?;
        Ok(CheckedTokens {
            checked: Checked { longest: longest.or(checked.longest), ..checked },
            carriers: carriers
                .into_iter()
                .collect::<Result<Vec<_>, _>>()
                .map_err(|wrong| wrong.within("carriers"))?
                .concat(),
            carriers_of,
        })
    }
}

impl VerifierBuilder {
    /// Accepts the transaction tokens of a trust domain beside a caller's credential
    /// ([`Current::transaction`](crate::Current::transaction)), and nowhere else.
    pub fn transaction_tokens(mut self, tokens: TransactionTokens) -> Self {
        self.transactions.push(tokens);
        self
    }
}

impl Verifier {
    /// The trust domains whose transaction tokens are [accepted](VerifierBuilder::transaction_tokens): the issuers of their
    /// users.
    pub fn trust_domains(&self) -> impl Iterator<Item = Issuer> + use<> {
        let settings = self.0.now.load();
        let all: Vec<_> = settings.trust_domains.all.iter().map(|domain| domain.rules.anchor.name().clone()).collect();
        all.into_iter()
    }
}

/// What [`TransactionTokens::check`] found to be in order. Whom its carriers' names mean is not known yet.
#[derive(Debug)]
pub(crate) struct CheckedTokens {
    checked: Checked,
    carriers: Vec<CallerName>,
    carriers_of: Vec<String>,
}

impl CheckedTokens {
    /// The trust domain.
    pub(crate) fn name(&self) -> &Issuer {
        self.checked.anchor.name()
    }
}

/// The trust domains, of which none is there twice, nor is a trusted issuer, nor shares a file of keys with one.
pub(crate) fn checked(
    domains: Vec<TransactionTokens>,
    trusted: &[Issuer],
    issuers: [&[Checked]; 2],
) -> Result<Vec<CheckedTokens>, InvalidSetting> {
    let mut all: Vec<CheckedTokens> = Vec::with_capacity(domains.len());
    for (at, domain) in domains.into_iter().enumerate() {
        let domain = domain.check(trusted).and_then(|domain| {
            if all.iter().any(|other| other.name() == domain.name()) {
                return Err(InvalidSetting::new("trust_domain", "is listed twice"));
            }
            let mut others = issuers.into_iter().flatten().chain(all.iter().map(|other| &other.checked));
            match others.find_map(|other| domain.checked.keys.shares_a_file(&other.keys)) {
                Some(field) => {
                    let rule = "is a file of another issuer too, which one of them writes";
                    Err(InvalidSetting::new(field, rule).within("keys"))
                }
                None => Ok(domain),
            }
        });
        all.push(domain.map_err(|wrong| wrong.within(at).within("transaction_tokens"))?);
    }
    Ok(all)
}

/// The trust domains apart from those who carry their tokens, who are callers.
pub(crate) fn carried(
    domains: Vec<CheckedTokens>,
    aliases: &AliasTable,
    callers: Namespace<'_>,
) -> Result<(Vec<Checked>, Box<[Carriers]>), InvalidSetting> {
    let mut all = (Vec::with_capacity(domains.len()), Vec::with_capacity(domains.len()));
    for (at, CheckedTokens { checked, carriers, carriers_of }) in domains.into_iter().enumerate() {
        let carriers = Carriers::build(checked.anchor.name(), &carriers, &carriers_of, aliases, callers);
        all.1.push(carriers.map_err(|wrong| wrong.within(at).within("transaction_tokens"))?);
        all.0.push(checked);
    }
    Ok((all.0, all.1.into()))
}
