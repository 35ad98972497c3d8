//! The caller's token itself.

use serde::Deserialize;

/// The caller's own token goes to the target as it came: only where it is for the target, too. Its
/// [audience](tower_identity_core::VerifiedToken::audience) includes the row's [audience](crate::Target::audience) or
/// [resource](crate::Target::resource), or one that is accepted beside them; and it is bound to nobody's key
/// (RFC 7800 `cnf`). Any other is refused before anything is sent.
///
/// The target is called with all that the token allows, by whoever has it: where a token is for the whole mesh, so is a
/// theft of it. An exchange gives each target a token of its own.
///
/// ```
/// use tower_identity_outbound::{Relay, Target};
///
/// let payments = Target::origin("https://payments.internal")?.audience("payments").relay();
/// let in_mesh = Target::origin("https://stock.internal")?.audience("stock").strategy(Relay::new().accepts("mesh"));
/// # let _ = (payments, in_mesh);
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[must_use = "it does nothing until a target has it"]
pub struct Relay {
    pub(crate) accepts: Vec<String>,
}

impl Relay {
    /// Tokens whose audience names the target as the row does.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another audience that the target takes tokens of, such as one of the whole mesh. Adds to those named before.
    pub fn accepts(mut self, audience: impl Into<String>) -> Self {
        self.accepts.push(audience.into());
        self
    }
}
