//! Internal identities, made at the edge.

mod claims;
mod error;

use std::{sync::Arc, time::Duration};

use http::HeaderValue;
use tower_identity_core::{
    Audience, CallerContext, InvalidSetting, Issuer, SecretToken, Subject, Timestamp, TokenId, TransactionId,
    transaction_tokens,
};
use tower_identity_jose::{KeyedHash, MediaType, random_id};

use self::claims::Claims;
pub use self::error::MintError;
use crate::{KeyRing, TrustDomain, key_ring::LONGEST_LIFE, telemetry, trust_domain::Domain};

/// For how long an internal identity is good, unless that is said.
const LIFE: Duration = Duration::from_secs(60);

/// Shorter than that, a request may not reach the end of its way.
const SHORTEST_LIFE: Duration = Duration::from_secs(10);

/// Makes internal identities: Transaction Tokens about the users of callers that were verified
/// (draft-ietf-oauth-transaction-tokens-11 §4), each for one trust domain. Cheap to clone.
///
/// | claim | of it |
/// |---|---|
/// | `aud` | the [trust domain](TrustDomain) |
/// | `sub` | who the user is [there](crate::UserNames) |
/// | `scope` | what of the caller's scopes [crosses](TrustDomain::scope); empty where nothing does |
/// | `txn` | a new transaction |
/// | `req_wl` | this edge |
/// | `iat`, `exp` | 60 s by default, and never beyond the end of what the caller presented |
/// | `rctx` | `acr`, `amr` and `auth_time` of the user's sign-in, and `src` |
/// | `name`, `email`, `email_verified`, `groups`, `roles` | where they are [listed](TrustDomain::attribute) |
///
/// `src` is a keyed hash of what the caller presented, its issuer and its `jti`: who has the key can find out which
/// token an internal one was made of ([`Mint::source_of`]), and nobody else can.
///
/// Nothing is made of callers that are not tied to their user (403), of callers without a user (403), and of users who are
/// nobody inside (403). None of the text that was presented is in the token.
///
/// ```
/// use tower_identity_core::Audience;
/// use tower_identity_edge::{KeyRing, Mint, MintError, Pairwise, Rotation, TrustDomain};
/// use tower_identity_jose::{Algorithm, KeyedHash};
/// use tower_identity_refresh::system_clock;
/// use tower_identity_testkit::TestCaller;
///
/// let secret = KeyedHash::new([7; 32])?;
/// let keys = KeyRing::generated(Algorithm::Es256, Rotation::default(), system_clock())?;
/// let mint = Mint::builder("gateway", keys, secret.clone())
///     .trust_domain(TrustDomain::new("shop.internal", Pairwise::new(secret)).scope("orders:read", "orders:read"))
///     .build()?;
///
/// let shop = Audience::parse("shop.internal")?;
/// let alice = TestCaller::workload("browser").user("alice").context();
/// assert_eq!(mint.mint(&alice, &shop)?.token().expose().split('.').count(), 3);
/// let nobody = TestCaller::workload("browser").context();
/// assert!(matches!(mint.mint(&nobody, &shop), Err(MintError::NoUser)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Mint(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    requesting_workload: Subject,
    issuer: Option<Issuer>,
    life: Duration,
    keys: KeyRing,
    hash: KeyedHash,
    domains: Vec<Domain>,
    kind: MediaType,
}

/// Collects what a [`Mint`] is told. What is wrong with it is reported by [`build`](Self::build).
#[derive(Debug)]
#[must_use = "it does nothing until it is built"]
pub struct MintBuilder {
    requesting_workload: String,
    issuer: Option<String>,
    life: Duration,
    keys: KeyRing,
    hash: KeyedHash,
    domains: Vec<TrustDomain>,
}

/// An internal identity, as it goes on the wire.
#[derive(Debug, Clone)]
pub struct Minted {
    token: SecretToken,
    /// What is inside, where that is encrypted.
    signed: Option<SecretToken>,
    ends: Timestamp,
    transaction: TransactionId,
}

impl Mint {
    /// A mint of the edge that goes by this name inside, with these keys. The hash makes `src`.
    pub fn builder(requesting_workload: impl Into<String>, keys: KeyRing, hash: KeyedHash) -> MintBuilder {
        let requesting_workload = requesting_workload.into();
        MintBuilder { requesting_workload, issuer: None, life: LIFE, keys, hash, domains: Vec::new() }
    }

    /// Makes an internal identity of a verified caller, for this trust domain.
    ///
    /// # Errors
    ///
    /// [`MintError`], which says what the caller is to be told.
    pub fn mint(&self, caller: &CallerContext, audience: &Audience) -> Result<Minted, MintError> {
        let minted = self.make(caller, audience);
        telemetry::minted(audience, &minted, || self.source_of(caller));
        minted
    }

