//! The settings of a verifier at work: one generation of them, which never changes.

use std::{any::Any, sync::Arc};

#[cfg(feature = "transaction-tokens")]
use tower_identity_core::RefusalKind;
use tower_identity_core::{CallerContext, Clock, Issuer, Refusal, Revocations};
use tower_identity_jose::{Compact, DecryptionKeys, KnownHeaders, Limits, ParseError};
use tower_identity_oauth::Http;

#[cfg(feature = "transaction-tokens")]
use crate::transactions::TrustDomains;
use crate::{
    Verification,
    anchor::Anchor,
    certificate::Certificates,
    claims::{self, Claims, Unread},
    encrypted::is_as_agreed,
    feed::Pulls,
    id_tokens::IdTokens,
    opaque::{Opaque, is_jwt_like},
    proof::Proof,
    relation::Relations,
    remembered::Memory,
    trusted::{Attempt, Trusted, issuer_among, unreadable},
};

#[derive(Debug)]
pub(crate) struct Inner {
    /// Home first, so never empty; those that are taken at their word last. Few, so that a walk beats a hash.
    pub(crate) trusted: Box<[Arc<Trusted>]>,
    /// Whose users may present a credential of their own beside their caller's.
    pub(crate) users: Box<[Arc<Trusted>]>,
    /// Who hands work over, with a record of for whom.
    pub(crate) producers: Box<[Arc<Trusted>]>,
    /// Whose ID tokens are taken of whom.
    pub(crate) id_tokens: Box<[IdTokens]>,
    /// None of them.
    pub(crate) id_tokens_remembered: Arc<Memory>,
    /// What tokens are encrypted to, of those issuers whose are.
    pub(crate) decryption: DecryptionKeys,
    /// The one whose tokens are opaque, if there is one, among each of the two.
    pub(crate) opaque: Option<Arc<Opaque>>,
    pub(crate) users_opaque: Option<Arc<Opaque>>,
    /// What was verified of the tokens of each, by these settings.
    pub(crate) remembered: Arc<Memory>,
    pub(crate) users_remembered: Arc<Memory>,
    /// Whose transaction tokens are accepted beside a caller's credential.
    #[cfg(feature = "transaction-tokens")]
    pub(crate) trust_domains: TrustDomains,
    pub(crate) certificates: Certificates,
    pub(crate) relations: Relations,
    pub(crate) limits: Limits,
    pub(crate) headers: Arc<KnownHeaders>,
    pub(crate) clock: Clock,
    /// The client that issuers without authorities of their own are asked by. Each generation hands it on.
    pub(crate) http: Http,
    /// Counted from 1.
    pub(crate) generation: u64,
    /// What stands and falls with these settings.
    pub(crate) beside: Option<Arc<dyn Any + Send + Sync>>,
    /// Where revocations are pulled from, if they are. Each generation hands it on.
    pub(crate) pulls: Option<Arc<Pulls>>,
}

impl Inner {
    /// Verifies a caller's token.
    pub(crate) fn bearer(&self, token: &str, proof: Proof) -> Verification {
        match self.recall(token.as_bytes(), &self.remembered, proof) {
            Some(caller) => Verification::decided(Ok(caller)),
            None => self.bearer_anew(token, proof),
        }
    }

    /// Verifies a caller's token that is not remembered.
    pub(crate) fn bearer_anew(&self, token: &str, proof: Proof) -> Verification {
        proof.demanded_of(self.verify(token, &self.trusted, self.opaque.as_ref(), &self.remembered))
    }

    /// Verifies a user's own credential.
    pub(crate) fn user(&self, token: &str, proof: Proof) -> Verification {
        match self.recall(token.as_bytes(), &self.users_remembered, proof) {
            Some(user) => Verification::decided(Ok(user)),
            None => {
                let opaque = self.users_opaque.as_ref();
                proof.demanded_of(self.verify(token, &self.users, opaque, &self.users_remembered))
            }
        }
    }

    /// Verifies a transaction token, which says nothing of who presents it. One that is bound to a key is nobody's here.
    #[cfg(feature = "transaction-tokens")]
    pub(crate) fn transaction_token(&self, token: &str) -> Verification {
        let TrustDomains { all, remembered } = &self.trust_domains;
        if all.is_empty() {
            let nobodys = "a transaction token was looked for, and those of no trust domain are accepted";
            return Verification::decided(Err(Refusal::new(RefusalKind::Misconfigured, "wiring").detail(nobodys)));
        }
        match self.recall(token.as_bytes(), remembered, Proof::NOTHING) {
            Some(token) => Verification::decided(Ok(token)),
            None => Proof::NOTHING.demanded_of(self.verify(token, all, None, remembered)),
        }
    }

    /// Nothing, while it is not known what was revoked since, or where the request does not prove what the token asks for.
    pub(crate) fn recall(&self, token: &[u8], memory: &Memory, proof: Proof) -> Option<CallerContext> {
        let knows = self.pulls.as_ref().is_none_or(|pulls| pulls.admit().is_ok());
        let caller = knows.then(|| memory.recall(token)).flatten()?;
        proof.suffices(caller.caller_token()).then_some(caller)
    }

