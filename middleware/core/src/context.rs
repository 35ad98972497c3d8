//! The verified answer to "who is calling, for whom", on one request.

use std::sync::Arc;

use serde::{
    Serialize, Serializer,
    ser::{SerializeSeq, SerializeStruct},
};

use crate::{
    ActorChain, Attributes, Audience, AuthenticationContext, Evidence, Scopes, Timestamp, TokenId, TransactionId, User,
    VerifiedToken, Workload,
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
    /// The user's token names the caller: as its actor, or as the party it was issued to.
    IssuerNamed,
    /// The caller says so itself. No rule accepts this unless it says so.
    SelfAsserted,
    /// Nothing ties them.
    None,
}

impl Binding {
    /// Whether something other than the caller's own word ties caller and user. Without that nobody may act on the
    /// pair: neither a rule lets it through, nor is the user's token exchanged for the caller.
    #[must_use]
    pub const fn is_established(self) -> bool {
        match self {
            Self::SameToken | Self::ProofOverAll | Self::SharedKey | Self::IssuerNamed => true,
            Self::SelfAsserted | Self::None => false,
        }
    }
}

/// One or two verified tokens of a request and how they are tied. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CallerContext(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    caller: Arc<VerifiedToken>,
    user: Option<Arc<VerifiedToken>>,
    binding: Binding,
    judged_at: Timestamp,
}

impl CallerContext {
    /// States that these tokens were presented together, are tied in this way, and were judged at this time.
    ///
    /// `user` is the user's own token, where it is another than the caller's. Loud on purpose: only the room `verify`
    /// and the test kit may call it, and clippy refuses it elsewhere.
    #[must_use]
    pub fn assertion(
        caller: Arc<VerifiedToken>,
        user: Option<Arc<VerifiedToken>>,
        binding: Binding,
        judged_at: Timestamp,
    ) -> Self {
        Self(Arc::new(Inner { caller, user, binding, judged_at }))
    }

    /// The caller's token.
    #[must_use]
    pub fn caller_token(&self) -> &Arc<VerifiedToken> {
        &self.0.caller
    }

    /// The token that speaks for the user: the user's own where there is one, else the caller's if it names a user.
    #[must_use]
    pub fn user_token(&self) -> Option<&Arc<VerifiedToken>> {
        match &self.0.user {
            Some(user) => Some(user),
            None => self.0.caller.identity().user.as_ref().map(|_| &self.0.caller),
        }
    }

    /// When the request was judged, by the verifier's clock: what a rule on the age of a sign-in counts from.
    #[must_use]
    pub fn judged_at(&self) -> Timestamp {
        self.0.judged_at
    }

    /// The context, read as a principal.
    #[must_use]
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
///  "scopes": ["payments:charge"], "audience": "payments", "binding": "same_token", "token_id": "1f0c"}
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Principal<'a>(&'a CallerContext);

impl<'a> Principal<'a> {
    /// The token that rights are read from: the user's where there is one.
    fn rights(self) -> &'a VerifiedToken {
        self.0.0.user.as_deref().unwrap_or(&self.0.0.caller)
    }

    /// The workload that sent the request.
    #[must_use]
    pub fn workload(self) -> &'a Workload {
        &self.0.0.caller.identity().workload
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

    /// What the request's token allows.
    #[must_use]
    pub fn scopes(self) -> &'a Scopes {
        self.rights().scopes()
    }

    /// Who acts for the subject, outermost first.
    #[must_use]
    pub fn actors(self) -> &'a ActorChain {
        self.rights().actors()
    }

    /// How and when the user signed in.
    #[must_use]
    pub fn authentication(self) -> &'a AuthenticationContext {
        self.rights().authentication()
    }

    /// What the issuer says of the token's subject beside who it is.
    #[must_use]
    pub fn attributes(self) -> &'a Attributes {
        self.rights().attributes()
    }

    /// How caller and user are tied.
    #[must_use]
    pub fn binding(self) -> Binding {
        self.0.0.binding
    }

    /// Whom the token is for.
    #[must_use]
    pub fn audience(self) -> &'a [Audience] {
        self.rights().audience()
    }

    /// The token's `jti`.
    #[must_use]
    pub fn token_id(self) -> Option<&'a TokenId> {
        self.rights().token_id()
    }

    /// The transaction that the request belongs to.
    #[must_use]
    pub fn transaction(self) -> Option<&'a TransactionId> {
        self.rights().transaction()
    }

    /// When the first of the request's tokens ends.
    #[must_use]
    pub fn expires_at(self) -> Timestamp {
        self.rights().expires_at().min(self.0.0.caller.expires_at())
    }
}

impl Serialize for Principal<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Principal", 7)?;
        out.serialize_field("caller", self.workload())?;
        out.serialize_field("user", &self.user())?;
        out.serialize_field("actors", self.actors())?;
        out.serialize_field("scopes", self.scopes())?;
        out.serialize_field("audience", &OneOrMany(self.audience()))?;
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
