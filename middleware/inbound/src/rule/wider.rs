//! Scopes in a hierarchy: what is granted as a whole is granted in its parts.

use std::fmt;

use serde::{Deserialize, Serialize};
use tower_identity_core::{InvalidSetting, Scope, Scopes};

/// Scopes that a token may have by wider ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScopeOrWider {
    pub(super) scope: Scopes,
    separator: char,
}

impl ScopeOrWider {
    pub(super) fn new(scope: Scopes, separator: char) -> Self {
        Self { scope, separator }
    }

    /// Whether each of these scopes is among the granted ones, or a wider one is.
    pub(super) fn is_within(&self, granted: &Scopes) -> bool {
        self.scope.iter().all(|needed| granted.iter().any(|one| is_part_of(needed, one, self.separator)))
    }

    pub(super) fn fault(&self) -> Option<InvalidSetting> {
        let wrong = |field, rule| Some(InvalidSetting::new(field, rule).within("scope_or_wider"));
        let is_of_scopes = Scope::parse(self.separator.to_string()).is_ok();
        if !is_of_scopes || self.separator.is_ascii_alphanumeric() {
            wrong("separator", "is not a visible ASCII character beside letters, digits, quote and backslash")
        } else if self.scope.is_empty() {
            wrong("scope", "is empty")
        } else if self.scope.iter().any(|needed| needed.split(self.separator).any(str::is_empty)) {
            // What it lies within could be read in more than one way.
            wrong("scope", "has nothing before, between or after its separators")
        } else {
            None
        }
    }
}

/// Whether a scope is the other, or goes on from it after a separator.
fn is_part_of(scope: &str, other: &str, separator: char) -> bool {
    scope.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with(separator))
}

impl fmt::Display for ScopeOrWider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "scope {} or wider by {:?}", self.scope, self.separator)
    }
}
