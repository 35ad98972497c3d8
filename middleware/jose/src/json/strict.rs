//! The wrapper between the JSON parser and the types that are read, that sees every name and every level.
//!
//! It stands on both sides of serde's contract. Towards a type it is the deserializer (and the access to elements,
//! members and variants), and fails with [`JsonError`]; towards the parser it is the visitor (and the seed), and must
//! fail with the parser's error. Where a `JsonError` crosses the parser it is left in [`Refused`] and taken up again
//! on the other side.

use std::{borrow::Cow, cell::Cell, fmt, marker::PhantomData};

use serde::{
    Deserializer,
    de::{
        self, DeserializeSeed, EnumAccess, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
        value::{BorrowedStrDeserializer, StrDeserializer},
    },
    forward_to_deserialize_any,
};

use super::{JsonError, JsonErrorKind, names::Names};

/// The error that crosses the parser.
#[derive(Default)]
pub(super) struct Refused(Cell<Option<JsonError>>);

/// A deserializer, visitor, seed or access, made strict.
pub(super) struct Strict<'a, T> {
    inner: T,
    level: Level<'a>,
}

#[derive(Clone, Copy)]
struct Level<'a> {
    depth: u8,
    deepest: u8,
    refused: &'a Refused,
}

impl<'a, T> Strict<'a, T> {
    pub(super) fn outermost(inner: T, deepest: u8, refused: &'a Refused) -> Self {
        Self { inner, level: Level { depth: 0, deepest, refused } }
    }
}

impl<'a> Level<'a> {
    fn strict<T>(self, inner: T) -> Strict<'a, T> {
        Strict { inner, level: self }
    }

    #[inline]
    fn deeper(self) -> Result<Self, JsonError> {
        if self.depth == self.deepest {
            return Err(JsonErrorKind::TooDeep { limit: self.deepest }.into());
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    /// From a type's side into the parser.
    fn into_parser<T, E: de::Error>(self, result: Result<T, JsonError>) -> Result<T, E> {
        result.map_err(|error| self.leave(error))
    }

    #[cold]
    fn leave<E: de::Error>(self, error: JsonError) -> E {
        self.refused.0.set(Some(error));
        E::custom("refused")
    }

    /// Out of the parser, to a type's side.
    fn out_of_parser<T, E: de::Error>(self, result: Result<T, E>) -> Result<T, JsonError> {
        result.map_err(|error| self.take(error))
    }

    #[cold]
    fn take<E: de::Error>(self, error: E) -> JsonError {
        self.refused.0.take().unwrap_or_else(|| JsonError::of_parser(error))
    }
}

/// The visitor of a struct. Derived code would read it from a list too.
struct NamedMembers<V>(V);

macro_rules! numbers {
    ($($deserialize:ident)+) => {$(
        // Not by way of `deserialize_any`: a feature of the parser (`arbitrary_precision`), which any crate of the
        // build may switch on, shows numbers there as maps.
        fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
            let level = self.level;
            self.inner.$deserialize(level.strict(visitor)).map_err(|_| {
                level.refused.0.take().unwrap_or_else(|| JsonErrorKind::NotANumber.into())
            })
        }
    )+};
}

