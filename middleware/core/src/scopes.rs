//! Scope tokens (RFC 6749 §3.3) and sets of them.

use std::{collections::BTreeSet, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Why a string is not a scope token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a scope is one or more visible ASCII characters without quote and backslash")]
pub struct InvalidScope(());

/// One scope token: visible ASCII without `"` and `\` (RFC 6749 §3.3), case-sensitive.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(Arc<str>);

impl Scope {
    /// Reads one scope token.
    ///
    /// # Errors
    ///
    /// [`InvalidScope`] when the string is empty or holds a character outside the grammar.
    pub fn parse(value: impl AsRef<str>) -> Result<Self, InvalidScope> {
        let value = value.as_ref();
        let allowed = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if value.is_empty() || !value.bytes().all(allowed) {
            return Err(InvalidScope(()));
        }
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
        let value = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&*value).map_err(D::Error::custom)
    }
}

/// A set of scopes: no order, no duplicates. Displays as the space-separated form of `scope`, sorted.
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
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// Reads the space-separated form. An empty string is the empty set.
    ///
    /// # Errors
    ///
    /// [`InvalidScope`] when one of the tokens is outside the grammar.
    pub fn parse(value: &str) -> Result<Self, InvalidScope> {
        value.split(' ').filter(|token| !token.is_empty()).map(Scope::parse).collect()
    }

    /// Whether the set holds this scope.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        self.0.contains(scope)
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many scopes the set holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether every scope of this set is in the other.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// The scopes, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }

    /// Those of this set that the other lacks.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        self.0.difference(&other.0).cloned().collect()
    }

    /// Those in this set and in the other.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.0.intersection(&other.0).cloned().collect()
    }

    /// Those in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.0.union(&other.0).cloned().collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, scope) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            f.write_str(&scope.0)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Reads a list of scopes, or the space-separated string.
impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a list of scopes, or scopes separated by spaces")]
        enum Form {
            List(BTreeSet<Scope>),
            Joined(String),
        }
        match Form::deserialize(deserializer)? {
            Form::List(scopes) => Ok(Self(scopes)),
            Form::Joined(text) => Self::parse(&text).map_err(D::Error::custom),
        }
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
}
