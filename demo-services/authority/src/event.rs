//! What an event says: a security event token (RFC 8417), of type session-revoked (CAEP 1.0 §3.1).

use serde::Serialize;
use tower_identity::{Audience, Issuer, SecretToken, SessionId, Subject, Timestamp};
use tower_identity_jose::{MediaType, random_id};

use crate::{authority::Authority, error::TokenError};

/// Whose sign-ins are over, from when on and at whose word.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) user: Subject,
    /// The one session; all of the user's, without.
    pub(crate) session: Option<SessionId>,
    pub(crate) at: Timestamp,
    pub(crate) by: Initiator,
}

/// Who had it end.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Initiator {
    Admin,
    User,
}

/// No `sub` and no `exp`: nothing that an access token has, so that this is taken for none (RFC 8417 §2.2).
#[derive(Serialize)]
struct EventClaims<'a> {
    iss: &'a Issuer,
    jti: String,
    iat: Timestamp,
    aud: &'a Audience,
    sub_id: SubjectId<'a>,
    events: Events,
}

#[derive(Serialize)]
struct Events {
    #[serde(rename = "https://schemas.openid.net/secevent/caep/event-type/session-revoked")]
    session_revoked: SessionRevoked,
}

#[derive(Serialize)]
struct SessionRevoked {
    event_timestamp: Timestamp,
    initiating_entity: Initiator,
}

/// A subject identifier (RFC 9493 §3.2; complex: Shared Signals Framework 1.0 §3.3).
#[derive(Serialize)]
#[serde(tag = "format", rename_all = "snake_case")]
enum SubjectId<'a> {
    IssSub {
        iss: &'a str,
        sub: &'a Subject,
    },
    Opaque {
        id: &'a SessionId,
    },
    Complex {
        user: Box<Self>,
        session: Box<Self>,
    },
    /// One user by several names (RFC 9493 §3.2.8).
    Aliases {
        identifiers: Vec<Self>,
    },
}

impl Authority {
    /// The event for one receiver, signed as tokens are.
    pub(crate) fn event(&self, ended: &Ended, receiver: &Audience) -> Result<SecretToken, TokenError> {
        let named = |iss| SubjectId::IssSub { iss, sub: &ended.user };
        let user = named(self.issuer.as_str());
        let sub_id = match (&ended.session, &self.transactions) {
            (None, None) => user,
            // In transaction tokens the issuer of a user is the trust domain. They say of no session.
            (None, Some(transactions)) => {
                SubjectId::Aliases { identifiers: vec![user, named(transactions.trust_domain().as_str())] }
            }
            (Some(id), _) => SubjectId::Complex { user: Box::new(user), session: Box::new(SubjectId::Opaque { id }) },
        };
        let session_revoked = SessionRevoked { event_timestamp: ended.at, initiating_entity: ended.by };
        let claims = EventClaims {
            iss: &self.issuer,
            jti: random_id(),
            iat: self.clock.wall(),
            aud: receiver,
            sub_id,
            events: Events { session_revoked },
        };
        self.key.sign(&MediaType::SECURITY_EVENT, &claims).map_err(TokenError::not_signed)
    }
}
