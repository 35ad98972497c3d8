//! This service's own token as the actor token of exchanges (RFC 8693 §2.1).

use std::sync::Arc;

use tower_identity_core::{Clock, Refusal, SecretToken};
use tower_identity_oauth::{ActorToken, ClientCredentials, TargetService, TokenType, Unexchangeable};
use tower_identity_refresh::{Loaded, Slot};

use super::Recipe;
use crate::load;

/// The actor tokens of one row, one at a time.
#[derive(Debug, Clone)]
pub(crate) struct ActorTokens {
    slot: Slot<SecretToken, Refusal>,
}

impl ActorTokens {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { slot: Slot::new(clock) }
    }

    pub(crate) async fn token(&self, recipe: &Arc<Recipe>) -> Result<ActorToken, Refusal> {
        let recipe = recipe.clone();
        let load = || async move {
            // For the authorization server itself, and so for no audience.
            let target = TargetService { tolerated: recipe.terms.tolerated.clone(), ..TargetService::default() };
            let grant = ClientCredentials::new(target).into();
            let issued = recipe.client.request(&grant).await.map_err(|error| load::failed(error.refusal()))?;
            Ok(Loaded { value: issued.access_token().clone(), lifetime: load::lifetime(issued.expires_in(), None) })
        };
        let token = self.slot.get(load).await?;
        ActorToken::new(token, TokenType::AccessToken).map_err(Unexchangeable::refusal)
    }
}
