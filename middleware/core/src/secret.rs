//! Secrets that never print.

use std::{cell::Cell, fmt, sync::Arc};

use serde::de::Error as _;
use subtle::ConstantTimeEq;

/// A token or other secret string.
///
/// Has no `Display` and no `Serialize`, prints as a fixed placeholder, compares in constant time (for equal
/// lengths), and is wiped from memory with its last clone. Every use of the text goes through
/// [`expose`](Self::expose), which makes the uses easy to find.
///
/// ```
/// use tower_identity_core::SecretToken;
///
/// let token = SecretToken::new("eyJhbGciOi");
/// assert_eq!(format!("{token:?}"), "SecretToken(..)");
/// assert_eq!(token.expose(), "eyJhbGciOi");
/// ```
#[derive(Clone)]
pub struct SecretToken(Arc<Wiped>);

/// Text that is wiped where it is dropped.
struct Wiped(String);

impl Drop for Wiped {
    fn drop(&mut self) {
        let spare = wipe(std::mem::take(&mut self.0));
        if spare.capacity() <= LARGEST_SPARE {
            // A thread that is at its end has no next one.
            let _ = SPARE.try_with(|last| last.set(spare));
        }
    }
}

/// The memory of a text, with nothing left in it: wiped all at once, since one byte at a time is felt with every token of
/// a kilobyte.
fn wipe(text: String) -> Vec<u8> {
    let mut bytes = text.into_bytes();
    bytes.fill(0);
    zeroize::optimization_barrier(&*bytes);
    bytes
}

thread_local! {
    /// The wiped memory of this thread's last secret, for the next one. Allocators have a quick way to small blocks and
    /// none to those of a token's size: glibc ends it at 1,032 bytes, and takes 1,200 instructions beyond.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// As large as nearly every token is, in bytes.
const LARGEST_SPARE: usize = 4096;

impl SecretToken {
    /// Wraps a secret.
    #[must_use]
    pub fn new(secret: impl Into<Box<str>>) -> Self {
        Self(Arc::new(Wiped(secret.into().into_string())))
    }

    /// The secret itself, for the wire or for cryptography, never for a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0.0
    }
}

impl PartialEq for SecretToken {
    fn eq(&self, other: &Self) -> bool {
        self.expose().as_bytes().ct_eq(other.expose().as_bytes()).into()
    }
}

impl Eq for SecretToken {}

impl fmt::Debug for SecretToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretToken(..)")
    }
}

/// A copy, in memory that another secret lay in before.
impl From<&str> for SecretToken {
    fn from(secret: &str) -> Self {
        let mut spare = SPARE.try_with(Cell::take).unwrap_or_default();
        spare.clear();
        let mut text = String::from_utf8(spare).unwrap_or_default();
        text.reserve_exact(secret.len());
        text.push_str(secret);
        Self(Arc::new(Wiped(text)))
    }
}

impl From<String> for SecretToken {
    fn from(secret: String) -> Self {
        Self::new(secret)
    }
}

impl<'de> serde::Deserialize<'de> for SecretToken {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The reader's own message would quote what it found.
        Box::<str>::deserialize(deserializer).map(Self::new).map_err(|_| D::Error::custom("a secret is a string"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_of_the_wrong_type_is_not_quoted() {
        let refused = serde_json::from_str::<SecretToken>("12345").expect_err("a number").to_string();
        assert!(refused.starts_with("a secret is a string") && !refused.contains("123"), "{refused}");
        assert_eq!(serde_json::from_str::<SecretToken>("\"12345\"").expect("a string").expose(), "12345");
    }

    #[test]
    fn nothing_is_left_of_a_secret_and_its_memory_goes_to_the_next() {
        let spare = || {
            let spare = SPARE.take();
            let state = (spare.len(), spare.iter().all(|byte| *byte == 0));
            SPARE.set(spare);
            state
        };
        let first = SecretToken::from("first of this thread");
        let clone = first.clone();
        drop(first);
        assert_eq!((clone.expose(), spare()), ("first of this thread", (0, true)));
        let place = clone.expose().as_ptr();
        drop(clone);
        assert_eq!(spare(), (20, true));

        let second = SecretToken::from("second");
        assert_eq!((second.expose(), second.expose().as_ptr()), ("second", place));
        let third = SecretToken::from("third");
        assert_eq!((second.expose(), third.expose()), ("second", "third"));
        assert_ne!(third.expose().as_ptr(), place);
        drop((third, second));
        let longer = SecretToken::from("x".repeat(LARGEST_SPARE + 1).as_str());
        drop(longer);
        assert_eq!(spare(), (0, true));
    }

    #[test]
    fn equality_is_of_the_text_and_debug_shows_nothing() {
        let token = SecretToken::new("abc");
        assert_eq!(token, SecretToken::new("abc"));
        assert_ne!(token, SecretToken::new("abd"));
        assert_ne!(token, SecretToken::new("ab"));
        assert_eq!(format!("{token:?} {:#?}", Some(&token)), "SecretToken(..) Some(\n    SecretToken(..),\n)");
    }
}
