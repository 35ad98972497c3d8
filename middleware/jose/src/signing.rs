//! A private key, and signing with it.

use std::sync::Arc;

use serde::Serialize;
use tower_identity_core::SecretToken;

use crate::{Algorithm, MediaType, Thumbprint, VerifyingKey};

/// A private key that signs tokens: ES256, Ed25519, or RSA of at least 2048 bits. Cheap to clone.
///
/// ```
/// use serde_json::json;
/// use tower_identity_jose::{Algorithm, MediaType, SigningKey};
///
/// let key = SigningKey::generate(Algorithm::Es256)?;
/// let token = key.sign(&MediaType::ACCESS_TOKEN, &json!({"sub": "alice"}))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SigningKey(Arc<()>);

/// Why there is no such private key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SigningKeyError {
    /// The text is not an unencrypted private key in PEM: PKCS#8, or PKCS#1 for RSA.
    #[error("not an unencrypted PKCS#8 private key in PEM, of P-256, Ed25519 or RSA")]
    Unreadable,
    /// The cryptography refuses the key: an RSA key under 2048 bits, for example.
    #[error("the private key is not usable")]
    Invalid,
    /// The key is not of the type that the algorithm needs, or keys of this algorithm are not generated here.
    #[error("the key is not for {0}")]
    Algorithm(Algorithm),
}

/// Why nothing was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The claims do not serialize to a JSON object.
    #[error("the claims are not a JSON object")]
    Claims,
    /// The cryptography failed.
    #[error("the signature could not be made")]
    Signature,
}

impl SigningKey {
    /// A new key for [`Algorithm::Es256`], [`Algorithm::Ed25519`] or [`Algorithm::EdDsa`].
    ///
    /// Its `kid` is its thumbprint.
    ///
    /// # Errors
    ///
    /// [`SigningKeyError::Algorithm`] for other algorithms.
    pub fn generate(algorithm: Algorithm) -> Result<Self, SigningKeyError> {
        let _ = algorithm;
        unimplemented!()
    }

    /// Reads an unencrypted private key in PEM: PKCS#8, or PKCS#1 for RSA.
    ///
    /// Its `kid` is its thumbprint, its algorithm ES256, Ed25519 or RS256.
    ///
    /// # Errors
    ///
    /// [`SigningKeyError`].
    pub fn from_pem(pem: &str) -> Result<Self, SigningKeyError> {
        let _ = pem;
        unimplemented!()
    }

    /// The same key under another `kid`.
    #[must_use]
    pub fn with_key_id(self, key_id: impl Into<Box<str>>) -> Self {
        let _ = key_id.into();
        unimplemented!()
    }

    /// The same key for another algorithm of its type: PS256 instead of RS256, for example.
    ///
    /// # Errors
    ///
    /// [`SigningKeyError::Algorithm`] when the key is not of the type that the algorithm needs.
    pub fn with_algorithm(self, algorithm: Algorithm) -> Result<Self, SigningKeyError> {
        Err(SigningKeyError::Algorithm(algorithm))
    }

    /// The `kid`.
    #[must_use]
    pub fn key_id(&self) -> &str {
        unimplemented!()
    }

    /// The algorithm that it signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        unimplemented!()
    }

    /// The thumbprint of its public part.
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        unimplemented!()
    }

    /// Its public part.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        unimplemented!()
    }

    /// Its public part as a member of a key set, with `kid`, `alg` and `use`.
    #[must_use]
    pub fn public_jwk(&self) -> serde_json::Value {
        unimplemented!()
    }

    /// The private key in PEM (PKCS#8; RSA: PKCS#1), as [`from_pem`](Self::from_pem) reads it.
    ///
    /// # Errors
    ///
    /// [`SigningKeyError::Invalid`] when the cryptography does not give the key away.
    pub fn to_pem(&self) -> Result<SecretToken, SigningKeyError> {
        unimplemented!()
    }

    /// Signs claims into a compact token whose header is `typ`, `alg` and `kid`.
    ///
    /// # Errors
    ///
    /// [`SignError`].
    pub fn sign<C: Serialize>(&self, typ: &MediaType, claims: &C) -> Result<SecretToken, SignError> {
        let _ = (typ, claims);
        unimplemented!()
    }

    /// The header that [`sign`](Self::sign) would write, to add to.
    #[must_use]
    pub fn header(&self, typ: &MediaType) -> serde_json::Map<String, serde_json::Value> {
        let _ = typ;
        unimplemented!()
    }

    /// Signs claims under a header that is taken as it is: nothing is added to it and nothing checked.
    ///
    /// For dialects that need more members, and for tests that need a token which must be refused.
    ///
    /// # Errors
    ///
    /// [`SignError`].
    pub fn sign_with_header<C: Serialize>(
        &self,
        header: &serde_json::Map<String, serde_json::Value>,
        claims: &C,
    ) -> Result<SecretToken, SignError> {
        let _ = (header, claims);
        unimplemented!()
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// The JWKS document of these keys' public parts.
pub fn public_key_set<'k>(keys: impl IntoIterator<Item = &'k SigningKey>) -> String {
    let keys: Vec<_> = keys.into_iter().map(SigningKey::public_jwk).collect();
    serde_json::json!({ "keys": keys }).to_string()
}
