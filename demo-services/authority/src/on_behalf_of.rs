//! Entra ID's way to a token: for a user, the on-behalf-of flow; for itself, an application asks for all that it was given.

use std::collections::BTreeMap;

use crate::{
    authority::Authority,
    claims::AuthenticationClaims,
    client::Client,
    dialect::{asked, asked_for_itself},
    error::{ErrorCode, TokenError},
    exchange::Asked,
    form::Form,
    issue::{AccessToken, TokenResponse},
};

impl Authority {
    /// A token for the user whose access token the assertion is.
    pub(crate) fn on_behalf_of(&self, client: &Client, form: &Form<'_>) -> Result<TokenResponse, TokenError> {
        if form.one("requested_token_use") != Some("on_behalf_of") {
            return Err(NO_USE);
        }
        let assertion = form.one("assertion").ok_or(NO_ASSERTION)?;
        let (target, requested) = asked(form)?;
        let subject = self.subject(client, assertion)?;
        self.issue_for(client, subject, Asked { target, requested, actor_ends: None })
    }

    /// A client's own token: for all that it may do by itself there.
    pub(crate) fn for_itself(&self, client: &Client, form: &Form<'_>) -> Result<TokenResponse, TokenError> {
        let target = asked_for_itself(form)?;
        if !self.clients.owns(&target) {
            return Err(crate::exchange::UNKNOWN_TARGET);
        }
        let given = self.policy.client_credentials(&client.id, Some(&target), None);
        let (audience, roles) = given.map_err(|_| NOT_ASSIGNED)?;
        self.issue(AccessToken {
            subject: &client.subject,
            audience: &audience.into(),
            client: &client.id,
            scopes: &roles,
            expires_at: self.clock.wall().saturating_add(self.access_token_lifetime),
            actors: None,
            transaction: None,
            authentication: &AuthenticationClaims::default(),
            tokens: BTreeMap::new(),
        })
    }
}

pub(crate) const NO_USE: TokenError = TokenError::invalid_request("requested_token_use is not on_behalf_of");
pub(crate) const NO_ASSERTION: TokenError = TokenError::invalid_request("the user's token is missing in assertion");
pub(crate) const NOT_ASSIGNED: TokenError =
    TokenError::new(ErrorCode::InvalidGrant, "this client has nothing there that it may do by itself");
