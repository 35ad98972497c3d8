//! How much is remembered.

use serde::Deserialize;

/// How many verified tokens are remembered, so that they need not be verified again: the argument of
/// [`VerifierBuilder::remember`](crate::VerifierBuilder::remember).
///
/// Both bounds hold at any time, for callers' tokens and, apart from them, for users' own. The tokens that are used least
/// make room; a flood of tokens that are used once pushes out none that is used again and again.
///
/// In a file, the table `[inbound.remember]`, with the fields `tokens` and `bytes`.
///
/// ```
/// use tower_identity_verify::{Remember, TrustedIssuer, Verifier};
///
/// let home = TrustedIssuer::discover("https://login.example.com").audience("orders");
/// let verifier = Verifier::builder(home).remember(Remember::default().tokens(10_000)).build()?;
/// # let _ = verifier;
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Remember {
    tokens: u32,
    bytes: u64,
}

impl Remember {
    /// Nothing: every token is verified each time that it comes.
    #[must_use]
    pub const fn nothing() -> Self {
        Self { tokens: 0, bytes: 0 }
    }

    /// Not more than this many tokens. Default: 100,000. Of none, nothing is remembered.
    #[must_use]
    pub const fn tokens(self, tokens: u32) -> Self {
        Self { tokens, ..self }
    }

    /// Not more than this many bytes, of the tokens and of what is known of them: about 3 KiB for a token of 1 KiB.
    /// Default: 67,108,864 (64 MiB). Of none, nothing is remembered.
    #[must_use]
    pub const fn bytes(self, bytes: u64) -> Self {
        Self { bytes, ..self }
    }

    pub(super) const fn is_something(self) -> bool {
        self.tokens > 0 && self.bytes > 0
    }

    pub(super) const fn max_tokens(self) -> u32 {
        self.tokens
    }

    pub(super) const fn max_bytes(self) -> u64 {
        self.bytes
    }
}

impl Default for Remember {
    fn default() -> Self {
        Self { tokens: 100_000, bytes: 64 * 1024 * 1024 }
    }
}
