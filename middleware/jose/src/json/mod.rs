//! JSON without duplicate names and without depth.
//!
//! A name that occurs twice is read one way by one parser and another way by the next (RFC 8259 §4), which is how a
//! check is made to see another value than the code behind it. Deep nesting is how a parser's stack is spent. Both are
//! refused at every level, in members that nobody reads too, in the same parse that fills the typed value.
//!
//! ```
//! use serde::Deserialize;
//! use tower_identity_jose::json;
//!
//! #[derive(Deserialize)]
//! struct Claims {
//!     sub: String,
//! }
//!
//! assert_eq!(json::from_slice::<Claims>(br#"{"sub": "alice", "other": {}}"#)?.sub, "alice");
//! let twice = json::from_slice::<Claims>(br#"{"sub": "alice", "\u0073ub": "bob"}"#).map(drop);
//! assert_eq!(twice.unwrap_err().to_string(), "sub: the member occurs twice");
//! # Ok::<(), json::JsonError>(())
//! ```

mod error;
mod names;
mod plain;
mod strict;
#[cfg(test)]
mod tests;

use std::marker::PhantomData;

use serde::{Deserialize, Deserializer, de::DeserializeSeed};

use self::strict::{Refused, Strict};
pub use self::{
    error::{JsonError, JsonErrorKind},
    plain::{Kind, Plain},
};

/// How deeply arrays and objects may be nested, where nothing else is said; the outermost is the first level.
pub const MAX_DEPTH: u8 = 16;

/// Reads JSON strictly, in one parse.
///
/// Stricter than serde's derived code in one more way: a struct is an object, and never a list of its fields' values
/// in their order.
///
/// # Errors
///
/// [`JsonError`] when the bytes are not UTF-8, are not one JSON value with nothing after it, hold an object with two
/// members of one name, are nested deeper than [`MAX_DEPTH`], or are not of the shape of `T`.
pub fn from_slice<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, JsonError> {
    within(bytes, MAX_DEPTH, PhantomData)
}

/// [`from_slice`], for what must be an object even where `T` could be read from something else, nested up to `depth`.
pub(crate) fn object_from_slice<'de, T: Deserialize<'de>>(bytes: &'de [u8], depth: u8) -> Result<T, JsonError> {
    object_by_seed(bytes, depth, PhantomData)
}

/// [`object_from_slice`], of what a seed makes of it.
pub(crate) fn object_by_seed<'de, S: DeserializeSeed<'de>>(
    bytes: &'de [u8],
    depth: u8,
    seed: S,
) -> Result<S::Value, JsonError> {
    Unread::object(bytes, depth)?.strictly(seed)
}

fn within<'de, S: DeserializeSeed<'de>>(bytes: &'de [u8], depth: u8, seed: S) -> Result<S::Value, JsonError> {
    Unread::within(bytes, depth)?.strictly(seed)
}

/// A text of which nothing was read yet, but that it is UTF-8. What it is, [strict](Self::strictly) reading tells; where
/// speed counts, [plain](Self::plainly) reading is tried before.
///
/// ```
/// use tower_identity_jose::json::{Kind, Unread};
///
/// let subject = |text: &'static str| {
///     Unread::of(text.as_bytes()).ok()?.plainly(|plain| {
///         let mut subject = None;
///         plain.object(|plain, name| match (name, plain.kind()?) {
///             ("sub", Kind::Text) => plain.text().map(|text| subject = Some(text)),
///             _ => plain.ignore(),
///         })?;
///         subject
///     })
/// };
/// assert_eq!(subject(r#"{"sub": "alice", "roles": ["clerk"]}"#), Some("alice"));
/// // With an escape, or twice: for strict reading to understand, and to refuse.
/// assert_eq!(subject(r#"{"sub": "\u0061lice"}"#), None);
/// assert_eq!(subject(r#"{"sub": "alice", "sub": "bob"}"#), None);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Unread<'de> {
    text: &'de str,
    depth: u8,
}

impl<'de> Unread<'de> {
    /// A text that may be nested up to [`MAX_DEPTH`].
    ///
    /// # Errors
    ///
    /// [`JsonError`] when it is not UTF-8.
    pub fn of(bytes: &'de [u8]) -> Result<Self, JsonError> {
        Self::within(bytes, MAX_DEPTH)
    }

    fn within(bytes: &'de [u8], depth: u8) -> Result<Self, JsonError> {
        let text = simdutf8::basic::from_utf8(bytes).map_err(|_| JsonError::from(JsonErrorKind::NotUtf8))?;
        Ok(Self { text, depth })
    }

    pub(crate) fn object(bytes: &'de [u8], depth: u8) -> Result<Self, JsonError> {
        match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{') => Self::within(bytes, depth),
            _ => Err(JsonErrorKind::NotAnObject.into()),
        }
    }

    /// What a function makes of the whole text, if it is written plainly. `None` says nothing of it.
    pub fn plainly<T>(self, read: impl FnOnce(&mut Plain<'de>) -> Option<T>) -> Option<T> {
        let mut plain = Plain::new(self.text, self.depth);
        let value = read(&mut plain)?;
        plain.end().map(|()| value)
    }

    /// What a seed makes of it.
    ///
    /// # Errors
    ///
    /// As [`from_slice`].
    pub fn strictly<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, JsonError> {
        let mut parser = serde_json::Deserializer::from_str(self.text);
        let refused = Refused::default();
        let value = seed.deserialize(Strict::outermost(&mut parser, self.depth, &refused))?;
        parser.end().map_err(JsonError::of_parser)?;
        Ok(value)
    }
}

/// For `#[serde(default, deserialize_with = "json::not_null")]` on an `Option`: absent is `None`, `null` is an error.
///
/// # Errors
///
/// When the member is there and is not a `T`.
pub fn not_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
