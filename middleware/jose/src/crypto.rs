//! The cryptography: signatures by aws-lc-rs, over keys that are parsed once.
//!
//! Not by way of the traits of `jsonwebtoken`: its own implementations parse the key at each call and are chosen by a
//! setting of the process, and what is behind its traits must be of one of its algorithms, of which Ed25519 and ES512 are
//! none, and take every signature as an allocation of its own.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED,
        ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
        RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
        RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
        RSA_PSS_SHA512, RsaEncoding, RsaKeyPair, RsaParameters, RsaPublicKeyComponents,
    },
};

use crate::{
    Algorithm,
    material::{Curve, Material},
};

/// The public values of a key, ready to verify signatures of one algorithm.
#[derive(Debug, Clone)]
pub(crate) struct PublicKey {
    algorithm: Algorithm,
    parsed: ParsedPublicKey,
}

impl PublicKey {
    /// Parses the values. None when they are not those of a key, or of a key for this algorithm.
    pub(crate) fn new(algorithm: Algorithm, material: &Material) -> Option<Self> {
        let parsed = match material {
            Material::Rsa { n, e } => RsaPublicKeyComponents { n, e }.to_parsed_public_key(verifying(algorithm)?),
            Material::Ec { curve: Curve::P256, point } if algorithm == Algorithm::Es256 => {
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            }
            Material::Ec { curve: Curve::P384, point } if algorithm == Algorithm::Es384 => {
                ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point)
            }
            Material::Ec { curve: Curve::P521, point } if algorithm == Algorithm::Es512 => {
                ParsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, point)
            }
            Material::Ed25519 { x } if matches!(algorithm, Algorithm::EdDsa | Algorithm::Ed25519) => {
                ParsedPublicKey::new(&ED25519, x)
            }
            _ => return None,
        };
        Some(Self { algorithm, parsed: parsed.ok()? })
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether this is a signature by the key over the message.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }
}

/// A private key of any type.
#[derive(Debug)]
pub(crate) enum KeyPair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl KeyPair {
    /// A new key for this algorithm, where keys of it are made here.
    pub(crate) fn generate(algorithm: Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok().map(Self::P256),
            Algorithm::Ed25519 | Algorithm::EdDsa => Ed25519KeyPair::generate().ok().map(Self::Ed25519),
            Algorithm::Rs256 | Algorithm::Ps256 => RsaKeyPair::generate(KeySize::Rsa2048).ok().map(Self::Rsa),
            _ => None,
        }
    }

    pub(crate) fn p256_from_pkcs8(der: &[u8]) -> Option<Self> {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).ok().map(Self::P256)
    }

    pub(crate) fn ed25519_from_pkcs8(der: &[u8]) -> Option<Self> {
        Ed25519KeyPair::from_pkcs8(der).ok().map(Self::Ed25519)
    }

    pub(crate) fn rsa_from_pkcs1(der: &[u8]) -> Option<Self> {
        RsaKeyPair::from_der(der).ok().map(Self::Rsa)
    }

    pub(crate) fn public(&self) -> Material {
        match self {
            Self::P256(pair) => Material::Ec { curve: Curve::P256, point: pair.public_key().as_ref().into() },
            Self::Ed25519(pair) => Material::Ed25519 { x: pair.public_key().as_ref().into() },
            Self::Rsa(pair) => {
                let values = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                Material::Rsa { n: values.n.into(), e: values.e.into() }
            }
        }
    }

    /// Shows the key as PKCS#8, unencrypted, in memory that is wiped afterwards. None when the cryptography does not
    /// give the key away.
    pub(crate) fn with_pkcs8<R>(&self, read: impl FnOnce(&[u8]) -> R) -> Option<R> {
        match self {
            Self::P256(pair) => pair.to_pkcs8v1().ok().map(|der| read(der.as_ref())),
            Self::Ed25519(pair) => pair.to_pkcs8v1().ok().map(|der| read(der.as_ref())),
            Self::Rsa(pair) => AsDer::<Pkcs8V1Der<'_>>::as_der(pair).ok().map(|der| read((*der).as_ref())),
        }
    }

    /// Signs with this algorithm, which must be one of the key's type.
    pub(crate) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            // The nonce is hedged: from the key, the message and fresh randomness (RFC 8725 §3.2).
            Self::P256(pair) => {
                pair.sign(&SystemRandom::new(), message).ok().map(|signature| signature.as_ref().into())
            }
            Self::Ed25519(pair) => pair.try_sign(message).ok().map(|signature| signature.as_ref().into()),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(signing(algorithm)?, &SystemRandom::new(), message, &mut signature).ok()?;
                Some(signature)
            }
        }
    }
}

fn verifying(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::Rs256 => Some(&RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => Some(&RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => Some(&RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => Some(&RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => Some(&RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => Some(&RSA_PSS_2048_8192_SHA512),
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::Es512 | Algorithm::EdDsa | Algorithm::Ed25519 => None,
    }
}

fn signing(algorithm: Algorithm) -> Option<&'static dyn RsaEncoding> {
    match algorithm {
        Algorithm::Rs256 => Some(&RSA_PKCS1_SHA256),
        Algorithm::Rs384 => Some(&RSA_PKCS1_SHA384),
        Algorithm::Rs512 => Some(&RSA_PKCS1_SHA512),
        Algorithm::Ps256 => Some(&RSA_PSS_SHA256),
        Algorithm::Ps384 => Some(&RSA_PSS_SHA384),
        Algorithm::Ps512 => Some(&RSA_PSS_SHA512),
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::Es512 | Algorithm::EdDsa | Algorithm::Ed25519 => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base64url;

    /// RFC 8037 appendix A: its payload is no JSON, so it is checked below the level of tokens.
    #[test]
    fn rfc8037_a4_and_a5_ed25519() {
        const SIGNED: &[u8] = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let bytes = |text: &str| base64url::decode(text).expect("base64url");
        let seed = bytes("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
        let public = bytes("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        let signature = bytes("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");

        let pair = KeyPair::Ed25519(Ed25519KeyPair::from_seed_and_public_key(&seed, &public).expect("a key"));
        assert_eq!(pair.sign(Algorithm::EdDsa, SIGNED), Some(signature.clone()));

        let key = PublicKey::new(Algorithm::EdDsa, &Material::Ed25519 { x: public.into() }).expect("a key");
        assert!(key.verifies(SIGNED, &signature));
        assert!(!key.verifies(&SIGNED[1..], &signature));
    }

    #[test]
    fn jwt_a5_values_are_parsed_for_algorithms_of_their_type_only() {
        let pair = KeyPair::generate(Algorithm::Es256).expect("a key");
        for algorithm in Algorithm::ALL {
            let parsed = PublicKey::new(algorithm, &pair.public()).map(|key| key.algorithm());
            assert_eq!(parsed, (algorithm == Algorithm::Es256).then_some(algorithm));
        }
    }
}
