//! Names of header fields, matched in every spelling.

use std::{borrow::Cow, fmt};

/// A name of header fields, or the beginning of several, such as `x-user*`: matched in every spelling.
///
/// Gateways and frameworks hand fields on as variables, where case is lost and every other sign is `_` (CGI, RFC 3875
/// §4.1.18): to those behind, `X_User` and `X-User` are one.
///
/// ```
/// use tower_identity_core::fields::Pattern;
///
/// let users = Pattern::parse("X-User*").expect("the beginning of names");
/// assert!(users.matches("x_user_id") && !users.matches("x-use"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// As a name is written: small letters, and `-` for whatever is no letter and no digit.
    name: Cow<'static, str>,
    and_longer: bool,
}

impl Pattern {
    /// This name, which is written in small letters, digits and `-`.
    #[must_use]
    pub const fn name(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), and_longer: false }
    }

    /// Every name that begins so, written likewise.
    #[must_use]
    pub const fn begins(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), and_longer: true }
    }

    /// Reads a name, or the beginning of several with a `*` at its end. `None` of what is no name (RFC 9110 §5.6.2).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, and_longer) = text.strip_suffix('*').map_or((text, false), |name| (name, true));
        let is_name = !name.is_empty() && name.bytes().all(is_token) && !name.contains('*');
        let folded = || name.bytes().map(|byte| char::from(folded(byte))).collect::<String>();
        is_name.then(|| Self { name: folded().into(), and_longer })
    }

    /// Whether a name is one of these.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let (own, other) = (self.name.as_bytes(), name.as_bytes());
        let fits = if self.and_longer { other.len() >= own.len() } else { other.len() == own.len() };
        fits && own.iter().zip(other).all(|(own, other)| *own == folded(*other))
    }

    /// Whether some name matches both.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        let begins = |long: &Self, short: &Self| short.and_longer && long.name.starts_with(&*short.name);
        self.name == other.name || begins(self, other) || begins(other, self)
    }

    /// The name, or the beginning, as it is compared.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.name.as_bytes()
    }

    pub(super) fn and_longer(&self) -> bool {
        self.and_longer
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, if self.and_longer { "*" } else { "" })
    }
}

/// Whether two names are one in some spelling.
#[must_use]
pub fn same(one: &str, other: &str) -> bool {
    one.bytes().map(folded).eq(other.bytes().map(folded))
}

/// What a byte of a name is compared as.
pub(super) const fn folded(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

/// `tchar` of RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cve_2026_54763_a_name_is_matched_in_every_spelling() {
        let cases = [
            ("x-user", "x-user", true),
            ("x-user", "x_user", true),
            ("X_User", "x-user", true),
            ("x-user", "X-User", true),
            ("x-user", "x.user", true),
            ("x-user", "x-user-id", false),
            ("x-user*", "x_user_id", true),
            ("x-user*", "x_user", true),
            ("x-user*", "x-use", false),
            ("x-user", "xuser", false),
            ("x-user", "y-user", false),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(Pattern::parse(pattern).expect(pattern).matches(name), expected, "{pattern} {name}");
        }
        for wrong in ["", "*", "x y", "a*b", "a*b*", "a**", "a:", "é"] {
            assert_eq!(Pattern::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn patterns_meet_where_a_name_is_of_both() {
        let meets = |one: &str, other: &str| {
            let (one, other) = (Pattern::parse(one).expect(one), Pattern::parse(other).expect(other));
            assert_eq!(one.meets(&other), other.meets(&one));
            one.meets(&other)
        };
        for (one, other) in [("host", "host"), ("h*", "host"), ("host*", "host"), ("content-x*", "content-*")] {
            assert!(meets(one, other), "{one} {other}");
        }
        for (one, other) in [("host", "hosts"), ("hosts*", "host"), ("x-a*", "x-b*"), ("x-a", "x-b")] {
            assert!(!meets(one, other), "{one} {other}");
        }
    }

    #[test]
    fn names_are_the_same_in_every_spelling() {
        assert!(same("x-token", "x_token"));
        assert!(!same("x-token", "x-tokens"));
        assert!(!same("x-token", "y-token"));
    }
}
