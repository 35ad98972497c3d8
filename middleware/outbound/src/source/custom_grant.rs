//! The caller's token for one to the target, by a grant of the server's own.

use tower_identity_core::{BoxFuture, Fingerprint, Refusal, VerifiedToken};
use tower_identity_oauth::{self as oauth, CustomGrantType, TokenClient, Unexchangeable};

use super::{Ask, Brought, TokenSource, no_subject, ready};
use crate::error::Reason;

#[derive(Debug)]
pub(crate) struct CustomGrant {
    pub(crate) client: TokenClient,
    pub(crate) grant_type: CustomGrantType,
}

impl TokenSource for CustomGrant {
    fn name(&self) -> &'static str {
        "custom_grant"
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("outbound-custom-grant")
            .field(self.client.fingerprint().as_bytes())
            .field(self.grant_type.fingerprint().as_bytes())
            .finish()
    }

    fn takes(&self, subject: &VerifiedToken) -> Result<(), Reason> {
        Reason::unless_accepted(&self.client, subject)
    }

    fn goes_by_issuer(&self) -> bool {
        true
    }

    fn obtain(&self, ask: &Ask) -> BoxFuture<'static, Result<Brought, Refusal>> {
        let Some((_, token)) = ask.subject_token() else { return ready(Err(no_subject())) };
        let grant = oauth::CustomGrant::new(self.grant_type.clone(), token.clone(), ask.recipe.terms.clone());
        let (client, urgency) = (self.client.clone(), ask.urgency());
        Box::pin(async move {
            let grant = grant.map_err(Unexchangeable::refusal)?.into();
            Brought::issued(&client, &grant, urgency).await
        })
    }
}
