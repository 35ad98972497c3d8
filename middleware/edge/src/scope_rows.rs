//! Which scopes outside are which inside.

use std::collections::HashMap;

use tower_identity_core::{CallerContext, InvalidSetting, Issuer, Scope, Scopes};

/// A row as it was given: the issuer whose word it is, if not anybody's, the scope outside, and the one inside.
pub(crate) type WrittenRow = (Option<String>, String, String);

/// A list by which scopes cross: what is not on it does not.
pub(crate) struct ScopeRows(HashMap<Box<str>, Vec<Row>>);

struct Row {
    /// Whose word it is, if not anybody's.
    issuer: Option<Issuer>,
    inside: Scope,
}

impl ScopeRows {
    /// Reads the rows. What is wrong is said by its place in the list.
    pub(crate) fn check(written: Vec<WrittenRow>) -> Result<Self, InvalidSetting> {
        let mut rows: HashMap<Box<str>, Vec<Row>> = HashMap::new();
        for (at, (issuer, outside, inside)) in written.into_iter().enumerate() {
            let wrong = |rule: String| InvalidSetting::new(at, rule);
            let outside = Scope::parse(outside).map_err(|why| wrong(why.to_string()))?;
            let inside = Scope::parse(inside).map_err(|why| wrong(why.to_string()))?;
            let issuer = issuer.map(Issuer::parse).transpose().map_err(|why| wrong(why.to_string()))?;
            rows.entry(outside.as_str().into()).or_default().push(Row { issuer, inside });
        }
        Ok(Self(rows))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What of the caller's scopes crosses.
    pub(crate) fn of(&self, context: &CallerContext) -> Scopes {
        let issuer = context.token().issuer();
        let outside = context.principal().scopes().iter().filter_map(|scope| self.0.get(scope));
        let inside = outside.flatten().filter(|row| row.issuer.as_ref().is_none_or(|own| own == issuer));
        inside.map(|row| row.inside.clone()).collect()
    }
}
