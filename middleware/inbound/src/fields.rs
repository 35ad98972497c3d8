//! Names of header fields, and those that belong to the message itself.

use std::{borrow::Cow, fmt};

use http::{HeaderMap, HeaderName};

/// A name of header fields, or the beginning of several, such as `x-user*`: matched in every spelling.
///
/// Gateways and frameworks hand fields on as variables, where case is lost and every other sign is `_` (CGI, RFC 3875
/// §4.1.18): to those behind, `X_User` and `X-User` are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// As a name is written: small letters, and `-` for whatever is no letter and no digit.
    name: Cow<'static, str>,
    and_longer: bool,
}

impl Pattern {
    pub(crate) const fn name(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), and_longer: false }
    }

    pub(crate) const fn begins(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), and_longer: true }
    }

    /// Reads a name, or the beginning of several with a `*` at its end.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (name, and_longer) = text.strip_suffix('*').map_or((text, false), |name| (name, true));
        let name = HeaderName::from_bytes(name.as_bytes()).ok().filter(|name| !name.as_str().contains('*'))?;
        let folded = name.as_str().bytes().map(|byte| char::from(folded(byte))).collect::<String>();
        Some(Self { name: folded.into(), and_longer })
    }

    pub(crate) fn matches(&self, name: &HeaderName) -> bool {
        let (own, other) = (self.name.as_bytes(), name.as_str().as_bytes());
        let fits = if self.and_longer { other.len() >= own.len() } else { other.len() == own.len() };
        fits && own.iter().zip(other).all(|(own, other)| *own == folded(*other))
    }

    /// Whether some name matches both.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let begins = |long: &Self, short: &Self| short.and_longer && long.name.starts_with(&*short.name);
        self.name == other.name || begins(self, other) || begins(other, self)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, if self.and_longer { "*" } else { "" })
    }
}

/// Takes the fields of these names out.
pub(crate) fn remove(headers: &mut HeaderMap, is_gone: impl Fn(&HeaderName) -> bool) {
    let gone: Vec<_> = headers.keys().filter(|name| is_gone(name)).cloned().collect();
    for name in gone {
        headers.remove(name);
    }
}

/// Whether two names are one in some spelling.
pub(crate) fn same(one: &HeaderName, other: &HeaderName) -> bool {
    one.as_str().bytes().map(folded).eq(other.as_str().bytes().map(folded))
}

fn folded(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

/// Fields that say how the message is to be read, where it goes or who made it: none is a client's to put a credential
/// in, and none can be taken away.
pub(crate) const OF_THE_MESSAGE: &[Pattern] = &[
    // Of this connection, not of the request (RFC 9110 §7.6.1).
    Pattern::name("connection"),
    Pattern::name("keep-alive"),
    Pattern::begins("proxy-"),
    Pattern::name("te"),
    Pattern::name("trailer"),
    Pattern::name("transfer-encoding"),
    Pattern::name("upgrade"),
    Pattern::begins("http2-"),
    // Where it goes, and how it is read.
    Pattern::name("host"),
    Pattern::begins("content-"),
    Pattern::name("expect"),
    Pattern::name("range"),
    Pattern::begins("if-"),
    Pattern::begins("accept"),
    Pattern::begins("grpc-"),
    Pattern::name("date"),
    Pattern::name("via"),
    Pattern::name("max-forwards"),
    Pattern::name("cache-control"),
    // What a browser says, and pages cannot: `sec-websocket-protocol` is sent back besides.
    Pattern::name("origin"),
    Pattern::name("referer"),
    Pattern::name("user-agent"),
    Pattern::begins("sec-"),
    Pattern::begins("access-control-"),
    // Credentials, which are sources of their own.
    Pattern::name("authorization"),
    Pattern::name("cookie"),
    Pattern::name("set-cookie"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &'static str) -> HeaderName {
        HeaderName::from_static(name)
    }

    #[test]
    fn cve_2026_54763_a_name_is_matched_in_every_spelling() {
        let cases = [
            ("x-user", "x-user", true),
            ("x-user", "x_user", true),
            ("X_User", "x-user", true),
            ("x-user", "x.user", true),
            ("x-user", "x-user-id", false),
            ("x-user*", "x_user_id", true),
            ("x-user*", "x_user", true),
            ("x-user*", "x-use", false),
            ("x-user", "xuser", false),
            ("x-user", "y-user", false),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(Pattern::parse(pattern).expect(pattern).matches(&named(name)), expected, "{pattern} {name}");
        }
        for wrong in ["", "*", "x y", "a*b", "a*b*", "a**"] {
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
        assert!(same(&named("x-token"), &named("x_token")));
        assert!(!same(&named("x-token"), &named("x-tokens")));
        assert!(!same(&named("x-token"), &named("y-token")));
    }
}
