//! A caller without cryptography.

mod payload;
#[cfg(feature = "transaction-tokens")]
mod transaction;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use serde_json::{Map, Value, json};
use tower_identity_core::{
    Actor, ActorChain, Attributes, Audience, AuthenticationContext, Binding, CallerContext, Credential, Evidence,
    Identity, Issuer, Revocations, Scopes, Standing, Subject, Tenant, Timestamp, TokenId, TransactionId, User,
    VerifiedToken, VerifiedTokenParts, Workload,
};

use tower_identity_refresh::system_clock;

use self::payload::unsigned;
use crate::{TestIssuer, TokenBuilder};

/// Far from now on every clock of a test: 2100-01-01T00:00:00Z.
const NEVER: Timestamp = Timestamp::from_secs(4_102_444_800);

/// When a request is judged unless the test says when: 2033-05-18T03:33:20Z.
const JUDGED_AT: Timestamp = Timestamp::from_secs(2_000_000_000);

/// Who calls in a test: a workload, for a user or for itself. Becomes a [`CallerContext`] as if verification had
/// made it, without an issuer, keys or a token that is worth anything.
///
/// By default the caller is of the home issuer `https://issuer.test`, its token has no scopes, the audience `test`,
/// ends in 2100, and was issued to the workload. For a user that shows nobody who sent it: a workload that has to be on
/// a list of callers is the [actor](Self::acting_after), or says by which [evidence](Self::evidence) it is known.
///
/// ```
/// use tower_identity_testkit::TestCaller;
///
/// let context = TestCaller::workload("storefront").user("alice").scope("orders:write").context();
/// assert_eq!(context.principal().workload().id, "storefront");
/// assert_eq!(context.principal().user().map(|user| user.id.as_str()), Some("alice"));
/// assert!(context.principal().scopes().contains("orders:write"));
/// ```
///
/// Every setter panics when its value is one that no verified token can hold, such as an empty name.
#[derive(Debug, Clone)]
#[must_use = "a test caller does nothing until it is made a context"]
pub struct TestCaller {
    workload: Subject,
    issuer: Issuer,
    home: bool,
    user: Option<Subject>,
    tenant: Option<Tenant>,
    history: Option<Vec<Subject>>,
    scopes: Scopes,
    audience: Vec<Audience>,
    token_id: TokenId,
    transaction: Option<TransactionId>,
    trust_domain: Option<Audience>,
    authentication: AuthenticationContext,
    attributes: Attributes,
    judged_at: Timestamp,
    issued_at: Option<Timestamp>,
    revocations: Option<Revocations>,
    expires_at: Timestamp,
    binding: Binding,
    evidence: Option<Evidence>,
    beside: Option<Box<TestCaller>>,
    alone: bool,
    claims: Map<String, Value>,
    minted: Option<TokenBuilder>,
}

/// Reads what a test wrote, or stops the test where it wrote it.
#[track_caller]
fn parsed<T, E: std::fmt::Display>(value: Result<T, E>) -> T {
    value.unwrap_or_else(|wrong| panic!("a test caller cannot have this: {wrong}"))
}

impl TestCaller {
    /// A workload that calls for itself, until [`user`](Self::user) says otherwise.
    #[track_caller]
    pub fn workload(id: impl AsRef<str>) -> Self {
        static MADE: AtomicU64 = AtomicU64::new(1);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        Self {
            workload: parsed(Subject::parse(id)),
            issuer: parsed(Issuer::parse("https://issuer.test")),
            home: true,
            user: None,
            tenant: None,
            history: None,
            scopes: Scopes::default(),
            audience: vec![parsed(Audience::parse("test"))],
            token_id: parsed(TokenId::parse(format!("test-caller-{number}"))),
            transaction: None,
            trust_domain: None,
            authentication: AuthenticationContext::default(),
            attributes: Attributes::default(),
            judged_at: JUDGED_AT,
            issued_at: None,
            revocations: None,
            expires_at: NEVER,
            binding: Binding::SameToken,
            evidence: None,
            beside: None,
            alone: false,
            claims: Map::new(),
            minted: None,
        }
    }

    /// The user that it calls for.
    #[track_caller]
    pub fn user(mut self, id: impl AsRef<str>) -> Self {
        self.user = Some(parsed(Subject::parse(id)));
        self
    }

