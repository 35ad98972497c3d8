//! Reading one JSON Web Key (RFC 7517, RFC 7518 §6, RFC 8037).

use crate::Algorithm;

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
    /// An RSA modulus of under 2048 or over 8192 bits, or an exponent that is unsafe.
    #[error("the size of the key is outside what is safe")]
    Size,
    /// The cryptography refuses the values: a point that is not on the curve, for example.
    #[error("the values are not those of a key")]
    Invalid,
}
