//! The cryptography: the signer and verifier of `jsonwebtoken`, on aws-lc-rs over keys that are parsed once.
//!
//! That crate's own implementations parse the key at each call, and are chosen by a setting of the process.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED, ED25519, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
        RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_2048_8192_SHA256,
        RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512,
        RsaEncoding, RsaKeyPair, RsaParameters, RsaPublicKeyComponents,
    },
};
use jsonwebtoken::{
    crypto::{JwtSigner, JwtVerifier},
    signature::{Error, Signer, Verifier},
};

use crate::{Algorithm, material::Material};

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
            Material::P256 { point } if algorithm == Algorithm::Es256 => {
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            }
            Material::P384 { point } if algorithm == Algorithm::Es384 => {
                ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point)
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
}

impl Verifier<Vec<u8>> for PublicKey {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), Error> {
        self.parsed.verify_sig(message, signature).map_err(|_| Error::new())
    }
}

impl JwtVerifier for PublicKey {
    fn algorithm(&self) -> jsonwebtoken::Algorithm {
        theirs(self.algorithm)
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
            Self::P256(pair) => Material::P256 { point: pair.public_key().as_ref().into() },
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

    /// The key, to sign with this algorithm, which must be one of its type.
    pub(crate) fn signer(&self, algorithm: Algorithm) -> PrivateKey<'_> {
        PrivateKey { algorithm, pair: self }
    }
}

/// A private key, ready to make signatures of one algorithm.
pub(crate) struct PrivateKey<'k> {
    algorithm: Algorithm,
    pair: &'k KeyPair,
}

impl Signer<Vec<u8>> for PrivateKey<'_> {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = |_| Error::new();
        match self.pair {
            // The nonce is hedged: from the key, the message and fresh randomness (RFC 8725 §3.2).
            KeyPair::P256(pair) => {
                pair.sign(&SystemRandom::new(), message).map(|signature| signature.as_ref().into()).map_err(failed)
            }
            KeyPair::Ed25519(pair) => pair.try_sign(message).map(|signature| signature.as_ref().into()).map_err(failed),
            KeyPair::Rsa(pair) => {
                let encoding = signing(self.algorithm).ok_or_else(Error::new)?;
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &SystemRandom::new(), message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
        }
    }
}

impl JwtSigner for PrivateKey<'_> {
    fn algorithm(&self) -> jsonwebtoken::Algorithm {
        theirs(self.algorithm)
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
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa | Algorithm::Ed25519 => None,
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
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa | Algorithm::Ed25519 => None,
    }
}

/// The algorithm in the terms of `jsonwebtoken`, which has one name for both of EdDSA's.
fn theirs(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::Rs384 => jsonwebtoken::Algorithm::RS384,
        Algorithm::Rs512 => jsonwebtoken::Algorithm::RS512,
        Algorithm::Ps256 => jsonwebtoken::Algorithm::PS256,
        Algorithm::Ps384 => jsonwebtoken::Algorithm::PS384,
        Algorithm::Ps512 => jsonwebtoken::Algorithm::PS512,
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::Es384 => jsonwebtoken::Algorithm::ES384,
        Algorithm::EdDsa | Algorithm::Ed25519 => jsonwebtoken::Algorithm::EdDSA,
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
        assert_eq!(pair.signer(Algorithm::EdDsa).try_sign(SIGNED).expect("a signature"), signature);

        let key = PublicKey::new(Algorithm::EdDsa, &Material::Ed25519 { x: public.into() }).expect("a key");
        assert!(key.verify(SIGNED, &signature).is_ok());
        assert!(key.verify(&SIGNED[1..], &signature).is_err());
    }

    #[test]
    fn the_crates_names_are_those_of_rfc_7518() {
        for algorithm in Algorithm::ALL {
            let expected = if algorithm == Algorithm::Ed25519 { "EdDSA" } else { algorithm.as_str() };
            assert_eq!(format!("{:?}", theirs(algorithm)), expected);
        }
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
