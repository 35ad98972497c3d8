//! The verified answer to "who is calling, for whom", on one request.

use std::sync::{Arc, LazyLock};

use serde::{
    Serialize, Serializer,
    ser::{SerializeSeq, SerializeStruct},
};

use crate::{
    ActorChain, Attributes, Audience, AuthenticationContext, Evidence, Scopes, Standing, Timestamp, TokenId,
    TransactionId, User, VerifiedToken, Workload,
};

/// How caller and user are tied together on this request. Decided for each request, never remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Binding {
    /// One token, signed by its issuer, names both (or there is no user to tie).
    SameToken,
    /// A proof by the caller's key covers every token of the request.
    ProofOverAll,
    /// Both tokens are bound to one key, and possession was proven.
    SharedKey,
    /// The user's token names the caller: as its actor, as the party that it was issued to, or as who may act.
    IssuerNamed,
    /// The user's transaction token says for whom, and the caller is a workload that may carry it: the one that asked for it,
    /// or one that the configuration names as a carrier of its trust domain's.
    Transaction,
    /// The caller says so itself, in a token that it has signed. No rule accepts this unless it says so.
    SelfAsserted,
    /// Another service handed this work over some time ago, and says in a record that it has signed for whom. No rule accepts
    /// this unless it says so.
    Deferred,
    /// Nothing ties them.
    None,
}

impl Binding {
    /// Whether something other than a service's own word ties caller and user. Without that the user's token is never
    /// exchanged for the caller, and no rule lets the pair through unless the configuration
    /// [trusts this caller](Standing::on_trust).
    #[must_use]
    pub const fn is_established(self) -> bool {
        match self {
            Self::SameToken | Self::ProofOverAll | Self::SharedKey | Self::IssuerNamed | Self::Transaction => true,
            Self::SelfAsserted | Self::Deferred | Self::None => false,
        }
    }
}

/// One or two verified credentials of a request and how they are tied. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CallerContext(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    caller: Arc<VerifiedToken>,
    beside: Option<Arc<VerifiedToken>>,
    standing: Standing,
    judged_at: Timestamp,
}

impl CallerContext {
    /// States that these credentials were presented together, how the caller stands with them, and when they were judged. A
    /// [`Binding`] is a standing that needs no more words.
    ///
    /// `beside` is the token that came beside the caller's credential: the user's own, or, beside a certificate, one of the
    /// same workload. Loud on purpose: only the room `verify` and the test kit may call it, and clippy refuses it
    /// elsewhere.
    #[must_use]
    pub fn assertion(
        caller: Arc<VerifiedToken>,
        beside: Option<Arc<VerifiedToken>>,
        standing: impl Into<Standing>,
        judged_at: Timestamp,
    ) -> Self {
        Self(Arc::new(Inner { caller, beside, standing: standing.into(), judged_at }))
    }

    /// The caller's token, or its certificate.
    #[must_use]
    pub fn caller_token(&self) -> &Arc<VerifiedToken> {
        &self.0.caller
    }

    /// What scopes, audience and claims are read from: the token beside the caller's credential, else the caller's.
    #[must_use]
    pub fn token(&self) -> &Arc<VerifiedToken> {
        self.0.beside.as_ref().unwrap_or(&self.0.caller)
    }

    /// The token that speaks for the user: the user's own where there is one, else the caller's if it names a user.
    #[must_use]
    #[inline]
    pub fn user_token(&self) -> Option<&Arc<VerifiedToken>> {
        let names_a_user = |token: &&Arc<VerifiedToken>| token.identity().user.is_some();
        let beside = self.0.beside.as_ref().filter(names_a_user);
        beside.or_else(|| Some(&self.0.caller).filter(names_a_user))
    }

    /// When the request was judged, by the verifier's clock: what a rule on the age of a sign-in counts from.
    #[must_use]
    pub fn judged_at(&self) -> Timestamp {
        self.0.judged_at
    }

