//! The caller's token for one to the target, at Keycloak.

use tower_identity_core::{BoxFuture, Fingerprint, Refusal, VerifiedToken};
use tower_identity_oauth::{self as oauth, TokenClient, Unexchangeable};

use super::{Ask, Brought, TokenSource, no_subject, ready, unless_bound};
use crate::error::Reason;

#[derive(Debug)]
pub(crate) struct KeycloakExchange {
    pub(crate) client: TokenClient,
}

impl TokenSource for KeycloakExchange {
    fn name(&self) -> &'static str {
        "keycloak_exchange"
    }

    fn fingerprint(&self) -> Fingerprint {
        self.client.fingerprint()
    }

    /// Keycloak exchanges its own tokens, which are for this client or were issued to it (`azp`).
    fn takes(&self, subject: &VerifiedToken) -> Result<(), Reason> {
        let (server, client) = (self.client.issuer(), self.client.client_id());
        if subject.issuer() != server {
            return Err(Reason::NotItsOwn { server: server.clone(), subject: subject.issuer().clone() });
        }
        let is_for_us = subject.audience().iter().any(|one| one.as_str() == client.as_str());
        let azp = &subject.identity().workload;
        if is_for_us || (azp.issuer == *server && azp.id.as_str() == client.as_str()) {
            return Ok(());
        }
        Err(Reason::NotForUs { server: server.clone(), client: client.clone() })
    }

    fn obtain(&self, ask: &Ask) -> BoxFuture<'static, Result<Brought, Refusal>> {
        let Some((subject, token)) = ask.subject_token() else { return ready(Err(no_subject())) };
        // It refuses one that is bound, unless whoever asks proves the key.
        if let Err(refusal) = unless_bound(subject) {
            return ready(Err(refusal));
        }
        let grant = oauth::KeycloakExchange::new(token.clone(), ask.recipe.terms.clone());
        let (client, urgency) = (self.client.clone(), ask.urgency());
        Box::pin(async move {
            let grant = grant.map_err(Unexchangeable::refusal)?.into();
            Brought::issued(&client, &grant, urgency).await
        })
    }
}
