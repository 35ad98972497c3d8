//! The header of a token (RFC 7515 §4).

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, Visitor},
};

use crate::{Algorithm, json};

/// The members of a header that this crate acts on.
///
/// All others are ignored, whatever their JSON type; `jku`, `jwk`, `x5u` and `x5c` are among them: no header says
/// where its key comes from (RFC 8725 §3.10).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Header {
    alg: Named,
    #[serde(default, deserialize_with = "json::not_null")]
    typ: Option<Box<str>>,
    #[serde(default, deserialize_with = "json::not_null")]
    cty: Option<Box<str>>,
    #[serde(default, deserialize_with = "json::not_null")]
    kid: Option<Box<str>>,
    /// Whether there is a `crit`, of whatever form.
    #[serde(default, deserialize_with = "present")]
    crit: bool,
    /// RFC 7797.
    #[serde(default, deserialize_with = "json::not_null")]
    b64: Option<bool>,
}

/// `alg`, kept as text only where it is none of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Named {
    Supported(Algorithm),
    Other(Box<str>),
}

impl Header {
    /// `alg`, if it is one that is supported here.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        match self.alg {
            Named::Supported(algorithm) => Some(algorithm),
            Named::Other(_) => None,
        }
    }

    /// `alg`, as it is written.
    #[must_use]
    pub fn algorithm_name(&self) -> &str {
        match &self.alg {
            Named::Supported(algorithm) => algorithm.as_str(),
            Named::Other(name) => name,
        }
    }

    /// `typ`, as it is written.
    #[must_use]
    pub fn typ(&self) -> Option<&str> {
        self.typ.as_deref()
    }

    /// `cty`, as it is written.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.cty.as_deref()
    }

    /// `kid`: opaque, and only ever compared.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether the token is not to be read without knowing an extension: any `crit` (RFC 7515 §4.1.11; an empty or
    /// malformed one is an error by itself), or a payload that is not base64url (RFC 7797 §3), listed in it or not.
    #[must_use]
    pub fn is_critical(&self) -> bool {
        self.crit || self.b64 == Some(false)
    }
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;

        impl Visitor<'_> for Name {
            type Value = Named;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of an algorithm")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Named, E> {
                Ok(name.parse().map_or_else(|_| Named::Other(name.into()), Named::Supported))
            }
        }

        deserializer.deserialize_str(Name)
    }
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}