    /// When the first of the request's tokens ends.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        let caller = self.0.caller.expires_at();
        self.0.beside.as_ref().map_or(caller, |beside| caller.min(beside.expires_at()))
    }

    /// Whether one of the request's tokens was [revoked](VerifiedToken::is_revoked).
    #[must_use]
    #[inline]
    pub fn is_revoked(&self) -> bool {
        self.0.caller.is_revoked() || self.0.beside.as_ref().is_some_and(|beside| beside.is_revoked())
    }

    /// The names that the caller goes by, its canonical one first: more than one only where the configuration says that
    /// they are one workload's.
    #[must_use]
    pub fn names(&self) -> &[Workload] {
        match self.0.standing.aliases() {
            Some(aliases) => aliases.names(),
            None => std::slice::from_ref(&self.0.caller.identity().workload),
        }
    }

    /// The workload that sent the request, as its own credential names it: what every list of callers asks about. None
    /// where the evidence [shows no sender](Evidence::is_of_sender), and where another issuer than the workload's own says
    /// so.
    #[must_use]
    pub fn sender(&self) -> Option<&Workload> {
        let token = &self.0.caller;
        let identity = token.identity();
        (identity.evidence.is_of_sender() && identity.workload.issuer == *token.issuer()).then_some(&identity.workload)
    }

    /// How the caller stands.
    pub(crate) fn standing(&self) -> &Standing {
        &self.0.standing
    }

    /// Whether caller and user count together: something [ties](Binding::is_established) them, the configuration trusts
    /// this caller to say for whom it calls, or the rule that the request passed [accepts](Self::at_its_word) that it does.
    /// Rules and extractors let nobody else through.
    #[must_use]
    pub fn counts_together(&self) -> bool {
        self.0.standing.counts()
    }

    /// The same caller where its own word for whom it calls, or called, is accepted ([`Binding::SelfAsserted`],
    /// [`Binding::Deferred`]): for a rule that says so. Its binding stays what it is, and nothing else changes.
    #[must_use]
    pub fn at_its_word(&self) -> Self {
        let Inner { caller, beside, standing, judged_at } = &*self.0;
        let standing = standing.clone().at_its_word();
        Self(Arc::new(Inner { caller: Arc::clone(caller), beside: beside.clone(), standing, judged_at: *judged_at }))
    }

    /// Whether the caller could have presented a user's credential beside its own, and did not ([`Standing::alone`]): what
    /// its own token says gives it no rights.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.0.standing.is_alone()
    }

    /// The same caller where the rights of its own token count: for a rule that demands that there is no user.
    ///
    /// A caller that could have presented a user's credential and did not has no rights otherwise
    /// ([`Standing::alone`]): leaving the user out never opens more.
    #[must_use]
    pub fn for_itself(&self) -> Self {
        let Inner { caller, beside, standing, judged_at } = &*self.0;
        let standing = standing.clone().for_itself();
        Self(Arc::new(Inner { caller: Arc::clone(caller), beside: beside.clone(), standing, judged_at: *judged_at }))
    }

    /// The same on another request, that was judged at this time: for who has seen that all of it is still
    /// [in time](Self::expires_at) and [not revoked](Self::is_revoked).
    #[must_use]
    pub fn judged_again(&self, judged_at: Timestamp) -> Self {
        let Inner { caller, beside, standing, .. } = &*self.0;
        Self(Arc::new(Inner {
            caller: Arc::clone(caller),
            beside: beside.clone(),
            standing: standing.clone(),
            judged_at,
        }))
    }

    /// The context, read as a principal.
    #[must_use]
    #[inline]
    pub fn principal(&self) -> Principal<'_> {
        Principal(self)
    }
}

/// Who is calling and for whom: a view over a [`CallerContext`].
///
/// Serializes to what a `whoami` answers:
///
/// ```json
/// {"caller": {"id": "orders", "issuer": "https://as.example"},
///  "user": {"id": "alice", "issuer": "https://as.example"},
///  "actors": [{"id": "orders", "issuer": "https://as.example"}],
///  "scopes": ["payments:charge"], "audience": "payments",
///  "evidence": "actor", "binding": "same_token", "token_id": "1f0c"}
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Principal<'a>(&'a CallerContext);

