//! A target: where requests go, and which token goes with them.

use serde::Deserialize;
use tower_identity_core::{Audience, InvalidSetting, Scopes};
use tower_identity_oauth::Resource;

use crate::{MAX_CREDENTIAL_BYTES, Plaintext, ReadableJwt, origin::Origin, path::PathPrefix};

/// How a target's token is obtained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Strategy {
    /// The user's token is exchanged for one to the target (RFC 8693). Needs a user.
    TokenExchange,
    /// This service's own token (RFC 6749 §4.4), whoever is calling.
    ClientCredentials,
}

/// One row of the list of targets: an origin and path prefix, and the token that goes there.
///
/// A wrong value is kept and refused by [`OutboundBuilder::build`](crate::OutboundBuilder::build), so that a list of
/// targets reads without a `?` on each line.
///
/// ```
/// use tower_identity_outbound::Target;
///
/// let payments = Target::origin("https://payments.internal")?
///     .path_prefix("/v1")
///     .audience("payments")
///     .scope("payments:charge")
///     .token_exchange();
/// # let _ = payments;
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a target does nothing until an outbound lists it"]
pub struct Target {
    pub(crate) origin: Origin,
    pub(crate) path_prefix: PathPrefix,
    pub(crate) audience: Option<Audience>,
    pub(crate) resource: Option<Resource>,
    pub(crate) scopes: Scopes,
    pub(crate) tolerated: Scopes,
    pub(crate) strategy: Option<Strategy>,
    pub(crate) server: Option<String>,
    pub(crate) actor_token: bool,
    pub(crate) plaintext: Option<Plaintext>,
    pub(crate) readable_jwt: Option<ReadableJwt>,
    pub(crate) max_credential_bytes: usize,
    /// The first value that broke a rule.
    wrong: Option<InvalidSetting>,
}

impl Target {
    /// A target at `scheme://host[:port]`, matched exactly. It covers every path, unless a
    /// [prefix](Self::path_prefix) is set.
    ///
    /// # Errors
    ///
    /// When the text is more or less than an origin, or its scheme is not `https` or `http`.
    pub fn origin(origin: &str) -> Result<Self, InvalidSetting> {
        let origin = Origin::parse(origin).map_err(|rule| InvalidSetting::new("origin", rule))?;
        Ok(Self {
            origin,
            path_prefix: PathPrefix::default(),
            audience: None,
            resource: None,
            scopes: Scopes::default(),
            tolerated: Scopes::default(),
            strategy: None,
            server: None,
            actor_token: false,
            plaintext: None,
            readable_jwt: None,
            max_credential_bytes: MAX_CREDENTIAL_BYTES,
            wrong: None,
        })
    }

    /// Only paths below this one, by whole segments: `/v1` covers `/v1` and `/v1/x`, not `/v1x`. Of several targets
    /// the longest prefix wins. Default: every path.
    pub fn path_prefix(mut self, prefix: &str) -> Self {
        match PathPrefix::parse(prefix) {
            Ok(prefix) => self.path_prefix = prefix,
            Err(rule) => self.note("path", rule),
        }
        self
    }

    /// Whom the token is for, by the name that the authorization server knows the target by: the parameter `audience`
    /// of RFC 8693 §2.1. One, because several would give each the rights of all.
    pub fn audience(mut self, audience: &str) -> Self {
        match Audience::parse(audience) {
            Ok(_) if self.audience.is_some() => self.note("audience", "is given twice; a token is for one audience"),
            Ok(audience) => self.audience = Some(audience),
            Err(wrong) => self.note("audience", &wrong.to_string()),
        }
        self
    }

    /// Whom the token is for, by its address: the parameter `resource` of RFC 8707 §2. One, as with the audience.
    pub fn resource(mut self, resource: &str) -> Self {
        match Resource::parse(resource) {
            Ok(_) if self.resource.is_some() => self.note("resource", "is given twice; a token is for one resource"),
            Ok(resource) => self.resource = Some(resource),
            Err(wrong) => self.note("resource", &wrong.to_string()),
        }
        self
    }

    /// What the token may do there: one scope, or several separated by spaces. Adds to those named before.
    pub fn scope(mut self, scopes: &str) -> Self {
        match Scopes::parse(scopes) {
            Ok(more) => self.scopes = self.scopes.union(&more),
            Err(wrong) => self.note("scope", &wrong.to_string()),
        }
        self
    }

    /// Scopes that the authorization server may grant although they are not asked for: some return a client's default
    /// scopes always. Any other that was not asked for makes the token unusable.
    pub fn tolerate_scope(mut self, scopes: &str) -> Self {
        match Scopes::parse(scopes) {
            Ok(more) => self.tolerated = self.tolerated.union(&more),
            Err(wrong) => self.note("tolerate_scope", &wrong.to_string()),
        }
        self
    }

