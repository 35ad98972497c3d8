//! A token that was verified, and what it says.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::de::{DeserializeOwned, Error};

use crate::{
    ActorChain, Attributes, Audience, AuthenticationContext, CertificateThumbprint, Credential, Evidence, Fingerprint,
    Groups, Issuer, Revocations, Scopes, SecretToken, Timestamp, TokenId, TransactionId, User, Workload,
};

/// Whom a token names: a workload, and a user where it acts for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The workload that the token names as its sender.
    pub workload: Workload,
    /// How it is known that this workload is the sender.
    pub evidence: Evidence,
    /// On whose behalf, if anybody's.
    pub user: Option<User>,
}

/// What verification found out about a token: the argument of [`VerifiedToken::assertion`].
pub struct VerifiedTokenParts {
    /// What was verified.
    pub credential: Credential,
    /// Whose key verified it; equal to `iss`.
    pub issuer: Issuer,
    /// Whether this is the verifier's home issuer, the one that workload names without an issuer refer to.
    pub home: bool,
    /// Whom it names.
    pub identity: Identity,
    /// Who acts for the subject, outermost first.
    pub actors: ActorChain,
    /// What it allows.
    pub scopes: Scopes,
    /// Whom it is for: never empty of a token, and empty of a certificate, which is for whoever it was proven to.
    pub audience: Vec<Audience>,
    /// Its `jti`.
    pub token_id: Option<TokenId>,
    /// Its `txn`.
    pub transaction: Option<TransactionId>,
    /// Of a transaction token, the trust domain that it is of: among its services alone it travels. None of any other.
    pub trust_domain: Option<Audience>,
    /// How and when the user signed in.
    pub authentication: AuthenticationContext,
    /// What its issuer says of the subject beside who it is.
    pub attributes: Attributes,
    /// Its `iat`.
    pub issued_at: Option<Timestamp>,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The certificate that it is bound to: `x5t#S256` of its `cnf` (RFC 8705 §3.1). Of a certificate, itself.
    pub certificate: Option<CertificateThumbprint>,
    /// What is revoked.
    pub revocations: Revocations,
}

/// A token whose signature, issuer, audience, time and kind were checked. Or a certificate of the connection, checked
/// likewise, which stands for its workload as a token of its own would.
///
/// Only verification makes one: whoever holds it need not ask again. It says nothing about the request that it came
/// with; how caller and user are related on a request is the [binding](crate::Binding).
pub struct VerifiedToken {
    credential: Credential,
    issuer: Issuer,
    home: bool,
    /// Whether it is bound to a certificate, which is beyond: asked of every token that is remembered.
    bound: bool,
    /// Whether it is a transaction token, whose domain is beyond: asked of every token that is passed on.
    transactional: bool,
    identity: Identity,
    actors: ActorChain,
    scopes: Scopes,
    audience: Vec<Audience>,
    token_id: Option<TokenId>,
    issued_at: Option<Timestamp>,
    expires_at: Timestamp,
    revocations: Revocations,
    beyond: Option<Box<Beyond>>,
    fingerprint: OnceLock<Fingerprint>,
    /// The epoch of the list at which the token was found not to be revoked; [`REVOKED`] once it was.
    in_force_at: AtomicU64,
}

/// What many tokens say nothing of, and a million that are remembered have no room for then.
#[derive(Clone, PartialEq, Eq)]
struct Beyond {
    transaction: Option<TransactionId>,
    trust_domain: Option<Audience>,
    authentication: AuthenticationContext,
    attributes: Attributes,
    certificate: Option<CertificateThumbprint>,
}

static NOTHING_BEYOND: Beyond = Beyond {
    transaction: None,
    trust_domain: None,
    authentication: AuthenticationContext { auth_time: None, acr: None, amr: Vec::new(), session: None },
    attributes: Attributes { display_name: None, email: None, groups: Groups::Known(Vec::new()), roles: Vec::new() },
    certificate: None,
};

/// No epoch: whatever is revoked stays so.
const REVOKED: u64 = u64::MAX;

/// Whose, never the token nor its payload: a claim may hold another token.
impl fmt::Debug for VerifiedTokenParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedTokenParts")
            .field("issuer", &self.issuer)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// Whom and for what, never the token nor its payload.
