//! Reading one JSON Web Key (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).

use jsonwebtoken::jwk::{KeyOperations, PublicKeyUse};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    Algorithm, base64url, json,
    material::{Curve, Material},
};

/// Why a key cannot verify tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRejected {
    /// `kty`, `crv` or `alg` is not one that is supported here.
    #[error("the type, curve or algorithm of the key is not supported")]
    Unsupported,
    /// `kty` is `oct`: a shared secret.
    #[error("the key is symmetric")]
    Symmetric,
    /// The key has private members: whoever read the set can sign with it.
    #[error("the private part of the key is published")]
    Private,
    /// `use` or `key_ops` says that the key is for something else. In a trust bundle: or it says nothing.
    #[error("the key is not for verifying")]
    OtherUse,
    /// The key has no `kid`, where keys must have one.
    #[error("the key has no kid")]
    Nameless,
    /// The thumbprint of the key is not among those that are pinned.
    #[error("the key is not pinned")]
    NotPinned,
    /// A member is missing, or is not of its type.
    #[error("a member of the key is missing or malformed")]
    Malformed,
    /// `alg` is for another type of key.
    #[error("the key is not of the type that its algorithm {0} needs")]
    Mismatch(Algorithm),
    /// An RSA modulus of under 2048 or over 8192 bits, or an exponent that is 1, even, or over 32 bits.
    #[error("the size of the key is outside what is safe")]
    Size,
    /// An RSA modulus whose primes can be found out (CVE-2017-15361).
    #[error("the key can be factored")]
    Factorable,
    /// The cryptography refuses the values: a point that is not on the curve, for example.
    #[error("the values are not those of a key")]
    Invalid,
}

/// What a JSON Web Key says about itself.
pub(crate) struct Jwk {
    pub(crate) key_id: Option<Box<str>>,
    /// `issuer`, which no RFC knows.
    pub(crate) issuer: Option<Box<str>>,
    /// `alg`: the one algorithm that the key is for.
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) material: Material,
}

/// The members that matter, as they are written. The crate's own type of a whole key does not do: it knows no `alg` of
/// RFC 9864, and reads keys that are published with their private part.
#[derive(Deserialize)]
struct Members {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    alg: Option<String>,
    kid: Option<Box<str>>,
    /// A key that is for one issuer alone must not become one for all because the member is read wrongly.
    #[serde(default, deserialize_with = "json::not_null")]
    issuer: Option<Box<str>>,
    #[serde(rename = "use")]
    public_key_use: Option<PublicKeyUse>,
    key_ops: Option<Vec<KeyOperations>>,
}

/// What kind of set a key is published in, and so what its `use` must say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Published {
    /// In a JWK set (RFC 7517 §4.2): `sig`, or nothing.
    KeySet,
    /// In the bundle of a SPIFFE trust domain (SPIFFE Trust Domain and Bundle §4.2): `jwt-svid`, and a `kid`.
    TrustBundle,
}

impl Jwk {
    pub(crate) fn read(jwk: &Value, published: Published) -> Result<Self, KeyRejected> {
        const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];
        let members = Members::deserialize(jwk).map_err(|_| KeyRejected::Malformed)?;
        if members.kty == "oct" {
            return Err(KeyRejected::Symmetric);
        }
        if PRIVATE.iter().any(|name| jwk.get(name).is_some()) {
            return Err(KeyRejected::Private);
        }
        if !members.may_verify(published) {
            return Err(KeyRejected::OtherUse);
        }
        if published == Published::TrustBundle && members.kid.as_ref().is_none_or(|key_id| key_id.is_empty()) {
            return Err(KeyRejected::Nameless);
        }
        let algorithm = match &members.alg {
            Some(name) => Some(name.parse().map_err(|_| KeyRejected::Unsupported)?),
            None => None,
        };
        let material = members.material()?;
        match algorithm {
            Some(algorithm) if !material.algorithms().contains(&algorithm) => Err(KeyRejected::Mismatch(algorithm)),
            _ if !material.is_of_safe_size() => Err(KeyRejected::Size),
            _ if material.is_factorable() => Err(KeyRejected::Factorable),
            _ => Ok(Self { key_id: members.kid, issuer: members.issuer, algorithm, material }),
        }
    }
}

impl Members {
    fn may_verify(&self, published: Published) -> bool {
        let fitting_use = match published {
            Published::KeySet => matches!(self.public_key_use, None | Some(PublicKeyUse::Signature)),
            Published::TrustBundle => {
                matches!(&self.public_key_use, Some(PublicKeyUse::Other(name)) if name == "jwt-svid")
            }
        };
        let fitting_operations = self.key_ops.as_ref().is_none_or(|ops| ops.contains(&KeyOperations::Verify));
        fitting_use && fitting_operations
    }

    fn material(&self) -> Result<Material, KeyRejected> {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Ok(Material::Rsa { n: integer(self.n.as_deref())?, e: integer(self.e.as_deref())? }),
            ("EC", Some(name)) => {
                let curve = Curve::named(name).ok_or(KeyRejected::Unsupported)?;
                Ok(Material::Ec { curve, point: self.point(curve.coordinate())? })
            }
            ("OKP", Some("Ed25519")) => Ok(Material::Ed25519 { x: octets(self.x.as_deref(), 32)?.into() }),
            ("EC" | "OKP", None) => Err(KeyRejected::Malformed),
            _ => Err(KeyRejected::Unsupported),
        }
    }

    /// The uncompressed point. Coordinates have the length of the field, leading zeros and all (RFC 7518 §6.2.1.2).
    fn point(&self, length: usize) -> Result<Box<[u8]>, KeyRejected> {
        const UNCOMPRESSED: u8 = 4;
        let (x, y) = (octets(self.x.as_deref(), length)?, octets(self.y.as_deref(), length)?);
        Ok([&[UNCOMPRESSED], &*x, &*y].concat().into())
    }
}

fn octets(member: Option<&str>, length: usize) -> Result<Vec<u8>, KeyRejected> {
    match member.map(base64url::decode) {
        Some(Ok(octets)) if octets.len() == length => Ok(octets),
        _ => Err(KeyRejected::Malformed),
    }
}

/// An unsigned big-endian integer. It should have no leading zeros (RFC 7518 §2); some issuers write one all the same.
fn integer(member: Option<&str>) -> Result<Box<[u8]>, KeyRejected> {
    let Some(Ok(octets)) = member.map(base64url::decode) else { return Err(KeyRejected::Malformed) };
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    Ok(octets[zeros..].into())
}
