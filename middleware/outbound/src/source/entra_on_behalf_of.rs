//! The user's token for one to the target, at Entra ID.

use tower_identity_core::{Audience, BoxFuture, Fingerprint, Refusal, VerifiedToken};
use tower_identity_oauth::{self as oauth, TokenClient, Unexchangeable};

use super::{Ask, Brought, TokenSource, no_subject, ready, unless_bound};
use crate::error::Reason;

#[derive(Debug)]
pub(crate) struct EntraOnBehalfOf {
    pub(crate) client: TokenClient,
    /// What this app is called: a token has to be for one of them.
    pub(crate) audiences: Vec<Audience>,
    /// Whether a caller that acts for no user gets this service's own token.
    pub(crate) app_only: bool,
}

impl TokenSource for EntraOnBehalfOf {
    fn name(&self) -> &'static str {
        "entra_on_behalf_of"
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("outbound-entra")
            .field(self.client.fingerprint().as_bytes())
            .list(self.audiences.iter().map(Audience::as_str))
            .field([u8::from(self.app_only)])
            .finish()
    }

    fn takes(&self, subject: &VerifiedToken) -> Result<(), Reason> {
        Reason::unless_accepted(&self.client, subject)?;
        if subject.identity().user.is_none() {
            return if self.app_only { Ok(()) } else { Err(Reason::AppOnly) };
        }
        if subject.audience().iter().any(|one| self.audiences.contains(one)) {
            return Ok(());
        }
        Err(Reason::NotForApp { expected: self.audiences.clone(), found: subject.audience().to_vec() })
    }

    fn obtain(&self, ask: &Ask) -> BoxFuture<'static, Result<Brought, Refusal>> {
        let Some((subject, token)) = ask.subject_token() else { return ready(Err(no_subject())) };
        if let Err(refusal) = unless_bound(subject) {
            return ready(Err(refusal));
        }
        let terms = ask.recipe.terms.clone();
        let grant = match (&subject.identity().user, self.app_only) {
            (Some(_), _) => oauth::EntraOnBehalfOf::new(token.clone(), terms).map(oauth::Grant::from),
            (None, true) => Ok(oauth::ClientCredentials::new(terms).into()),
            (None, false) => return ready(Err(no_subject())),
        };
        let (client, urgency) = (self.client.clone(), ask.urgency());
        Box::pin(async move {
            let grant = grant.map_err(Unexchangeable::refusal)?;
            Brought::issued(&client, &grant, urgency).await
        })
    }
}