    fn make(&self, caller: &CallerContext, audience: &Audience) -> Result<Minted, MintError> {
        let inner = &*self.0;
        let domain = inner.domains.iter().find(|domain| domain.name == *audience);
        let domain = domain.ok_or_else(|| MintError::UnknownDomain(audience.clone()))?;
        let principal = caller.principal();
        // What is signed here counts as one everywhere inside: so caller and user have to, before it is.
        if !principal.binding().is_established() {
            return Err(MintError::Unrelated);
        }
        if principal.user().is_none() {
            return Err(MintError::NoUser);
        }
        // A user of the name of this edge would be the edge itself to whoever reads `sub` and `req_wl`.
        let subject = domain.users.name(principal, audience).filter(|name| *name != inner.requesting_workload);
        let subject = subject.ok_or(MintError::Nobody)?;
        let now = inner.keys.clock().wall();
        let ends = now.saturating_add(inner.life).min(caller.expires_at());
        let (iat, exp) = (now.as_secs(), ends.as_secs());
        if exp <= iat {
            return Err(MintError::Ended);
        }
        let key = inner.keys.signing_key().map_err(MintError::Key)?;
        let transaction = TransactionId::parse(random_id()).expect("base64url is a name");
        let claims = Claims {
            issuer: inner.issuer.as_ref(),
            audience,
            subject: &subject,
            scopes: domain.scopes(caller),
            transaction: &transaction,
            requesting_workload: &inner.requesting_workload,
            iat,
            exp,
            signed_in: principal.authentication(),
            source: self.source_of(caller),
            attributes: principal.attributes(),
            domain,
        };
        let token = key.sign(&inner.kind, &claims).map_err(MintError::Sign)?;
        let (token, signed) = match &domain.encrypted_to {
            Some(key) => (key.encrypt(&token), Some(token)),
            None => (token, None),
        };
        Ok(Minted { token, signed, ends: Timestamp::from_secs(exp), transaction })
    }

    /// The `src` of whatever is made of what this caller presents.
    #[must_use]
    pub fn source_of(&self, caller: &CallerContext) -> String {
        let presented = caller.token();
        let hash = self.0.hash.of("source of an internal identity").field(presented.issuer().as_str());
        let hash = hash.optional(presented.token_id().map(TokenId::as_str));
        hash.field(presented.fingerprint().as_bytes()).finish()
    }

    /// The keys that it signs with.
    #[must_use]
    pub fn keys(&self) -> &KeyRing {
        &self.0.keys
    }

    /// What it calls this edge.
    #[must_use]
    pub fn requesting_workload(&self) -> &Subject {
        &self.0.requesting_workload
    }

    /// The `iss` of what it makes, where it has one.
    #[must_use]
    pub fn issuer(&self) -> Option<&Issuer> {
        self.0.issuer.as_ref()
    }

    /// The trust domains that it makes identities for.
    pub fn trust_domains(&self) -> impl Iterator<Item = &Audience> {
        self.0.domains.iter().map(|domain| &domain.name)
    }
}

impl MintBuilder {
    /// A trust domain that it makes identities for.
    pub fn trust_domain(mut self, domain: TrustDomain) -> Self {
        self.domains.push(domain);
        self
    }

    /// Who it says has issued them (`iss`): by default it says nothing, and its keys say it all.
    pub fn issuer(self, issuer: impl Into<String>) -> Self {
        Self { issuer: Some(issuer.into()), ..self }
    }

    /// For how long they are good: 60 s by default, from 10 s to 300 s.
    pub fn lifetime(self, lifetime: Duration) -> Self {
        Self { life: lifetime, ..self }
    }

    /// Checks it all.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] for the field `requesting_workload`, `issuer`, `lifetime` or `trust_domain`, with its place in the
    /// list.
    pub fn build(self) -> Result<Mint, InvalidSetting> {
        let named = |field: &'static str| {
            move |why: tower_identity_core::InvalidName| InvalidSetting::new(field, why.to_string())
        };
        if !(SHORTEST_LIFE..=LONGEST_LIFE).contains(&self.life) {
            return Err(InvalidSetting::new("lifetime", "is not from 10 s to 300 s"));
        }
        if self.domains.is_empty() {
            return Err(InvalidSetting::new("trust_domain", "is missing: what identities are made for"));
        }
        let mut domains: Vec<Domain> = Vec::new();
        for (at, domain) in self.domains.into_iter().enumerate() {
            let domain = domain.check().map_err(|wrong| wrong.within(at).within("trust_domain"))?;
            if domains.iter().any(|other| other.name == domain.name) {
                return Err(InvalidSetting::new(at, "is named twice").within("trust_domain"));
            }
            domains.push(domain);
        }
        Ok(Mint(Arc::new(Inner {
            requesting_workload: Subject::parse(self.requesting_workload).map_err(named("requesting_workload"))?,
            issuer: self.issuer.map(Issuer::parse).transpose().map_err(named("issuer"))?,
            life: self.life,
            keys: self.keys,
            hash: self.hash,
            domains,
            kind: MediaType::parse(transaction_tokens::TYPE).expect("the draft's is one"),
        })))
    }
}

impl Minted {
    /// The token: encrypted, where those of its trust domain [are](TrustDomain::encrypted_to).
    #[must_use]
    pub fn token(&self) -> &SecretToken {
        &self.token
    }

    /// The value of the field `Txn-Token`, never to be indexed by HPACK.
    #[must_use]
    pub fn header_value(&self) -> HeaderValue {
        let mut value = HeaderValue::from_str(self.token.expose()).expect("a compact token is visible ASCII");
        value.set_sensitive(true);
        value
    }

    /// What is inside of it, where it is encrypted.
    pub(crate) fn signed(&self) -> Option<&SecretToken> {
        self.signed.as_ref()
    }

    /// When it ends.
    #[must_use]
    pub fn ends(&self) -> Timestamp {
        self.ends
    }

    /// The transaction that it begins, which may be logged.
    #[must_use]
    pub fn transaction(&self) -> &TransactionId {
        &self.transaction
    }
}
