//! The caller's token itself.

use serde_json::{Map, Value};
use tower_identity_core::{Audience, BoxFuture, Fingerprint, Refusal, RefusalKind, VerifiedToken};
use tower_identity_oauth::IssuedToken;

use super::{Ask, Brought, TokenSource, no_subject, ready};
use crate::error::Reason;

#[derive(Debug)]
pub(crate) struct Relay {
    /// What the target is called: a token has to be for one of them.
    pub(crate) audiences: Vec<Audience>,
}

impl TokenSource for Relay {
    fn name(&self) -> &'static str {
        "relay"
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("outbound-relay").list(self.audiences.iter().map(Audience::as_str)).finish()
    }

    fn takes(&self, subject: &VerifiedToken) -> Result<(), Reason> {
        if subject.audience().iter().any(|one| self.audiences.contains(one)) {
            return Ok(());
        }
        Err(Reason::ForOthers { expected: self.audiences.clone(), found: subject.audience().to_vec() })
    }

    fn obtain(&self, ask: &Ask) -> BoxFuture<'static, Result<Brought, Refusal>> {
        ready(brought(ask))
    }
}

fn brought(ask: &Ask) -> Result<Brought, Refusal> {
    let Some((subject, token)) = ask.subject_token() else { return Err(no_subject()) };
    // Verification takes no bound token without its proof; with one, it would be of no use to anybody else.
    let claims = subject.claims::<Map<String, Value>>();
    if claims.map_or(true, |claims| claims.contains_key("cnf")) {
        let detail = "the caller's token is bound to a key of the caller's, so it is of no use to this service; make the \
                      target's strategy token_exchange";
        return Err(Refusal::new(RefusalKind::Misconfigured, "bound").detail(detail));
    }
    let left = subject.expires_at().since(ask.recipe.clock.wall());
    Ok(Brought::found(IssuedToken::new(token.clone(), subject.scopes().clone(), Some(left))))
}
