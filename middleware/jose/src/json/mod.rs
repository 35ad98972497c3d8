//! JSON without duplicate names and without depth.

mod error;

pub use self::error::JsonError;

use serde::{Deserialize, Deserializer, de::DeserializeOwned};

/// How deeply arrays and objects may be nested; the outermost is the first level.
pub const MAX_DEPTH: u8 = 16;

/// Reads JSON strictly, in one parse.
///
/// # Errors
///
/// [`JsonError`] when the bytes are not UTF-8, are not one JSON value with nothing after it, hold an object with two
/// members of one name, are nested too deeply, or are not of the shape of `T`.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    let _ = bytes;
    unimplemented!()
}

/// For `#[serde(default, deserialize_with = "json::not_null")]` on an `Option`: absent is `None`, `null` is an error.
///
/// # Errors
///
/// When the member is there and is not a `T`.
pub fn not_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
