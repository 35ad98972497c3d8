//! One claim, as it was found.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{
        IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor,
        value::{BorrowedStrDeserializer, Error as Unfit, MapAccessDeserializer, SeqAccessDeserializer},
    },
};
use tower_identity_core::{Refusal, RefusalKind};

/// A claim of a token: absent, of its type, or of a wrong type or value.
///
/// Wrong is not absent: a claim that is skipped because its type is unexpected is a check that is skipped
/// (CVE-2026-25537). Nor does one wrong claim make the whole payload unreadable, so that a refusal names the claim,
/// and only after the signature was found to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Claim<T> {
    #[default]
    Absent,
    Is(T),
    Wrong,
}

impl<T> Claim<T> {
    pub(crate) fn as_ref(&self) -> Claim<&T> {
        match self {
            Self::Absent => Claim::Absent,
            Self::Is(value) => Claim::Is(value),
            Self::Wrong => Claim::Wrong,
        }
    }

    /// The claim's value if it is there and right.
    pub(crate) fn is(self) -> Option<T> {
        match self {
            Self::Is(value) => Some(value),
            Self::Absent | Self::Wrong => None,
        }
    }

    /// The claim's value; a refusal when it is absent or wrong.
    pub(crate) fn required(self, check: &'static str, name: &'static str) -> Result<T, Refusal> {
        self.optional(check, name)?.ok_or_else(|| refuse(check, format!("{name} is missing")))
    }

    /// The claim's value if it is there; a refusal when it is wrong.
    pub(crate) fn optional(self, check: &'static str, name: &'static str) -> Result<Option<T>, Refusal> {
        match self {
            Self::Absent => Ok(None),
            Self::Is(value) => Ok(Some(value)),
            Self::Wrong => Err(wrong(check, name)),
        }
    }
}

/// A claim is there, and is not what it has to be.
pub(crate) fn wrong(check: &'static str, name: &'static str) -> Refusal {
    refuse(check, format!("{name} is of a wrong type or value"))
}

/// The one answer to every token that is not acceptable.
pub(crate) fn refuse(check: &'static str, detail: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(RefusalKind::InvalidToken, check).detail(detail)
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Claim<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ClaimVisitor(PhantomData))
    }
}

struct ClaimVisitor<T>(PhantomData<T>);

impl<T> ClaimVisitor<T> {
    fn scalar<'de>(value: impl IntoDeserializer<'de, Unfit>) -> Claim<T>
    where
        T: Deserialize<'de>,
    {
        T::deserialize(value.into_deserializer()).map_or(Claim::Wrong, Claim::Is)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for ClaimVisitor<T> {
    type Value = Claim<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a claim")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Claim<T>, E> {
        Ok(Self::scalar(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Claim<T>, E> {
        Ok(Self::scalar(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Claim<T>, E> {
        Ok(Self::scalar(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Claim<T>, E> {
        Ok(Self::scalar(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Claim<T>, E> {
        Ok(Self::scalar(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Claim<T>, E> {
        Ok(Self::scalar(BorrowedStrDeserializer::new(value)))
    }

    fn visit_unit<E>(self) -> Result<Claim<T>, E> {
        Ok(Self::scalar(()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Claim<T>, A::Error> {
        if let Ok(value) = T::deserialize(SeqAccessDeserializer::new(&mut elements)) {
            return Ok(Claim::Is(value));
        }
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Claim::Wrong)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Claim<T>, A::Error> {
        if let Ok(value) = T::deserialize(MapAccessDeserializer::new(&mut members)) {
            return Ok(Claim::Is(value));
        }
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Claim::Wrong)
    }
}

/// A claim that is a JSON object and nothing else: a derived struct would take a list of its fields too.
#[derive(Debug)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(Object)
    }
}
