//! Why a request was not sent.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use tower_identity_core::{Audience, ClientId, Issuer, Refusal, RefusalKind, Scopes, VerifiedToken};
use tower_identity_oauth::TokenClient;

use crate::targets::NoTarget;

/// A request was not sent, because it has no target or its target's token cannot be obtained.
///
/// Displays the target and what to do. Its [source](Error::source) is the [`Refusal`], from which the answer to our
/// own caller is made. Holds no token, and of the request's address no more than its origin.
#[derive(Debug)]
pub struct OutboundError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    reason: Reason,
    target: Option<Arc<str>>,
    refusal: Refusal,
}

/// The check that a credential fails which was revoked.
pub(crate) const REVOKED: &str = "revoked";

/// When to try again after a token did not come in time.
const AFTER_LATE: Duration = Duration::from_secs(1);

/// What stands in the way.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Reason {
    #[error(transparent)]
    NoTarget(#[from] NoTarget),
    #[error(
        "the request's Host header is not the host of its address, so another server could get the token; leave the \
         header out"
    )]
    Host,
    #[error(
        "takes its caller's token and no caller is known here: a spawned task, a response body and spawn_blocking have \
         none; carry it there with caller.scope(..), or say on_behalf_of(&caller), or as_service()"
    )]
    NoCaller,
    #[error("takes a user's token and the caller acts for no user; require one on the route, or say as_service()")]
    NoUser,
    #[error(
        "takes the calling workload's token and the caller acts for a user, who would be lost; make the target \
         on_behalf_of = \"whoever-called\" if it takes users, too, or say as_service()"
    )]
    UserLost,
    #[error(
        "takes a user's token where there is a user, and the caller left its user out; where it acts for itself, say \
         on_behalf_of(&caller.for_itself())"
    )]
    Alone,
    #[error("takes its caller's token and the caller's credential is a certificate, which is never passed on")]
    NoText,
    #[error("takes a user's token and nothing ties the caller to the user that it names")]
    Unrelated,
    #[error(
        "takes the user's name, and this user is one that the caller has named itself, in plain text; if the target may be told \
         what this service was only told, say pass_on"
    )]
    OnlyNamed,
    #[error(
        "takes the names of users of {expected}, and the caller's user is one of {found}, whom another there may be called \
         after; make a row for these, with subjects_of"
    )]
    OthersUser { expected: Issuer, found: Issuer },
    #[error(
        "takes the names of users of another tenant, and a name says nothing of its tenant; make a row for these, with \
         subjects_of and tenant"
    )]
    OthersTenant,
    #[error(
        "takes the user's name, which has {bytes} bytes; 256 are the most that a name in plain text may have, so get this \
         user to the target by a token"
    )]
    LongName { bytes: usize },
    #[error(
        "takes the user's name, which has a comma or a character outside visible ASCII in it; get this user to the target by \
         a token"
    )]
    UnfitName,
    #[error(
        "takes this service's own token and the request is on behalf of a caller, who would be lost; leave \
         on_behalf_of out, or make the target's strategy token_exchange"
    )]
    ServiceOnly,
    #[error(
        "takes a token of {server}, which does not take tokens of {subject}; name it with \
         accepts_issuer(..), accepts_issuers = [..] in a file, if it does"
    )]
    ForeignSubject { server: Issuer, subject: Issuer },
    #[error(
        "takes its caller's token as it is, which is for {found:?} and for none of {expected:?}; have the caller get one \
         that is for both, name what it is for in relay's accepts if the target takes that, or make the strategy \
         token_exchange"
    )]
    ForOthers { expected: Vec<Audience>, found: Vec<Audience> },
    #[error(
        "takes a token of {server}, which exchanges its own tokens and none of {subject}; make the strategy chaining, or \
         token_exchange if it takes them by that"
    )]
    NotItsOwn { server: Issuer, subject: Issuer },
    #[error(
        "takes a token of {server}, which exchanges what is for {client} or was issued to it, and the caller's token is \
         neither; have an audience mapper there put {client} into the aud of such tokens"
    )]
    NotForUs { server: Issuer, client: ClientId },
    #[error(
        "takes a token for a user whose own is for this app, {expected:?}, and the caller's token is for {found:?}; if \
         that is this app, too, name it in audiences"
    )]
    NotForApp { expected: Vec<Audience>, found: Vec<Audience> },
    #[error(
        "takes a user's token and the caller's is an app's own; where such callers may be called for, say app_only = \
         \"client_credentials\""
    )]
    AppOnly,
    #[error(
        "takes a token by assertion and the caller's token is not for {server}, so it is no grant there; make the \
         strategy chaining, which has one made"
    )]
    NotForServer { server: Issuer },
    #[error(
        "takes a token that this service signs, with no more than the caller's own token allows: {asked:?} is to be signed, and \
         the caller has {held:?}; have the caller get a token with all of these, or ask for less"
    )]
    Wider { asked: Scopes, held: Scopes },
    #[error(
        "takes no transaction token, and the caller's user came with one of {domain}, which goes to services of {domain} alone; \
         if this target is one, make the strategy transaction_token with that trust_domain"
    )]
    Transactional { domain: Audience },
    #[cfg(feature = "transaction-tokens")]
    #[error(
        "takes a transaction token of {expected} and the caller's user came with one of {found}, which does not leave its trust \
         domain; the way into another is chaining"
    )]
    OtherTrustDomain { expected: Audience, found: Audience },
    #[cfg(feature = "transaction-tokens")]
    #[error(
        "takes a transaction token of {expected} and the caller's user came with a token of another kind; if transactions \
         begin at this service, name in the strategy's scope what they are for"
    )]
    NoTransaction { expected: Audience },
    #[error(
        "sends no transaction token for this request, which says what its transaction is about; leave transaction(..) out, or \
         make the strategy transaction_token"
    )]
    NoPlaceForTransaction,
    #[error("takes its caller's token, which has expired; the caller needs a new one")]
    SubjectExpired,
    #[error("takes its caller's token and the caller's credential was revoked; the caller has to sign in again")]
    Revoked,
    #[error(
        "takes a token that did not come within {} s, so nothing was sent; raise the target's deadline if its server is \
         slow",
        .0.as_secs_f64()
    )]
    Late(Duration),
    #[error("takes a token that could not be obtained, so nothing was sent")]
    NoToken(Refusal),
}

