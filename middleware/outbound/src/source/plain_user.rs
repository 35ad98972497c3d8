//! The name of the caller's user, in plain text.

use tower_identity_core::{
    Binding, BoxFuture, CallerContext, Fingerprint, Issuer, Refusal, Scopes, SecretToken, Tenant, User, VerifiedToken,
    fields::{MAX_PLAIN_NAME_BYTES, is_plain_name},
};
use tower_identity_oauth::IssuedToken;

use super::{Ask, Brought, TokenSource, no_subject, ready};
use crate::error::Reason;

#[derive(Debug)]
pub(crate) struct PlainUser {
    /// Whose users the target takes such names for.
    pub(crate) users_of: Issuer,
    /// Of these the ones that the row is for: a name says no more of a tenant than of an issuer.
    pub(crate) tenant: Option<Tenant>,
    /// Whether names go on that callers gave themselves.
    pub(crate) passes_on: bool,
}

impl TokenSource for PlainUser {
    fn name(&self) -> &'static str {
        "plain_user"
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("outbound-plain-user")
            .field(self.users_of.as_str())
            .optional(self.tenant.as_ref().map(Tenant::as_str))
            .field([u8::from(self.passes_on)])
            .finish()
    }

    fn takes(&self, subject: &VerifiedToken) -> Result<(), Reason> {
        let user = subject.identity().user.as_ref().ok_or(Reason::NoUser)?;
        if user.issuer != self.users_of {
            return Err(Reason::OthersUser { expected: self.users_of.clone(), found: user.issuer.clone() });
        }
        if user.tenant != self.tenant {
            return Err(Reason::OthersTenant);
        }
        if is_plain_name(user.id.as_str()) { Ok(()) } else { Err(unfit(user)) }
    }

    /// A listed caller's, in plain text. A service's signature under such a word is worth more than this row makes of it, and
    /// a record of what was handed over is of some time ago.
    fn takes_word(&self, caller: &CallerContext) -> Result<(), Reason> {
        let is_named = caller.principal().binding() == Binding::None && caller.counts_together();
        match (is_named, self.passes_on) {
            (true, true) => Ok(()),
            (true, false) => Err(Reason::OnlyNamed),
            (false, _) => Err(Reason::Unrelated),
        }
    }

    fn needs_text(&self) -> bool {
        false
    }

    fn obtain(&self, ask: &Ask) -> BoxFuture<'static, Result<Brought, Refusal>> {
        let user = ask.subject.as_deref().and_then(|subject| Some((subject, subject.identity().user.as_ref()?)));
        let Some((subject, user)) = user else { return ready(Err(no_subject())) };
        let left = subject.expires_at().since(ask.recipe.clock.wall());
        let name = SecretToken::new(user.id.as_str());
        ready(Ok(Brought::found(IssuedToken::new(name, Scopes::default(), Some(left))).without_scheme()))
    }
}

#[cold]
fn unfit(user: &User) -> Reason {
    match user.id.as_str().len() {
        bytes if bytes > MAX_PLAIN_NAME_BYTES => Reason::LongName { bytes },
        _ => Reason::UnfitName,
    }
}
