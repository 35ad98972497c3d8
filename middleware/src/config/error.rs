//! Why a settings file is refused.

use std::{error::Error, fmt, path::PathBuf};

/// A settings file is refused: which file, line and field, and the rule that is broken.
#[derive(Debug)]
pub struct SettingsError {
    pub(super) file: String,
    pub(super) line: Option<usize>,
    pub(super) field: String,
    pub(super) rule: String,
    pub(super) source: Option<std::io::Error>,
}

impl SettingsError {
    pub(super) fn unreadable(name: &str, error: std::io::Error) -> Self {
        let rule = "cannot be read".to_owned();
        Self { file: name.to_owned(), line: None, field: String::new(), rule, source: Some(error) }
    }

    /// The file as a whole is none.
    pub(super) fn whole(name: &str, rule: impl Into<String>) -> Self {
        Self { file: name.to_owned(), line: None, field: String::new(), rule: rule.into(), source: None }
    }

    /// The file, as it was named.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        PathBuf::from(&self.file)
    }

    /// The line, from 1, where one is known.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    /// The field, from the outermost table in; empty when the file as a whole is meant.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The rule that is broken.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }
}

/// `file:line: field: rule`, leaving out what is not known.
impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}", self.rule)
    }
}

impl Error for SettingsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|error| error as &(dyn Error + 'static))
    }
}
