//! What may stand for a user's name in a field of its own.

/// The longest name of a user in plain text, in bytes.
pub const MAX_PLAIN_NAME_BYTES: usize = 256;

/// Whether a user may be named so in a field: in visible ASCII, without a comma, which would make two names of one (RFC 9110
/// §5.3), and in no more than [`MAX_PLAIN_NAME_BYTES`]. Whoever names a user and whoever hears of one go by the same rule.
///
/// ```
/// use tower_identity_core::fields::is_plain_name;
///
/// assert!(is_plain_name("alice@example.com"));
/// assert!(!is_plain_name("alice,bob") && !is_plain_name(""));
/// ```
#[must_use]
pub fn is_plain_name(name: &str) -> bool {
    let is_of_a_name = |byte: u8| byte.is_ascii_graphic() && byte != b',';
    (1..=MAX_PLAIN_NAME_BYTES).contains(&name.len()) && name.bytes().all(is_of_a_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_a4_a_name_is_visible_ascii_without_commas_and_no_longer_than_256_bytes() {
        let longest = "a".repeat(MAX_PLAIN_NAME_BYTES);
        for name in ["a", "alice@example.com", "auth0|5f7c8ec7c33c6c004bbafe82", "~!\"#;:", &*longest] {
            assert!(is_plain_name(name), "{name}");
        }
        for name in ["", ",", "alice,bob", "alice smith", "alice\t", "alice\r\nx-admin: 1", "al\u{ef}ce", "\u{7f}"] {
            assert!(!is_plain_name(name), "{name:?}");
        }
        assert!(!is_plain_name(&(longest + "a")));
    }
}
