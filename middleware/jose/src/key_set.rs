//! A set of public keys (RFC 7517 §5).

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::{
    KeyRejected, Thumbprint, VerifyingKey,
    json::{self, JsonError},
    jwk::Published,
};

/// The public keys of one issuer. Never empty.
#[derive(Debug, Clone)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
    skipped: Vec<SkippedKey>,
    refresh_hint: Option<Duration>,
}

/// An entry of a key set that cannot verify tokens and was passed over (RFC 7517 §5).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkippedKey {
    /// Its `kid`, if it has one.
    pub key_id: Option<Box<str>>,
    /// Why it is of no use here.
    pub reason: KeyRejected,
}

/// Why a document is not a usable key set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// The document is not strict JSON, or has no list `keys`.
    #[error("the document is not a JSON Web Key Set")]
    Json(#[source] JsonError),
    /// More entries than any issuer has keys: each costs whoever looks for one.
    #[error("the key set has more than {limit} entries")]
    TooManyKeys {
        /// How many there may be.
        limit: usize,
    },
    /// No key can verify tokens.
    #[error("the key set has no usable key ({} skipped)", skipped.len())]
    NoUsableKey {
        /// The keys, and why they are of no use.
        skipped: Vec<SkippedKey>,
    },
}

impl KeySetError {
    /// Whether the document speaks about keys and accepts none: it has keys, but of those that are accepted not one, or
    /// with their private parts published. Keys that verified before must not go on then, as they do in an outage.
    #[must_use]
    pub fn withdraws_every_key(&self) -> bool {
        let speaks = |skipped: &SkippedKey| matches!(skipped.reason, KeyRejected::NotPinned | KeyRejected::Private);
        matches!(self, Self::NoUsableKey { skipped } if skipped.iter().any(speaks))
    }
}

impl KeySet {
    /// The most entries that a key set may have.
    pub const MAX_ENTRIES: usize = 128;

