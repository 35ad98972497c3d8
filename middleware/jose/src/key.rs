//! A public key.

use std::sync::Arc;

use crate::{
    Algorithm, KeyRejected, Thumbprint,
    crypto::PublicKey,
    jwk::{Jwk, Published},
    material::Material,
};

/// A public key, read, checked and parsed once. Cheap to clone.
///
/// It is for the one algorithm that its JWK names; where that names none, for those of its type (RFC 8725 §3.1).
#[derive(Debug, Clone)]
pub struct VerifyingKey(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    key_id: Option<Box<str>>,
    issuer: Option<Box<str>>,
    thumbprint: Thumbprint,
    parsed: Box<[PublicKey]>,
}

impl VerifyingKey {
    /// Reads one JSON Web Key.
    ///
    /// # Errors
    ///
    /// [`KeyRejected`].
    pub fn from_jwk(jwk: &serde_json::Value) -> Result<Self, KeyRejected> {
        Self::published(jwk, Published::KeySet)
    }

    pub(crate) fn published(jwk: &serde_json::Value, published: Published) -> Result<Self, KeyRejected> {
        let Jwk { key_id, issuer, algorithm, material } = Jwk::read(jwk, published)?;
        Self::new(key_id, issuer, algorithm, &material)
    }

    pub(crate) fn new(
        key_id: Option<Box<str>>,
        issuer: Option<Box<str>>,
        algorithm: Option<Algorithm>,
        material: &Material,
    ) -> Result<Self, KeyRejected> {
        // The two names of EdDSA are one algorithm on this curve, and issuers move from one to the other.
        let algorithms = match (&algorithm, material) {
            (None, _) | (_, Material::Ed25519 { .. }) => material.algorithms(),
            (Some(one), _) => std::slice::from_ref(one),
        };
        let parsed: Option<_> = algorithms.iter().map(|algorithm| PublicKey::new(*algorithm, material)).collect();
        let parsed = parsed.ok_or(KeyRejected::Invalid)?;
        Ok(Self(Arc::new(Inner { key_id, issuer, thumbprint: material.thumbprint(), parsed })))
    }

    /// The key's `kid`.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.0.key_id.as_deref()
    }

    /// The one issuer that the key is for, where its JWK says so: the member `issuer`, as it is written.
    ///
    /// No RFC knows the member. Entra ID writes it, because one set holds the keys of many issuers: a token that such a
    /// key verifies must be of that issuer (RFC 8725 §3.8), or of one of its pattern, where it holds `{tenantid}`.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.0.issuer.as_deref()
    }

    /// The key's thumbprint.
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        self.0.thumbprint
    }

    /// The algorithms that the key is for.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.0.parsed.iter().map(PublicKey::algorithm)
    }

    /// The key, parsed for this algorithm, if it is for it.
    pub(crate) fn parsed_for(&self, algorithm: Algorithm) -> Option<&PublicKey> {
        self.0.parsed.iter().find(|key| key.algorithm() == algorithm)
    }
}
