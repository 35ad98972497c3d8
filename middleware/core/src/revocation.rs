//! Tokens that are no longer accepted although their time has not come: a denylist.
//!
//! A [`Revocation`] says whose tokens end, and up to which time of issue; [`Revocations`] is the list of them, which every
//! verified token [asks](crate::VerifiedToken::is_revoked) before it is accepted or used.
//!
//! | module | what it holds |
//! |---|---|
//! | `list` | [`Revocations`]: one list for all who share it |
//! | `entries` | what is revoked of one issuer, and forgetting it |
//! | `marks` | up to which time tokens are covered |
//! | `change` | what a revocation changed, for whoever tells of it |

mod change;
mod entries;
mod list;
mod marks;

use crate::{Issuer, SessionId, Subject, Tenant, Timestamp, TokenId};

pub use self::{
    change::{Change, Mark},
    list::{Changed, Revocations},
};

/// How far ahead of ours an issuer's clock may be, at most: the longest leeway that a verifier takes. What is revoked
/// without a time is revoked up to now by any such clock.
pub const MAX_SKEW: std::time::Duration = std::time::Duration::from_secs(120);

/// That tokens of an issuer are no longer accepted: one, a session's, a subject's, a tenant's, or all; and of these the
/// ones that were issued until some time.
///
/// What a token says is compared, byte for byte, and no [alias](crate::Aliases) of it. A *subject* is a user or a
/// workload. The tokens of a workload are those that name it as their sender: its own, those in which it is the current
/// actor, those that were issued to it. An inner actor is history, and ends nothing.
///
/// ```
/// use tower_identity_core::{Issuer, Revocation, SessionId, Subject, Timestamp};
///
/// let issuer = Issuer::parse("https://login.example.com")?;
/// let everywhere = Revocation::subject(issuer.clone(), Subject::parse("alice")?);
/// let one_session = Revocation::session(issuer, SessionId::parse("s-1")?).issued_before(Timestamp::from_secs(1_800_000_000));
/// # let _ = (everywhere, one_session);
/// # Ok::<(), tower_identity_core::InvalidName>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "nothing is revoked until a list is told"]
pub struct Revocation {
    pub(crate) issuer: Issuer,
    /// Which of its tokens; all, without.
    pub(crate) of: Option<Of>,
    /// Unless stated, until now.
    pub(crate) issued_before: Option<Timestamp>,
}

/// Which tokens of an issuer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Of {
    Token(TokenId),
    Session(SessionId, Option<Subject>),
    Subject(Subject, Option<Tenant>),
    Tenant(Tenant),
}

impl Of {
    /// Whether a sign-in is at an end too, and with it whatever is issued on it later.
    pub(crate) fn is_of_sign_in(&self) -> bool {
        match self {
            Self::Session(..) | Self::Subject(..) | Self::Tenant(_) => true,
            Self::Token(_) => false,
        }
    }
}

impl Revocation {
    fn new(issuer: Issuer, of: Option<Of>) -> Self {
        Self { issuer, of, issued_before: None }
    }

    /// Of the one token with this `jti`.
    pub fn token(issuer: Issuer, token_id: TokenId) -> Self {
        Self::new(issuer, Some(Of::Token(token_id)))
    }

    /// Of all tokens of one sign-in session, `sid`.
    pub fn session(issuer: Issuer, session: SessionId) -> Self {
        Self::new(issuer, Some(Of::Session(session, None)))
    }

    /// Of all tokens of a subject, a user or a workload, in whichever tenant.
    pub fn subject(issuer: Issuer, subject: Subject) -> Self {
        Self::new(issuer, Some(Of::Subject(subject, None)))
    }

    /// Of all tokens of a tenant's users.
    pub fn tenant(issuer: Issuer, tenant: Tenant) -> Self {
        Self::new(issuer, Some(Of::Tenant(tenant)))
    }

    /// Of all tokens of an issuer, and of those of others in which one of its workloads is the sender.
    pub fn every_token(issuer: Issuer) -> Self {
        Self::new(issuer, None)
    }

    /// Of a session or a tenant: of this subject in it alone.
    pub fn of_subject(mut self, subject: Subject) -> Self {
        self.of = match self.of {
            Some(Of::Session(session, _)) => Some(Of::Session(session, Some(subject))),
            Some(Of::Tenant(tenant)) => Some(Of::Subject(subject, Some(tenant))),
            Some(Of::Subject(_, tenant)) => Some(Of::Subject(subject, tenant)),
            None => Some(Of::Subject(subject, None)),
            Some(token @ Of::Token(_)) => Some(token),
        };
        self
    }

    /// Of a subject: in this tenant alone. A session, and a token, is in one anyway.
    pub fn in_tenant(mut self, tenant: Tenant) -> Self {
        self.of = match self.of {
            Some(Of::Subject(subject, _)) => Some(Of::Subject(subject, Some(tenant))),
            Some(Of::Tenant(_)) | None => Some(Of::Tenant(tenant)),
            Some(one @ (Of::Session(..) | Of::Token(_))) => Some(one),
        };
        self
    }

    /// Tokens that were issued until then, by the issuer's clock and in whole seconds, that second included. Of a
    /// session, a subject and a tenant also those that were issued later to who had signed in by then (`auth_time`).
    ///
    /// Unless stated: until the list's now and [`MAX_SKEW`] beyond, so that no clock which runs ahead lets one through. A
    /// user who signs in again is refused for that long; state the time where the issuer says it.
    pub fn issued_before(mut self, time: Timestamp) -> Self {
        self.issued_before = Some(time);
        self
    }

    /// Which of its tokens, in a word and without a name: `token`, `session`, `subject`, `tenant` or `issuer`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.of {
            Some(Of::Token(_)) => "token",
            Some(Of::Session(..)) => "session",
            Some(Of::Subject(..)) => "subject",
            Some(Of::Tenant(_)) => "tenant",
            None => "issuer",
        }
    }

    /// Whose tokens.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }
}
