//! A private key, and signing with it.

use std::{fmt, sync::Arc};

use jsonwebtoken::EncodingKey;
use serde::Serialize;
use serde_json::{Map, Value};
use tower_identity_core::SecretToken;

use crate::{Algorithm, MediaType, Thumbprint, VerifyingKey, base64url, crypto::KeyPair, material::Material};

/// A private key that signs tokens: ES256, Ed25519, or RSA of at least 2048 bits. Cheap to clone; never printed.
///
/// ```
/// use serde_json::{Value, json};
/// use tower_identity_jose::{Accept, Algorithm, KeySet, Limits, MediaType, SigningKey, Unverified};
///
/// let key = SigningKey::generate(Algorithm::Es256)?;
/// let token = key.sign(&MediaType::ACCESS_TOKEN, &json!({"sub": "alice"}))?;
///
/// let keys = KeySet::from_keys([key.verifying_key()])?;
/// let accept = Accept::new([MediaType::ACCESS_TOKEN], [Algorithm::Es256]);
/// let opened = Unverified::<Value>::parse(token.expose(), &Limits::default())?
///     .open(&keys, &accept)
///     .map_err(|unopened| unopened.into_error())?;
/// assert_eq!(opened.claims()["sub"], "alice");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SigningKey {
    pair: Arc<KeyPair>,
    public: Arc<Material>,
    thumbprint: Thumbprint,
    algorithm: Algorithm,
    key_id: Arc<str>,
}

/// Why there is no such private key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SigningKeyError {
    /// The text is not an unencrypted private key in PEM: PKCS#8, or PKCS#1 for RSA.
    #[error("not an unencrypted PKCS#8 private key in PEM")]
    Unreadable,
    /// The cryptography refuses the key: an RSA key of under 2048 bits, or a curve other than P-256.
    #[error("the private key is not of P-256, Ed25519, or RSA of 2048 to 8192 bits")]
    Invalid,
    /// The key is not of the type that the algorithm needs, or keys of this algorithm are not generated here.
    #[error("the key is not for {0}")]
    Algorithm(Algorithm),
    /// The cryptography keeps the private key to itself.
    #[error("the private key cannot be exported")]
    NotExportable,
}

/// Why nothing was signed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The header or the claims do not serialize.
    #[error("the claims do not serialize")]
    Serialize(#[source] Arc<serde_json::Error>),
    /// The claims serialize to something else than a JSON object (RFC 7519 §3).
    #[error("the claims are not a JSON object")]
    NotAnObject,
    /// The cryptography failed.
    #[error("the signature could not be made")]
    Signature,
}

impl SigningKey {
    /// A new key for [`Algorithm::Es256`], [`Algorithm::Ed25519`] or [`Algorithm::EdDsa`]; or one of RSA, of 2048 bits, for
    /// [`Algorithm::Rs256`] or [`Algorithm::Ps256`], which takes some tenths of a second.
    ///
    /// Its `kid` is its thumbprint.
    ///
    /// # Errors
    ///
    /// [`SigningKeyError::Algorithm`] for other algorithms.
    pub fn generate(algorithm: Algorithm) -> Result<Self, SigningKeyError> {
        let pair = KeyPair::generate(algorithm).ok_or(SigningKeyError::Algorithm(algorithm))?;
        Ok(Self::new(pair, algorithm))
    }

    /// Reads an unencrypted private key in PEM: PKCS#8, or PKCS#1 for RSA.
    ///
    /// Its `kid` is its thumbprint, its algorithm ES256, Ed25519 or RS256.
    ///
    /// # Errors
    ///
    /// [`SigningKeyError::Unreadable`] or [`SigningKeyError::Invalid`].
    pub fn from_pem(pem: &str) -> Result<Self, SigningKeyError> {
        let pem = pem.as_bytes();
        let (pair, algorithm) = if let Ok(key) = EncodingKey::from_ec_pem(pem) {
            (KeyPair::p256_from_pkcs8(key.as_bytes()), Algorithm::Es256)
        } else if let Ok(key) = EncodingKey::from_ed_pem(pem) {
            (KeyPair::ed25519_from_pkcs8(key.as_bytes()), Algorithm::Ed25519)
        } else if let Ok(key) = EncodingKey::from_rsa_pem(pem) {
            (KeyPair::rsa_from_pkcs1(key.as_bytes()), Algorithm::Rs256)
        } else {
            return Err(SigningKeyError::Unreadable);
        };
        pair.map(|pair| Self::new(pair, algorithm)).ok_or(SigningKeyError::Invalid)
    }

    fn new(pair: KeyPair, algorithm: Algorithm) -> Self {
        let public = pair.public();
        let thumbprint = public.thumbprint();
        let key_id = thumbprint.to_string().into();
        Self { pair: Arc::new(pair), public: Arc::new(public), thumbprint, algorithm, key_id }
    }

