//! The text of a settings file, and where in it a value stands.

use std::{fmt, ops::Range, path::Path};

use serde::de::DeserializeOwned;
use toml::{
    Table,
    de::{DeTable, DeValue, ValueDeserializer},
};
use tower_identity_core::{InvalidSetting, settings::Step};

use super::SettingsError;

/// The text of a file, which is well formed. May hold secrets.
pub(super) struct Document {
    name: String,
    text: String,
}

impl Document {
    pub(super) fn parse(text: &str, name: String) -> Result<Self, SettingsError> {
        let document = Self { name, text: text.to_owned() };
        document.root()?;
        Ok(document)
    }

    pub(super) fn read(path: &Path) -> Result<Self, SettingsError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| SettingsError::unreadable(&name, error))?;
        Self::parse(&text, name)
    }

    /// Its tables, without their places.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] for a number beyond what a signed one of 64 bits holds.
    pub(super) fn tables(&self) -> Result<Table, SettingsError> {
        toml::from_str(&self.text).map_err(|error| self.refuse(error.span(), String::new(), error.message()))
    }

    /// Every value with the place where it stands. Read anew for each table: a file is small, and read once.
    fn root(&self) -> Result<DeValue<'_>, SettingsError> {
        DeTable::parse(&self.text)
            .map(|table| DeValue::Table(table.into_inner()))
            .map_err(|error| self.refuse(error.span(), String::new(), error.message()))
    }

    pub(super) fn directory(&self) -> &Path {
        Path::new(&self.name).parent().unwrap_or(Path::new(""))
    }

    pub(super) fn table<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, SettingsError> {
        let root = self.root()?;
        let Some(value) = root.get(name) else { return Ok(None) };
        let span = value.span();
        serde_path_to_error::deserialize(ValueDeserializer::from(value.clone())).map(Some).map_err(|error| {
            let path = match error.path().to_string() {
                path if path == "." => name.to_owned(),
                path if path.starts_with('[') => format!("{name}{path}"),
                path => format!("{name}.{path}"),
            };
            self.refuse(error.inner().span().or(Some(span)), path, error.inner().message())
        })
    }

    /// Whether it has this field in this table.
    pub(super) fn has(&self, table: &str, field: &str) -> bool {
        self.root().is_ok_and(|root| root.get(table).is_some_and(|table| table.get_ref().get(field).is_some()))
    }

    /// Refuses a rule in this table of the service's own that takes callers from a file, which nobody would read.
    pub(super) fn whole_rules(&self, name: &str) -> Result<(), SettingsError> {
        match self.root()?.get(name).and_then(|table| unread_callers(table.get_ref())) {
            Some(unread) => Err(self.locate(&unread.within(name))),
            None => Ok(()),
        }
    }

    /// The line of an invalid setting: of its own value, or of the innermost table around it that the file has.
    pub(super) fn locate(&self, invalid: &InvalidSetting) -> SettingsError {
        let root = self.root().ok();
        let mut innermost = root.as_ref();
        let mut span = None;
        for step in invalid.path() {
            let inner = innermost.and_then(|value| match step {
                Step::Field(name) => value.get(name.as_str()),
                Step::Index(index) => value.get(*index),
            });
            let Some(inner) = inner else { break };
            innermost = Some(inner.get_ref());
            span = Some(inner.span());
        }
        let text = invalid.to_string();
        let field = text.strip_suffix(invalid.rule()).and_then(|field| field.strip_suffix(": ")).unwrap_or_default();
        self.refuse(span, field.to_owned(), invalid.rule())
    }

    /// Refuses a table that only a feature reads, which is off: it would be taken for one of the service's own.
    #[cfg(not(feature = "edge"))]
    pub(super) fn needs_feature(&self, table: &str) -> Result<(), SettingsError> {
        let rule = format!("is read by the feature `{table}` of tower-identity, which is off");
        self.root()?.get(table).map_or(Ok(()), |_| Err(self.locate(&InvalidSetting::new(table, rule))))
    }

    /// That the file has no rule of this name.
    pub(super) fn no_rule(&self, name: &str) -> SettingsError {
        self.refuse(None, format!("inbound.rule.{name}"), "the file has no such rule")
    }

    pub(super) fn missing(&self, table: &str) -> SettingsError {
        self.refuse(None, table.to_owned(), "the file has no such table")
    }

    pub(super) fn refuse(&self, span: Option<Range<usize>>, field: String, rule: &str) -> SettingsError {
        let line = span.and_then(|span| Some(1 + self.text.get(..span.start)?.matches('\n').count()));
        SettingsError { file: self.name.clone(), line, field, rule: rule.trim_end().replace('\n', " "), source: None }
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The first part of a rule that takes callers from a file: a table of that one field.
fn unread_callers(value: &DeValue<'_>) -> Option<InvalidSetting> {
    match value {
        DeValue::Table(table) if table.len() == 1 && table.contains_key("callers_file") => {
            let elsewhere =
                "is read in the table inbound.rule alone: put the rule there, and take it by Settings::rule";
            Some(InvalidSetting::new("callers_file", elsewhere))
        }
        DeValue::Table(table) => table
            .iter()
            .find_map(|(name, value)| Some(unread_callers(value.get_ref())?.within(name.get_ref().as_ref()))),
        DeValue::Array(values) => {
            values.iter().enumerate().find_map(|(at, value)| Some(unread_callers(value.get_ref())?.within(at)))
        }
        _ => None,
    }
}