impl fmt::Debug for VerifiedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedToken")
            .field("issuer", &self.issuer)
            .field("identity", &self.identity)
            .field("actors", &self.actors)
            .field("scopes", &self.scopes)
            .field("audience", &self.audience)
            .field("token_id", &self.token_id)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl VerifiedToken {
    /// States that these parts were verified.
    ///
    /// Loud on purpose: only the room `verify` and the test kit may call it, and clippy refuses it elsewhere.
    #[must_use]
    pub fn assertion(parts: VerifiedTokenParts) -> Self {
        let VerifiedTokenParts { transaction, trust_domain, authentication, attributes, certificate, .. } = parts;
        let beyond = Beyond { transaction, trust_domain, authentication, attributes, certificate };
        Self {
            credential: parts.credential,
            issuer: parts.issuer,
            home: parts.home,
            bound: beyond.certificate.is_some(),
            transactional: beyond.trust_domain.is_some(),
            identity: parts.identity,
            actors: parts.actors,
            scopes: parts.scopes,
            audience: parts.audience,
            token_id: parts.token_id,
            issued_at: parts.issued_at,
            expires_at: parts.expires_at,
            revocations: parts.revocations,
            beyond: (beyond != NOTHING_BEYOND).then(|| Box::new(beyond)),
            fingerprint: OnceLock::new(),
            // Then nothing is revoked.
            in_force_at: AtomicU64::new(0),
        }
    }

    fn beyond(&self) -> &Beyond {
        self.beyond.as_deref().unwrap_or(&NOTHING_BEYOND)
    }

    /// The token as it was presented, for relaying and exchanging. None of a certificate or a name, nor where it was
    /// [withdrawn](Self::withdrawn): there is nothing to pass on.
    #[must_use]
    #[inline]
    pub fn token(&self) -> Option<&SecretToken> {
        match &self.credential {
            Credential::Token { token, .. } => Some(token),
            Credential::Certificate(_) | Credential::Withdrawn(_) | Credential::Name(_) => None,
        }
    }

    /// The same statement without the token's text, which nobody can send on any more: for the edge of a mesh, where a
    /// token from outside stops and another takes its place. Its [fingerprint](Self::fingerprint) stays, and whoever revokes
    /// the one has revoked the other.
    #[must_use]
    pub fn withdrawn(&self) -> Self {
        let credential = match &self.credential {
            Credential::Certificate(der) => Credential::Certificate(der.clone()),
            Credential::Name(user) => Credential::Name(user.clone()),
            Credential::Token { .. } | Credential::Withdrawn(_) => Credential::Withdrawn(self.fingerprint()),
        };
        Self {
            fingerprint: self.fingerprint.clone(),
            in_force_at: AtomicU64::new(self.in_force_at.load(Ordering::Relaxed)),
            ..self.with(credential)
        }
    }

    /// The same statement under the text that it came in, or is to go on in: of a token that is encrypted (RFC 7519 §5.2),
    /// what everybody on its way sees. That is what is passed on, and what its [fingerprint](Self::fingerprint) is of.
    ///
    /// Only the room `verify` may call it, and clippy refuses it elsewhere.
    #[must_use]
    pub fn enclosed_in(&self, text: SecretToken) -> Self {
        self.with(match &self.credential {
            Credential::Token { payload, .. } => Credential::Token { token: text, payload: Arc::clone(payload) },
            Credential::Certificate(_) | Credential::Withdrawn(_) | Credential::Name(_) => self.credential.clone(),
        })
    }

    /// The same statement by another credential, of which it is not known yet whether it was revoked.
    fn with(&self, credential: Credential) -> Self {
        Self {
            credential,
            issuer: self.issuer.clone(),
            identity: self.identity.clone(),
            actors: self.actors.clone(),
            scopes: self.scopes.clone(),
            audience: self.audience.clone(),
            token_id: self.token_id.clone(),
            revocations: self.revocations.clone(),
            beyond: self.beyond.clone(),
            fingerprint: OnceLock::new(),
            in_force_at: AtomicU64::new(0),
            ..*self
        }
    }

    /// Whose key verified it.
    #[must_use]
    #[inline]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Whether it is of the verifier's home issuer, the one that workload names without an issuer refer to.
    #[must_use]
    pub fn is_of_home(&self) -> bool {
        self.home
    }

    /// Whom it names.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether another than the user's own issuer says for which user it is: a service, which vouches for itself alone.
    #[must_use]
    pub fn is_self_asserted(&self) -> bool {
        self.identity.user.as_ref().is_some_and(|user| user.issuer != self.issuer)
    }

    /// Who acts for the subject, outermost first.
    #[must_use]
    pub fn actors(&self) -> &ActorChain {
        &self.actors
    }

    /// What it allows.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// Whom it is for: empty of a certificate.
    #[must_use]
    pub fn audience(&self) -> &[Audience] {
        &self.audience
    }

    /// Its `jti`.
    #[must_use]
    pub fn token_id(&self) -> Option<&TokenId> {
        self.token_id.as_ref()
    }

    /// Its `txn`.
    #[must_use]
    pub fn transaction(&self) -> Option<&TransactionId> {
        self.beyond().transaction.as_ref()
    }

    /// Of a transaction token, the trust domain that it is of: it goes to services of that domain alone, and there beside the
    /// credential of whoever sends it. None of any other token.
    #[must_use]
    #[inline]
    pub fn trust_domain(&self) -> Option<&Audience> {
        if self.transactional { self.beyond().trust_domain.as_ref() } else { None }
    }

    /// How and when the user signed in.
    #[must_use]
    pub fn authentication(&self) -> &AuthenticationContext {
        &self.beyond().authentication
    }

    /// What its issuer says of the subject beside who it is.
    #[must_use]
    pub fn attributes(&self) -> &Attributes {
        &self.beyond().attributes
    }

    /// Whether it is good only over a connection whose peer has proven a certificate: [which one](Self::bound_to).
    #[must_use]
    #[inline]
    pub fn is_bound(&self) -> bool {
        self.bound
    }

    /// The certificate that it is bound to (RFC 8705 §3), or that it is. Whoever accepted it has seen that the request came
    /// over a connection whose peer proved the key of this one.
    #[must_use]
    pub fn bound_to(&self) -> Option<&CertificateThumbprint> {
        self.beyond().certificate.as_ref()
    }

    /// When it was issued, as far as it says so.
    #[must_use]
    pub fn issued_at(&self) -> Option<Timestamp> {
        self.issued_at
    }

    /// When it ends.
    #[must_use]
    #[inline]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Whether it was revoked, before it was verified or since. Once it was, it stays so.
    ///
    /// Whoever keeps a token asks before each use: that is two atomic loads, and a look at the list only where something
    /// was revoked in between.
    #[inline]
    pub fn is_revoked(&self) -> bool {
        let epoch = self.revocations.epoch();
        match self.in_force_at.load(Ordering::Relaxed) {
            REVOKED => true,
            at if at == epoch => false,
            _ => {
                let is_revoked = self.revocations.cover(self);
                self.in_force_at.store(if is_revoked { REVOKED } else { epoch }, Ordering::Relaxed);
                is_revoked
            }
        }
    }

    /// The list that says so.
    #[must_use]
    pub fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// The payload, read as a type of the caller's choice.
    ///
    /// # Errors
    ///
    /// When the payload is not of that shape; and of a certificate, or a token that was [withdrawn](Self::withdrawn), which
    /// have none.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        match &self.credential {
            Credential::Token { payload, .. } => serde_json::from_slice(payload),
            Credential::Certificate(_) => Err(serde_json::Error::custom("a certificate has no claims")),
            Credential::Withdrawn(_) => {
                Err(serde_json::Error::custom("the token was replaced, and its claims with it"))
            }
            Credential::Name(_) => Err(serde_json::Error::custom("a name has no claims")),
        }
    }

    /// SHA-256 of the token, or of the certificate, computed at first use: the subject part of a cache key.
    #[inline]
    pub fn fingerprint(&self) -> Fingerprint {
        *self.fingerprint.get_or_init(|| self.credential.fingerprint())
    }
}
