//! A public key.

use std::fmt;

use crate::{Algorithm, KeyRejected, base64url, crypto::PublicKey, jwk::Jwk, material::Material};

/// The thumbprint of a key: SHA-256 over its required members (RFC 7638). Displays as base64url.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Thumbprint([u8; 32]);

/// A public key, read, checked and parsed once.
///
/// It is for the one algorithm that its JWK names; where that names none, for those of its type (RFC 8725 §3.1).
#[derive(Debug, Clone)]
pub struct VerifyingKey {
    key_id: Option<Box<str>>,
    thumbprint: Thumbprint,
    parsed: Box<[PublicKey]>,
}

impl Thumbprint {
    pub(crate) fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::encode(&self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl VerifyingKey {
    /// Reads one JSON Web Key.
    ///
    /// # Errors
    ///
    /// [`KeyRejected`].
    pub fn from_jwk(jwk: &serde_json::Value) -> Result<Self, KeyRejected> {
        let Jwk { key_id, algorithm, material } = Jwk::read(jwk)?;
        Self::new(key_id, algorithm, &material)
    }

    pub(crate) fn new(
        key_id: Option<Box<str>>,
        algorithm: Option<Algorithm>,
        material: &Material,
    ) -> Result<Self, KeyRejected> {
        // The two names of EdDSA are one algorithm on this curve, and issuers move from one to the other.
        let algorithms = match (&algorithm, material) {
            (None, _) | (_, Material::Ed25519 { .. }) => material.algorithms(),
            (Some(one), _) => std::slice::from_ref(one),
        };
        let parsed: Option<_> = algorithms.iter().map(|algorithm| PublicKey::new(*algorithm, material)).collect();
        Ok(Self { key_id, thumbprint: material.thumbprint(), parsed: parsed.ok_or(KeyRejected::Invalid)? })
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

    /// The algorithms that the key is for.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.parsed.iter().map(PublicKey::algorithm)
    }

    /// The key, parsed for this algorithm, if it is for it.
    pub(crate) fn parsed_for(&self, algorithm: Algorithm) -> Option<&PublicKey> {
        self.parsed.iter().find(|key| key.algorithm() == algorithm)
    }
}
