//! What this service says itself of its caller's user.

use std::time::Duration;

use serde::Serialize;
use tower_identity_core::{
    Audience, Binding, BoxFuture, CallerContext, Fingerprint, Issuer, Refusal, RefusalKind, Scopes, Timestamp,
    VerifiedToken,
};
use tower_identity_jose::{MediaType, SigningKey};
use tower_identity_oauth::IssuedToken;

use super::{Ask, Brought, TokenSource, no_subject, ready};
use crate::{error::Reason, word::Word};

#[derive(Debug)]
pub(crate) struct Signed {
    /// What this service is called in it.
    pub(crate) issuer: Issuer,
    pub(crate) key: SigningKey,
    pub(crate) life: Duration,
    /// Whether it is made of what another service said, too.
    pub(crate) passes_on: bool,
    pub(crate) audience: Audience,
    /// The row's.
    pub(crate) scopes: Scopes,
}

impl TokenSource for Signed {
    fn name(&self) -> &'static str {
        "signed"
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("outbound-signed")
            .field(self.issuer.as_str())
            .field(self.key.thumbprint().to_string())
            .field(self.key.key_id())
            .field(self.key.algorithm().as_str())
            .field(self.life.as_secs().to_be_bytes())
            .field([u8::from(self.passes_on)])
            .finish()
    }

    /// It is a user's, and allows what is to be signed for: nobody else decides that here.
    fn takes(&self, subject: &VerifiedToken) -> Result<(), Reason> {
        if subject.identity().user.is_none() {
            return Err(Reason::NoUser);
        }
        if self.scopes.is_subset(subject.scopes()) {
            return Ok(());
        }
        Err(Reason::Wider { asked: self.scopes.clone(), held: subject.scopes().clone() })
    }

    fn takes_word(&self, caller: &CallerContext) -> Result<(), Reason> {
        let is_taken = self.passes_on && caller.principal().binding() == Binding::SelfAsserted;
        if is_taken { Ok(()) } else { Err(Reason::Unrelated) }
    }

    fn obtain(&self, ask: &Ask) -> BoxFuture<'static, Result<Brought, Refusal>> {
        ready(self.sign(ask))
    }
}

impl Signed {
    fn sign(&self, ask: &Ask) -> Result<Brought, Refusal> {
        let Some((subject, user)) =
            ask.subject.as_deref().and_then(|subject| Some((subject, subject.identity().user.as_ref()?)))
        else {
            return Err(no_subject());
        };
        let now = ask.recipe.clock.wall().as_secs();
        let ends = now.saturating_add(self.life.as_secs()).min(subject.expires_at().as_secs());
        let allowed = Allowed { scope: (!self.scopes.is_empty()).then(|| self.scopes.to_string()) };
        let claims = Word::new((&self.issuer, &self.audience), (subject, user), (now, ends), allowed);
        let token = self.key.sign(&MediaType::SELF_ASSERTED, &claims).map_err(|why| {
            Refusal::new(RefusalKind::Misconfigured, "sign").detail("this service's key signs nothing").caused_by(why)
        })?;
        let left = Timestamp::from_secs(ends).since(ask.recipe.clock.wall());
        Ok(Brought::found(IssuedToken::new(token, self.scopes.clone(), Some(left))))
    }
}

/// What the target may let the user do by it.
#[derive(Serialize)]
struct Allowed {
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}
