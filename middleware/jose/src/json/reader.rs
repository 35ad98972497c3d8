//! The parser, as a type that is read sees it: the structure of the text, with every name and every level watched.
//!
//! A value is taken whole whatever its reader thinks of it. So an error that a type makes of a value can be overlooked,
//! and what follows is read from the right place. An error of the text itself cannot: behind it there is no text.

use std::{borrow::Cow, fmt};

use serde::{
    Deserializer,
    de::{
        self, DeserializeSeed, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
        value::{BorrowedStrDeserializer, MapAccessDeserializer, StrDeserializer},
    },
    forward_to_deserialize_any,
};

use super::{
    JsonError, JsonErrorKind,
    names::Names,
    scanner::{ENDS_EARLY, Fault, NO_VALUE, Number, Scanner},
};

/// Reads one text.
pub(super) struct Reader<'de> {
    scanner: Scanner<'de>,
    /// How many levels may still be opened.
    levels: u8,
    deepest: u8,
    /// What is wrong with the text, once that was found.
    broken: Option<JsonErrorKind>,
}

impl<'de> Reader<'de> {
    pub(super) fn new(text: &'de str, deepest: u8) -> Self {
        Self { scanner: Scanner::new(text), levels: deepest, deepest, broken: None }
    }

    /// Makes sure that the text is read to its end, and whole.
    pub(super) fn end(&mut self) -> Result<(), JsonError> {
        match (self.scanner.peek(), &self.broken) {
            (None, None) => Ok(()),
            _ => Err(self.no_json("something follows the value")),
        }
    }

    #[cold]
    fn no_json(&mut self, fault: Fault) -> JsonError {
        let fault = format!("{fault}, at byte {}", self.scanner.position());
        self.refuse(JsonErrorKind::Syntax(fault.into()))
    }

    /// Refuses the text, for the first of what is wrong with it.
    #[cold]
    fn refuse(&mut self, kind: JsonErrorKind) -> JsonError {
        self.scanner.give_up();
        self.broken.get_or_insert(kind).clone().into()
    }

    fn scanned<T>(&mut self, scanned: Result<T, Fault>) -> Result<T, JsonError> {
        scanned.map_err(|fault| self.no_json(fault))
    }

    #[inline]
    fn string(&mut self) -> Result<Cow<'de, str>, JsonError> {
        let string = self.scanner.string();
        self.scanned(string)
    }

    fn literal(&mut self, word: &'static str) -> Result<(), JsonError> {
        let literal = self.scanner.literal(word);
        self.scanned(literal)
    }

    fn number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, JsonError> {
        let number = self.scanner.number();
        match self.scanned(number)? {
            Number::Natural(number) => visitor.visit_u64(number),
            Number::Negative(number) => visitor.visit_i64(number),
            Number::Float(number) => visitor.visit_f64(number),
        }
    }

    /// Opens the list or object whose bracket is next.
    fn open(&mut self, close: u8) -> Result<Inside<'_, 'de>, JsonError> {
        self.scanner.advance();
        let Some(levels) = self.levels.checked_sub(1) else {
            return Err(self.refuse(JsonErrorKind::TooDeep { limit: self.deepest }));
        };
        self.levels = levels;
        Ok(Inside { reader: self, close, place: Place::Start })
    }
}

