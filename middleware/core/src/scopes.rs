//! Scope tokens (RFC 6749 §3.3) and sets of them.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};

use crate::text;

/// Why a string is not a scope token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a scope is one or more visible ASCII characters without quote and backslash")]
pub struct InvalidScope(());

/// One scope token: visible ASCII without `"` and `\` (RFC 6749 §3.3), case-sensitive.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(Arc<str>);

fn check(token: &str) -> Result<(), InvalidScope> {
    if token.is_empty() || token.contains(' ') {
        return Err(InvalidScope(()));
    }
    check_list(token)
}

/// Whether a text has no other characters than those of scopes, and the spaces between them.
fn check_list(text: &str) -> Result<(), InvalidScope> {
    // Without a branch: compilers do many bytes of it at once.
    let allowed = |byte: u8| (byte.wrapping_sub(b' ') < 95) & (byte != b'"') & (byte != b'\\');
    if text.bytes().fold(true, |all, byte| all & allowed(byte)) { Ok(()) } else { Err(InvalidScope(())) }
}

impl Scope {
    /// Reads one scope token.
    ///
    /// # Errors
    ///
    /// [`InvalidScope`] when the string is empty or holds a character outside the grammar.
    pub fn parse(value: impl AsRef<str>) -> Result<Self, InvalidScope> {
        let value = value.as_ref();
        check(value)?;
        Ok(Self(value.into()))
    }

    /// The token's characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl std::borrow::Borrow<str> for Scope {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(value: &str) -> Result<Self, InvalidScope> {
        Self::parse(value)
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::deserialize(deserializer)
    }
}

/// A set of scopes: no order, no duplicates. Displays as the space-separated form of `scope`, sorted. Cheap to clone.
///
/// ```
/// use tower_identity_core::Scopes;
///
/// let granted = Scopes::parse("orders:write orders:read orders:read")?;
/// assert!(granted.contains("orders:read"));
/// assert_eq!(granted.to_string(), "orders:read orders:write");
/// assert!(Scopes::parse("orders:read")?.is_subset(&granted));
/// # Ok::<(), tower_identity_core::InvalidScope>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scopes(
    /// Sorted, each once, one space between two: a set has one spelling, and is one allocation.
    Arc<str>,
);

impl Scopes {
    /// Reads the space-separated form. An empty string is the empty set.
    ///
    /// # Errors
    ///
    /// [`InvalidScope`] when one of the tokens is outside the grammar.
    pub fn parse(value: &str) -> Result<Self, InvalidScope> {
        check_list(value)?;
        if is_spelling(value) {
            return Ok(Self(value.into()));
        }
        Ok(Self::of(value.split(' ').filter(|token| !token.is_empty()).collect()))
    }

    /// The set of these tokens, each of which was checked.
    fn of(mut tokens: Vec<&str>) -> Self {
        tokens.sort_unstable();
        tokens.dedup();
        Self(tokens.join(" ").into())
    }

    /// Whether the set holds this scope.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        self.iter().any(|one| one == scope)
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many scopes the set holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether every scope of this set is in the other.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.iter().all(|scope| other.contains(scope))
    }

    /// The scopes, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|scope| !scope.is_empty())
    }

    /// Those of this set that the other lacks.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self::of(self.iter().filter(|scope| !other.contains(scope)).collect())
    }

    /// Those in this set and in the other.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self::of(self.iter().filter(|scope| other.contains(scope)).collect())
    }

    /// Those in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::of(self.iter().chain(other.iter()).collect())
    }
}

/// Whether this is how [`Scopes`] spells a set: sorted, each once, one space between two. Then it is kept as it is.
fn is_spelling(text: &str) -> bool {
    let mut last: &[u8] = b"";
    text.as_bytes().split(|byte| *byte == b' ').all(|token| std::mem::replace(&mut last, token) < token)
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let scopes: Vec<Scope> = scopes.into_iter().collect();
        Self::of(scopes.iter().map(Scope::as_str).collect())
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Writes a list.
impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// Reads a list of scopes, or the space-separated string.
impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;

        impl<'de> Visitor<'de> for Form {
            type Value = Scopes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of scopes, or scopes separated by spaces")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Scopes, E> {
                Scopes::parse(text).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Scopes, A::Error> {
                std::iter::from_fn(|| elements.next_element::<Scope>().transpose()).collect()
            }
        }

        deserializer.deserialize_any(Form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_of_rfc_6749_is_kept() {
        for good in ["orders:read", "https://x/y.z", "!"] {
            assert_eq!(Scope::parse(good).map(|s| s.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "a b", "a\"b", "a\\b", "é", "a\tb"] {
            assert_eq!(Scope::parse(bad), Err(InvalidScope(())), "{bad:?}");
        }
    }

    #[test]
    fn a_list_and_a_string_read_the_same() {
        let list: Scopes = serde_json::from_str(r#"["b","a"]"#).expect("list");
        let text: Scopes = serde_json::from_str(r#""a  b a""#).expect("string");
        assert_eq!(list, text);
        assert_eq!(serde_json::to_string(&list).expect("json"), r#"["a","b"]"#);
    }

    #[test]
    fn sets_are_compared_by_whole_scopes() {
        let scopes = |text: &str| Scopes::parse(text).expect("scopes");
        let granted = scopes("orders:read orders");
        assert!(!granted.contains("orders:") && !granted.contains("orders orders:read") && !granted.contains(""));
        assert!(scopes("orders").is_subset(&granted) && !scopes("order").is_subset(&granted));
        assert_eq!(granted.without(&scopes("orders")), scopes("orders:read"));
        assert_eq!(granted.intersection(&scopes("orders a")), scopes("orders"));
        assert_eq!(granted.union(&scopes("a")), scopes("a orders orders:read"));
        assert_eq!((Scopes::default().len(), granted.len(), Scopes::default().iter().count()), (0, 2, 0));
        assert_eq!(Scopes::default(), scopes("  "));
    }

    #[test]
    fn a_set_has_one_spelling_however_it_is_written() {
        for text in ["a ab b", "a b ab", "b a ab a", " a ab b", "a ab b ", "a  ab b", "a a ab b"] {
            assert_eq!(Scopes::parse(text).map(|scopes| scopes.to_string()), Ok("a ab b".to_owned()), "{text:?}");
        }
        for text in ["", " ", "   "] {
            assert_eq!(Scopes::parse(text), Ok(Scopes::default()), "{text:?}");
        }
        for bad in ["a\tb", "a \"", "\\ a", "a \u{e9}", "a \u{7f}", "a\n"] {
            assert_eq!(Scopes::parse(bad), Err(InvalidScope(())), "{bad:?}");
        }
    }
}
