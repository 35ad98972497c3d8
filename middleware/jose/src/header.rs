//! The header of a token (RFC 7515 §4).

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, Visitor},
};

use crate::Algorithm;

/// The members of a header that this crate acts on.
///
/// All others are ignored, whatever their JSON type; `jku`, `jwk`, `x5u` and `x5c` are among them: no header says
/// where its key comes from (RFC 8725 §3.10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    alg: Named,
    typ: Option<Kind>,
    cty: Option<Box<str>>,
    kid: Option<Box<str>>,
    /// Whether there is a `crit`, of whatever form.
    crit: bool,
    /// RFC 7797.
    b64: Option<bool>,
    /// Whether there is any member but `alg`, `kid` and `typ`.
    others: bool,
}

/// `alg`, kept as text only where it is none of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Named {
    Supported(Algorithm),
    Other(Box<str>),
}

/// `typ`, kept as text of its own only where it is not one of the few that nearly all tokens have.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kind(Cow<'static, str>);

impl Kind {
    const USUAL: [&str; 2] = ["at+jwt", "JWT"];
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
        self.typ.as_ref().map(|kind| &*kind.0)
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

    /// Whether there are members other than `alg`, `kid` and `typ`, which some kinds of token may not have (the JWT-SVID
    /// of SPIFFE §2).
    pub(crate) fn has_other_members(&self) -> bool {
        self.others
    }
}

/// The names that are acted on.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Name {
    Alg,
    Typ,
    Cty,
    Kid,
    Crit,
    B64,
    #[serde(other)]
    Other,
}

/// By hand, because derived code does not tell whether there was a member that it ignored.
impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the header of a token")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Header, A::Error> {
                let (mut alg, mut typ, mut cty, mut kid, mut crit, mut b64) = (None, None, None, None, None, None);
                let mut others = false;
                while let Some(name) = members.next_key()? {
                    others |= !matches!(name, Name::Alg | Name::Kid | Name::Typ);
                    match name {
                        Name::Alg => once(&mut alg, "alg", &mut members)?,
                        Name::Typ => once(&mut typ, "typ", &mut members)?,
                        Name::Cty => once(&mut cty, "cty", &mut members)?,
                        Name::Kid => once(&mut kid, "kid", &mut members)?,
                        Name::Crit => once::<IgnoredAny, _>(&mut crit, "crit", &mut members)?,
                        Name::B64 => once(&mut b64, "b64", &mut members)?,
                        Name::Other => drop(members.next_value::<IgnoredAny>()?),
                    }
                }
                let alg = alg.ok_or_else(|| de::Error::missing_field("alg"))?;
                Ok(Header { alg, typ, cty, kid, crit: crit.is_some(), b64, others })
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// Reads the member that comes next, which must not have come before, whatever the parser thinks of that.
fn once<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    member: &mut Option<T>,
    name: &'static str,
    members: &mut A,
) -> Result<(), A::Error> {
    match member.replace(members.next_value()?) {
        None => Ok(()),
        Some(_) => Err(de::Error::duplicate_field(name)),
    }
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer, |name| name.parse().map_or_else(|_| Self::Other(name.into()), Self::Supported))
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer, |typ| match Self::USUAL.into_iter().find(|usual| *usual == typ) {
            Some(usual) => Self(Cow::Borrowed(usual)),
            None => Self(Cow::Owned(typ.to_owned())),
        })
    }
}

/// Reads a string without making one.
fn read<'de, D: Deserializer<'de>, T>(deserializer: D, read: impl FnOnce(&str) -> T) -> Result<T, D::Error> {
    struct Text<F>(F);

    impl<T, F: FnOnce(&str) -> T> Visitor<'_> for Text<F> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            Ok((self.0)(text))
        }
    }

    deserializer.deserialize_str(Text(read))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jwt_a20_a_member_occurs_once_whoever_parses() {
        let read = |text: &str| serde_json::from_str::<Header>(text).map(|header| header.algorithm());
        assert_eq!(read(r#"{"alg":"ES256","kid":"a"}"#).ok(), Some(Some(Algorithm::Es256)));
        for (text, name) in
            [(r#"{"alg":"ES256","alg":"RS256"}"#, "alg"), (r#"{"kid":"a","alg":"ES256","kid":"b"}"#, "kid")]
        {
            let error = read(text).expect_err("twice").to_string();
            assert!(error.starts_with(&format!("duplicate field `{name}`")), "{error}");
        }
    }
}
