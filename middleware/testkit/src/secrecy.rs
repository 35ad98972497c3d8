//! Proof that a secret does not print.

use std::fmt;

/// Shorter pieces would be found by chance.
const SHORTEST_PIECE: usize = 8;

/// Asserts that no secret shows in the value's `{:?}` and `{:#?}`.
///
/// A secret shows when its text is found, or, of a token with dots in it, one of its parts: half a token is a leak
/// too. The panic does not repeat the secret.
///
/// ```
/// use tower_identity_core::SecretToken;
/// use tower_identity_testkit::assert_hides;
///
/// assert_hides(&Some(SecretToken::new("hunter2-hunter2")), ["hunter2-hunter2"]);
/// ```
///
/// # Panics
///
/// When a secret shows, or is empty.
#[track_caller]
pub fn assert_hides<S: AsRef<str>>(value: &impl fmt::Debug, secrets: impl IntoIterator<Item = S>) {
    assert_text_hides(&format!("{value:?}\n{value:#?}"), secrets);
}

/// The same for a text: a log, a response body, an error's `Display`.
///
/// # Panics
///
/// When a secret shows, or is empty.
#[track_caller]
pub fn assert_text_hides<S: AsRef<str>>(text: &str, secrets: impl IntoIterator<Item = S>) {
    for secret in secrets {
        let secret = secret.as_ref();
        assert!(!secret.is_empty(), "an empty secret is found in every text");
        let parts = secret.split('.').filter(|part| part.len() >= SHORTEST_PIECE);
        if let Some(shown) = std::iter::once(secret).chain(parts).find(|piece| text.contains(piece)) {
            panic!("a secret shows: {}", text.replace(shown, "<<SECRET>>"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "a secret shows: \"before <<SECRET>> after\"")]
    fn a_whole_secret_is_found_and_not_repeated() {
        assert_hides(&"before hunter2 after", ["hunter2"]);
    }

    #[test]
    #[should_panic(expected = "a secret shows: sig <<SECRET>>")]
    fn a_part_of_a_token_is_found() {
        assert_text_hides("sig c2lnbmF0dXJl", ["aGVhZGVyIQ.cGF5bG9hZCE.c2lnbmF0dXJl"]);
    }

    #[test]
    fn a_text_without_it_passes() {
        assert_text_hides("sig c2lnbmF0dXJk", ["aGVhZGVyIQ.cGF5bG9hZCE.c2lnbmF0dXJl"]);
        assert_hides(&"hunter3", ["hunter2"]);
    }

    #[test]
    #[should_panic(expected = "an empty secret")]
    fn an_empty_secret_is_a_mistake() {
        assert_text_hides("", [""]);
    }
}
