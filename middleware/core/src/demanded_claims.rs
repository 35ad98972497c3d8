//! What claims a token has to have, in the words of the authorization server that demands them.

use std::{fmt, sync::Arc};

use serde::{Deserialize, de::IgnoredAny};

/// The claims that an authorization server demands of a token, as it words them: the `claims` parameter of OpenID Connect
/// Core 1.0 §5.5, by which a client asks for such a token. Entra ID calls it a claims challenge.
///
/// A JSON object of bounded size, and nothing else is known of it: it is for the client, which hands it back to the server. It
/// says what the server has against a sign-in, so it does not print. Cheap to clone.
///
/// ```
/// use tower_identity_core::DemandedClaims;
///
/// let demanded = DemandedClaims::parse(r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#).expect("an object");
/// let sent = "eyJhY2Nlc3NfdG9rZW4iOnsiYWNycyI6eyJlc3NlbnRpYWwiOnRydWUsInZhbHVlIjoiYzEifX19";
/// assert_eq!(demanded.to_base64(), sent);
/// assert_eq!(DemandedClaims::from_base64(sent), Some(demanded));
/// assert_eq!(DemandedClaims::parse("c1"), None);
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DemandedClaims(Arc<str>);

/// The longest demand that is passed on, in bytes: as base64 it goes into one header field.
pub const MAX_DEMANDED_CLAIMS_BYTES: usize = 2048;

impl DemandedClaims {
    /// Reads a demand. None of what is longer than [`MAX_DEMANDED_CLAIMS_BYTES`], or no JSON object.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_object = text.len() <= MAX_DEMANDED_CLAIMS_BYTES && serde_json::from_str::<Object>(text).is_ok();
        is_object.then(|| Self(text.into()))
    }

    /// Reads the form that it has in a challenge: base64 (RFC 4648 §4).
    #[must_use]
    pub fn from_base64(encoded: &str) -> Option<Self> {
        // Before anything is decoded.
        if encoded.len() > MAX_DEMANDED_CLAIMS_BYTES.div_ceil(3) * 4 {
            return None;
        }
        let text = base64_simd::STANDARD.decode_to_vec(encoded).ok()?;
        Self::parse(str::from_utf8(&text).ok()?)
    }

    /// As a client sends it to the server: the `claims` parameter.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As a challenge has it.
    #[must_use]
    pub fn to_base64(&self) -> String {
        base64_simd::STANDARD.encode_to_string(self.0.as_bytes())
    }
}

/// That it is an object, of whatever members.
struct Object;

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> serde::de::Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut members: A) -> Result<Object, A::Error> {
                while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Object)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl fmt::Debug for DemandedClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DemandedClaims(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn obo_b3_a_demand_is_an_object_of_bounded_size() {
        let padded = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
        let longest = padded(MAX_DEMANDED_CLAIMS_BYTES);
        for good in ["{}", r#"{"access_token":{"polids":{"values":["9ab0"]}}}"#, " {} ", "{\"a\":\"\u{e9}\"}", &longest]
        {
            let demanded = DemandedClaims::parse(good).expect("an object");
            assert_eq!(demanded.as_str(), good);
            let encoded = demanded.to_base64();
            assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b)), "{encoded}");
            assert_eq!(DemandedClaims::from_base64(&encoded), Some(demanded));
        }
        let longer = padded(MAX_DEMANDED_CLAIMS_BYTES + 1);
        let deep = "[".repeat(1_000);
        let deep = format!("{{\"a\":{deep}");
        for bad in
            ["", "c1", "[]", "null", "\"{}\"", "{", "{}{}", "{} x", r#"{"a":1,}"#, "{\"a\":\"\r\n\"}", &deep, &longer]
        {
            assert_eq!(DemandedClaims::parse(bad), None, "{bad}");
            let encoded = base64_simd::STANDARD.encode_to_string(bad);
            assert_eq!(DemandedClaims::from_base64(&encoded), None, "{bad}");
        }
        for bad in ["e30", "e30=\"", "e3 0=", "\u{e9}", "_w==", &"e30=".repeat(1_000)] {
            assert_eq!(DemandedClaims::from_base64(bad), None, "{bad}");
        }
        assert_eq!(DemandedClaims::from_base64("e30="), DemandedClaims::parse("{}"), "the control");
    }

    #[test]
    fn obo_b3_a_demand_does_not_print() {
        let demanded = DemandedClaims::parse(r#"{"id_token":{"acr":{"value":"c1"}}}"#).expect("an object");
        assert_eq!(format!("{demanded:?}"), "DemandedClaims(..)");
    }
}