impl Reason {
    /// A subject token goes only to a server that takes tokens of its issuer.
    pub(crate) fn unless_accepted(server: &TokenClient, subject: &VerifiedToken) -> Result<(), Self> {
        if server.accepts(subject.issuer()) {
            return Ok(());
        }
        Err(Self::ForeignSubject { server: server.issuer().clone(), subject: subject.issuer().clone() })
    }

    pub(crate) fn refusal(&self) -> Refusal {
        let (kind, check) = match self {
            Self::NoToken(refusal) => return refusal.clone(),
            Self::NoTarget(NoTarget::Nobody { .. }) => (RefusalKind::Misconfigured, "no_caller"),
            Self::NoTarget(_) => (RefusalKind::Misconfigured, "target"),
            Self::Host => (RefusalKind::Misconfigured, "host"),
            Self::NoCaller => (RefusalKind::Misconfigured, "no_caller"),
            Self::ServiceOnly => (RefusalKind::Misconfigured, "service_only"),
            Self::ForeignSubject { .. } => (RefusalKind::Misconfigured, "subject_issuer"),
            Self::UserLost => (RefusalKind::Misconfigured, "user_lost"),
            Self::NoUser => (RefusalKind::Denied, "no_user"),
            Self::Alone => (RefusalKind::Denied, "alone"),
            Self::Late(_) => (RefusalKind::Unavailable { retry_after: AFTER_LATE }, "deadline"),
            Self::ForOthers { .. } => (RefusalKind::Denied, "relay_aud"),
            Self::NotItsOwn { .. } => (RefusalKind::Misconfigured, "subject_issuer"),
            Self::NotForUs { .. } | Self::NotForApp { .. } | Self::NotForServer { .. } => {
                (RefusalKind::Misconfigured, "subject_aud")
            }
            Self::AppOnly => (RefusalKind::Denied, "app_only"),
            Self::Wider { .. } => (RefusalKind::Denied, "scope"),
            Self::NoPlaceForTransaction => (RefusalKind::Misconfigured, "transaction"),
            Self::Transactional { .. } => (RefusalKind::Misconfigured, "trust_domain"),
            #[cfg(feature = "transaction-tokens")]
            Self::OtherTrustDomain { .. } => (RefusalKind::Misconfigured, "trust_domain"),
            #[cfg(feature = "transaction-tokens")]
            Self::NoTransaction { .. } => (RefusalKind::Denied, "no_transaction"),
            Self::NoText => (RefusalKind::Denied, "subject_token"),
            Self::OthersUser { .. } => (RefusalKind::Misconfigured, "subject_issuer"),
            Self::OthersTenant => (RefusalKind::Misconfigured, "tenant"),
            Self::LongName { .. } => (RefusalKind::Misconfigured, "credential_bytes"),
            Self::UnfitName => (RefusalKind::Misconfigured, "plain_user"),
            Self::Unrelated | Self::OnlyNamed => (RefusalKind::UnrelatedCredentials, "binding"),
            Self::SubjectExpired => (RefusalKind::InvalidToken, "exp"),
            Self::Revoked => (RefusalKind::InvalidToken, REVOKED),
        };
        Refusal::new(kind, check)
    }
}

impl OutboundError {
    pub(crate) fn new(target: Option<Arc<str>>, reason: impl Into<Reason>) -> Self {
        let reason = reason.into();
        let refusal = reason.refusal();
        tracing::warn!(
            target = target.as_deref(),
            reason = %reason,
            fault = refusal.fault().as_str(),
            check = refusal.check(),
            explanation = refusal.explanation(),
            "request not sent"
        );
        Self(Box::new(Inner { reason, target, refusal }))
    }

    /// What our own caller is told, and whose fault it is.
    #[must_use]
    pub fn refusal(&self) -> &Refusal {
        &self.0.refusal
    }
}

impl From<NoTarget> for OutboundError {
    fn from(unlisted: NoTarget) -> Self {
        Self::new(None, unlisted)
    }
}

impl fmt::Display for OutboundError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.target {
            Some(target) => write!(f, "{target} {}", self.0.reason),
            None => self.0.reason.fmt(f),
        }
    }
}

impl Error for OutboundError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0.refusal)
    }
}
