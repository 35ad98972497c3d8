//! Secrets that never print.

use std::{fmt, sync::Arc};

use serde::de::Error as _;
use subtle::ConstantTimeEq;

/// A token or other secret string.
///
/// Has no `Display` and no `Serialize`, prints as a fixed placeholder, compares in constant time (for equal
/// lengths), and is wiped from memory with its last clone. Every use of the text goes through
/// [`expose`](Self::expose), which makes the uses easy to find.
///
/// ```
/// use tower_identity_core::SecretToken;
///
/// let token = SecretToken::new("eyJhbGciOi");
/// assert_eq!(format!("{token:?}"), "SecretToken(..)");
/// assert_eq!(token.expose(), "eyJhbGciOi");
/// ```
#[derive(Clone)]
pub struct SecretToken(Arc<Wiped>);

/// Text that is wiped where it is dropped: all at once, since one byte at a time is felt with every token of a kilobyte.
struct Wiped(Box<str>);

impl Drop for Wiped {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0).into_boxed_bytes();
        bytes.fill(0);
        zeroize::optimization_barrier(&*bytes);
    }
}

impl SecretToken {
    /// Wraps a secret.
    #[must_use]
    pub fn new(secret: impl Into<Box<str>>) -> Self {
        Self(Arc::new(Wiped(secret.into())))
    }

    /// The secret itself, for the wire or for cryptography, never for a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0.0
    }
}

impl PartialEq for SecretToken {
    fn eq(&self, other: &Self) -> bool {
        self.expose().as_bytes().ct_eq(other.expose().as_bytes()).into()
    }
}

impl Eq for SecretToken {}

impl fmt::Debug for SecretToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretToken(..)")
    }
}

impl From<&str> for SecretToken {
    fn from(secret: &str) -> Self {
        Self::new(secret)
    }
}

impl From<String> for SecretToken {
    fn from(secret: String) -> Self {
        Self::new(secret)
    }
}

impl<'de> serde::Deserialize<'de> for SecretToken {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The reader's own message would quote what it found.
        Box::<str>::deserialize(deserializer).map(Self::new).map_err(|_| D::Error::custom("a secret is a string"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_of_the_wrong_type_is_not_quoted() {
        let refused = serde_json::from_str::<SecretToken>("12345").expect_err("a number").to_string();
        assert!(refused.starts_with("a secret is a string") && !refused.contains("123"), "{refused}");
        assert_eq!(serde_json::from_str::<SecretToken>("\"12345\"").expect("a string").expose(), "12345");
    }

    #[test]
    fn equality_is_of_the_text_and_debug_shows_nothing() {
        let token = SecretToken::new("abc");
        assert_eq!(token, SecretToken::new("abc"));
        assert_ne!(token, SecretToken::new("abd"));
        assert_ne!(token, SecretToken::new("ab"));
        assert_eq!(format!("{token:?} {:#?}", Some(&token)), "SecretToken(..) Some(\n    SecretToken(..),\n)");
    }
}
