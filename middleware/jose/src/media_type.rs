//! What kind of token a token says it is: `typ` (RFC 7515 §4.1.9, RFC 8725 §3.11).

use std::{borrow::Cow, fmt, str::FromStr};

/// A media type as `typ` holds it, without parameters: how kinds of tokens are told apart.
///
/// Compared without regard to case, and a value without a slash is read as `application/..`: `at+jwt`, `AT+JWT` and
/// `application/at+jwt` are one type.
///
/// ```
/// use tower_identity_jose::MediaType;
///
/// assert!(MediaType::ACCESS_TOKEN.matches("application/AT+JWT"));
/// assert!(!MediaType::ACCESS_TOKEN.matches("application/x/at+jwt"));
/// assert!(!MediaType::ACCESS_TOKEN.matches("JWT"));
/// ```
#[derive(Debug, Clone)]
pub struct MediaType(Cow<'static, str>);

/// The string is not a media type: it is empty, or has characters that RFC 6838 §4.2 does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a media type of a token, such as at+jwt")]
pub struct InvalidMediaType(());

impl MediaType {
    /// `at+jwt`: an access token (RFC 9068 §2.1).
    pub const ACCESS_TOKEN: Self = Self(Cow::Borrowed("at+jwt"));
    /// `client-authentication+jwt`: a client's assertion about itself (draft-ietf-oauth-rfc7523bis).
    pub const CLIENT_AUTHENTICATION: Self = Self(Cow::Borrowed("client-authentication+jwt"));
    /// `secevent+jwt`: a security event (RFC 8417 §2.3).
    pub const SECURITY_EVENT: Self = Self(Cow::Borrowed("secevent+jwt"));
    /// `self-asserted+jwt`: what a service says itself of the user whom it calls for. Of our own making, so that nobody takes
    /// one for an access token (RFC 8725 §3.11).
    pub const SELF_ASSERTED: Self = Self(Cow::Borrowed("self-asserted+jwt"));
    /// `hand-off+jwt`: for whom a service hands work over, beside the work in a queue. Of our own making, too.
    pub const HAND_OFF: Self = Self(Cow::Borrowed("hand-off+jwt"));
    /// `JWT`: any JWT, for the profiles that know no kinds (RFC 7519 §5.1).
    pub const JWT: Self = Self(Cow::Borrowed("JWT"));

    /// Reads a media type; `application/` may be left out.
    ///
    /// # Errors
    ///
    /// [`InvalidMediaType`] when the string is not `subtype` or `type/subtype`.
    pub fn parse(value: &str) -> Result<Self, InvalidMediaType> {
        let restricted = |name: &str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
        };
        let valid = match value.split_once('/') {
            Some((main, sub)) => restricted(main) && restricted(sub),
            None => restricted(value),
        };
        if !valid {
            return Err(InvalidMediaType(()));
        }
        Ok(Self(Cow::Owned(short(value).to_owned())))
    }

    /// The short form, without `application/`: as a token of this type has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a header's `typ` is this type.
    #[must_use]
    pub fn matches(&self, typ: &str) -> bool {
        short(typ).eq_ignore_ascii_case(&self.0)
    }
}

/// The value without `application/`, which is what goes without saying.
fn short(value: &str) -> &str {
    const APPLICATION: &str = "application/";
    match value.split_at_checked(APPLICATION.len()) {
        Some((main, sub)) if main.eq_ignore_ascii_case(APPLICATION) => sub,
        _ => value,
    }
}

impl PartialEq for MediaType {
    fn eq(&self, other: &Self) -> bool {
        self.matches(&other.0)
    }
}

impl Eq for MediaType {}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for MediaType {
    type Err = InvalidMediaType;

    fn from_str(value: &str) -> Result<Self, InvalidMediaType> {
        Self::parse(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jwt_a14_types_match_as_media_types() {
        let cases = [
            ("at+jwt", true),
            ("AT+JWT", true),
            ("application/at+jwt", true),
            ("Application/At+Jwt", true),
            ("application/x/at+jwt", false),
            ("text/at+jwt", false),
            ("application/application/at+jwt", false),
            ("at+jwt ", false),
            ("at+jwt;v=1", false),
            ("application/", false),
            ("", false),
            ("JWT", false),
        ];
        let parsed = MediaType::parse("Application/AT+jwt").expect("media type");
        assert_eq!(parsed, MediaType::ACCESS_TOKEN);
        assert_ne!(parsed, MediaType::JWT);
        for (typ, expected) in cases {
            assert_eq!(MediaType::ACCESS_TOKEN.matches(typ), expected, "{typ:?}");
        }
        let other = MediaType::parse("text/at+jwt").expect("media type");
        assert_eq!((other.matches("text/at+jwt"), other.matches("at+jwt")), (true, false));
    }

    #[test]
    fn what_is_no_media_type_is_refused() {
        for bad in ["", "/", "a/", "/a", "a/b/c", "a b", "é", "a;b"] {
            assert_eq!(MediaType::parse(bad), Err(InvalidMediaType(())), "{bad:?}");
        }
    }
}
