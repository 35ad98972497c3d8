//! Claims that are easily read wrongly: times and audiences (RFC 7519 §2, §4.1).

use std::{fmt, time::Duration};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Unexpected, Visitor},
};
use tower_identity_core::{Audience, Timestamp};

/// A `NumericDate` (RFC 7519 §2): seconds since 1970, as a JSON number, whole or with a fraction.
///
/// A string, null, a negative number, or one beyond 2^53 is an error and never "absent". In an `Option`, read it with
/// [`json::not_null`](crate::json::not_null), or null becomes `None` all the same.
///
/// ```
/// use tower_identity_jose::{NumericDate, json};
///
/// let date: NumericDate = json::from_slice(b"1300819380")?;
/// assert_eq!(date.timestamp().as_secs(), 1_300_819_380);
/// assert!(json::from_slice::<NumericDate>(b"\"1300819380\"").is_err());
/// # Ok::<(), json::JsonError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NumericDate(Timestamp);

/// `aud` (RFC 7519 §4.1.3): one string, or a list of strings that is not empty.
///
/// Anything else in it, an empty string among good ones too, makes the whole claim an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudienceClaim(Vec<Audience>);

impl NumericDate {
    /// The last second that a double holds exactly, and so the last that every JSON implementation agrees on.
    const MAX: u64 = 1 << 53;

    pub(crate) fn from_secs(seconds: u64) -> Option<Self> {
        (seconds <= Self::MAX).then(|| Self(Timestamp::from_secs(seconds)))
    }

    /// The time.
    #[must_use]
    pub const fn timestamp(self) -> Timestamp {
        self.0
    }
}

impl From<Timestamp> for NumericDate {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp)
    }
}

/// Writes whole seconds.
impl Serialize for NumericDate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0.as_secs())
    }
}

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seconds;

        impl Visitor<'_> for Seconds {
            type Value = NumericDate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of seconds from 0 to 2^53")
            }

            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<NumericDate, E> {
                NumericDate::from_secs(seconds).ok_or_else(|| E::invalid_value(Unexpected::Unsigned(seconds), &self))
            }

            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<NumericDate, E> {
                match u64::try_from(seconds) {
                    Ok(seconds) => self.visit_u64(seconds),
                    Err(_) => Err(E::invalid_value(Unexpected::Signed(seconds), &self)),
                }
            }

            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<NumericDate, E> {
                match Duration::try_from_secs_f64(seconds) {
                    Ok(since_epoch) if seconds <= NumericDate::MAX as f64 => {
                        Ok(NumericDate(Timestamp::from_unix(since_epoch)))
                    }
                    _ => Err(E::invalid_value(Unexpected::Float(seconds), &self)),
                }
            }
        }

        deserializer.deserialize_f64(Seconds)
    }
}

impl AudienceClaim {
    /// The values: at least one.
    #[must_use]
    pub fn as_slice(&self) -> &[Audience] {
        &self.0
    }

    /// Whether this is among the values, compared byte for byte.
    #[must_use]
    pub fn contains(&self, audience: &Audience) -> bool {
        self.0.contains(audience)
    }

    /// The values: at least one.
    #[must_use]
    pub fn into_vec(self) -> Vec<Audience> {
        self.0
    }
}

impl From<Audience> for AudienceClaim {
    fn from(audience: Audience) -> Self {
        Self(vec![audience])
    }
}

/// Writes one value as a string, more as a list.
impl Serialize for AudienceClaim {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            many => many.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for AudienceClaim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = AudienceClaim;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or a list of strings that is not empty")
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<AudienceClaim, E> {
                Audience::parse(value).map(AudienceClaim::from).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<AudienceClaim, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = elements.next_element()? {
                    values.push(value);
                }
                if values.is_empty() {
                    return Err(de::Error::invalid_length(0, &self));
                }
                Ok(AudienceClaim(values))
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn date(text: &str) -> Result<Duration, String> {
        json::from_slice::<NumericDate>(text.as_bytes())
            .map(|date| date.timestamp().since_epoch())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn jwt_a17_a_date_is_a_number_in_range() {
        let good = [
            ("0", Duration::ZERO),
            ("1300819380", Duration::from_secs(1_300_819_380)),
            ("1300819380.5", Duration::from_millis(1_300_819_380_500)),
            ("1.5e9", Duration::from_secs(1_500_000_000)),
            ("9007199254740992", Duration::from_secs(1 << 53)),
        ];
        for (text, expected) in good {
            assert_eq!(date(text), Ok(expected), "{text}");
        }
        let not_a_number = ["\"1300819380\"", "null", "true", "[1]", "{}", "1e400", "NaN", "01", ""];
        for text in not_a_number {
            assert_eq!(date(text), Err("not a number of the expected kind".to_owned()), "{text}");
        }
        for text in ["-1", "-0.5", "-1e300", "9007199254740993", "1e17", "1e300", "18446744073709551615"] {
            assert_eq!(date(text), Err("expected a number of seconds from 0 to 2^53".to_owned()), "{text}");
        }
    }

    #[test]
    fn jwt_a18_an_audience_is_a_string_or_strings() {
        let read = |text: &str| {
            json::from_slice::<AudienceClaim>(text.as_bytes())
                .map(|claim| claim.into_vec().iter().map(ToString::to_string).collect::<Vec<_>>().join("|"))
                .map_err(|error| error.to_string())
        };
        for (text, expected) in [("\"a\"", "a"), ("[\"a\"]", "a"), ("[\"a\",\"B\"]", "a|B")] {
            assert_eq!(read(text), Ok(expected.to_owned()), "{text}");
        }
        const EXPECTED: &str = "expected a string, or a list of strings that is not empty";
        let bad = [
            ("[]", EXPECTED.to_owned()),
            ("5", format!("{EXPECTED}, found a number")),
            ("null", format!("{EXPECTED}, found null")),
            ("{\"a\":1}", format!("{EXPECTED}, found an object")),
            ("[\"a\",5]", "expected a string, found a number".to_owned()),
            ("[\"a\",[\"b\"]]", "expected a string, found a list".to_owned()),
            ("[\"a\",null]", "expected a string, found null".to_owned()),
            ("[\"a\",\"\"]", "audience is empty".to_owned()),
            ("\" \"", "audience is empty".to_owned()),
        ];
        for (text, expected) in bad {
            assert_eq!(read(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn jwt_a18_audiences_are_compared_to_the_byte() {
        let claim: AudienceClaim = json::from_slice(b"[\"orders\",\"payments\"]").expect("two audiences");
        let contains = |name: &str| claim.contains(&name.parse().expect("audience"));
        assert!(contains("orders") && contains("payments"));
        assert!(!contains("Orders") && !contains("order") && !contains("orders/"));
    }

    #[test]
    fn claims_are_written_in_their_short_forms() {
        let one = AudienceClaim::from(Audience::parse("a").expect("audience"));
        assert_eq!(serde_json::to_string(&one).expect("json"), "\"a\"");
        let date = NumericDate::from(Timestamp::from_unix(Duration::from_millis(1500)));
        assert_eq!(serde_json::to_string(&date).expect("json"), "1");
    }
}
