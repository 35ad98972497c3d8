//! What becomes of requests to addresses that no target lists.

use serde::Deserialize;

/// What becomes of a request whose address no target lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Unlisted {
    /// It is refused, and the error names the line to add. The default.
    #[default]
    Refuse,
    /// It is sent without any credential: what it carries of credentials and identities
    /// ([`strip_also`](crate::OutboundBuilder::strip_also)) is taken away, and it is counted
    /// (`tower_identity_unlisted_requests_total`).
    ///
    /// Refused all the same are requests that say for whom they are, since that would be lost; and addresses that are
    /// not absolute, hold a user name or password, or hide another path in their own.
    Bare,
}