    /// Reads a JWKS document. Entries that cannot verify tokens are [skipped](Self::skipped).
    ///
    /// # Errors
    ///
    /// [`KeySetError`] when the document is not a key set, or when no key is usable.
    pub fn parse(document: &[u8]) -> Result<Self, KeySetError> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }

        let document: Document = json::object_from_slice(document, json::MAX_DEPTH).map_err(KeySetError::Json)?;
        Self::of_entries(&document.keys, Published::KeySet, None)
    }

    /// Reads the bundle of a SPIFFE trust domain (SPIFFE Trust Domain and Bundle §4).
    ///
    /// Only entries whose `use` is `jwt-svid` and that have a `kid` count. All others are [skipped](Self::skipped):
    /// those without `use`, with one of `sig`, or for X.509.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use tower_identity_jose::{Algorithm, KeySet, SigningKey};
    ///
    /// let mut jwk = SigningKey::generate(Algorithm::Es256)?.public_jwk();
    /// jwk["use"] = "jwt-svid".into();
    /// let bundle = serde_json::json!({"keys": [jwk], "spiffe_refresh_hint": 600}).to_string();
    ///
    /// let keys = KeySet::parse_trust_bundle(bundle.as_bytes())?;
    /// assert_eq!((keys.len(), keys.refresh_hint()), (1, Some(Duration::from_secs(600))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`KeySetError`] when the document is not a bundle, or when no key is usable.
    pub fn parse_trust_bundle(document: &[u8]) -> Result<Self, KeySetError> {
        #[derive(Deserialize)]
        struct Bundle {
            keys: Vec<Value>,
            #[serde(default, deserialize_with = "json::not_null")]
            spiffe_refresh_hint: Option<u64>,
        }

        let bundle: Bundle = json::object_from_slice(document, json::MAX_DEPTH).map_err(KeySetError::Json)?;
        let refresh_hint = bundle.spiffe_refresh_hint.map(Duration::from_secs);
        Self::of_entries(&bundle.keys, Published::TrustBundle, refresh_hint)
    }

    fn of_entries(
        entries: &[Value],
        published: Published,
        refresh_hint: Option<Duration>,
    ) -> Result<Self, KeySetError> {
        if entries.len() > Self::MAX_ENTRIES {
            return Err(KeySetError::TooManyKeys { limit: Self::MAX_ENTRIES });
        }
        let (mut keys, mut skipped) = (Vec::new(), Vec::new());
        for jwk in entries {
            match VerifyingKey::published(jwk, published) {
                Ok(key) => keys.push(key),
                Err(reason) => {
                    let key_id = jwk.get("kid").and_then(Value::as_str).map(Into::into);
                    skipped.push(SkippedKey { key_id, reason });
                }
            }
        }
        Self { keys, skipped, refresh_hint }.usable()
    }

    /// A set of keys that are at hand.
    ///
    /// # Errors
    ///
    /// [`KeySetError::NoUsableKey`] when there is none.
    pub fn from_keys(keys: impl IntoIterator<Item = VerifyingKey>) -> Result<Self, KeySetError> {
        Self { keys: keys.into_iter().collect(), skipped: Vec::new(), refresh_hint: None }.usable()
    }

    fn usable(self) -> Result<Self, KeySetError> {
        if self.keys.is_empty() {
            return Err(KeySetError::NoUsableKey { skipped: self.skipped });
        }
        Ok(self)
    }

    /// The same set without the keys whose thumbprints are not listed: they are [skipped](Self::skipped).
    ///
    /// # Errors
    ///
    /// [`KeySetError::NoUsableKey`] when none is listed.
    pub fn pinned_to(mut self, thumbprints: &[Thumbprint]) -> Result<Self, KeySetError> {
        let (pinned, others): (_, Vec<_>) =
            self.keys.into_iter().partition(|key| thumbprints.contains(&key.thumbprint()));
        let skip =
            |key: VerifyingKey| SkippedKey { key_id: key.key_id().map(Into::into), reason: KeyRejected::NotPinned };
        self.keys = pinned;
        self.skipped.extend(others.into_iter().map(skip));
        self.usable()
    }

    /// The same set and these keys behind its own, so that they are tried last: keys that an issuer took away a moment
    /// ago, for example. A key that is [in the set](Self::contains) already is not added.
    #[must_use]
    pub fn union(mut self, others: impl IntoIterator<Item = VerifyingKey>) -> Self {
        for key in others {
            if !self.contains(&key) {
                self.keys.push(key);
            }
        }
        self
    }

    /// The keys that are in this set, and not [in](Self::contains) the other: of a new set, what was added to an old one;
    /// of the old one, what was taken away.
    ///
    /// ```
    /// use tower_identity_jose::{Algorithm, KeySet, SigningKey, Thumbprint, VerifyingKey};
    ///
    /// let [first, second] = [SigningKey::generate(Algorithm::Es256)?, SigningKey::generate(Algorithm::Es256)?];
    /// let old = KeySet::from_keys([first.verifying_key()])?;
    /// let new = KeySet::from_keys([second.verifying_key()])?;
    ///
    /// let removed: Vec<Thumbprint> = old.difference(&new).map(VerifyingKey::thumbprint).collect();
    /// assert_eq!(removed, [first.thumbprint()]);
    /// // While requests that were signed before are on their way:
    /// let both = new.clone().union(old.difference(&new).cloned());
    /// assert_eq!(both.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn difference<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a VerifyingKey> {
        self.keys.iter().filter(|key| !other.contains(key))
    }

    /// Whether this key is in the set, under the same `kid`: under another, tokens would not find it.
    #[must_use]
    pub fn contains(&self, key: &VerifyingKey) -> bool {
        self.keys.iter().any(|own| own.thumbprint() == key.thumbprint() && own.key_id() == key.key_id())
    }

    /// How soon the domain would like its bundle to be fetched again (`spiffe_refresh_hint`). Of a trust bundle only.
    #[must_use]
    pub fn refresh_hint(&self) -> Option<Duration> {
        self.refresh_hint
    }

    /// The entries that were passed over.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// Whether a key has this `kid`.
    #[must_use]
    pub fn contains_key_id(&self, key_id: &str) -> bool {
        self.keys.iter().any(|key| key.key_id() == Some(key_id))
    }

    /// How many usable keys there are: at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a key set is never empty")]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The usable keys, in the order of the document.
    pub fn keys(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.keys.iter()
    }

    /// The thumbprints of the usable keys, in the order of the document.
    pub fn thumbprints(&self) -> impl Iterator<Item = Thumbprint> {
        self.keys.iter().map(VerifyingKey::thumbprint)
    }
}
