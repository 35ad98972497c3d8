//! How large a token may be, and how deep.

use std::ops::RangeInclusive;

use tower_identity_core::{InvalidSetting, bearer::MAX_TOKEN_BYTES};

use crate::json::MAX_DEPTH;

/// At the least, an object and what is in it; at the most, what a thread's stack bears.
const JSON_DEPTH: RangeInclusive<u8> = 2..=64;

/// How large a token may be, and how deep: what is decided before anything of it is understood.
///
/// ```
/// use serde_json::Value;
/// use tower_identity_jose::{Limits, ParseError, Unverified};
///
/// let small = Limits::default().with_token_bytes(512)?;
/// let refused = Unverified::<Value>::parse(&"a".repeat(513), &small).map(drop);
/// assert_eq!(refused, Err(ParseError::TooLong { limit: 512 }));
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    token_bytes: usize,
    json_depth: u8,
}

impl Limits {
    /// The limits on [`token_bytes`](Self::token_bytes) that can be set.
    pub const TOKEN_BYTES: RangeInclusive<usize> = 1..=65_536;

    /// The longest token, in bytes of its compact form. Default: [`MAX_TOKEN_BYTES`], 8192.
    #[must_use]
    pub fn token_bytes(&self) -> usize {
        self.token_bytes
    }

    /// How deeply arrays and objects of a header and of a payload may be nested; the outermost is the first level.
    /// Default: [`MAX_DEPTH`], 16.
    #[must_use]
    pub fn json_depth(&self) -> u8 {
        self.json_depth
    }

    /// Sets the length of the longest token.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] outside [`Self::TOKEN_BYTES`].
    pub fn with_token_bytes(self, token_bytes: usize) -> Result<Self, InvalidSetting> {
        if !Self::TOKEN_BYTES.contains(&token_bytes) {
            return Err(outside("token_bytes", &Self::TOKEN_BYTES));
        }
        Ok(Self { token_bytes, ..self })
    }

    /// Sets the deepest nesting.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] outside 2 to 64.
    pub fn with_json_depth(self, json_depth: u8) -> Result<Self, InvalidSetting> {
        if !JSON_DEPTH.contains(&json_depth) {
            return Err(outside("json_depth", &JSON_DEPTH));
        }
        Ok(Self { json_depth, ..self })
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { token_bytes: MAX_TOKEN_BYTES, json_depth: MAX_DEPTH }
    }
}

fn outside<T: std::fmt::Display>(field: &str, range: &RangeInclusive<T>) -> InvalidSetting {
    InvalidSetting::new(field, format!("is not from {} to {}", range.start(), range.end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_set_within_reason() {
        let bytes = |bytes| Limits::default().with_token_bytes(bytes).map(|limits| limits.token_bytes());
        assert_eq!((bytes(1), bytes(65_536)), (Ok(1), Ok(65_536)));
        let refused = InvalidSetting::new("token_bytes", "is not from 1 to 65536");
        assert_eq!((bytes(0), bytes(65_537)), (Err(refused.clone()), Err(refused)));

        let depth = |depth| Limits::default().with_json_depth(depth).map(|limits| limits.json_depth());
        assert_eq!((depth(2), depth(64)), (Ok(2), Ok(64)));
        let refused = InvalidSetting::new("json_depth", "is not from 2 to 64");
        assert_eq!((depth(1), depth(65)), (Err(refused.clone()), Err(refused)));

        assert_eq!((Limits::default().token_bytes(), Limits::default().json_depth()), (8192, 16));
    }
}
