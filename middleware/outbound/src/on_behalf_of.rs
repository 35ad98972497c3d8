//! Whose token is exchanged for one to a target.

use std::sync::Arc;

use serde::Deserialize;
use tower_identity_core::{CallerContext, VerifiedToken};

use crate::error::Reason;

/// On whose behalf a target is called: whose token is the subject of the exchange (RFC 8693 §2.1).
///
/// Whatever it is, a user is never dropped, and two credentials that nothing ties together are not exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum OnBehalfOf {
    /// The caller's user. A caller that acts for no user is refused. The default.
    #[default]
    User,
    /// The calling workload, which acts for itself: its own token is exchanged. A caller that acts for a user is
    /// refused, because the user would be lost.
    Workload,
    /// The user where there is one, else the calling workload. A workload that could have named its user on the request
    /// and did not ([`CallerContext::is_alone`]) is refused: leaving the user out opens nothing. Where a route is for
    /// workloads that act for themselves, say `on_behalf_of(&caller.for_itself())`.
    WhoeverCalled,
}

impl OnBehalfOf {
    /// The subject of the exchange, among what the caller presented.
    pub(crate) fn subject(self, caller: &CallerContext) -> Result<&Arc<VerifiedToken>, Reason> {
        match (self, caller.user_token()) {
            (Self::User | Self::WhoeverCalled, Some(user)) => Ok(user),
            (Self::User, None) => Err(Reason::NoUser),
            (Self::Workload, Some(_)) => Err(Reason::UserLost),
            (Self::WhoeverCalled, None) if caller.is_alone() => Err(Reason::Alone),
            // Beside a certificate, the token of the same workload.
            (Self::Workload | Self::WhoeverCalled, None) => Ok(caller.token()),
        }
    }
}
