//! A public key.

use std::fmt;

use crate::KeyRejected;

/// The thumbprint of a key: SHA-256 over its required members (RFC 7638). Displays as base64url.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// The digest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::base64url::encode(&self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A public key, parsed and checked once.
#[derive(Debug, Clone)]
pub struct VerifyingKey {
    key_id: Option<Box<str>>,
    thumbprint: Thumbprint,
}

impl VerifyingKey {
    /// Reads one JSON Web Key.
    ///
    /// # Errors
    ///
    /// [`KeyRejected`].
    pub fn from_jwk(jwk: &serde_json::Value) -> Result<Self, KeyRejected> {
        let _ = jwk;
        unimplemented!()
    }

    /// The key's `kid`.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// The key's thumbprint.
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }
}