/// All but numbers, options and enums goes through `deserialize_any`: the parser tells what is there, and the type's
/// visitor says what it thinks of it. That includes `deserialize_ignored_any`, for which the parser has a short cut
/// that looks at no name, and `deserialize_newtype_struct`, by which raw JSON would pass unread.
impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<'_, D> {
    type Error = JsonError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        let level = self.level;
        level.out_of_parser(self.inner.deserialize_any(level.strict(visitor)))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        self.deserialize_any(NamedMembers(visitor))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        let level = self.level;
        level.out_of_parser(self.inner.deserialize_option(level.strict(visitor)))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        let level = self.level;
        level.out_of_parser(self.inner.deserialize_enum(name, variants, level.strict(visitor)))
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64
    }

    forward_to_deserialize_any! {
        bool char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

macro_rules! scalars {
    ($($visit:ident($type:ty))+) => {$(
        fn $visit<E: de::Error>(self, value: $type) -> Result<Self::Value, E> {
            self.level.into_parser(self.inner.$visit(value))
        }
    )+};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Strict<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    scalars! {
        visit_bool(bool) visit_i64(i64) visit_i128(i128) visit_u64(u64) visit_u128(u128) visit_f64(f64)
        visit_str(&str) visit_borrowed_str(&'de str) visit_string(String)
    }

    fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
        self.level.into_parser(self.inner.visit_unit())
    }

    fn visit_none<E: de::Error>(self) -> Result<V::Value, E> {
        self.level.into_parser(self.inner.visit_none())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.level.into_parser(self.inner.visit_some(self.level.strict(deserializer)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<V::Value, A::Error> {
        let result = self.level.deeper().and_then(|level| self.inner.visit_seq(level.strict(elements)));
        self.level.into_parser(result)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        let result = self.level.deeper().and_then(|level| {
            self.inner.visit_map(Members { inner: members, names: Names::new(), current: None, level })
        });
        self.level.into_parser(result)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        self.level.into_parser(self.inner.visit_enum(self.level.strict(variant)))
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for NamedMembers<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _elements: A) -> Result<V::Value, A::Error> {
        Err(de::Error::invalid_type(Unexpected::Seq, &self))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(members)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Strict<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.level.into_parser(self.inner.deserialize(self.level.strict(deserializer)))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Strict<'_, A> {
    type Error = JsonError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, JsonError> {
        self.level.out_of_parser(self.inner.next_element_seed(self.level.strict(seed)))
    }
}

/// The members of one object.
struct Members<'a, 'de, A> {
    inner: A,
    names: Names<'de>,
    /// The member whose value comes next, where its name is written without escapes.
    current: Option<&'de str>,
    level: Level<'a>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Members<'_, 'de, A> {
    type Error = JsonError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, JsonError> {
        let name = Name { seed, names: &mut self.names, current: &mut self.current, level: self.level };
        self.level.out_of_parser(self.inner.next_key_seed(name))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, JsonError> {
        let value = self.level.out_of_parser(self.inner.next_value_seed(self.level.strict(seed)));
        value.map_err(|error| match self.current {
            Some(name) => error.within(name),
            None => error,
        })
    }
}

/// The seed, and visitor, of one name.
struct Name<'n, 'a, 'de, S> {
    seed: S,
    names: &'n mut Names<'de>,
    current: &'n mut Option<&'de str>,
    level: Level<'a>,
}

impl<'de, S: DeserializeSeed<'de>> Name<'_, '_, 'de, S> {
    fn read<E: de::Error, D: Deserializer<'de, Error = JsonError>>(
        self,
        name: &str,
        kept: Cow<'de, str>,
        deserializer: D,
    ) -> Result<S::Value, E> {
        *self.current = match kept {
            Cow::Borrowed(name) => Some(name),
            Cow::Owned(_) => None,
        };
        let result = if self.names.insert(kept) {
            self.seed.deserialize(deserializer)
        } else {
            Err(JsonError::from(JsonErrorKind::DuplicateName).within(name))
        };
        self.level.into_parser(result)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Name<'_, '_, 'de, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Name<'_, '_, 'de, S> {
    type Value = S::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_borrowed_str<E: de::Error>(self, name: &'de str) -> Result<S::Value, E> {
        self.read(name, Cow::Borrowed(name), BorrowedStrDeserializer::new(name))
    }

    /// A name with escapes: what it stands for, not how it is written, is what must not occur twice.
    fn visit_str<E: de::Error>(self, name: &str) -> Result<S::Value, E> {
        self.read(name, Cow::Owned(name.to_owned()), StrDeserializer::new(name))
    }
}

impl<'a, 'de, A: EnumAccess<'de>> EnumAccess<'de> for Strict<'a, A> {
    type Error = JsonError;
    type Variant = Strict<'a, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), JsonError> {
        let level = self.level;
        let (value, variant) = level.out_of_parser(self.inner.variant_seed(level.strict(seed)))?;
        Ok((value, level.strict(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Strict<'_, A> {
    type Error = JsonError;

    fn unit_variant(self) -> Result<(), JsonError> {
        self.level.out_of_parser(self.inner.unit_variant())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, JsonError> {
        let content = self.level.deeper()?;
        self.level.out_of_parser(self.inner.newtype_variant_seed(content.strict(seed)))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, JsonError> {
        self.newtype_variant_seed(Content(visitor, PhantomData))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        self.newtype_variant_seed(Content(NamedMembers(visitor), PhantomData))
    }
}

/// The seed of a variant's content.
struct Content<'de, V>(V, PhantomData<&'de ()>);

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Content<'de, V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        deserializer.deserialize_any(self.0)
    }
}
