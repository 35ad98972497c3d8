//! Workloads, users and actors, and the evidence for them.

use serde::Serialize;

use crate::{Issuer, SessionId, Subject, Tenant, Timestamp};

/// A service, as an identity: identified by who says so and the name given there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Workload {
    /// The workload's name at its issuer: a client id, a SPIFFE ID, a service account.
    pub id: Subject,
    /// Who vouches for the name.
    pub issuer: Issuer,
}

/// How it is known that a workload is the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Evidence {
    /// It proved possession of a key or certificate on this request.
    Proven,
    /// The token is its own: the workload is the token's subject (RFC 9068 §2.2, `sub` of a client's own token).
    Subject,
    /// The issuer names it as the current actor: the outermost `act` (RFC 8693 §4.1).
    Actor,
    /// A user's token was issued to it, and the configuration says that users' tokens of this issuer come straight from
    /// the client that they were issued to.
    DirectClient,
    /// A user's token was issued to it (`client_id`, RFC 9068 §2.2), and nothing says that it sent it: a token that is
    /// relayed, or stolen, still names its first holder.
    IssuedTo,
}

impl Evidence {
    /// Whether this shows who sent the request. Without that, a workload is on no list of callers.
    #[must_use]
    pub const fn is_of_sender(self) -> bool {
        match self {
            Self::Proven | Self::Subject | Self::Actor | Self::DirectClient => true,
            Self::IssuedTo => false,
        }
    }
}

/// The human or account on whose behalf a request is made. All three parts together are the identity:
/// a subject alone means nothing outside its issuer and tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct User {
    /// The subject at its issuer.
    pub id: Subject,
    /// Who vouches for the subject.
    pub issuer: Issuer,
    /// The tenant, for issuers that have tenants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Tenant>,
}

/// One link of an actor chain.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Actor {
    /// The actor's `sub`.
    pub id: Subject,
    /// The actor's `iss`, or the token's where the link names none.
    pub issuer: Issuer,
}

/// The actors of a delegated token, outermost first (RFC 8693 §4.1).
///
/// The outermost is the current actor. The rest is history for audit and never authorizes anything, which is why
/// the two are read by different methods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct ActorChain(Vec<Actor>);

impl ActorChain {
    /// Builds a chain from its links, outermost first.
    #[must_use]
    pub fn new(outermost_first: Vec<Actor>) -> Self {
        Self(outermost_first)
    }

    /// The current actor.
    #[must_use]
    pub fn current(&self) -> Option<&Actor> {
        self.0.first()
    }

    /// The actors before the current one, latest first: for audit only.
    #[must_use]
    pub fn history(&self) -> &[Actor] {
        self.0.get(1..).unwrap_or_default()
    }

    /// All links, outermost first: for display and audit.
    pub fn iter(&self) -> impl Iterator<Item = &Actor> {
        self.0.iter()
    }

    /// How many links the chain has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody acts for the subject.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// How and when the user signed in (RFC 9068 §2.2.1). Unchanged across exchanges.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AuthenticationContext {
    /// When the user signed in.
    pub auth_time: Option<Timestamp>,
    /// The authentication context class.
    pub acr: Option<String>,
    /// The authentication methods.
    pub amr: Vec<String>,
    /// The session at the issuer.
    pub session: Option<SessionId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor(id: &str) -> Actor {
        Actor { id: id.parse().expect("subject"), issuer: "https://as.example".parse().expect("issuer") }
    }

    #[test]
    fn te_a1_history_is_apart_from_the_current_actor() {
        let chain = ActorChain::new(vec![actor("orders"), actor("storefront")]);
        assert_eq!(chain.current(), Some(&actor("orders")));
        assert_eq!(chain.history(), [actor("storefront")]);
        assert_eq!(ActorChain::default().current(), None);
        assert_eq!(ActorChain::default().history(), []);
    }
}