    /// The user's tenant.
    #[track_caller]
    pub fn tenant(mut self, tenant: impl AsRef<str>) -> Self {
        self.tenant = Some(parsed(Tenant::parse(tenant)));
        self
    }

    /// The issuer, which stays the verifier's home issuer. A workload of another issuer is [`foreign`](Self::foreign).
    #[track_caller]
    pub fn issuer(mut self, issuer: impl AsRef<str>) -> Self {
        self.issuer = parsed(Issuer::parse(issuer));
        self
    }

    /// The issuer, which is not the verifier's home issuer: a rule must name it to mean this workload.
    #[track_caller]
    pub fn foreign(mut self, issuer: impl AsRef<str>) -> Self {
        self.home = false;
        self.issuer(issuer)
    }

    /// Adds scopes: one, or several with spaces between them.
    #[track_caller]
    pub fn scope(mut self, scopes: impl AsRef<str>) -> Self {
        self.scopes = self.scopes.union(&parsed(Scopes::parse(scopes.as_ref())));
        self
    }

    /// Whom the token is for, in place of `test`.
    #[track_caller]
    pub fn audience(mut self, audience: impl AsRef<str>) -> Self {
        self.audience = vec![parsed(Audience::parse(audience))];
        self
    }

    /// Makes the token a delegated one, whose current actor is the workload, and whose actors before it are these,
    /// latest first. An empty list is a first delegation.
    #[track_caller]
    pub fn acting_after<A: AsRef<str>>(mut self, history: impl IntoIterator<Item = A>) -> Self {
        self.history = Some(history.into_iter().map(|actor| parsed(Subject::parse(actor))).collect());
        self
    }

    /// The token's `jti`, in place of one that no other test caller of this process has.
    #[track_caller]
    pub fn token_id(mut self, token_id: impl AsRef<str>) -> Self {
        self.token_id = parsed(TokenId::parse(token_id));
        self
    }

    /// The transaction that the request belongs to.
    #[track_caller]
    pub fn transaction(mut self, transaction: impl AsRef<str>) -> Self {
        self.transaction = Some(parsed(TransactionId::parse(transaction)));
        self
    }

    /// How and when the user signed in.
    pub fn authentication(mut self, authentication: AuthenticationContext) -> Self {
        self.authentication = authentication;
        self
    }

    /// When the token was issued. Unless stated it does not say so, and ends with whatever is revoked of whom it names.
    pub fn issued_at(mut self, start: Timestamp) -> Self {
        self.issued_at = Some(start);
        self
    }

    /// The list that says whether the token is revoked: one of its own, empty, unless stated.
    ///
    /// ```
    /// use tower_identity_core::{Revocation, Revocations};
    /// use tower_identity_testkit::{ManualClock, TestCaller};
    ///
    /// let list = Revocations::new(ManualClock::new().clock());
    /// let context = TestCaller::workload("storefront").user("alice").revocations(&list).context();
    /// assert!(!context.is_revoked());
    ///
    /// list.revoke(Revocation::subject("https://issuer.test".parse()?, "alice".parse()?));
    /// assert!(context.is_revoked());
    /// # Ok::<(), tower_identity_core::InvalidName>(())
    /// ```
    pub fn revocations(mut self, list: &Revocations) -> Self {
        self.revocations = Some(list.clone());
        self
    }

    /// When the token ends.
    pub fn expires_at(mut self, end: Timestamp) -> Self {
        self.expires_at = end;
        self
    }

    /// What the issuer says of the subject beside who it is.
    pub fn attributes(mut self, attributes: Attributes) -> Self {
        self.attributes = attributes;
        self
    }

    /// When the request is judged, for rules on the age of a sign-in: 2033-05-18T03:33:20Z (2 000 000 000) unless stated.
    pub fn judged_at(mut self, now: Timestamp) -> Self {
        self.judged_at = now;
        self
    }

    /// How it is known that the workload is the sender, in place of what its token says by itself: [`Evidence::Actor`]
    /// of a [delegated](Self::acting_after) one, [`Evidence::Subject`] of one for no user, [`Evidence::IssuedTo`] of a
    /// user's, which puts nobody on a list of callers.
    pub fn evidence(mut self, evidence: Evidence) -> Self {
        self.evidence = Some(evidence);
        self
    }

