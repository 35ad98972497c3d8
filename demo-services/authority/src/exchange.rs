//! Token exchange (RFC 8693): a user's token for one audience becomes one for the next, and says who acts.

use std::collections::BTreeMap;

use tower_identity::{Audience, Scopes, Timestamp};
use tower_identity_jose::AudienceClaim;

use crate::{
    authority::Authority,
    claims::{ActClaim, MAX_ACTORS, PresentedClaims},
    client::Client,
    error::{ErrorCode, TokenError},
    form::Form,
    issue::{AccessToken, TokenResponse},
    token::{requested_scopes, target},
};

pub(crate) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// What a token is asked for.
pub(crate) struct Asked {
    pub(crate) target: Audience,
    pub(crate) requested: Option<Scopes>,
    /// When the actor's token ends, where there is one.
    pub(crate) actor_ends: Option<Timestamp>,
}

/// The token that is to be exchanged, by what the request says of it.
pub(crate) fn subject_token<'f>(form: &'f Form<'_>) -> Result<&'f str, TokenError> {
    let token = form.one("subject_token").ok_or(NO_SUBJECT)?;
    match form.one("subject_token_type") {
        None => Err(NO_SUBJECT_TYPE),
        Some(ACCESS_TOKEN) => Ok(token),
        Some(_) => Err(BAD_SUBJECT_TYPE),
    }
}

impl Authority {
    /// Exchanges the subject token for one that names the authenticated client as the current actor.
    pub(crate) fn exchange(&self, client: &Client, form: &Form<'_>) -> Result<TokenResponse, TokenError> {
        let target = target(form)?.ok_or(NO_TARGET)?;
        let requested = requested_scopes(form)?;
        let subject = self.subject(client, subject_token(form)?)?;
        let actor_ends = self.actor_token(client, form)?;
        let issued = self.issue_for(client, subject, Asked { target, requested, actor_ends });
        issued.map(|issued| TokenResponse { issued_token_type: Some(ACCESS_TOKEN), ..issued })
    }

    /// What is issued for a user whose token this is.
    pub(crate) fn issue_for(
        &self,
        client: &Client,
        subject: PresentedClaims,
        Asked { target, requested, actor_ends }: Asked,
    ) -> Result<TokenResponse, TokenError> {
        if !self.clients.owns(&target) {
            return Err(UNKNOWN_TARGET);
        }

        let held = subject.scopes().ok_or(BAD_SUBJECT)?;
        let scopes = self.policy.exchange(&client.id, (subject.aud.as_slice(), &held), &target, requested.as_ref())?;
        let row = self.policy.lifetime(&client.id, subject.aud.as_slice(), &target);
        let actors = if self.dialect.exchanged.names_actors { Some(self.acting(client, subject.act)?) } else { None };

        let lifetime = row.map_or(self.access_token_lifetime, |row| row.min(self.access_token_lifetime));
        let mut expires_at = self.clock.wall().saturating_add(lifetime);
        if self.dialect.exchanged.ends_with_subject {
            for bound in [Some(subject.exp.timestamp()), actor_ends].into_iter().flatten() {
                expires_at = expires_at.min(bound);
            }
        }
        let audience = AudienceClaim::from(target.clone());
        let mut exchanged = AccessToken {
            subject: &subject.sub,
            audience: &audience,
            client: &client.id,
            scopes: &scopes,
            expires_at,
            actors,
            transaction: subject.txn.as_ref(),
            authentication: &subject.authentication,
            tokens: BTreeMap::new(),
        };
        for next in self.policy.embedded(&client.id, subject.aud.as_slice(), &target) {
            self.embed(next, &target, &mut exchanged)?;
        }
        self.issue(exchanged)
    }

