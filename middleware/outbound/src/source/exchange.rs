//! The user's token for one to the target (RFC 8693).

use tower_identity_core::{BoxFuture, Fingerprint, Refusal, VerifiedToken};
use tower_identity_oauth::{TokenClient, TokenExchange, TokenType, Unexchangeable};

use super::{Ask, Brought, TokenSource, actor::ActorTokens, no_subject, ready};
use crate::error::Reason;

#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) client: TokenClient,
    /// This service's own tokens, where the row sends one as the actor token.
    pub(crate) actor: Option<ActorTokens>,
    /// Of which type what comes has to be.
    pub(crate) requested: TokenType,
}

impl TokenSource for Exchange {
    fn name(&self) -> &'static str {
        if self.actor.is_some() { "token_exchange with actor_token" } else { "token_exchange" }
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("outbound-exchange")
            .field(self.client.fingerprint().as_bytes())
            .field(self.requested.as_str())
            .finish()
    }

    fn takes(&self, subject: &VerifiedToken) -> Result<(), Reason> {
        Reason::unless_accepted(&self.client, subject)
    }

    fn goes_by_issuer(&self) -> bool {
        true
    }

    fn obtain(&self, ask: &Ask) -> BoxFuture<'static, Result<Brought, Refusal>> {
        let (client, actor, requested) = (self.client.clone(), self.actor.clone(), self.requested);
        let (recipe, urgency) = (ask.recipe.clone(), ask.urgency());
        // Without a subject this must not become another grant, as it did in CVE-2026-9704.
        let Some((subject, token)) = ask.subject_token() else { return ready(Err(no_subject())) };
        // `access_token` says that the token is the asked server's own (RFC 8693 §3).
        let own = subject.issuer() == client.issuer();
        let subject_token_type = if own { TokenType::AccessToken } else { TokenType::Jwt };
        let token = token.clone();
        Box::pin(async move {
            let mut exchange = TokenExchange::new(token, recipe.terms.clone())
                .map_err(Unexchangeable::refusal)?
                .subject_token_type(subject_token_type)
                .requested_token_type(requested);
            if let Some(actor) = actor {
                exchange = exchange.actor(actor.token(recipe.terms.tolerated.clone()).await?);
            }
            Brought::issued(&client, &exchange.into(), urgency).await
        })
    }
}
