//! The internal identity in the place of what a caller presented, remembered.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use http::HeaderValue;
use quick_cache::sync::Cache;
use tower_identity_core::{
    Audience, BoxFuture, CallerContext, Fingerprint, InvalidSetting, Refusal, RefusalKind, Timestamp,
};
use tower_identity_jose::KeySet;
use tower_identity_oauth::Standing;
use tower_identity_verify::{TransactionTokens, TrustedIssuer, Verifier, VerifierBuilder};

use crate::{Mint, MintError};

/// How many are remembered.
pub(crate) const MANY: usize = 10_000;

/// What stands in the verifier of the trust domain where others have a home: nobody's, and never asked.
pub(crate) const NOBODY: &str = "urn:tower-identity:edge";

/// Makes internal identities of one trust domain, has them verified by what that trusts, and remembers them.
pub(crate) struct Replacing {
    mint: Mint,
    trust_domain: Audience,
    /// Of the trust domain: it trusts the mint's keys, and nothing else.
    verifier: Verifier,
    /// Of the ring, whose keys these are.
    generation: AtomicU64,
    made: Cache<Presented, Arc<Replaced>>,
}

/// What a caller presented: its credential, and what speaks for its user, which may be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Presented(Fingerprint, Fingerprint);

impl Presented {
    pub(crate) fn of(caller: &CallerContext) -> Self {
        Self(caller.caller_token().fingerprint(), caller.token().fingerprint())
    }
}

/// An internal identity, verified.
#[derive(Debug)]
pub(crate) struct Replaced {
    pub(crate) within: CallerContext,
    pub(crate) field: HeaderValue,
    /// Early enough that whoever gets it has time left.
    pub(crate) renewed_at: Timestamp,
    /// With what it was made of, if not before.
    pub(crate) ends: Timestamp,
    /// Of the credential that it was obtained with, where that may be withdrawn.
    pub(crate) by: Option<Standing>,
}

impl Replaced {
    /// Whether it may be used now.
    pub(crate) fn is_good(&self, now: Timestamp) -> bool {
        now < self.ends && !self.within.is_revoked() && self.by.as_ref().is_none_or(|by| !by.is_gone())
    }
}

/// A caller within the trust domain, now or later.
pub(crate) enum Replacement {
    Now(Result<(CallerContext, Arc<Replaced>), Refusal>),
    Later(Coming),
}

/// One that is on its way.
pub(crate) type Coming = BoxFuture<'static, Result<(CallerContext, Arc<Replaced>), Refusal>>;

impl Replacing {
    pub(crate) fn new(mint: Mint, trust_domain: &str) -> Result<Self, InvalidSetting> {
        let trust_domain = mint.trust_domains().find(|name| **name == *trust_domain).cloned();
        let trust_domain = trust_domain
            .ok_or_else(|| InvalidSetting::new("trust_domain", "is not one that the mint makes identities for"))?;
        let generation = mint.keys().generation();
        let verifier = trusting(&mint, &trust_domain, mint.keys().keys()).build()?;
        let made = Cache::new(MANY);
        Ok(Self { mint, trust_domain, verifier, generation: AtomicU64::new(generation), made })
    }

    /// As many as this at most are remembered.
    pub(crate) fn remembering(&self, many: usize) -> Self {
        Self {
            mint: self.mint.clone(),
            trust_domain: self.trust_domain.clone(),
            verifier: self.verifier.clone(),
            generation: AtomicU64::new(self.generation.load(Ordering::Acquire)),
            made: Cache::new(many),
        }
    }

    /// The internal identity of this caller, on this request: the one that was made of the same credentials before, as long
    /// as it is good, or another.
    pub(crate) fn replace(&self, caller: &CallerContext) -> Result<(CallerContext, Arc<Replaced>), Refusal> {
        // Decided for each request, and so asked of each.
        if !caller.principal().binding().is_established() {
            return Err(MintError::Unrelated.into());
        }
        let presented = Presented::of(caller);
        let known = self
            .made
            .get(&presented)
            .filter(|known| self.mint.keys().clock().coarse_wall() < known.renewed_at && !known.within.is_revoked());
        let replaced = match known {
            Some(known) => known,
            None => self.make(caller, presented)?,
        };
        Ok((replaced.within.judged_again(caller.judged_at()), replaced))
    }

    /// Out of line: few requests come here.
    #[inline(never)]
    fn make(&self, caller: &CallerContext, presented: Presented) -> Result<Arc<Replaced>, Refusal> {
        let began = self.mint.keys().clock().wall();
        let minted = self.mint.mint(caller, &self.trust_domain)?;
        self.follow_keys();
        let settings = self.verifier.current();
        let within = match minted.signed() {
            Some(signed) => settings.within_encrypted(Some(caller), signed.expose(), minted.token()),
            None => settings.within(Some(caller), minted.token().expose()),
        };
        let within = within.try_now().unwrap_or_else(|_| Err(wrong("its keys are not at hand")));
        let within = within.map_err(|why| match why.kind() {
            // Of the caller's own credential, which was revoked meanwhile.
            RefusalKind::InvalidToken => why,
            _ => wrong("it does not verify").caused_by(why),
        })?;
        let left = minted.ends().since(began);
        let renewed_at = began.saturating_add(left - left / 4);
        let (field, ends) = (minted.header_value(), minted.ends());
        let replaced = Arc::new(Replaced { within, field, renewed_at, ends, by: None });
        self.made.insert(presented, Arc::clone(&replaced));
        Ok(replaced)
    }

    /// Trusts the keys of the ring as they are now. A key signs long after it was published: whichever of two threads comes
    /// last, what it has seen holds the key of every token that either has made.
    fn follow_keys(&self) {
        let generation = self.mint.keys().generation();
        if self.generation.load(Ordering::Acquire) == generation {
            return;
        }
        let others = trusting(&self.mint, &self.trust_domain, self.mint.keys().keys());
        self.verifier.replace(others).expect("they are the settings that it was built with, but for their keys");
        self.generation.store(generation, Ordering::Release);
    }

    pub(crate) fn trust_domain(&self) -> &Audience {
        &self.trust_domain
    }
}

fn trusting(mint: &Mint, trust_domain: &Audience, keys: KeySet) -> VerifierBuilder {
    let nobody = TrustedIssuer::keys(NOBODY, keys.clone()).audience(NOBODY);
    Verifier::builder(nobody)
        .transaction_tokens(TransactionTokens::of_keys(trust_domain.as_str(), keys))
        .clock(mint.keys().clock().clone())
}

/// What the mint has made is not what its trust domain takes.
fn wrong(rule: &'static str) -> Refusal {
    Refusal::new(RefusalKind::Misconfigured, "internal_identity").detail(rule)
}

#[cfg(test)]
mod tests;