    /// The authorization server that issues the token, by its name in
    /// [`OutboundBuilder::server`](crate::OutboundBuilder::server). Default: the default one.
    pub fn server(mut self, name: impl Into<String>) -> Self {
        self.server = Some(name.into());
        self
    }

    /// The user's token is exchanged for one to this target (RFC 8693).
    pub fn token_exchange(self) -> Self {
        self.strategy(Strategy::TokenExchange)
    }

    /// This service's own token goes to the target (RFC 6749 §4.4).
    pub fn client_credentials(self) -> Self {
        self.strategy(Strategy::ClientCredentials)
    }

    /// Which strategy.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = Some(strategy);
        self
    }

    /// Sends this service's own token as the actor token of an exchange (RFC 8693 §2.1), for authorization servers
    /// that do not take the authenticated client for the actor. Default: no actor token.
    pub fn actor_token(mut self) -> Self {
        self.actor_token = true;
        self
    }

    /// Whether the token may go there without TLS. Default: what the
    /// [builder](crate::OutboundBuilder::plaintext) says of all targets.
    pub fn plaintext(mut self, plaintext: Plaintext) -> Self {
        self.plaintext = Some(plaintext);
        self
    }

    /// The tokens that are issued for the target are JWTs which this service may read: their audience, user, actor and
    /// end are checked before they are sent. Default: they are opaque (RFC 9068 §6).
    pub fn readable_jwt(mut self, readable: ReadableJwt) -> Self {
        self.readable_jwt = Some(readable);
        self
    }

    /// The longest value of the header that carries the credential, in bytes: a longer one is not sent. Default:
    /// [`MAX_CREDENTIAL_BYTES`]; at most 65,536.
    pub fn max_credential_bytes(mut self, bytes: usize) -> Self {
        self.max_credential_bytes = bytes;
        self
    }

    fn note(&mut self, field: &str, rule: &str) {
        self.wrong.get_or_insert_with(|| InvalidSetting::new(field, rule));
    }

    /// The strategy, once everything about this row alone is in order.
    pub(crate) fn check(&self) -> Result<Strategy, InvalidSetting> {
        if let Some(wrong) = &self.wrong {
            return Err(wrong.clone());
        }
        if self.audience.is_none() && self.resource.is_none() && self.scopes.is_empty() {
            return Err(InvalidSetting::new("audience", "is missing, as are resource and scope: a token for what?"));
        }
        match self.strategy {
            None => Err(InvalidSetting::new("strategy", "is missing: token_exchange or client_credentials")),
            Some(Strategy::ClientCredentials) if self.actor_token => {
                Err(InvalidSetting::new("actor_token", "belongs to an exchange; with client_credentials nobody acts"))
            }
            Some(strategy) => Ok(strategy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target::origin("https://payments.internal").expect("origin").audience("payments").token_exchange()
    }

    fn refused(target: &Target) -> String {
        target.check().expect_err("refused").to_string()
    }

    #[test]
    fn a_row_with_a_strategy_and_an_audience_is_enough() {
        assert_eq!(target().check(), Ok(Strategy::TokenExchange));
        assert_eq!(target().client_credentials().check(), Ok(Strategy::ClientCredentials));
        assert_eq!(target().path_prefix("/v1").scope("a b").actor_token().check(), Ok(Strategy::TokenExchange));
    }

    #[test]
    fn the_first_wrong_value_of_a_row_is_named() {
        let bare = || Target::origin("https://payments.internal").expect("origin");
        let cases = [
            (target().path_prefix("v1"), "path: does not begin with a slash"),
            (bare().audience(""), "audience: audience is empty"),
            (bare().audience("payments"), "strategy: is missing: token_exchange or client_credentials"),
            (bare().token_exchange(), "audience: is missing, as are resource and scope: a token for what?"),
            (target().resource("/payments"), "resource: a resource is an absolute URI without fragment"),
            (target().resource("https://p#x"), "resource: a resource is an absolute URI without fragment"),
            (
                target().scope("a\"b").path_prefix("v1"),
                "scope: a scope is one or more visible ASCII characters without quote and backslash",
            ),
            (
                target().client_credentials().actor_token(),
                "actor_token: belongs to an exchange; with client_credentials nobody acts",
            ),
        ];
        for (target, expected) in cases {
            assert_eq!(refused(&target), expected);
        }
    }

    #[test]
    fn te_b3_a_second_audience_or_resource_is_refused() {
        assert_eq!(refused(&target().audience("ledger")), "audience: is given twice; a token is for one audience");
        let twice = target().resource("https://a.internal/").resource("https://b.internal/");
        assert_eq!(refused(&twice), "resource: is given twice; a token is for one resource");
        assert_eq!(target().resource("https://a.internal/").check(), Ok(Strategy::TokenExchange));
    }
}
