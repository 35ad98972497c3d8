//! Strings of a payload, borrowed from it wherever they are written without escapes.
//!
//! Lists and objects are read to their end also when something in them is wrong, so that the [`Claim`] that they are goes
//! on behind them.

use std::{borrow::Cow, fmt, marker::PhantomData, ops::Deref};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Unexpected, Visitor, value::MapAccessDeserializer},
};

use crate::claim::Claim;

/// A JSON string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text<'a>(Cow<'a, str>);

/// A JSON string, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Texts<'a> {
    One(Text<'a>),
    Many(Vec<Text<'a>>),
}

/// A JSON string, or a number that is whole and not negative: a version, at one issuer or the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TextOrNumber<'a> {
    Text(Text<'a>),
    Number(u64),
}

/// One group or role: a string, or the object that SCIM has for it (RFC 7643 §4.1.2, as RFC 9068 §2.2.3.1 would have it),
/// of which `value` counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) value: Text<'a>,
    pub(crate) is_object: bool,
}

impl Texts<'_> {
    pub(crate) fn as_slice(&self) -> &[Text<'_>] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AString;

        impl<'de> Visitor<'de> for AString {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(value)))
            }

            fn visit_str<E>(self, value: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(value.to_owned())))
            }
        }

        deserializer.deserialize_str(AString)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Texts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Texts<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or a list of strings")
            }

            fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Texts<'de>, E> {
                Ok(Texts::One(Text(Cow::Borrowed(value))))
            }

            fn visit_str<E>(self, value: &str) -> Result<Texts<'de>, E> {
                Ok(Texts::One(Text(Cow::Owned(value.to_owned()))))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<Texts<'de>, A::Error> {
                all(elements).map(Texts::Many)
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for TextOrNumber<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StringOrNumber;

        impl<'de> Visitor<'de> for StringOrNumber {
            type Value = TextOrNumber<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a whole number")
            }

            fn visit_borrowed_str<E>(self, value: &'de str) -> Result<TextOrNumber<'de>, E> {
                Ok(TextOrNumber::Text(Text(Cow::Borrowed(value))))
            }

            fn visit_str<E>(self, value: &str) -> Result<TextOrNumber<'de>, E> {
                Ok(TextOrNumber::Text(Text(Cow::Owned(value.to_owned()))))
            }

            fn visit_u64<E>(self, value: u64) -> Result<TextOrNumber<'de>, E> {
                Ok(TextOrNumber::Number(value))
            }
        }

        deserializer.deserialize_any(StringOrNumber)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Entry<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Complex<'a> {
            #[serde(borrow, default)]
            value: Claim<Text<'a>>,
        }

        struct StringOrObject;

        impl<'de> Visitor<'de> for StringOrObject {
            type Value = Entry<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or an object with a value")
            }

            fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Entry<'de>, E> {
                Ok(Entry { value: Text(Cow::Borrowed(value)), is_object: false })
            }

            fn visit_str<E>(self, value: &str) -> Result<Entry<'de>, E> {
                Ok(Entry { value: Text(Cow::Owned(value.to_owned())), is_object: false })
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Entry<'de>, A::Error> {
                match Complex::deserialize(MapAccessDeserializer::new(members))?.value {
                    Claim::Is(value) => Ok(Entry { value, is_object: true }),
                    Claim::Absent | Claim::Wrong => Err(de::Error::invalid_type(Unexpected::Map, &self)),
                }
            }
        }

        deserializer.deserialize_any(StringOrObject)
    }
}

/// A list, all of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct List<T>(pub(crate) Vec<T>);

/// The members of an object, as a list: for objects whose names are data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Members<'a, T>(pub(crate) Vec<(Text<'a>, T)>);

impl<T> Members<'_, T> {
    pub(crate) fn get(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(own, _)| **own == *name).map(|(_, value)| value)
    }
}

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for Members<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnObject<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for AnObject<T> {
            type Value = Members<'de, T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Members<'de, T>, A::Error> {
                let mut all = Vec::new();
                while let Some(member) = members.next_entry()? {
                    all.push(member);
                }
                Ok(Members(all))
            }
        }

        deserializer.deserialize_map(AnObject(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AList<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for AList<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<List<T>, A::Error> {
                all(elements).map(List)
            }
        }

        deserializer.deserialize_seq(AList(PhantomData))
    }
}

/// Every element, or an error once all of them were read.
fn all<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(mut elements: A) -> Result<Vec<T>, A::Error> {
    let (mut all, mut wrong) = (Vec::new(), false);
    while let Some(element) = elements.next_element::<Claim<T>>()? {
        match element {
            Claim::Is(element) => all.push(element),
            Claim::Absent | Claim::Wrong => wrong = true,
        }
    }
    if wrong { Err(de::Error::custom("an element is of a wrong type")) } else { Ok(all) }
}
