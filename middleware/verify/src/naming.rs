//! Users who have no credential on a request: their caller names them, in plain text.
//!
//! What was said of two credentials holds with one of them missing: the caller proves itself, and whom it calls for is its word.
//! So it is taken of those callers alone that are [listed](crate::danger::plain_users), each for the users of one issuer.

use std::sync::Arc;

use metrics::{Unit, counter, describe_counter};
use tower_identity_core::{
    ActorChain, Attributes, AuthenticationContext, CallerContext, Credential, Identity, InvalidSetting, Issuer,
    Refusal, RefusalKind, SecretToken, Standing, Subject, User, VerifiedToken, VerifiedTokenParts, Workload,
    settings::Step,
};

use crate::{
    Verification, check,
    inner::Inner,
    pair::{of_user, still_good},
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
        count(issuer);
        let standing = self.relations.aliases.name(Standing::on_trust(), token);
        Ok(CallerContext::assertion(Arc::clone(token), Some(Arc::new(user)), standing, caller.judged_at()))
    }
}

impl Inner {
    /// Verifies a caller's token, and beside it the ID token of the user that it calls for.
    pub(crate) fn signed_in(self: &Arc<Self>, caller: Verification, id_token: &str) -> Verification {
        match caller.try_now() {
            Ok(Ok(caller)) => self.signed_in_at(caller, id_token),
            Ok(refused) => Verification::decided(refused),
            Err(waiting) => {
                let (settings, id_token) = (Arc::clone(self), SecretToken::new(id_token));
                Verification::fetching(Box::pin(async move {
                    let caller = waiting.await?;
                    settings.signed_in_at(caller, id_token.expose()).await
                }))
            }
        }
    }

    /// Of whoever is not listed no ID token is looked at.
    fn signed_in_at(self: &Arc<Self>, caller: CallerContext, id_token: &str) -> Verification {
        let token = caller.caller_token();
        let of_caller = |refusal: Refusal| Verification::decided(Err(refusal.issuer(token.issuer().clone())));
        let sender = match self.relations.sender(token) {
            Ok(sender) => sender,
            Err(refusal) => return of_caller(refusal),
        };
        let rows = self.id_tokens.iter().filter(|row| row.callers.contains(sender));
        let issuers: Vec<_> = rows.map(|row| Arc::clone(&row.issuer)).collect();
        if issuers.is_empty() {
            let detail = format!("the caller is {}, of whom no user's ID token is taken", told(sender));
            return of_caller(unrelated(detail));
        }
        let verified = self.verify(id_token, &issuers, None, &self.id_tokens_remembered);
        match Proof::NOTHING.demanded_of(verified).try_now() {
            Ok(user) => Verification::decided(self.signed_in_as(&caller, user)),
            Err(waiting) => {
                let settings = Arc::clone(self);
                Verification::fetching(Box::pin(async move { settings.signed_in_as(&caller, waiting.await) }))
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the verification that may state its result")]
    fn signed_in_as(
        &self,
        caller: &CallerContext,
        user: Result<CallerContext, Refusal>,
    ) -> Result<CallerContext, Refusal> {
        let id_token = user.map_err(|refusal| of_user(&refusal))?;
        let judged_at = caller.judged_at().max(id_token.judged_at());
        let (token, id_token) = (caller.caller_token(), id_token.caller_token());
        still_good(token, caller.judged_at(), judged_at)?;
        let user = id_token.identity().user.clone().ok_or_else(|| unrelated("the ID token names no user"))?;
        let issuer = user.issuer.clone();
        let user = VerifiedToken::assertion(signed_in_by(token, user, id_token));
        count(&issuer);
        let standing = self.relations.aliases.name(Standing::on_trust(), token);
        Ok(CallerContext::assertion(Arc::clone(token), Some(Arc::new(user)), standing, judged_at))
    }
}

/// Counts a request for a user for whom the caller's word is all that there is.
fn count(issuer: &Issuer) {
    describe_counter!(PLAIN_USERS, Unit::Count, "requests for users who were named in plain text, by their issuer");
    counter!(PLAIN_USERS, "issuer" => issuer.as_str().to_owned()).increment(1);
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

/// A user who signed in, as this caller says by the ID token: for as long as both are good, with what the caller's own allows. Of
/// the token nothing is left that anybody could send on.
fn signed_in_by(caller: &VerifiedToken, user: User, id_token: &VerifiedToken) -> VerifiedTokenParts {
    VerifiedTokenParts {
        token_id: id_token.token_id().cloned(),
        authentication: id_token.authentication().clone(),
        attributes: id_token.attributes().clone(),
        issued_at: id_token.issued_at(),
        expires_at: caller.expires_at().min(id_token.expires_at()),
        ..named_by(caller, user)
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
