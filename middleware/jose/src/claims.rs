//! Claims that are easily read wrongly: times and audiences (RFC 7519 §4.1).

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tower_identity_core::{Audience, Timestamp};

/// A `NumericDate` (RFC 7519 §2): seconds since 1970, as a JSON number, whole or with a fraction.
///
/// A string, null, a negative number, or one beyond 2^53 is an error and never "absent". In an `Option`, read it with
/// [`json::not_null`](crate::json::not_null).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NumericDate(Timestamp);

impl NumericDate {
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
    fn deserialize<D: Deserializer<'de>>(_deserializer: D) -> Result<Self, D::Error> {
        unimplemented!()
    }
}

/// `aud` (RFC 7519 §4.1.3): one string, or a list of strings that is not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudienceClaim(Vec<Audience>);

impl AudienceClaim {
    /// The values: at least one.
    #[must_use]
    pub fn as_slice(&self) -> &[Audience] {
        &self.0
    }

    /// Whether this is among the values, to the byte.
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

/// Writes one value as a string.
impl Serialize for AudienceClaim {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            many => many.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for AudienceClaim {
    fn deserialize<D: Deserializer<'de>>(_deserializer: D) -> Result<Self, D::Error> {
        unimplemented!()
    }
}
