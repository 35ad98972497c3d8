//! The steps of a request at which it may be refused.

/// Where a decision is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// The credential of the request is verified.
    Authentication,
    /// A rule is applied.
    Rule,
    /// An extractor asks for a caller.
    Extractor,
    /// A handler has failed.
    Handler,
}

impl Stage {
    /// A stable word for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authentication => "authentication",
            Self::Rule => "rule",
            Self::Extractor => "extractor",
            Self::Handler => "handler",
        }
    }
}
