//! Users who have no credential on a request: their caller names them, in plain text.
//!
//! What was said of two credentials holds with one of them missing: the caller proves itself, and whom it calls for is its word.
//! So it is taken of those callers alone that are [listed](crate::danger::plain_users), each for the users of one issuer.

use std::sync::Arc;

use metrics::{Unit, counter, describe_counter};
use tower_identity_core::{
    ActorChain, Attributes, AuthenticationContext, CallerContext, Credential, Identity, InvalidSetting, Issuer,
    Refusal, RefusalKind, Standing, Subject, User, VerifiedToken, VerifiedTokenParts, Workload, settings::Step,
};

use crate::{
    Verification, check,
    inner::Inner,
    proof::Proof,
    relation::{Trust, told, unrelated},
    trusted::in_force,
};

/// The counter of requests for users who were named in plain text, by the issuer that they are of.
const PLAIN_USERS: &str = "tower_identity_plain_users_total";

impl Inner {
    /// Verifies a caller's token, and takes its word for its user.
    pub(crate) fn naming(self: &Arc<Self>, caller: &str, user: &str, proof: Proof) -> Verification {
        match self.bearer(caller, proof).try_now() {
            Ok(decision) => Verification::decided(decision.and_then(|caller| self.named(&caller, user))),
            Err(waiting) => {
                let (settings, user) = (Arc::clone(self), user.to_owned());
                Verification::fetching(Box::pin(async move { settings.named(&waiting.await?, &user) }))
            }
        }
    }

    /// Takes the word of a caller that has proven itself. The rights are the caller's own, which it has for no user: nobody
    /// else has said what this one may.
    #[expect(clippy::disallowed_methods, reason = "this is the verification that may state its result")]
    pub(crate) fn named(&self, caller: &CallerContext, user: &str) -> Result<CallerContext, Refusal> {
        let token = caller.caller_token();
        let of_caller = |refusal: Refusal| refusal.issuer(token.issuer().clone());
        let sender = self.relations.sender(token).map_err(of_caller)?;
        let id = Subject::parse(user).map_err(|wrong| {
            Refusal::new(RefusalKind::MalformedRequest, check::PLAIN_USER).detail(wrong.to_string())
        })?;
        let issuer = self.relations.users_named_by(sender).ok_or_else(|| {
            of_caller(unrelated(format!("the caller is {}, whose word for a user is not taken", told(sender))))
        })?;
        let user = VerifiedToken::assertion(named_by(token, User { id, issuer: issuer.clone(), tenant: None }));
        in_force(&user).map_err(of_caller)?;
        describe_counter!(PLAIN_USERS, Unit::Count, "requests for users who were named in plain text, by their issuer");
        counter!(PLAIN_USERS, "issuer" => issuer.as_str().to_owned()).increment(1);
        let standing = self.relations.aliases.name(Standing::on_trust(), token);
        Ok(CallerContext::assertion(Arc::clone(token), Some(Arc::new(user)), standing, caller.judged_at()))
    }
}

impl crate::relation::Relations {
    fn users_named_by(&self, sender: &Workload) -> Option<&Issuer> {
        let row = self.naming.iter().find(|row| row.callers.contains(sender))?;
        row.users_of.first()
    }
}

/// A user whom this caller names: for as long as the caller's own credential is good, and with what that allows.
fn named_by(caller: &VerifiedToken, user: User) -> VerifiedTokenParts {
    let Identity { workload, evidence, .. } = caller.identity().clone();
    VerifiedTokenParts {
        credential: Credential::Name(Box::new(user.clone())),
        issuer: user.issuer.clone(),
        home: false,
        identity: Identity { workload, evidence, user: Some(user) },
        actors: ActorChain::default(),
        scopes: caller.scopes().clone(),
        audience: caller.audience().to_vec(),
        token_id: None,
        transaction: caller.transaction().cloned(),
        trust_domain: None,
        authentication: AuthenticationContext::default(),
        attributes: Attributes::default(),
        issued_at: caller.issued_at(),
        expires_at: caller.expires_at(),
        certificate: None,
        revocations: caller.revocations().clone(),
    }
}

/// What is wrong with a row, which names one issuer.
pub(crate) fn of_row(invalid: InvalidSetting, at: usize) -> InvalidSetting {
    let of_issuer = matches!(invalid.path(), [Step::Field(field), ..] if field == "users_of");
    let invalid = if of_issuer { InvalidSetting::new("users_of", invalid.rule()) } else { invalid };
    invalid.within(at).within("plain_user")
}

/// That each caller names users of one issuer: a name alone does not say of which.
pub(crate) fn checked(rows: &[Trust]) -> Result<(), InvalidSetting> {
    for (at, row) in rows.iter().enumerate() {
        let twice = rows[..at].iter().any(|other| other.callers.iter().any(|caller| row.callers.contains(caller)));
        if twice {
            let rule = "names a caller of another row, and a user's name does not say of which issuer it is";
            return Err(InvalidSetting::new("callers", rule).within(at).within("plain_user"));
        }
    }
    Ok(())
}
