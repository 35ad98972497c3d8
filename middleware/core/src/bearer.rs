//! The form of a bearer token, in a header and in a form: stated once, so that a token which comes in can also be
//! opened and exchanged.

/// The longest token that is read or sent, in bytes.
///
/// Servers have dropped longer ones in silence and then granted something else (CVE-2026-9704).
pub const MAX_TOKEN_BYTES: usize = 8192;

/// Whether a text is of the grammar of a bearer token (RFC 6750 §2.1):
/// `token68 = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="` (RFC 9110 §11.2).
#[must_use]
pub fn is_token68(text: &str) -> bool {
    let unpadded = text.trim_end_matches('=').as_bytes();
    // What JWTs are made of first: two characters fewer are a quarter of the walk.
    !unpadded.is_empty() && (stray(unpadded, of_jwt) == 0 || stray(unpadded, of_token68) == 0)
}

/// Nothing but zeros where every byte is of an alphabet. Without a branch, and in bytes alone: a token is long, and
/// compilers do 16 of them at once.
#[inline]
fn stray(text: &[u8], of_alphabet: impl Fn(u8) -> u8) -> u8 {
    text.iter().fold(0, |stray, byte| stray | of_alphabet(*byte))
}

/// 0 for letters, digits, and `-` `.` `/` `_`.
#[inline]
fn of_jwt(byte: u8) -> u8 {
    beyond(byte | 0x20, b'a', b'z').min(beyond(byte, b'-', b'9')).min(byte ^ b'_')
}

/// 0 for these, and for `~` and `+`.
#[inline]
fn of_token68(byte: u8) -> u8 {
    of_jwt(byte).min(byte ^ b'~').min(byte ^ b'+')
}

/// How far a byte is beyond a range: 0 for those within.
#[inline]
fn beyond(byte: u8, first: u8, last: u8) -> u8 {
    byte.wrapping_sub(first).saturating_sub(last - first)
}

#[cfg(test)]
mod tests {
    use super::{is_token68, of_token68};

    #[test]
    fn rfc6750_a2_the_alphabet_is_that_of_the_grammar() {
        for byte in 0..=u8::MAX {
            let expected = byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
            assert_eq!(of_token68(byte) == 0, expected, "{byte:#x}");
        }
    }

    #[test]
    fn rfc6750_a2_a_token_is_of_its_alphabet_with_padding_at_its_end_only() {
        for good in ["a", "mF_9.B5f-4.1JqM", "a~+/b==", "a~", "+b", "0="] {
            assert!(is_token68(good), "{good}");
        }
        for bad in ["", "=", "==", "a=b", "=a", "a b", "a,b", "a\"", "a\r\n", "é", "a\0"] {
            assert!(!is_token68(bad), "{bad:?}");
        }
    }
}
