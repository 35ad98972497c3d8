//! Names as the standards use them, each a type of its own so that two strings never swap.
//!
//! A name keeps the exact characters it was made from and is compared byte for byte: issuers and audiences are
//! identifiers, never URLs to be normalised (RFC 8414 §3.3, RFC 9068 §4).

use std::{borrow::Borrow, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;

use crate::text;

/// The longest name that is accepted, in bytes.
pub const MAX_NAME_BYTES: usize = 2048;

/// Why a string is not a usable name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidName {
    /// The string is empty or holds white space only.
    #[error("{kind} is empty")]
    Empty {
        /// Which kind of name was read, for example `issuer`.
        kind: &'static str,
    },
    /// The string begins or ends with white space, or holds a control character.
    #[error("{kind} has white space around it or a control character in it")]
    Unprintable {
        /// Which kind of name was read.
        kind: &'static str,
    },
    /// The string is longer than [`MAX_NAME_BYTES`].
    #[error("{kind} is longer than {MAX_NAME_BYTES} bytes")]
    TooLong {
        /// Which kind of name was read.
        kind: &'static str,
    },
}

fn check(kind: &'static str, value: &str) -> Result<(), InvalidName> {
    // Nearly every name is visible ASCII, which breaks no rule but that of length.
    let visible = !value.is_empty() && value.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
    if visible && value.len() <= MAX_NAME_BYTES {
        Ok(())
    } else if value.trim().is_empty() {
        Err(InvalidName::Empty { kind })
    } else if value.trim().len() != value.len() || value.chars().any(char::is_control) {
        Err(InvalidName::Unprintable { kind })
    } else if value.len() > MAX_NAME_BYTES {
        Err(InvalidName::TooLong { kind })
    } else {
        Ok(())
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $kind:literal;)+) => {$(
        $(#[$doc])*
        ///
        /// Cheap to clone. Never empty, never surrounded by white space, compared byte for byte.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(
            // Most names are short enough to lie in place: every token has several.
            SmolStr,
        );

        impl $name {
            /// Reads a name.
            ///
            /// # Errors
            ///
            /// [`InvalidName`] when the string is empty, too long, or has white space around it.
            pub fn parse(value: impl AsRef<str>) -> Result<Self, InvalidName> {
                let value = value.as_ref();
                check($kind, value)?;
                Ok(Self(value.into()))
            }

            /// The exact string that the name was made from.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(value: &str) -> Result<Self, InvalidName> {
                Self::parse(value)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = InvalidName;

            fn try_from(value: &str) -> Result<Self, InvalidName> {
                Self::parse(value)
            }
        }

        impl From<&$name> for String {
            fn from(name: &$name) -> Self {
                name.as_str().to_owned()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                &*self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                &*self.0 == *other
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                text::deserialize(deserializer)
            }
        }
    )+};
}

names! {
    /// The identifier of an authorization server, `iss` (RFC 8414 §2).
    Issuer = "issuer";
    /// Whom a token is about, `sub`: unique within its issuer (and tenant) only (RFC 7519 §4.1.2).
    Subject = "subject";
    /// A tenant of a multi-tenant issuer.
    Tenant = "tenant";
    /// A client's identifier at its authorization server (RFC 6749 §2.2).
    ClientId = "client id";
    /// An identifier that a resource server goes by, `aud` (RFC 7519 §4.1.3).
    Audience = "audience";
    /// A token's own identifier, `jti` (RFC 7519 §4.1.7).
    TokenId = "token id";
    /// A sign-in session at the issuer, `sid`.
    SessionId = "session id";
    /// A transaction that spans services, `txn` (RFC 8417 §2.2).
    TransactionId = "transaction id";
    /// What kind of work is handed over, as producer and consumer call it.
    Topic = "topic";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_its_exact_characters() {
        let slash = Issuer::parse("https://a.example/").expect("valid");
        let bare = Issuer::parse("https://a.example").expect("valid");
        assert_ne!(slash, bare);
        assert_eq!(slash.as_str(), "https://a.example/");
    }

    #[test]
    fn every_visible_character_is_of_a_name_and_no_control_character() {
        for character in (0..=0x24f).filter_map(char::from_u32) {
            let named = Subject::parse(format!("a{character}b"));
            assert_eq!(named.is_ok(), !character.is_control(), "{character:?}");
        }
    }

    #[test]
    fn empty_and_padded_names_are_refused_and_say_which() {
        let cases = [
            ("", InvalidName::Empty { kind: "subject" }),
            (" \t", InvalidName::Empty { kind: "subject" }),
            (" alice", InvalidName::Unprintable { kind: "subject" }),
            ("al\nice", InvalidName::Unprintable { kind: "subject" }),
        ];
        for (input, expected) in cases {
            assert_eq!(Subject::parse(input), Err(expected), "{input:?}");
        }
        assert_eq!(Subject::parse("a".repeat(2049)), Err(InvalidName::TooLong { kind: "subject" }));
        assert_eq!(Subject::parse("alice").map(|s| s.to_string()), Ok("alice".to_owned()));
    }

    #[test]
    fn reading_from_json_checks_too() {
        let read = serde_json::from_str::<Audience>("\"orders\"").expect("reads");
        assert_eq!(read.as_str(), "orders");
        let refused = serde_json::from_str::<Audience>("\"\"").expect_err("empty").to_string();
        assert!(refused.starts_with("audience is empty"), "{refused}");
    }
}
