//! A hash that only who has the key can make: HMAC-SHA256 (RFC 2104) over framed fields.

use std::{fmt, sync::Arc};

use aws_lc_rs::hmac;

use crate::base64url;

/// A key for hashes that nobody else can make, compare with guesses, or tell from chance: identifiers made of others, that
/// do not say of which. Cheap to clone; never printed.
///
/// ```
/// use tower_identity_jose::KeyedHash;
///
/// let hash = KeyedHash::new([7; 32])?;
/// let alice = hash.of("subject").field("https://login.example.com").field("alice").finish();
/// assert_eq!(alice.len(), 43);
/// assert_eq!(alice, hash.of("subject").field("https://login.example.com").field("alice").finish());
/// // Where one field ends and the next begins is part of what is hashed, and so is the domain.
/// assert_ne!(alice, hash.of("subject").field("https://login.example.co").field("malice").finish());
/// assert_ne!(alice, hash.of("source").field("https://login.example.com").field("alice").finish());
/// assert_ne!(alice, KeyedHash::new([8; 32])?.of("subject").field("https://login.example.com").field("alice").finish());
/// assert_eq!(KeyedHash::new([7; 31]).unwrap_err().to_string(), "the key of a keyed hash has less than 32 bytes");
/// # Ok::<(), tower_identity_jose::ShortKey>(())
/// ```
#[derive(Clone)]
pub struct KeyedHash(Arc<hmac::Key>);

/// The key has fewer bits than what it makes (RFC 2104 §3), or is short enough to be guessed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the key of a keyed hash has less than {} bytes", KeyedHash::MIN_KEY_BYTES)]
pub struct ShortKey(());

impl KeyedHash {
    /// The shortest key, in bytes.
    pub const MIN_KEY_BYTES: usize = 32;

    /// By this key: random bytes, which have to stay the same for as long as what they make.
    ///
    /// # Errors
    ///
    /// [`ShortKey`] under [`MIN_KEY_BYTES`](Self::MIN_KEY_BYTES).
    pub fn new(key: impl AsRef<[u8]>) -> Result<Self, ShortKey> {
        match key.as_ref() {
            key if key.len() < Self::MIN_KEY_BYTES => Err(ShortKey(())),
            key => Ok(Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, key)))),
        }
    }

    /// Starts a hash in a domain: the same fields in two domains never give the same.
    pub fn of(&self, domain: &'static str) -> KeyedHashBuilder {
        KeyedHashBuilder(hmac::Context::with_key(&self.0)).field(domain)
    }
}

impl fmt::Debug for KeyedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyedHash(..)")
    }
}

/// Collects the fields of a [`KeyedHash`], each framed by its length so that no two lists of fields share a hash.
#[derive(Clone)]
#[must_use]
pub struct KeyedHashBuilder(hmac::Context);

impl KeyedHashBuilder {
    /// Adds one field.
    pub fn field(mut self, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.0.update(&(value.len() as u64).to_be_bytes());
        self.0.update(value);
        self
    }

    /// Adds a field that may be absent: absent and empty differ.
    pub fn optional(self, value: Option<impl AsRef<[u8]>>) -> Self {
        match value {
            None => self.field([0]),
            Some(value) => self.field([1]).field(value),
        }
    }

    /// The hash of all fields so far, in base64url: 43 characters.
    #[must_use]
    pub fn finish(self) -> String {
        base64url::encode(self.0.sign().as_ref())
    }
}

impl fmt::Debug for KeyedHashBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyedHashBuilder(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_hmac_sha256_over_its_framed_fields() {
        // The frames are lengths of eight bytes, the greatest first.
        let framed = [&3u64.to_be_bytes()[..], b"any", &8u64.to_be_bytes(), b"Hi There"].concat();
        let key = [0x0b; 32];
        let expected = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &framed);
        let made = KeyedHash::new(key).expect("32 bytes").of("any").field("Hi There").finish();
        assert_eq!(made, base64url::encode(expected.as_ref()));
    }

    #[test]
    fn absent_is_not_empty() {
        let hash = KeyedHash::new([1; 32]).expect("32 bytes");
        let of = |value: Option<&str>| hash.of("test").optional(value).finish();
        assert_ne!(of(None), of(Some("")));
        assert_eq!(format!("{hash:?} {:?}", hash.of("test")), "KeyedHash(..) KeyedHashBuilder(..)");
    }
}
