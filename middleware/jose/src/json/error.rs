//! What is wrong with a JSON text.

/// A JSON text was refused. Names members, and never holds a value of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("refused")]
pub struct JsonError(());