/// The rights of a caller that left its user out.
#[derive(Default)]
struct NoRights {
    scopes: Scopes,
    authentication: AuthenticationContext,
    attributes: Attributes,
}

static NO_RIGHTS: LazyLock<NoRights> = LazyLock::new(NoRights::default);

impl<'a> Principal<'a> {
    /// The token that says for whom: the user's where there is one.
    fn token(self) -> &'a VerifiedToken {
        self.0.token()
    }

    /// The token that rights are read from, unless there are none.
    fn rights(self) -> Option<&'a VerifiedToken> {
        (!self.0.0.standing.is_alone()).then(|| self.token())
    }

    /// The workload that sent the request, by its canonical [name](CallerContext::names).
    #[must_use]
    pub fn workload(self) -> &'a Workload {
        &self.0.names()[0]
    }

    /// How it is known that this workload is the sender.
    #[must_use]
    pub fn evidence(self) -> Evidence {
        self.0.0.caller.identity().evidence
    }

    /// On whose behalf, if anybody's.
    #[must_use]
    pub fn user(self) -> Option<&'a User> {
        self.0.user_token().and_then(|token| token.identity().user.as_ref())
    }

    /// What the request's token allows: of two, the user's. Nothing, of a caller that left its user out, as with the
    /// other rights: what it may [for itself](CallerContext::for_itself) counts only where a rule demands it.
    #[must_use]
    pub fn scopes(self) -> &'a Scopes {
        self.rights().map_or_else(|| &NO_RIGHTS.scopes, VerifiedToken::scopes)
    }

    /// Who acts for the subject, outermost first.
    #[must_use]
    pub fn actors(self) -> &'a ActorChain {
        self.token().actors()
    }

    /// How and when the user signed in.
    #[must_use]
    pub fn authentication(self) -> &'a AuthenticationContext {
        self.rights().map_or_else(|| &NO_RIGHTS.authentication, VerifiedToken::authentication)
    }

    /// What the issuer says of the token's subject beside who it is.
    #[must_use]
    pub fn attributes(self) -> &'a Attributes {
        self.rights().map_or_else(|| &NO_RIGHTS.attributes, VerifiedToken::attributes)
    }

    /// How caller and user are tied.
    #[must_use]
    #[inline]
    pub fn binding(self) -> Binding {
        self.0.0.standing.binding()
    }

    /// Whom the token is for: nobody in particular where there is a certificate alone.
    #[must_use]
    pub fn audience(self) -> &'a [Audience] {
        self.token().audience()
    }

    /// The token's `jti`.
    #[must_use]
    pub fn token_id(self) -> Option<&'a TokenId> {
        self.token().token_id()
    }

    /// The transaction that the request belongs to.
    #[must_use]
    pub fn transaction(self) -> Option<&'a TransactionId> {
        self.token().transaction()
    }

    /// When the first of the request's tokens ends.
    #[must_use]
    pub fn expires_at(self) -> Timestamp {
        self.0.expires_at()
    }
}

impl Serialize for Principal<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Principal", 8)?;
        out.serialize_field("caller", self.workload())?;
        out.serialize_field("user", &self.user())?;
        out.serialize_field("actors", self.actors())?;
        out.serialize_field("scopes", self.scopes())?;
        out.serialize_field("audience", &OneOrMany(self.audience()))?;
        out.serialize_field("evidence", &self.evidence())?;
        out.serialize_field("binding", &self.binding())?;
        out.serialize_field("token_id", &self.token_id())?;
        out.end()
    }
}

/// `aud` in its own two forms: a string for one value, else a list (RFC 7519 §4.1.3).
struct OneOrMany<'a>(&'a [Audience]);

impl Serialize for OneOrMany<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let [one] = self.0 {
            return one.serialize(serializer);
        }
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        self.0.iter().try_for_each(|audience| list.serialize_element(audience))?;
        list.end()
    }
}
