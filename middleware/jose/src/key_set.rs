//! A set of public keys (RFC 7517 §5).

use serde::Deserialize;
use serde_json::Value;

use crate::{
    KeyRejected, Thumbprint, VerifyingKey,
    json::{self, JsonError},
};

/// The public keys of one issuer. Never empty.
#[derive(Debug, Clone)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
    skipped: Vec<SkippedKey>,
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
    /// No key can verify tokens.
    #[error("the key set has no usable key ({} skipped)", skipped.len())]
    NoUsableKey {
        /// The keys, and why they are of no use.
        skipped: Vec<SkippedKey>,
    },
}

impl KeySet {
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

        let document: Document = json::object_from_slice(document).map_err(KeySetError::Json)?;
        let (mut keys, mut skipped) = (Vec::new(), Vec::new());
        for jwk in &document.keys {
            match VerifyingKey::from_jwk(jwk) {
                Ok(key) => keys.push(key),
                Err(reason) => {
                    let key_id = jwk.get("kid").and_then(Value::as_str).map(Into::into);
                    skipped.push(SkippedKey { key_id, reason });
                }
            }
        }
        if keys.is_empty() {
            return Err(KeySetError::NoUsableKey { skipped });
        }
        Ok(Self { keys, skipped })
    }

    /// A set of keys that are at hand.
    ///
    /// # Errors
    ///
    /// [`KeySetError::NoUsableKey`] when there is none.
    pub fn from_keys(keys: impl IntoIterator<Item = VerifyingKey>) -> Result<Self, KeySetError> {
        let keys: Vec<_> = keys.into_iter().collect();
        if keys.is_empty() {
            return Err(KeySetError::NoUsableKey { skipped: Vec::new() });
        }
        Ok(Self { keys, skipped: Vec::new() })
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
