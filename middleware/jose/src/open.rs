//! Opening: whether a token is of an accepted kind, and genuine.

use std::{borrow::Borrow, fmt, sync::Arc};

use tower_identity_core::SecretToken;

use crate::{Accept, Algorithm, Compact, Header, KeySet, Unverified, VerifyingKey, crypto::PublicKey};

/// How many keys one token may have tried: those of its `kid`, or all of a set, that fit its algorithm.
const MAX_TRIED: usize = 4;

/// Why a token did not open, in the order in which it is checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The header has members other than `alg`, `kid` and `typ`, and must not.
    #[error("the header has members other than alg, kid and typ")]
    OtherMembers,
    /// The header names extensions that must be understood (`crit`, or an unencoded payload); none is, here.
    #[error("the header has critical extensions, and none is understood")]
    Critical,
    /// `typ` is not among the accepted kinds.
    #[error("the token is of another kind: typ is {}", quoted(found.as_deref()))]
    Type {
        /// What the token says it is.
        found: Option<Box<str>>,
    },
    /// The payload is itself a token (`cty` is `JWT`).
    #[error("the payload is itself a token")]
    Nested,
    /// `alg` is not among the accepted algorithms.
    #[error("the algorithm is not accepted: alg is {found:?}")]
    Algorithm {
        /// What the token says.
        found: Box<str>,
    },
    /// The token names no key, and must.
    #[error("the token names no key")]
    KeyIdMissing,
    /// The set has no key of this id; or the token names none, and no key of the set verifies it. Perhaps the set is
    /// older than the key.
    #[error("no such key in the key set: kid is {}", quoted(key_id.as_deref()))]
    UnknownKey {
        /// The key that the token names.
        key_id: Option<Box<str>>,
    },
    /// The key that the token names is for another algorithm.
    #[error("the key is not for the algorithm of the token")]
    KeyAlgorithm,
    /// The signature is not of that key over these bytes.
    #[error("the signature does not verify")]
    Signature,
}

impl OpenError {
    /// A header's text as far as an error shows it: the sender chose it, and its length.
    pub(crate) fn shown(text: &str) -> Box<str> {
        const SHOWN: usize = 64;
        text.chars().take(SHOWN).collect()
    }

    /// The check that failed, as a stable word: `header`, `crit`, `typ`, `alg`, `key` or `signature`.
    #[must_use]
    pub const fn check(&self) -> &'static str {
        match self {
            Self::OtherMembers => "header",
            Self::Critical => "crit",
            Self::Type { .. } | Self::Nested => "typ",
            Self::Algorithm { .. } => "alg",
            Self::KeyIdMissing | Self::UnknownKey { .. } | Self::KeyAlgorithm => "key",
            Self::Signature => "signature",
        }
    }
}

/// A token that did not open, and why. The token is given back, so that it can be tried with a newer key set without
/// being parsed again.
pub struct Unopened<C, T = Compact> {
    token: Box<Unverified<C, T>>,
    error: OpenError,
}

impl<C, T> Unopened<C, T> {
    /// Why it did not open.
    #[must_use]
    pub fn error(&self) -> &OpenError {
        &self.error
    }

    /// The token, for another attempt.
    #[must_use]
    pub fn into_token(self) -> Unverified<C, T> {
        *self.token
    }

    /// Why it did not open, for good.
    #[must_use]
    pub fn into_error(self) -> OpenError {
        self.error
    }
}

/// A token whose signature verified under a key of the set, and whose header is acceptable.
///
/// Its claims are what the signer wrote. Whether they hold (issuer, audience, time) is not checked here. It holds the
/// token, or borrows it, as the [`Unverified`] did that it was opened from.
pub struct Opened<C, T = Compact> {
    compact: T,
    algorithm: Algorithm,
    key: VerifyingKey,
    claims: C,
}

impl<C, T: Borrow<Compact>> Opened<C, T> {
    /// The claims.
    #[must_use]
    pub fn claims(&self) -> &C {
        &self.claims
    }

    /// The claims.
    #[must_use]
    pub fn into_claims(self) -> C {
        self.claims
    }

