//! The user's token for one to the target (RFC 8693).

use tower_identity_core::{BoxFuture, Refusal, RefusalKind};
use tower_identity_oauth::{IssuedToken, TokenExchange, TokenType, Unexchangeable};

use super::{Ask, TokenSource, actor::ActorTokens};

#[derive(Debug)]
pub(crate) struct Exchange {
    /// This service's own tokens, where the row sends one as the actor token.
    pub(crate) actor: Option<ActorTokens>,
}

impl TokenSource for Exchange {
    fn name(&self) -> &'static str {
        if self.actor.is_some() { "token_exchange with actor_token" } else { "token_exchange" }
    }

    fn obtain(&self, ask: &Ask) -> BoxFuture<'static, Result<IssuedToken, Refusal>> {
        let (recipe, actor, urgency) = (ask.recipe.clone(), self.actor.clone(), ask.urgency());
        let subject = ask.subject.clone();
        let Some((subject, token)) = subject.and_then(|subject| subject.token().cloned().map(|token| (subject, token)))
        else {
            // Without a subject this must not become another grant, as it did in CVE-2026-9704.
            let refusal = Refusal::new(RefusalKind::Misconfigured, "subject_token").detail("an exchange has a subject");
            return Box::pin(std::future::ready(Err(refusal)));
        };
        Box::pin(async move {
            // `access_token` says that the token is the asked server's own (RFC 8693 §3).
            let own = subject.issuer() == recipe.client.issuer();
            let subject_token_type = if own { TokenType::AccessToken } else { TokenType::Jwt };
            let mut exchange = TokenExchange::new(token, recipe.terms.clone())
                .map_err(Unexchangeable::refusal)?
                .subject_token_type(subject_token_type);
            if let Some(actor) = actor {
                exchange = exchange.actor(actor.token(&recipe).await?);
            }
            let grant = exchange.into();
            recipe.client.request_with(&grant, urgency).await.map_err(|error| error.refusal())
        })
    }
}
