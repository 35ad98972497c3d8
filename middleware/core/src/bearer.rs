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
    let unpadded = text.trim_end_matches('=');
    !unpadded.is_empty() && unpadded.bytes().fold(true, |all, byte| all & is_token68_byte(byte))
}

/// Without a branch, as is the walk over a text: a token is long, and compilers do many bytes of it at once.
fn is_token68_byte(byte: u8) -> bool {
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    let digit_or_near = byte.wrapping_sub(b'-') < 13; // - . / 0 to 9
    letter | digit_or_near | (byte == b'_') | (byte == b'~') | (byte == b'+')
}

#[cfg(test)]
mod tests {
    use super::{is_token68, is_token68_byte};

    #[test]
    fn rfc6750_a2_the_alphabet_is_that_of_the_grammar() {
        for byte in 0..=u8::MAX {
            assert_eq!(is_token68_byte(byte), byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte), "{byte:#x}");
        }
    }

    #[test]
    fn rfc6750_a2_a_token_is_of_its_alphabet_with_padding_at_its_end_only() {
        for good in ["a", "mF_9.B5f-4.1JqM", "a~+/b==", "0="] {
            assert!(is_token68(good), "{good}");
        }
        for bad in ["", "=", "==", "a=b", "=a", "a b", "a,b", "a\"", "a\r\n", "é", "a\0"] {
            assert!(!is_token68(bad), "{bad:?}");
        }
    }
}