    /// The token as it was presented.
    #[must_use]
    pub fn token(&self) -> &SecretToken {
        &self.compact.borrow().token
    }

    /// The payload's JSON.
    #[must_use]
    pub fn payload(&self) -> &Arc<[u8]> {
        &self.compact.borrow().payload
    }

    pub(crate) fn compact(&self) -> &Compact {
        self.compact.borrow()
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &Header {
        self.compact.borrow().header()
    }

    /// The key that verified it: its thumbprint, its own `kid` (which the token need not have named), and the issuer
    /// that it is for, where it says so.
    #[must_use]
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The `kid` of the token.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.header().key_id()
    }

    /// The algorithm of the signature.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl<C, T> fmt::Debug for Unopened<C, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unopened").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<C, T: Borrow<Compact>> fmt::Debug for Opened<C, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("header", self.header()).finish_non_exhaustive()
    }
}

impl<C, T: Borrow<Compact>> Unverified<C, T> {
    /// Opens the token: other members of the header, `crit`, `typ`, `cty`, `alg`, key, signature, in this order.
    ///
    /// # Errors
    ///
    /// [`Unopened`], which holds the [`OpenError`] and gives the token back.
    pub fn open(self, keys: &KeySet, accept: &Accept) -> Result<Opened<C, T>, Unopened<C, T>> {
        match self.compact.borrow().verify(keys, accept) {
            Ok((algorithm, key)) => {
                Ok(Opened { compact: self.compact, algorithm, key: key.clone(), claims: self.claims })
            }
            Err(error) => Err(Unopened { token: Box::new(self), error }),
        }
    }

    /// Everything for which the token does not open, and not only the first of it: to explain a refusal. Without a key
    /// set, only what the header decides.
    ///
    /// The first is the error of [`open`](Self::open). That there is none proves nothing: only an [`Opened`] is a proof.
    #[must_use]
    pub fn faults(&self, keys: Option<&KeySet>, accept: &Accept) -> Vec<OpenError> {
        let header = self.header();
        let mut faults: Vec<_> = accept.faults(header).collect();
        // By the algorithm of the token, if it is any at all: that it is not accepted was said.
        if let (Some(keys), Some(algorithm)) = (keys, header.algorithm()) {
            faults.extend(self.compact.borrow().verifying(keys, algorithm).err());
        }
        faults
    }
}

impl Compact {
    /// The algorithm and the key that the token verifies with.
    pub(crate) fn verify<'k>(
        &self,
        keys: &'k KeySet,
        accept: &Accept,
    ) -> Result<(Algorithm, &'k VerifyingKey), OpenError> {
        let algorithm = accept.admit(self.header())?;
        self.verifying(keys, algorithm).map(|key| (algorithm, key))
    }

    /// The key that verifies the signature, as one of this algorithm.
    fn verifying<'k>(&self, keys: &'k KeySet, algorithm: Algorithm) -> Result<&'k VerifyingKey, OpenError> {
        let key_id = self.header().key_id();
        let named = |key: &&VerifyingKey| key_id.is_none_or(|key_id| key.key_id() == Some(key_id));
        let parsed = |key: &'k VerifyingKey| key.parsed_for(algorithm).map(|parsed| (key, parsed));
        let mut fitting = keys.keys().filter(named).filter_map(parsed).take(MAX_TRIED).peekable();

        let any_fits = fitting.peek().is_some();
        let mut buffer = [0; Self::SIGNATURE_BYTES];
        let signature = self.signature(&mut buffer);
        let verifies = |(_, parsed): &(_, &PublicKey)| {
            signature.as_deref().is_some_and(|signature| parsed.verifies(self.signed(), signature))
        };
        if let Some((key, _)) = fitting.find(verifies) {
            return Ok(key);
        }
        Err(match key_id {
            Some(_) if any_fits => OpenError::Signature,
            Some(key_id) if keys.contains_key_id(key_id) => OpenError::KeyAlgorithm,
            _ => OpenError::UnknownKey { key_id: key_id.map(OpenError::shown) },
        })
    }
}

fn quoted(text: Option<&str>) -> String {
    text.map_or_else(|| "absent".to_owned(), |text| format!("{text:?}"))
}

#[cfg(test)]
mod tests;
