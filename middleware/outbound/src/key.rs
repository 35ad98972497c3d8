//! What a remembered token is remembered under.

use tower_identity_core::Fingerprint;

/// Which token: three digests, compared whole. Nobody outside this crate can make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CacheKey {
    /// The user's verified token. A service's own token has none, and no user's token is like none.
    pub(crate) subject: Option<Fingerprint>,
    /// The authorization server's endpoint and who we are there.
    pub(crate) us: Fingerprint,
    /// What the target's row asks for, and how.
    pub(crate) row: Fingerprint,
}
