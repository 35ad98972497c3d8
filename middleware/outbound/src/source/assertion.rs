//! The caller's token as an assertion for one to the target (RFC 7523 §2.1).

use tower_identity_core::{BoxFuture, Fingerprint, Refusal, RefusalKind, VerifiedToken};
use tower_identity_oauth::{JwtBearer, TokenClient};

use super::{Ask, Brought, TokenSource, no_subject, ready, unless_bound};
use crate::error::Reason;

#[derive(Debug)]
pub(crate) struct Assertion {
    pub(crate) client: TokenClient,
}

impl TokenSource for Assertion {
    fn name(&self) -> &'static str {
        "assertion"
    }

    fn fingerprint(&self) -> Fingerprint {
        self.client.fingerprint()
    }

    /// It is for the server, among others: what is not, is no grant for it (RFC 7523 §3).
    fn takes(&self, subject: &VerifiedToken) -> Result<(), Reason> {
        let server = self.client.issuer();
        if subject.audience().iter().any(|one| one.as_str() == server.as_str()) {
            return Ok(());
        }
        Err(Reason::NotForServer { server: server.clone() })
    }

    fn obtain(&self, ask: &Ask) -> BoxFuture<'static, Result<Brought, Refusal>> {
        let Some((subject, token)) = ask.subject_token() else { return ready(Err(no_subject())) };
        if let Err(refusal) = unless_bound(subject) {
            return ready(Err(refusal));
        }
        let grant = JwtBearer::new(token.clone(), ask.recipe.terms.clone());
        let (client, urgency) = (self.client.clone(), ask.urgency());
        Box::pin(async move {
            let grant = grant.map_err(|wrong| {
                let detail = "the caller's token is no grant; make the target's strategy chaining, which gets one";
                Refusal::new(RefusalKind::Misconfigured, "assertion").detail(detail).caused_by(wrong)
            })?;
            Brought::issued(&client, &grant.into(), urgency).await
        })
    }
}
