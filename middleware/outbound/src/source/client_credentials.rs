//! This service's own token (RFC 6749 §4.4).

use tower_identity_core::{BoxFuture, Refusal};
use tower_identity_oauth::{self as oauth, IssuedToken};

use super::{Ask, TokenSource};

#[derive(Debug)]
pub(crate) struct ClientCredentials;

impl TokenSource for ClientCredentials {
    fn name(&self) -> &'static str {
        "client_credentials"
    }

    fn obtain(&self, ask: &Ask) -> BoxFuture<'static, Result<IssuedToken, Refusal>> {
        let (recipe, urgency) = (ask.recipe.clone(), ask.urgency());
        Box::pin(async move {
            let grant = oauth::ClientCredentials::new(recipe.terms.clone()).into();
            recipe.client.request_with(&grant, urgency).await.map_err(|error| error.refusal())
        })
    }
}
