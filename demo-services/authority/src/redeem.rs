//! Grants of other authorization servers, redeemed for tokens of our own (RFC 7523 §2.1, as updated by its revision).

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use tower_identity::{Issuer, Scopes, Subject, TokenId};
use tower_identity_jose::{Accept, AudienceClaim, Limits, NumericDate, Unverified, json};

use crate::{
    authenticate::{ASSERTION_ALGORITHMS, LEEWAY, MAX_JTI_BYTES},
    authority::Authority,
    claims::{ActClaim, AuthenticationClaims},
    client::Client,
    error::{ErrorCode, TokenError},
    form::Form,
    grant::authorization_grant,
    issue::{AccessToken, TokenResponse},
    policy::granted,
    replay::Use,
    token::{requested_scopes, target},
    trusted::Trusted,
};

/// The longest that a grant may live, from when it was issued. It has to be remembered until its end.
const MAX_LIFETIME: Duration = Duration::from_secs(300);

#[derive(Debug, Deserialize)]
pub(crate) struct GrantClaims {
    iss: Issuer,
    sub: Subject,
    aud: AudienceClaim,
    exp: NumericDate,
    iat: NumericDate,
    jti: TokenId,
    #[serde(default, deserialize_with = "json::not_null")]
    nbf: Option<NumericDate>,
    #[serde(default)]
    scope: String,
}

impl Authority {
    /// A token of ours for the user that a trusted server names, to a client that may come with that server's grants.
    pub(crate) async fn redeem(&self, client: &Client, form: &Form<'_>) -> Result<TokenResponse, TokenError> {
        let (asked_target, requested) = (target(form)?, requested_scopes(form)?);
        let assertion = form.one("assertion").ok_or(NO_ASSERTION)?;
        let unverified = Unverified::<GrantClaims>::parse(assertion, &Limits::default()).map_err(|error| {
            tracing::info!(error = &error as &dyn std::error::Error, "grant refused");
            BAD_GRANT
        })?;
        let issuer = &unverified.claims_unverified().iss;
        let trusted = self.trusted.iter().find(|trusted| trusted.is_redeemed_by(issuer, &client.id));
        let trusted = trusted.ok_or(NOT_TRUSTED)?;
        // An access token of theirs has the same issuer and the same key: by its type it is no grant.
        let accept = Accept::new([authorization_grant()], ASSERTION_ALGORITHMS);
        let claims = trusted.open(unverified, &accept, &self.clock).await?;
        let user = self.check_grant(trusted, &claims)?;

        if asked_target.is_some_and(|asked| asked != trusted.to) {
            return Err(ANOTHER_TARGET);
        }
        let held = Scopes::parse(&claims.scope).map_err(|_| BAD_GRANT)?;
        let scopes = granted(&trusted.scopes.intersection(&held), requested.as_ref())?;
        match self.used_grants.use_up(&trusted.issuer, claims.jti, claims.exp.timestamp(), self.clock.wall()) {
            Use::First => {}
            Use::Replayed => return Err(REPLAYED),
            Use::Full => return Err(TOO_MANY),
        }
        self.issue(AccessToken {
            subject: user,
            audience: &trusted.to.clone().into(),
            client: &client.id,
            scopes: &scopes,
            expires_at: self.clock.wall().saturating_add(self.access_token_lifetime),
            actors: (self.dialect.exchanged.names_actors).then(|| ActClaim {
                iss: self.issuer.clone(),
                sub: client.subject.clone(),
                act: None,
            }),
            transaction: None,
            authentication: &AuthenticationClaims::default(),
            tokens: BTreeMap::new(),
        })
    }

    /// That the grant is for us and of now; and whom it names, as we know them.
    fn check_grant<'a>(&self, trusted: &'a Trusted, claims: &GrantClaims) -> Result<&'a Subject, TokenError> {
        let now = self.clock.wall();
        let (expires_at, issued_at) = (claims.exp.timestamp(), claims.iat.timestamp());
        let token_endpoint = self.places.token_endpoint();
        let is_for_us = |only: &str| only == self.issuer.as_str() || only == token_endpoint;
        if !matches!(claims.aud.as_slice(), [only] if is_for_us(only.as_str())) {
            return Err(FOR_ANOTHER);
        }
        let begins_at = claims.nbf.map_or(issued_at, |nbf| nbf.timestamp().max(issued_at));
        if expires_at <= now || begins_at > now.saturating_add(LEEWAY) {
            return Err(NOT_NOW);
        }
        if expires_at.since(issued_at) > MAX_LIFETIME {
            return Err(TOO_LONG);
        }
        if claims.jti.as_str().len() > MAX_JTI_BYTES {
            return Err(BAD_GRANT);
        }
        trusted.users.get(&claims.sub).ok_or(UNKNOWN_USER)
    }
}

const fn invalid_grant(reason: &'static str) -> TokenError {
    TokenError::new(ErrorCode::InvalidGrant, reason)
}

const NO_ASSERTION: TokenError = TokenError::invalid_request("assertion is missing");
pub(crate) const BAD_GRANT: TokenError = invalid_grant("the grant is not acceptable");
const NOT_TRUSTED: TokenError = invalid_grant("no grant of that issuer is taken from this client");
const FOR_ANOTHER: TokenError = invalid_grant("the grant is not for this authorization server, or not for it alone");
const NOT_NOW: TokenError = invalid_grant("the grant has ended, or not begun");
const TOO_LONG: TokenError = invalid_grant("the grant lives longer than 5 minutes");
const UNKNOWN_USER: TokenError = invalid_grant("the grant is about nobody who is known here");
const REPLAYED: TokenError = invalid_grant("the grant was used before");
const TOO_MANY: TokenError =
    TokenError::new(ErrorCode::TemporarilyUnavailable, "too many grants of this issuer are still alive");
const ANOTHER_TARGET: TokenError =
    TokenError::new(ErrorCode::InvalidTarget, "a grant of that issuer is good for another audience");
