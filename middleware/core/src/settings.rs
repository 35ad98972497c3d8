//! What is wrong in a configuration: the field and the rule. Whoever read the file knows the line.

use std::{error::Error, fmt};

/// One step of a path into a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A field of a table.
    Field(String),
    /// An element of a list, from 0.
    Index(usize),
}

impl From<&str> for Step {
    fn from(field: &str) -> Self {
        Self::Field(field.to_owned())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// A value in a configuration breaks a rule. Refuses the configuration as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidSetting {
    path: Vec<Step>,
    rule: String,
}

impl InvalidSetting {
    /// The field (relative to whoever reads it) and the rule that it breaks. Must not hold a secret.
    #[must_use]
    pub fn new(field: impl Into<Step>, rule: impl Into<String>) -> Self {
        Self { path: vec![field.into()], rule: rule.into() }
    }

    /// Says where the reader's own part of the configuration lies.
    #[must_use]
    pub fn within(mut self, step: impl Into<Step>) -> Self {
        self.path.insert(0, step.into());
        self
    }

    /// From the outermost table to the field.
    #[must_use]
    pub fn path(&self) -> &[Step] {
        &self.path
    }

    /// The rule that is broken.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }
}

impl fmt::Display for InvalidSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.path.iter().enumerate() {
            match step {
                Step::Field(name) if at == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        write!(f, ": {}", self.rule)
    }
}

impl Error for InvalidSetting {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_from_the_outside_in() {
        let wrong = InvalidSetting::new("origin", "has a path").within(2).within("target").within("outbound");
        assert_eq!(wrong.to_string(), "outbound.target[2].origin: has a path");
    }
}
