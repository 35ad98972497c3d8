//! One target, compiled, and the decision whose token goes there.

use std::sync::Arc;

use tower_identity_core::{CallerContext, Timestamp};

use crate::{
    acting::Acting,
    error::Reason,
    source::{Ask, Recipe},
};

/// A target that requests resolve to.
#[derive(Debug)]
pub(crate) struct Row {
    /// Origin and prefix, for messages.
    pub(crate) name: Arc<str>,
    pub(crate) takes: Takes,
}

/// What a request takes to be sent.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) ask: Ask,
    /// For whom it is sent; for nobody but this service, without.
    pub(crate) caller: Option<CallerContext>,
}

impl Asked {
    /// Whether whom it is sent for was revoked, before it was asked or since.
    pub(crate) fn is_revoked(&self) -> bool {
        self.caller.as_ref().is_some_and(CallerContext::is_revoked)
    }
}

/// Whose tokens a target takes, and how each is obtained.
#[derive(Debug)]
pub(crate) enum Takes {
    /// A user's; this service's own only if a request says so.
    Users { exchange: Arc<Recipe>, own: Arc<Recipe> },
    /// This service's own.
    Services { own: Arc<Recipe> },
}

impl Row {
    /// Whose token a request takes. What the request says wins over the scope that it is made in; a user is never
    /// dropped, and never replaced by this service.
    pub(crate) fn ask(
        &self,
        acting: Option<Acting>,
        scope: impl FnOnce() -> Option<CallerContext>,
        now: Timestamp,
    ) -> Result<Asked, Reason> {
        let (exchange, caller) = match (&self.takes, acting) {
            (Takes::Services { .. }, Some(Acting::OnBehalfOf(_))) => return Err(Reason::ServiceOnly),
            (Takes::Services { own }, _) | (Takes::Users { own, .. }, Some(Acting::AsService)) => {
                return Ok(Asked { ask: Ask { recipe: own.clone(), subject: None }, caller: None });
            }
            (Takes::Users { exchange, .. }, Some(Acting::OnBehalfOf(caller))) => (exchange, caller),
            (Takes::Users { exchange, .. }, None) => (exchange, scope().ok_or(Reason::NoCaller)?),
        };
        let subject = caller.user_token().ok_or(Reason::NoUser)?;
        if !caller.principal().binding().is_established() {
            return Err(Reason::Unrelated);
        }
        if subject.token().is_none() {
            return Err(Reason::NoText);
        }
        if !exchange.client.accepts(subject.issuer()) {
            let server = exchange.client.issuer().clone();
            return Err(Reason::ForeignSubject { server, subject: subject.issuer().clone() });
        }
        if subject.expires_at() <= now {
            return Err(Reason::SubjectExpired);
        }
        let asked = Asked {
            ask: Ask { recipe: exchange.clone(), subject: Some(subject.clone()) },
            caller: Some(caller.clone()),
        };
        if asked.is_revoked() { Err(Reason::Revoked) } else { Ok(asked) }
    }
}
