//! This service's own token (RFC 6749 §4.4).

use tower_identity_core::{BoxFuture, Fingerprint, Refusal};
use tower_identity_oauth::{self as oauth, TokenClient};

use super::{Ask, Brought, TokenSource};

#[derive(Debug)]
pub(crate) struct ClientCredentials {
    pub(crate) client: TokenClient,
}

impl TokenSource for ClientCredentials {
    fn name(&self) -> &'static str {
        "client_credentials"
    }

    fn fingerprint(&self) -> Fingerprint {
        self.client.fingerprint()
    }

    fn obtain(&self, ask: &Ask) -> BoxFuture<'static, Result<Brought, Refusal>> {
        let (client, recipe, urgency) = (self.client.clone(), ask.recipe.clone(), ask.urgency());
        Box::pin(async move {
            let grant = oauth::ClientCredentials::new(recipe.terms.clone()).into();
            Brought::issued(&client, &grant, urgency).await
        })
    }
}
