//! What an encrypted token holds.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use tower_identity_core::SecretToken;

use super::{
    AGREEMENT, CONTENT, DecryptionKey, IV, TAG,
    agreed::{Party, agreed_key},
};
use crate::{
    Limits, MediaType, base64url,
    json::{self, JsonError},
};

/// The longest `apu` and `apv`, as they are written.
const LONGEST_INFO: usize = 256;

/// How many keys are tried for a token that names none, as many as for a signature.
const MAX_TRIED: usize = 4;

/// The keys that tokens are encrypted to: the present one, and those before and after it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct DecryptionKeys(Arc<[DecryptionKey]>);

/// Why an encrypted token could not be read. Always its sender's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecryptError {
    /// Longer than [`Limits::token_bytes`].
    #[error("the token is longer than {limit} bytes")]
    TooLong {
        /// The limit that holds.
        limit: usize,
    },
    /// Not five parts in canonical base64url, of which the second is empty, the third of 12 bytes and the last of 16.
    #[error("the token is not an encrypted one of five parts")]
    Form,
    /// The header is not strict JSON, or a member that is acted on is missing or of a wrong type.
    #[error("the header is not acceptable")]
    Header(#[source] JsonError),
    /// `crit`, or `zip`, by which a short token becomes a long one (RFC 8725 §3.6).
    #[error("the header asks for an extension, or for compression")]
    Extension,
    /// `alg` is not `ECDH-ES`, or `enc` is not `A256GCM`.
    #[error("the token is not encrypted by ECDH-ES and A256GCM")]
    Algorithm,
    /// `cty` does not say that there is a JWT inside.
    #[error("what is encrypted does not say that it is a token")]
    ContentType,
    /// `epk` is no point of P-256, or `apu` or `apv` is malformed.
    #[error("the ephemeral key is not one of P-256")]
    EphemeralKey,
    /// It is encrypted to a key that is not among ours.
    #[error("the token is encrypted to another key")]
    UnknownKey,
    /// Another key, or other bytes: which, nobody can tell.
    #[error("the token does not decrypt")]
    Decryption,
}

/// The members that are acted on.
#[derive(Deserialize)]
struct Header {
    alg: String,
    enc: String,
    cty: Option<String>,
    kid: Option<String>,
    epk: Option<Party<String>>,
    apu: Option<String>,
    apv: Option<String>,
    /// Whether they are there, of whatever form.
    #[serde(default, deserialize_with = "is_there")]
    crit: bool,
    #[serde(default, deserialize_with = "is_there")]
    zip: bool,
}

fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

impl DecryptionKeys {
    /// These keys. A token that names one by its `kid` is read by that, or by none; one that names none by whichever of the
    /// first four does.
    pub fn new(keys: impl IntoIterator<Item = DecryptionKey>) -> Self {
        Self(keys.into_iter().collect())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entries of a key set by which others encrypt to these keys.
    pub fn public_jwks(&self) -> impl Iterator<Item = serde_json::Value> {
        self.0.iter().map(|key| key.encryption_key().to_jwk())
    }

    /// What is inside of a token that is encrypted to one of these keys: a token again, of which nothing is known.
    ///
    /// # Errors
    ///
    /// [`DecryptError`].
    pub fn decrypt(&self, token: &str, limits: &Limits) -> Result<SecretToken, DecryptError> {
        if token.len() > limits.token_bytes() {
            return Err(DecryptError::TooLong { limit: limits.token_bytes() });
        }
        let parts: Vec<_> = token.splitn(6, '.').collect();
        let [encoded, "", iv, text, tag] = *parts.as_slice() else { return Err(DecryptError::Form) };
        let decoded = |part| base64url::decode(part).map_err(|_| DecryptError::Form);
        let header = json::object_from_slice(&decoded(encoded)?, limits.json_depth()).map_err(DecryptError::Header)?;
        let (iv, mut text, tag) = (decoded(iv)?, decoded(text)?, decoded(tag)?);
        let iv: [u8; IV] = iv.try_into().map_err(|_| DecryptError::Form)?;
        if tag.len() != TAG {
            return Err(DecryptError::Form);
        }
        let agreement = Agreement::read(&header)?;
        text.extend(tag);

        let named = |key: &&DecryptionKey| header.kid.as_deref().is_none_or(|kid| key.encryption_key().key_id() == kid);
        let mut fitting = self.0.iter().filter(named).take(MAX_TRIED).peekable();
        if fitting.peek().is_none() {
            return Err(DecryptError::UnknownKey);
        }
        for key in fitting {
            let key = agreement.key(key).ok_or(DecryptError::EphemeralKey)?;
            let key = UnboundKey::new(&AES_256_GCM, &key).map_err(|_| DecryptError::Decryption)?;
            let mut text = text.clone();
            let nonce = Nonce::assume_unique_for_key(iv);
            let opened = LessSafeKey::new(key).open_in_place(nonce, Aad::from(encoded.as_bytes()), &mut text);
            if let Ok(inside) = opened {
                return str::from_utf8(inside).map(SecretToken::new).map_err(|_| DecryptError::Decryption);
            }
        }
        Err(DecryptError::Decryption)
    }
}

/// What the sender agrees on with us.
struct Agreement {
    point: Vec<u8>,
    apu: Vec<u8>,
    apv: Vec<u8>,
}

impl Agreement {
    /// Of a header that asks for what is done here, and for nothing else.
    fn read(header: &Header) -> Result<Self, DecryptError> {
        if header.crit || header.zip {
            return Err(DecryptError::Extension);
        }
        if header.alg != AGREEMENT || header.enc != CONTENT {
            return Err(DecryptError::Algorithm);
        }
        if !header.cty.as_deref().is_some_and(|cty| MediaType::JWT.matches(cty)) {
            return Err(DecryptError::ContentType);
        }
        let info = |said: &Option<String>| match said.as_deref() {
            None => Some(Vec::new()),
            Some(said) if said.len() > LONGEST_INFO => None,
            Some(said) => base64url::decode(said).ok(),
        };
        let read = || {
            let point = header.epk.as_ref()?.point()?;
            Some(Self { point, apu: info(&header.apu)?, apv: info(&header.apv)? })
        };
        read().ok_or(DecryptError::EphemeralKey)
    }

    fn key(&self, ours: &DecryptionKey) -> Option<zeroize::Zeroizing<Vec<u8>>> {
        agreed_key(&ours.private, &self.point, (&self.apu, &self.apv))
    }
}
