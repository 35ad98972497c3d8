//! The header of a token (RFC 7515 §4).

use crate::Algorithm;

/// The members of a header that this crate acts on.
///
/// All others are ignored, whatever their JSON type; `jku`, `jwk`, `x5u` and `x5c` among them: no header ever says
/// where its key comes from (RFC 8725 §3.10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    alg: Box<str>,
    typ: Option<Box<str>>,
    kid: Option<Box<str>>,
}

impl Header {
    /// `alg`, if it is one that is supported here.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.alg.parse().ok()
    }

    /// `typ`, as it is written.
    #[must_use]
    pub fn typ(&self) -> Option<&str> {
        self.typ.as_deref()
    }

    /// `kid`: opaque, and only ever compared.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.kid.as_deref()
    }
}