    /// Presents a user's own credential beside the workload's: the token of this other caller, whose rights the request
    /// has. It names the workload, unless a [binding](Self::binding) that is stated later says otherwise.
    ///
    /// ```
    /// use tower_identity_testkit::TestCaller;
    ///
    /// let of_alice = TestCaller::workload("storefront").user("alice").scope("orders:write");
    /// let context = TestCaller::workload("storefront").beside(of_alice).context();
    /// assert!(context.principal().scopes().contains("orders:write"));
    /// ```
    pub fn beside(mut self, user: TestCaller) -> Self {
        self.beside = Some(Box::new(user));
        self.binding(Binding::IssuerNamed)
    }

    /// Leaves a user's credential out that could have been presented beside the workload's: its own rights count only under
    /// `no_user()`.
    pub fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// How caller and user are tied, in place of [`Binding::SameToken`].
    pub fn binding(mut self, binding: Binding) -> Self {
        self.binding = binding;
        self
    }

    /// Adds a claim for [`VerifiedToken::claims`]. Only the payload changes, never what was verified.
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    /// Makes the token a real one of this issuer, which becomes the caller's: for a test whose service calls on, and
    /// exchanges it there. Every context then has a token of its own.
    pub fn signed_by(self, issuer: &TestIssuer) -> Self {
        Self { minted: Some(issuer.token()), ..self.issuer(issuer.issuer()) }
    }

    /// The context that verification would have made.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "a test states what verification would have found out: this is the purpose of the test kit"
    )]
    pub fn context(&self) -> CallerContext {
        let token = |caller: &Self| Arc::new(VerifiedToken::assertion(caller.parts()));
        let standing = if self.alone { Standing::alone() } else { self.binding.into() };
        CallerContext::assertion(token(self), self.beside.as_deref().map(token), standing, self.judged_at)
    }

    fn parts(&self) -> VerifiedTokenParts {
        let mut claims = self.payload();
        let minted = || self.minted.as_ref().and_then(|token| token.claims().get("iat").cloned());
        let issued = self.issued_at.map(|issued| json!(issued)).or_else(minted);
        claims.extend(issued.iter().map(|issued| ("iat".to_owned(), issued.clone())));
        let payload: Arc<[u8]> = Value::Object(claims).to_string().into_bytes().into();
        let token = match &self.minted {
            Some(minted) => minted.clone().payload(&*payload).build(),
            None => unsigned(&payload),
        };
        let issuer = || self.issuer.clone();
        let actors = self.actors().map(|id| Actor { id: id.clone(), issuer: issuer() }).collect();
        VerifiedTokenParts {
            credential: Credential::Token { token, payload },
            issuer: issuer(),
            home: self.home,
            identity: Identity {
                workload: Workload { id: self.workload.clone(), issuer: issuer() },
                evidence: self.evidence.unwrap_or(match (&self.history, &self.user) {
                    (Some(_), _) => Evidence::Actor,
                    (None, None) => Evidence::Subject,
                    (None, Some(_)) => Evidence::IssuedTo,
                }),
                user: self.user.clone().map(|id| User { id, issuer: issuer(), tenant: self.tenant.clone() }),
            },
            actors: ActorChain::new(actors),
            scopes: self.scopes.clone(),
            audience: self.audience.clone(),
            token_id: Some(self.token_id.clone()),
            transaction: self.transaction.clone(),
            trust_domain: self.trust_domain.clone(),
            authentication: self.authentication.clone(),
            attributes: self.attributes.clone(),
            issued_at: issued.as_ref().and_then(Value::as_u64).map(Timestamp::from_secs),
            expires_at: self.expires_at,
            certificate: None,
            revocations: self.revocations.clone().unwrap_or_else(|| Revocations::new(system_clock())),
        }
    }

    /// Outermost first.
    fn actors(&self) -> impl DoubleEndedIterator<Item = &Subject> {
        self.history.iter().flat_map(|history| std::iter::once(&self.workload).chain(history))
    }
}

impl From<TestCaller> for CallerContext {
    fn from(caller: TestCaller) -> Self {
        caller.context()
    }
}

#[cfg(test)]
mod tests;
