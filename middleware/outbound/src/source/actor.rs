//! This service's own token as the actor token of exchanges (RFC 8693 §2.1).

use tower_identity_core::{Clock, Refusal, Scopes};
use tower_identity_oauth::{
    ActorToken, ClientCredentials, IssuedToken, Standing, TargetService, TokenClient, TokenType, Unexchangeable,
};
use tower_identity_refresh::{Failed, Loaded, Slot};

use crate::load;

/// The actor tokens of one row, one at a time.
#[derive(Debug, Clone)]
pub(crate) struct ActorTokens {
    client: TokenClient,
    slot: Slot<IssuedToken, Refusal>,
}

impl ActorTokens {
    pub(crate) fn new(client: TokenClient, clock: Clock) -> Self {
        Self { client, slot: Slot::new(clock) }
    }

    /// `tolerated` is what the server may grant unasked.
    pub(crate) async fn token(&self, tolerated: Scopes) -> Result<ActorToken, Refusal> {
        let client = self.client.clone();
        let load = || async move {
            // For the authorization server itself, and so for no audience.
            let grant = ClientCredentials::new(TargetService { tolerated, ..TargetService::default() }).into();
            let issued = client.request(&grant).await.map_err(|error| Failed::for_a_moment(error.refusal()))?;
            Ok(Loaded { lifetime: load::lifetime(issued.expires_in(), None), value: issued })
        };
        self.slot.evict(|token| token.standing().is_some_and(Standing::is_gone));
        let token = self.slot.get(load).await?;
        ActorToken::new(token.access_token().clone(), TokenType::AccessToken).map_err(Unexchangeable::refusal)
    }
}
