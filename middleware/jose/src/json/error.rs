//! What is wrong with a JSON text.

use std::{error::Error, fmt};

use serde::de::{self, Expected, Unexpected};

/// A JSON text was refused: where, and [why](JsonErrorKind).
///
/// Names members, and holds no value of the text, so that it can be logged whatever the text was. (A type that puts
/// the value into a message of its own breaks this for itself.)
#[derive(Clone, PartialEq, Eq)]
pub struct JsonError(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    /// From the innermost to the outermost.
    path: Vec<Box<str>>,
    kind: JsonErrorKind,
}

/// Why a JSON text was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonErrorKind {
    /// The text is not UTF-8.
    NotUtf8,
    /// The text is not JSON, or something follows it.
    Syntax(Box<str>),
    /// The outermost value must be an object, and is not.
    NotAnObject,
    /// Arrays and objects are nested too deeply.
    TooDeep {
        /// The limit that holds.
        limit: u8,
    },
    /// An object has two members of one name.
    DuplicateName,
    /// A member is not there.
    Missing(&'static str),
    /// A member is there that must not be.
    UnknownName,
    /// A value is of another type than expected.
    WrongType {
        /// What was expected.
        expected: Box<str>,
        /// The JSON type of what was found.
        found: &'static str,
    },
    /// A value is not a number of the expected kind.
    NotANumber,
    /// A value is of the right type, and not acceptable.
    WrongValue {
        /// What was expected.
        expected: Box<str>,
    },
    /// A value is not acceptable to its type, which says why.
    Invalid(Box<str>),
}

impl JsonError {
    /// Why the text was refused.
    #[must_use]
    pub fn kind(&self) -> &JsonErrorKind {
        &self.0.kind
    }

    /// The members that lead to the place, from the outside in. Elements of lists are not counted.
    pub fn path(&self) -> impl Iterator<Item = &str> {
        self.0.path.iter().rev().map(|name| &**name)
    }

    /// Says in which member the error lies.
    pub(crate) fn within(mut self, name: &str) -> Self {
        const SHOWN: usize = 64;
        self.0.path.push(name.chars().take(SHOWN).collect());
        self
    }

    /// An error of the parser itself: a fixed text and a position. Only where it reports a value's type, which it does
    /// for some hints, does it quote the value; then its text is dropped.
    pub(super) fn of_parser(error: impl fmt::Display) -> Self {
        let text = error.to_string();
        if text.starts_with("invalid type: ") || text.starts_with("invalid value: ") {
            Self::from(JsonErrorKind::WrongType { expected: "another type".into(), found: "a value" })
        } else {
            Self::from(JsonErrorKind::Syntax(text.into()))
        }
    }
}

impl From<JsonErrorKind> for JsonError {
    fn from(kind: JsonErrorKind) -> Self {
        Self(Box::new(Inner { path: Vec::new(), kind }))
    }
}

impl de::Error for JsonError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        JsonErrorKind::Invalid(message.to_string().into()).into()
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Bool(_) => "a boolean",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
            Unexpected::Char(_) | Unexpected::Str(_) => "a string",
            Unexpected::Unit => "null",
            Unexpected::Seq => "a list",
            Unexpected::Map => "an object",
            _ => "something else",
        };
        JsonErrorKind::WrongType { expected: expected.to_string().into(), found }.into()
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        JsonErrorKind::WrongValue { expected: expected.to_string().into() }.into()
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        JsonErrorKind::WrongValue { expected: expected.to_string().into() }.into()
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        JsonErrorKind::WrongValue { expected: format!("one of {}", expected.join(", ")).into() }.into()
    }

    fn unknown_field(name: &str, _: &'static [&'static str]) -> Self {
        Self::from(JsonErrorKind::UnknownName).within(name)
    }

    fn missing_field(name: &'static str) -> Self {
        JsonErrorKind::Missing(name).into()
    }

    fn duplicate_field(name: &'static str) -> Self {
        Self::from(JsonErrorKind::DuplicateName).within(name)
    }
}

impl fmt::Display for JsonErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => f.write_str("not UTF-8"),
            Self::Syntax(text) => write!(f, "not JSON: {text}"),
            Self::NotAnObject => f.write_str("not an object"),
            Self::TooDeep { limit } => write!(f, "nested deeper than {limit} levels"),
            Self::DuplicateName => f.write_str("the member occurs twice"),
            Self::Missing(name) => write!(f, "the member {name} is missing"),
            Self::UnknownName => f.write_str("no such member is known"),
            Self::WrongType { expected, found } => write!(f, "expected {expected}, found {found}"),
            Self::NotANumber => f.write_str("not a number of the expected kind"),
            Self::WrongValue { expected } => write!(f, "expected {expected}"),
            Self::Invalid(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.path().enumerate() {
            let dot = if at == 0 { "" } else { "." };
            write!(f, "{dot}{}", name.escape_debug())?;
        }
        let colon = if self.0.path.is_empty() { "" } else { ": " };
        write!(f, "{colon}{}", self.0.kind)
    }
}

impl fmt::Debug for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JsonError").field(&format_args!("{self}")).finish()
    }
}

impl Error for JsonError {}
