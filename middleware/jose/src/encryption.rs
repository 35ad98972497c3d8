//! A JWT that only its recipient reads: JWE in compact form (RFC 7516 §7.1) around a JWS (RFC 7519 §5.2, nested), by ECDH-ES on
//! P-256 (RFC 7518 §4.6) and A256GCM (§5.3). Nothing else is written or read.
//!
//! Whoever has the public key encrypts, so that a token is encrypted says nothing of its sender: what is inside is signed, and
//! judged as any token is.

mod agreed;
mod decrypt;

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    agreement::{ECDH_P256, PrivateKey},
};
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};
use tower_identity_core::SecretToken;

use self::agreed::{Party, agreed_key};
pub use self::decrypt::{DecryptError, DecryptionKeys};
use crate::{
    SigningKeyError, base64url,
    material::{Curve, Material},
};

/// The `alg` and the `enc` of every token that is encrypted here.
const AGREEMENT: &str = "ECDH-ES";
const CONTENT: &str = "A256GCM";

/// The bytes of an initialization vector and of a tag (RFC 7518 §5.3).
const IV: usize = 12;
const TAG: usize = 16;

/// A private key that tokens are encrypted to: of P-256. Cheap to clone; never printed.
#[derive(Clone)]
pub struct DecryptionKey {
    private: Arc<PrivateKey>,
    public: EncryptionKey,
}

/// The public part of a [`DecryptionKey`]: whoever has it encrypts tokens to the one who has the other. Cheap to clone.
///
/// ```
/// use serde_json::json;
/// use tower_identity_jose::{Algorithm, DecryptionKey, DecryptionKeys, Limits, MediaType, SigningKey};
///
/// let payments = DecryptionKey::generate();
/// let signed = SigningKey::generate(Algorithm::Es256)?.sign(&MediaType::ACCESS_TOKEN, &json!({"sub": "alice"}))?;
///
/// let encrypted = payments.encryption_key().encrypt(&signed);
/// let keys = DecryptionKeys::new([payments]);
/// assert_eq!(keys.decrypt(encrypted.expose(), &Limits::default())?.expose(), signed.expose());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptionKey {
    key_id: Arc<str>,
    /// Uncompressed.
    point: Arc<[u8]>,
}

impl DecryptionKey {
    /// A new key, whose `kid` is its thumbprint (RFC 7638).
    ///
    /// # Panics
    ///
    /// Where the cryptography has no randomness, without which no key is one.
    #[must_use]
    pub fn generate() -> Self {
        let private =
            PrivateKey::generate(&ECDH_P256).expect("the generator of aws-lc aborts the process rather than fail");
        Self::new(private).expect("a private key that was generated has a public one")
    }

    /// Reads an unencrypted private key of P-256 in PEM (PKCS#8). Its `kid` is its thumbprint.
    ///
    /// # Errors
    ///
    /// [`SigningKeyError::Unreadable`] or [`SigningKeyError::Invalid`].
    pub fn from_pem(pem: &str) -> Result<Self, SigningKeyError> {
        let der = EncodingKey::from_ec_pem(pem.as_bytes()).map_err(|_| SigningKeyError::Unreadable)?;
        let private = PrivateKey::from_private_key_der(&ECDH_P256, der.as_bytes());
        private.ok().and_then(Self::new).ok_or(SigningKeyError::Invalid)
    }

    fn new(private: PrivateKey) -> Option<Self> {
        let point: Arc<[u8]> = private.compute_public_key().ok()?.as_ref().into();
        let thumbprint = Material::Ec { curve: Curve::P256, point: (*point).into() }.thumbprint();
        Some(Self {
            private: Arc::new(private),
            public: EncryptionKey { key_id: thumbprint.to_string().into(), point },
        })
    }

    /// The same key under another `kid`.
    #[must_use]
    pub fn with_key_id(mut self, key_id: impl Into<Arc<str>>) -> Self {
        self.public.key_id = key_id.into();
        self
    }

    /// Its public part.
    #[must_use]
    pub fn encryption_key(&self) -> &EncryptionKey {
        &self.public
    }
}

impl EncryptionKey {
    /// The key of this entry of a key set: one of P-256, with a `kid`, that is for nothing else than encryption (RFC 7517 §4.2).
    #[must_use]
    pub fn from_jwk(jwk: &Value) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let is_for_this = text("use") == Some("enc") && text("alg").is_none_or(|alg| alg == AGREEMENT);
        if !is_for_this || jwk.get("d").is_some() {
            return None;
        }
        let point = Party { kty: text("kty")?, crv: text("crv")?, x: text("x")?, y: text("y")? }.point()?;
        let key_id = text("kid").filter(|key_id| !key_id.is_empty())?;
        // Whether it is on the curve, the first agreement finds; here it is found at once.
        agreed::is_on_curve(&point).then(|| Self { key_id: key_id.into(), point: point.into() })
    }

    /// As an entry of a key set, with `kid`, `alg` and `use`.
    #[must_use]
    pub fn to_jwk(&self) -> Value {
        let mut jwk = self.material().to_jwk();
        jwk["kid"] = (*self.key_id).into();
        jwk["alg"] = AGREEMENT.into();
        jwk["use"] = "enc".into();
        jwk
    }

    /// The `kid`.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    fn material(&self) -> Material {
        Material::Ec { curve: Curve::P256, point: (*self.point).into() }
    }

    /// Encrypts a signed token, with an ephemeral key of its own.
    ///
    /// # Panics
    ///
    /// Where the cryptography has no randomness.
    #[must_use]
    pub fn encrypt(&self, signed: &SecretToken) -> SecretToken {
        const FAILED: &str =
            "a checked point, fresh keys and a fresh vector: aws-lc aborts the process rather than fail";
        let ephemeral = PrivateKey::generate(&ECDH_P256).expect(FAILED);
        let ours: Box<[u8]> = ephemeral.compute_public_key().expect(FAILED).as_ref().into();
        let epk = Material::Ec { curve: Curve::P256, point: ours }.to_jwk();
        let header = json!({"alg": AGREEMENT, "enc": CONTENT, "epk": epk, "kid": *self.key_id, "cty": "JWT"});
        let header = base64url::encode(header.to_string().as_bytes());

        let key = agreed_key(&ephemeral, &self.point, (&[], &[])).expect(FAILED);
        let mut iv = [0; IV];
        aws_lc_rs::rand::fill(&mut iv).expect(FAILED);
        let mut text = signed.expose().as_bytes().to_vec();
        let tag = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).expect(FAILED))
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(iv), Aad::from(header.as_bytes()), &mut text)
            .expect(FAILED);
        // The key is agreed on directly: there is none that was encrypted (RFC 7516 §5.1).
        let mut token = header;
        token.push('.');
        for part in [&iv[..], &text, tag.as_ref()] {
            token.push('.');
            base64url::encode_append(part, &mut token);
        }
        SecretToken::new(token)
    }
}

impl fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecryptionKey").field("key_id", &self.public.key_id).finish_non_exhaustive()
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptionKey").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}