    /// Puts into a token what the service that it is for, the holder, would get in exchange for it, if it got anything. It
    /// ends with what lies in it: who has the one has the other.
    fn embed<'a>(&self, next: &'a Audience, holder: &Audience, outer: &mut AccessToken<'a>) -> Result<(), TokenError> {
        let from = std::slice::from_ref(holder);
        let holder = self.clients.owner(holder).ok_or(UNKNOWN_TARGET)?;
        let Ok(scopes) = self.policy.exchange(&holder.id, (from, outer.scopes), next, None) else { return Ok(()) };
        let actors = outer.actors.clone().map(|before| self.acting(holder, Some(before))).transpose()?;
        let lifetime = self.policy.lifetime(&holder.id, from, next).unwrap_or(self.access_token_lifetime);
        outer.expires_at = outer.expires_at.min(self.clock.wall().saturating_add(lifetime));
        let inner = AccessToken {
            audience: &next.clone().into(),
            client: &holder.id,
            scopes: &scopes,
            actors,
            tokens: BTreeMap::new(),
            ..*outer
        };
        outer.tokens.insert(next, self.issue(inner)?.access_token);
        Ok(())
    }

    /// The subject token: an access token of ours, about a user, that was sent to this very client.
    pub(crate) fn subject(&self, client: &Client, token: &str) -> Result<PresentedClaims, TokenError> {
        let subject = self.verify_own(token).map_err(|error| {
            tracing::info!(error = &error as &dyn std::error::Error, "subject token refused");
            BAD_SUBJECT
        })?;
        // A client's own token would be issued again as if a user of that name existed.
        if !self.users.contains(&subject.sub) {
            return Err(NOT_A_USER);
        }
        // Whoever merely saw a token cannot exchange it.
        let is_holder = self.dialect.exchanged.holder_exchanges && subject.client() == Some(&client.id);
        if !client.is_among(&subject.aud) && !is_holder {
            return Err(NOT_SENT_TO_CLIENT);
        }
        // To exchange it would be to turn a bound token into one that anybody may bear.
        if subject.cnf.is_some() {
            return Err(BOUND_SUBJECT);
        }
        if let Some(may_act) = &subject.may_act {
            let names_somebody = may_act.sub.is_some() || may_act.client_id.is_some();
            let allowed = names_somebody
                && may_act.sub.as_ref().is_none_or(|sub| *sub == client.subject)
                && may_act.iss.as_ref().is_none_or(|iss| *iss == self.issuer)
                && may_act.client_id.as_ref().is_none_or(|id| *id == client.id);
            if !allowed {
                return Err(MAY_NOT_ACT);
            }
        }
        Ok(subject)
    }

    /// The actor token, where one is sent, can only say what client authentication already said. Returns its end.
    fn actor_token(&self, client: &Client, form: &Form<'_>) -> Result<Option<Timestamp>, TokenError> {
        let token = match (form.one("actor_token"), form.one("actor_token_type")) {
            (None, None) => return Ok(None),
            // Where nobody acts, nobody is heard on it.
            _ if !self.dialect.exchanged.names_actors => return Ok(None),
            (Some(token), Some(ACCESS_TOKEN)) => token,
            (Some(_), Some(_)) => return Err(BAD_ACTOR_TYPE),
            (None, Some(_)) | (Some(_), None) => return Err(HALF_AN_ACTOR),
        };
        let actor = self.verify_own(token).map_err(|error| {
            tracing::info!(error = &error as &dyn std::error::Error, "actor token refused");
            BAD_ACTOR
        })?;
        if actor.sub != client.subject || actor.client() != Some(&client.id) || actor.act.is_some() {
            return Err(ANOTHER_ACTOR);
        }
        Ok(Some(actor.exp.timestamp()))
    }

    /// The authenticated client, and below it who acted before.
    fn acting(&self, client: &Client, before: Option<ActClaim>) -> Result<ActClaim, TokenError> {
        let actors = ActClaim { iss: self.issuer.clone(), sub: client.subject.clone(), act: before.map(Box::new) };
        if actors.depth() > MAX_ACTORS { Err(TOO_MANY_ACTORS) } else { Ok(actors) }
    }
}

pub(crate) const NO_TARGET: TokenError =
    TokenError::new(ErrorCode::InvalidTarget, "an exchange names its audience or resource");
pub(crate) const BAD_REQUESTED_TYPE: TokenError = TokenError::invalid_request("no token of this type is issued");
pub(crate) const UNKNOWN_TARGET: TokenError =
    TokenError::new(ErrorCode::InvalidTarget, "there is no client with that audience");
pub(crate) const NO_SUBJECT: TokenError = TokenError::invalid_request("subject_token is missing");
pub(crate) const NO_SUBJECT_TYPE: TokenError = TokenError::invalid_request("subject_token_type is missing");
pub(crate) const BAD_SUBJECT_TYPE: TokenError =
    TokenError::invalid_request("this subject_token_type is not exchanged here");
pub(crate) const BAD_SUBJECT: TokenError = TokenError::invalid_request("the subject token is not acceptable");
pub(crate) const NOT_A_USER: TokenError = TokenError::invalid_request("the subject token is not about a user");
pub(crate) const NOT_SENT_TO_CLIENT: TokenError =
    TokenError::invalid_request("the subject token is not addressed to this client");
pub(crate) const BOUND_SUBJECT: TokenError = TokenError::invalid_request("the subject token is bound to a key");
const MAY_NOT_ACT: TokenError = TokenError::invalid_request("the subject token names another actor in may_act");
const HALF_AN_ACTOR: TokenError = TokenError::invalid_request("actor_token and actor_token_type come together");
const BAD_ACTOR_TYPE: TokenError = TokenError::invalid_request("this actor_token_type is not accepted here");
const BAD_ACTOR: TokenError = TokenError::invalid_request("the actor token is not acceptable");
const ANOTHER_ACTOR: TokenError = TokenError::invalid_request("the actor token is not the client's own");
const TOO_MANY_ACTORS: TokenError = TokenError::invalid_request("too many actors have acted already");
