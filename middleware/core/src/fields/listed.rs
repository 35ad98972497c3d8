//! Whether a name is listed, for every field of every request: without going through the list.

use std::sync::LazyLock;

use super::{CREDENTIALS, IDENTITY, Pattern, pattern::folded};

/// Longer than any name that is listed.
const LONGEST: usize = 64;

/// Whether a header field speaks of an identity, by its name in whatever spelling: one of those [listed](IDENTITY).
///
/// ```
/// use tower_identity_core::fields::is_identity;
///
/// assert!(is_identity("x-forwarded-user") && is_identity("X_User_Id") && is_identity("Remote.User"));
/// assert!(!is_identity("x-request-id") && !is_identity("traceparent"));
/// ```
#[must_use]
#[inline]
pub fn is_identity(name: &str) -> bool {
    let Some(first) = name.bytes().next() else { return false };
    // Most fields of most requests begin with no letter that a listed one begins with.
    BEGIN_WITH & bit(first.to_ascii_lowercase()) != 0 && LISTED.has(name.as_bytes())
}

/// Whether a header field is one that credentials come in: one of [those](CREDENTIALS), in whatever spelling.
#[must_use]
#[inline]
pub fn is_credential(name: &str) -> bool {
    // By their lengths and first letters, which few others have.
    let first = name.bytes().next().unwrap_or_default().to_ascii_lowercase();
    matches!((name.len(), first), (13, b'a') | (19, b'p') | (4, b'd') | (6, b'c'))
        && CREDENTIALS.iter().any(|pattern| pattern.matches(name))
}

/// The letters that listed names begin with.
const BEGIN_WITH: u32 = {
    let letters = b"cilorstwx";
    let (mut all, mut at) = (0, 0);
    while at < letters.len() {
        all |= bit(letters[at]);
        at += 1;
    }
    all
};

struct Listed {
    /// In their order. None begins with another that stands for longer ones: so of all that are not behind a name only
    /// the last one can match it.
    sorted: Vec<&'static Pattern>,
}

static LISTED: LazyLock<Listed> = LazyLock::new(|| {
    let mut sorted: Vec<_> = IDENTITY.iter().flat_map(|row| row.names).collect();
    sorted.sort_unstable_by_key(|pattern| pattern.as_bytes());
    Listed { sorted }
});

/// One for each small letter, and none for any other byte.
const fn bit(byte: u8) -> u32 {
    if byte.is_ascii_lowercase() { 1 << (byte - b'a') } else { 0 }
}

impl Listed {
    fn has(&self, name: &[u8]) -> bool {
        let mut buffer = [0; LONGEST];
        let length = name.len().min(LONGEST);
        for (to, from) in buffer.iter_mut().zip(name) {
            *to = folded(*from);
        }
        let name = &buffer[..length];
        let behind = self.sorted.partition_point(|pattern| pattern.as_bytes() <= name);
        let Some(pattern) = behind.checked_sub(1).map(|at| self.sorted[at]) else { return false };
        if pattern.and_longer() { name.starts_with(pattern.as_bytes()) } else { name == pattern.as_bytes() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn by_the_list(name: &str) -> bool {
        IDENTITY.iter().flat_map(|row| row.names).any(|pattern| pattern.matches(name))
    }

    /// Names near those that are listed: cut, lengthened, and spelled otherwise.
    fn names() -> impl Strategy<Value = String> {
        let listed: Vec<_> =
            IDENTITY.iter().flat_map(|row| row.names).map(|pattern| pattern.to_string().replace('*', "")).collect();
        (prop::sample::select(listed), 0..4_usize, "[a-z0-9_.-]{0,4}", any::<bool>()).prop_map(
            |(name, cut, more, otherwise)| {
                let name = format!("{}{more}", &name[..name.len() - cut.min(name.len())]);
                if otherwise { name.replace('-', "_").to_uppercase() } else { name }
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn rfc6750_a9_a_name_is_found_as_by_going_through_the_list(name in names()) {
            prop_assert_eq!(is_identity(&name), by_the_list(&name), "{}", name);
        }
    }

    #[test]
    fn rfc6750_a9_no_length_of_a_name_hides_it() {
        let long = "x".repeat(10_000);
        for (name, expected) in [
            (format!("x-user{long}"), true),
            (format!("X_User{long}"), true),
            (format!("txn-token{long}"), false),
            (format!("txn-token{}", "x".repeat(LONGEST - 9)), false),
            (String::new(), false),
            ("-".to_owned(), false),
            ("\u{e9}".to_owned(), false),
        ] {
            assert_eq!(is_identity(&name), expected, "{} bytes", name.len());
        }
        assert!(LISTED.sorted.iter().all(|pattern| pattern.as_bytes().len() < LONGEST));
        assert!(LISTED.sorted.iter().all(|pattern| BEGIN_WITH & bit(pattern.as_bytes()[0]) != 0));
        let names: Vec<_> = CREDENTIALS.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["authorization", "proxy-authorization", "dpop", "cookie"]);
        assert!(["Cookie", "authorization", "DPoP", "proxy_authorization"].into_iter().all(is_credential));
        assert!(!is_credential("accept") && !is_credential("cookie2"));
    }
}