    /// The same key under another `kid`.
    #[must_use]
    pub fn with_key_id(self, key_id: impl Into<Arc<str>>) -> Self {
        Self { key_id: key_id.into(), ..self }
    }

    /// The same key for another algorithm of its type: PS256 instead of RS256, for example.
    ///
    /// # Errors
    ///
    /// [`SigningKeyError::Algorithm`] when the key is not of the type that the algorithm needs.
    pub fn with_algorithm(self, algorithm: Algorithm) -> Result<Self, SigningKeyError> {
        if !self.public.algorithms().contains(&algorithm) {
            return Err(SigningKeyError::Algorithm(algorithm));
        }
        Ok(Self { algorithm, ..self })
    }

    /// The `kid`.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The algorithm that it signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The thumbprint of its public part.
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    /// Its public part.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey::new(Some((*self.key_id).into()), None, Some(self.algorithm), &self.public)
            .expect("the public values are those of a key pair that the same library holds")
    }

    /// Its public part as an entry of a key set, with `kid`, `alg` and `use`.
    #[must_use]
    pub fn public_jwk(&self) -> Value {
        let mut jwk = self.public.to_jwk();
        jwk["kid"] = (*self.key_id).into();
        jwk["alg"] = self.algorithm.as_str().into();
        jwk["use"] = "sig".into();
        jwk
    }

    /// The private key in PEM (PKCS#8), as [`from_pem`](Self::from_pem) reads it.
    ///
    /// # Errors
    ///
    /// [`SigningKeyError::NotExportable`].
    pub fn to_pem(&self) -> Result<SecretToken, SigningKeyError> {
        // 48 bytes are a line of 64 characters (RFC 7468 §2).
        const LINE: usize = 48;
        let pem = self.pair.with_pkcs8(|der| {
            let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
            for line in der.chunks(LINE) {
                base64_simd::STANDARD.encode_append(line, &mut pem);
                pem.push('\n');
            }
            pem.push_str("-----END PRIVATE KEY-----\n");
            SecretToken::new(pem)
        });
        pem.ok_or(SigningKeyError::NotExportable)
    }

    /// Signs claims into a compact token whose header is `typ`, `alg` and `kid`.
    ///
    /// # Errors
    ///
    /// [`SignError`].
    pub fn sign<C: Serialize>(&self, typ: &MediaType, claims: &C) -> Result<SecretToken, SignError> {
        self.sign_with_header(&self.header(typ), claims)
    }

    /// The header that [`sign`](Self::sign) writes, to add to.
    #[must_use]
    pub fn header(&self, typ: &MediaType) -> Map<String, Value> {
        let members = [("alg", self.algorithm.as_str()), ("kid", &self.key_id), ("typ", typ.as_str())];
        members.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
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
        header: &Map<String, Value>,
        claims: &C,
    ) -> Result<SecretToken, SignError> {
        let serialize = |error| SignError::Serialize(Arc::new(error));
        let header = serde_json::to_vec(header).map_err(serialize)?;
        let claims = serde_json::to_vec(claims).map_err(serialize)?;
        if claims.first() != Some(&b'{') {
            return Err(SignError::NotAnObject);
        }
        let mut token = base64url::encode(&header);
        token.push('.');
        base64url::encode_append(&claims, &mut token);
        let signature = self.sign_bytes(token.as_bytes())?;
        token.push('.');
        base64url::encode_append(&signature, &mut token);
        Ok(SecretToken::new(token))
    }

    /// The signature over these bytes, as a token holds it before base64url (RFC 7515 §5.1).
    ///
    /// For test kits: what a token of any bytes is made with.
    ///
    /// # Errors
    ///
    /// [`SignError::Signature`].
    pub fn sign_bytes(&self, bytes: &[u8]) -> Result<Vec<u8>, SignError> {
        self.pair.sign(self.algorithm, bytes).ok_or(SignError::Signature)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("key_id", &self.key_id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// The JWKS document of these keys' public parts (RFC 7517 §5).
///
/// ```
/// use tower_identity_jose::{Algorithm, KeySet, SigningKey, public_key_set};
///
/// let key = SigningKey::generate(Algorithm::Ed25519)?.with_key_id("2026-11");
/// let keys = KeySet::parse(public_key_set([&key]).as_bytes())?;
/// assert!(keys.contains_key_id("2026-11"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn public_key_set<'k>(keys: impl IntoIterator<Item = &'k SigningKey>) -> String {
    let keys: Vec<_> = keys.into_iter().map(SigningKey::public_jwk).collect();
    serde_json::json!({ "keys": keys }).to_string()
}
