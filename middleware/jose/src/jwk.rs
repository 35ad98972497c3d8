//! Reading one JSON Web Key (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).

use jsonwebtoken::jwk::{KeyOperations, PublicKeyUse};
use serde::Deserialize;
use serde_json::Value;

use crate::{Algorithm, base64url, material::Material};

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
    /// `use` or `key_ops` says that the key is for something else.
    #[error("the key is not for verifying")]
    OtherUse,
    /// A member is missing, or is not of its type.
    #[error("a member of the key is missing or malformed")]
    Malformed,
    /// `alg` is for another type of key.
    #[error("the key is not of the type that its algorithm {0} needs")]
    Mismatch(Algorithm),
    /// An RSA modulus of under 2048 or over 8192 bits, or an exponent that is 1, even, or over 32 bits.
    #[error("the size of the key is outside what is safe")]
    Size,
    /// The cryptography refuses the values: a point that is not on the curve, for example.
    #[error("the values are not those of a key")]
    Invalid,
}

/// What a JSON Web Key says about itself.
pub(crate) struct Jwk {
    pub(crate) key_id: Option<Box<str>>,
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
    #[serde(rename = "use")]
    public_key_use: Option<PublicKeyUse>,
    key_ops: Option<Vec<KeyOperations>>,
}

impl Jwk {
    pub(crate) fn read(jwk: &Value) -> Result<Self, KeyRejected> {
        const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];
        let members = Members::deserialize(jwk).map_err(|_| KeyRejected::Malformed)?;
        if members.kty == "oct" {
            return Err(KeyRejected::Symmetric);
        }
        if PRIVATE.iter().any(|name| jwk.get(name).is_some()) {
            return Err(KeyRejected::Private);
        }
        if !members.may_verify() {
            return Err(KeyRejected::OtherUse);
        }
        let algorithm = match &members.alg {
            Some(name) => Some(name.parse().map_err(|_| KeyRejected::Unsupported)?),
            None => None,
        };
        let material = members.material()?;
        match algorithm {
            Some(algorithm) if !material.algorithms().contains(&algorithm) => Err(KeyRejected::Mismatch(algorithm)),
            _ if !material.is_of_safe_size() => Err(KeyRejected::Size),
            _ => Ok(Self { key_id: members.kid, algorithm, material }),
        }
    }
}

impl Members {
    /// `jwt-svid`, the use that SPIFFE bundles have, is not `sig`: such keys are for another kind of set.
    fn may_verify(&self) -> bool {
        let fitting_use = matches!(self.public_key_use, None | Some(PublicKeyUse::Signature));
        let fitting_operations = self.key_ops.as_ref().is_none_or(|ops| ops.contains(&KeyOperations::Verify));
        fitting_use && fitting_operations
    }

    fn material(&self) -> Result<Material, KeyRejected> {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Ok(Material::Rsa { n: integer(self.n.as_deref())?, e: integer(self.e.as_deref())? }),
            ("EC", Some("P-256")) => Ok(Material::P256 { point: self.point(32)? }),
            ("EC", Some("P-384")) => Ok(Material::P384 { point: self.point(48)? }),
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
