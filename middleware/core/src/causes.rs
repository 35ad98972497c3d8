//! An error with all that brought it about, in one line.

use std::{error::Error, fmt};

/// Displays an error and its causes, outermost first, with a colon between them: for a log, never for a peer.
///
/// ```
/// use tower_identity_core::{InvalidSetting, Refusal, RefusalKind, WithCauses};
///
/// let wrong = InvalidSetting::new("audience", "is empty");
/// let refusal = Refusal::new(RefusalKind::Misconfigured, "settings").caused_by(wrong);
/// assert_eq!(refusal.to_string(), "misconfigured (settings)");
/// assert_eq!(WithCauses(&refusal).to_string(), "misconfigured (settings): audience: is empty");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct WithCauses<'e>(pub &'e (dyn Error + 'static));

impl fmt::Display for WithCauses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}
