//! The public values of a key, before any cryptography library has seen them.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::{Algorithm, Thumbprint, base64url, roca};

/// The public values of a key, by its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Material {
    /// RSA: big-endian, without leading zeros.
    Rsa { n: Box<[u8]>, e: Box<[u8]> },
    /// A point of a curve, uncompressed (SEC 1 §2.3.3).
    Ec { curve: Curve, point: Box<[u8]> },
    /// A public key of Ed25519 (RFC 8032 §5.1.5).
    Ed25519 { x: Box<[u8]> },
}

/// A curve of NIST (RFC 7518 §6.2.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    /// The curve of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::P256, Self::P384, Self::P521].into_iter().find(|curve| curve.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// The length of a coordinate, in bytes.
    pub(crate) fn coordinate(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

impl Material {
    /// The algorithms that keys of this type are for.
    pub(crate) fn algorithms(&self) -> &'static [Algorithm] {
        match self {
            Self::Rsa { .. } => &[
                Algorithm::Rs256,
                Algorithm::Rs384,
                Algorithm::Rs512,
                Algorithm::Ps256,
                Algorithm::Ps384,
                Algorithm::Ps512,
            ],
            Self::Ec { curve: Curve::P256, .. } => &[Algorithm::Es256],
            Self::Ec { curve: Curve::P384, .. } => &[Algorithm::Es384],
            Self::Ec { curve: Curve::P521, .. } => &[Algorithm::Es512],
            Self::Ed25519 { .. } => &[Algorithm::EdDsa, Algorithm::Ed25519],
        }
    }

    /// Whether an RSA key is neither too small to be safe, nor so large or of such an exponent that verifying with it
    /// is a burden or no check at all. Other types have one size.
    pub(crate) fn is_of_safe_size(&self) -> bool {
        let Self::Rsa { n, e } = self else { return true };
        let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
        let odd = e.last().is_some_and(|byte| byte % 2 == 1);
        (2048..=8192).contains(&bits) && odd && **e != [1] && e.len() <= 4
    }

    /// Whether the private key can be found out from the public one.
    pub(crate) fn is_factorable(&self) -> bool {
        matches!(self, Self::Rsa { n, .. } if roca::is_marked(n))
    }

    /// SHA-256 over the required members in their canonical form (RFC 7638 §3, RFC 8037 §2).
    pub(crate) fn thumbprint(&self) -> Thumbprint {
        let canonical = match self {
            Self::Rsa { n, e } => {
                format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, base64url::encode(e), base64url::encode(n))
            }
            Self::Ec { curve, point } => {
                let (x, y) = coordinates(point);
                format!(r#"{{"crv":"{}","kty":"EC","x":"{x}","y":"{y}"}}"#, curve.name())
            }
            Self::Ed25519 { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, base64url::encode(x)),
        };
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, canonical.as_bytes()).as_ref());
        Thumbprint::new(bytes)
    }

    /// The members of a JSON Web Key that hold these values.
    pub(crate) fn to_jwk(&self) -> Value {
        match self {
            Self::Rsa { n, e } => json!({"kty": "RSA", "n": base64url::encode(n), "e": base64url::encode(e)}),
            Self::Ec { curve, point } => {
                let (x, y) = coordinates(point);
                json!({"kty": "EC", "crv": curve.name(), "x": x, "y": y})
            }
            Self::Ed25519 { x } => json!({"kty": "OKP", "crv": "Ed25519", "x": base64url::encode(x)}),
        }
    }
}

/// The coordinates of an uncompressed point: what follows its first byte, in halves.
fn coordinates(point: &[u8]) -> (String, String) {
    let (x, y) = point[1..].split_at(point.len() / 2);
    (base64url::encode(x), base64url::encode(y))
}