/// All goes through `deserialize_any`: the text tells what is there, and the type's visitor says what it thinks of it.
/// That includes what a type ignores, so that its names and levels are watched too. What has members is an object: derived
/// code would read it from a list as well.
impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = JsonError;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.scanner.peek() {
            Some(b'"') => match self.string()? {
                Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
                Cow::Owned(text) => visitor.visit_string(text),
            },
            Some(b'-' | b'0'..=b'9') => self.number(visitor),
            Some(b'{') => {
                let mut members = Members::of(self.open(b'}')?);
                let result = visitor.visit_map(&mut members);
                members.rest_after(result)
            }
            Some(b'[') => {
                let mut elements = self.open(b']')?;
                let result = visitor.visit_seq(&mut elements);
                elements.rest_after(result)
            }
            Some(b't') => self.literal("true").and_then(|()| visitor.visit_bool(true)),
            Some(b'f') => self.literal("false").and_then(|()| visitor.visit_bool(false)),
            Some(b'n') => self.literal("null").and_then(|()| visitor.visit_unit()),
            Some(_) => Err(self.no_json(NO_VALUE)),
            None => Err(self.no_json(ENDS_EARLY)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.scanner.peek() {
            Some(b'n') => self.literal("null").and_then(|()| visitor.visit_none()),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.deserialize_any(Object(visitor))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        self.deserialize_any(Object(visitor))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        self.deserialize_any(Variant(visitor))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct identifier ignored_any
    }
}

/// The inside of a list or an object.
struct Inside<'r, 'de> {
    reader: &'r mut Reader<'de>,
    close: u8,
    place: Place,
}

enum Place {
    Start,
    Further,
    End,
}

impl Inside<'_, '_> {
    /// Goes to the next element or member, past the comma before it. Says whether there is one.
    #[inline]
    fn goes_on(&mut self) -> Result<bool, JsonError> {
        match (&self.place, self.reader.scanner.peek()) {
            (Place::End, _) => Ok(false),
            (_, Some(found)) if found == self.close => {
                self.reader.scanner.advance();
                self.reader.levels += 1;
                self.place = Place::End;
                Ok(false)
            }
            (Place::Start, Some(_)) => {
                self.place = Place::Further;
                Ok(true)
            }
            (Place::Further, Some(b',')) => {
                self.reader.scanner.advance();
                Ok(true)
            }
            (Place::Further, Some(_)) => Err(self.reader.no_json("expected a comma")),
            (_, None) => Err(self.reader.no_json(ENDS_EARLY)),
        }
    }

    /// Takes the elements that a type left; where it had no fault to find, there must be none.
    #[inline]
    fn rest_after<T>(mut self, result: Result<T, JsonError>) -> Result<T, JsonError> {
        match self.place {
            Place::End => result,
            Place::Start | Place::Further => all_but_rest(result, || self.next_element()),
        }
    }
}

/// What a type made of a list or an object that it did not read to the end.
#[cold]
fn all_but_rest<T>(
    result: Result<T, JsonError>,
    mut next: impl FnMut() -> Result<Option<IgnoredAny>, JsonError>,
) -> Result<T, JsonError> {
    let mut left = 0;
    loop {
        match next() {
            Ok(Some(IgnoredAny)) => left += 1,
            Ok(None) => break,
            Err(error) => return result.and(Err(error)),
        }
    }
    match result {
        Ok(_) if left > 0 => Err(JsonErrorKind::WrongValue { expected: format!("{left} fewer of it").into() }.into()),
        result => result,
    }
}

impl<'de> SeqAccess<'de> for Inside<'_, 'de> {
    type Error = JsonError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, JsonError> {
        if self.goes_on()? { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }
}

/// The members of an object.
struct Members<'r, 'de> {
    inside: Inside<'r, 'de>,
    names: Names<'de>,
    /// The member whose value comes next, where its name is written without escapes.
    current: Option<&'de str>,
    /// Whether a value comes next.
    is_named: bool,
}

impl<'r, 'de> Members<'r, 'de> {
    fn of(inside: Inside<'r, 'de>) -> Self {
        Self { inside, names: Names::new(), current: None, is_named: false }
    }

    #[inline]
    fn rest_after<T>(mut self, result: Result<T, JsonError>) -> Result<T, JsonError> {
        match self.inside.place {
            Place::End => result,
            Place::Start | Place::Further => {
                all_but_rest(result, || Ok(self.next_entry::<IgnoredAny, _>()?.map(|(_, value)| value)))
            }
        }
    }
}

impl<'de> MapAccess<'de> for Members<'_, 'de> {
    type Error = JsonError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, JsonError> {
        if self.is_named {
            self.next_value::<IgnoredAny>()?;
        }
        if !self.inside.goes_on()? {
            return Ok(None);
        }
        let reader = &mut *self.inside.reader;
        if reader.scanner.peek() != Some(b'"') {
            return Err(reader.no_json("expected a name"));
        }
        let name = reader.string()?;
        // What a name stands for, not how it is written, is what must not occur twice.
        if !self.names.insert(name.clone()) {
            return Err(reader.refuse(JsonErrorKind::DuplicateName).within(&name));
        }
        self.is_named = true;
        match name {
            Cow::Borrowed(name) => {
                self.current = Some(name);
                seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some)
            }
            Cow::Owned(name) => {
                self.current = None;
                seed.deserialize(StrDeserializer::new(&name)).map(Some)
            }
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, JsonError> {
        self.is_named = false;
        let reader = &mut *self.inside.reader;
        if !reader.scanner.take(b':') {
            return Err(reader.no_json("expected a colon"));
        }
        seed.deserialize(reader).map_err(|error| match self.current {
            Some(name) => error.within(name),
            None => error,
        })
    }
}

/// The visitor of what has members.
struct Object<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Object<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _elements: A) -> Result<V::Value, A::Error> {
        Err(de::Error::invalid_type(Unexpected::Seq, &self))
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(members)
    }
}

/// The visitor of one of several forms: its name, or an object whose one member has its name and content.
struct Variant<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Variant<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<V::Value, E> {
        self.0.visit_enum(name.into_deserializer())
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(MapAccessDeserializer::new(members))
    }
}