    /// Verifies a token, and asks for no proof of what it is bound to.
    pub(crate) fn verify(
        &self,
        token: &str,
        trusted: &[Arc<Trusted>],
        opaque: Option<&Arc<Opaque>>,
        memory: &Arc<Memory>,
    ) -> Verification {
        if let Some(Err(refusal)) = self.pulls.as_ref().map(|pulls| pulls.admit()) {
            return Verification::decided(Err(refusal));
        }
        if let Some(opaque) = opaque.filter(|_| !is_jwt_like(token)) {
            return opaque.verify(token);
        }
        memory.missed();
        let compact = match Compact::parse_knowing(token, &self.limits, &self.headers) {
            Ok(compact) => compact,
            Err(ParseError::Encrypted) if !self.decryption.is_empty() => {
                return self.verify_encrypted(token, trusted, memory);
            }
            Err(error) => return Verification::decided(Err(unreadable(error))),
        };
        let mut claims = Claims::default();
        let trusted = match attempt(&compact, &mut claims, trusted) {
            Ok((trusted, Attempt::Decided(decision))) => {
                return Verification::decided(decision.map(|found| memory.keep(trusted, found)));
            }
            Err(refusal) => return Verification::decided(Err(refusal)),
            Ok((trusted, Attempt::NoKeys(_) | Attempt::UnknownKey(..))) => Arc::clone(trusted),
        };
        let (arrived, memory) = (self.clock.monotonic(), Arc::clone(memory));
        // The claims borrow from the token and cannot move along with it: they are read again where it waits.
        Verification::fetching(Box::pin(async move {
            let mut claims = Claims::default();
            let token = compact.claims_by(Unread(&mut claims)).map_err(unreadable)?;
            trusted.settle(token, arrived).await.map(|found| memory.keep(&trusted, found))
        }))
    }

    pub(crate) fn home(&self) -> &Issuer {
        self.trusted[0].rules.anchor.name()
    }

    pub(crate) fn anchor_of(&self, issuer: &Issuer) -> Option<&Issuer> {
        let all = self.trusted.iter().chain(&self.users);
        #[cfg(feature = "transaction-tokens")]
        let all = all.chain(&self.trust_domains.all);
        let anchors = all.map(|trusted| &trusted.rules.anchor);
        let of_tokens = anchors.into_iter().find(|anchor| anchor.issuers().any(|own| own == issuer)).map(Anchor::name);
        of_tokens.or_else(|| self.certificates.issuers().find(|own| *own == issuer))
    }

    pub(crate) fn issuers(&self) -> impl Iterator<Item = &Issuer> {
        let of_tokens = self.trusted.iter().filter(|trusted| !trusted.is_asserting());
        of_tokens.flat_map(|trusted| trusted.rules.anchor.issuers())
    }

    /// What is revoked.
    pub(crate) fn revocations(&self) -> &Revocations {
        &self.trusted[0].rules.revocations
    }

    /// The issuer, or the trust domain, of this name, whose tokens are accepted.
    pub(crate) fn trusts(&self, name: &str) -> Option<Issuer> {
        let all = self.trusted.iter().chain(&self.users).chain(&self.producers);
        #[cfg(feature = "transaction-tokens")]
        let all = all.chain(&self.trust_domains.all);
        let mut issuers = all.flat_map(|trusted| trusted.rules.anchor.issuers().chain(&*trusted.rules.users_of));
        issuers.find(|issuer| *issuer == name).cloned()
    }

    pub(crate) fn issuer_of_jwts(&self, issuer: &Issuer) -> Option<&Arc<Trusted>> {
        let all = self.trusted.iter().chain(&self.users).filter(|trusted| !trusted.is_opaque);
        let mut all = all.filter(|trusted| !matches!(trusted.rules.anchor, Anchor::TrustDomain { .. }));
        all.find(|trusted| trusted.rules.anchor.issuers().any(|own| own == issuer))
    }

    pub(crate) fn has_tenants(&self, issuer: &Issuer) -> bool {
        let mut all = self.trusted.iter().chain(&self.users);
        all.any(|trusted| match &trusted.rules.anchor {
            Anchor::Tenants { tenants, .. } => tenants.iter().any(|named| named.issuer == *issuer),
            Anchor::Issuer(_) | Anchor::Asked(_) | Anchor::TrustDomain { .. } => false,
            #[cfg(feature = "transaction-tokens")]
            Anchor::Transactions { .. } => false,
        })
    }

    /// The issuer of this token among these, if it has no keys at hand.
    pub(crate) fn without_keys(&self, token: &str, among: &[Arc<Trusted>]) -> Option<Arc<Trusted>> {
        let compact = Compact::parse(token, &self.limits).ok()?;
        let trusted = issuer_among(among, compact.claims().ok()?.claims_unverified()).ok()?;
        trusted.keys.at_hand(self.clock.monotonic()).is_none().then(|| Arc::clone(trusted))
    }
}

fn attempt<'t, 'i>(
    compact: &'t Compact,
    claims: &'t mut Claims<'t>,
    trusted: &'i [Arc<Trusted>],
) -> Result<(&'i Arc<Trusted>, Attempt<'t>), Refusal> {
    let token = compact.claims_with(|payload| claims::read(payload, claims)).map_err(unreadable)?;
    let trusted = issuer_among(trusted, token.claims_unverified())?;
    is_as_agreed(trusted, false)?;
    Ok((trusted, trusted.attempt(token)))
}
