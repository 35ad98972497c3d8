//! The word by which a token endpoint says what is wrong.

use std::fmt;

/// The longest error code that is kept, in bytes.
const MAX_CODE_BYTES: usize = 64;

/// An error code of a token endpoint (RFC 6749 §5.2, RFC 8693 §2.2.2), in the characters that the RFC allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorCode(Box<str>);

impl ErrorCode {
    /// The code, or nothing for what cannot be one.
    pub(crate) fn read(value: &str) -> Option<Self> {
        let allowed = |b: u8| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        let usable = (1..=MAX_CODE_BYTES).contains(&value.len()) && value.bytes().all(allowed);
        usable.then(|| Self(value.into()))
    }

    /// The code, for example `invalid_grant`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
