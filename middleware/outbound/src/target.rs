//! A target: where requests go, and which token goes with them.

mod strategies;
mod user_header;

pub(crate) use self::user_header::own_field;

use std::time::Duration;

use http::{HeaderName, Method};
use tower_identity_core::{Audience, InvalidSetting, Issuer, Scopes, Tenant};
use tower_identity_jose::SigningKey;
use tower_identity_oauth::{Parameters, Resource};

use crate::{
    Candidate, MAX_CREDENTIAL_BYTES, OnBehalfOf, Plaintext, ReadableJwt, Strategies, Strategy, candidate::Mode,
    danger::PlainUser, origin::Origin, path::PathPrefix, when::When,
};

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
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a target does nothing until an outbound lists it"]
pub struct Target {
    pub(crate) origin: Origin,
    pub(crate) path_prefix: PathPrefix,
    pub(crate) when: When,
    pub(crate) audience: Option<Audience>,
    pub(crate) resource: Option<Resource>,
    pub(crate) scopes: Scopes,
    pub(crate) tolerated: Scopes,
    pub(crate) parameters: Parameters,
    pub(crate) strategy: Option<Strategies>,
    pub(crate) server: Option<String>,
    pub(crate) on_behalf_of: Option<OnBehalfOf>,
    pub(crate) actor_token: bool,
    pub(crate) user_header: Option<HeaderName>,
    pub(crate) plaintext: Option<Plaintext>,
    pub(crate) readable_jwt: Option<ReadableJwt>,
    pub(crate) max_credential_bytes: usize,
    pub(crate) deadline: Option<Duration>,
    pub(crate) candidate: Option<Candidate>,
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
            when: When::default(),
            audience: None,
            resource: None,
            scopes: Scopes::default(),
            tolerated: Scopes::default(),
            parameters: Parameters::default(),
            strategy: None,
            server: None,
            on_behalf_of: None,
            actor_token: false,
            user_header: None,
            plaintext: None,
            readable_jwt: None,
            max_credential_bytes: MAX_CREDENTIAL_BYTES,
            deadline: None,
            candidate: None,
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

    /// Only requests of this method (RFC 9110 §9), and of others that are named so. Default: every method.
    pub fn method(mut self, method: &str) -> Self {
        match Method::from_bytes(method.as_bytes()) {
            Ok(_) if method.contains(|c: char| c.is_ascii_lowercase()) => {
                self.note("methods", "has a method in lower case, which no request is of; write GET");
            }
            Ok(method) => self.when.methods.push(method),
            Err(_) => self.note("methods", "has a method that is none, such as GET"),
        }
        self
    }

    /// Only requests for subjects of this issuer, and of others that are named so: for users whose token, or workloads
    /// whose own token, where there is no user, is of it. With rows of the same path for the subjects of other issuers,
    /// each names the [server](Self::server) that takes their tokens. Default: requests for anybody.
    ///
    /// ```
    /// # use tower_identity_jose::{Algorithm, SigningKey};
    /// # use tower_identity_oauth::{ClientAuth, TokenEndpoint};
    /// use tower_identity_outbound::{Outbound, Target};
    ///
    /// # let auth = ClientAuth::private_key_jwt("orders", SigningKey::generate(Algorithm::Es256)?)?;
    /// let (login, partner) = ("https://login.example.com", "https://partner.example");
    /// let payments = || Target::origin("https://payments.internal").map(|row| row.audience("payments").token_exchange());
    /// let outbound = Outbound::builder(TokenEndpoint::discover(login, auth.clone()))
    ///     .server("partner", TokenEndpoint::discover(partner, auth))
    ///     .target(payments()?.subjects_of(login))
    ///     .target(payments()?.subjects_of(partner).server("partner"))
    ///     .build()?;
    /// # let _ = outbound;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn subjects_of(mut self, issuer: &str) -> Self {
        match Issuer::parse(issuer) {
            Ok(issuer) => self.when.subjects_of.push(issuer),
            Err(wrong) => self.note("subjects_of", &wrong.to_string()),
        }
        self
    }

    /// Of these subjects only users of this tenant. It chooses the row and is sent nowhere: an authorization server that
    /// has tenants has an endpoint for each, and the row names it as its [server](Self::server). Default: every tenant,
    /// and none.
    pub fn tenant(mut self, tenant: &str) -> Self {
        match Tenant::parse(tenant) {
            Ok(_) if self.when.tenant.is_some() => self.note("tenant", "is given twice; a row is for one tenant"),
            Ok(tenant) => self.when.tenant = Some(tenant),
            Err(wrong) => self.note("tenant", &wrong.to_string()),
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

    /// What goes along with each request for the token, besides what the protocol says: parameters of the authorization
    /// server's own, by name, in the place of the [server's](tower_identity_oauth::TokenEndpoint::parameters) of that name.
    /// Default: none.
    pub fn parameters<N: AsRef<str>, V: AsRef<str>>(mut self, parameters: impl IntoIterator<Item = (N, V)>) -> Self {
        match Parameters::new(parameters) {
            Ok(parameters) => self.parameters = parameters,
            Err(wrong) => {
                self.wrong.get_or_insert(wrong);
            }
        }
        self
    }

    /// The authorization server that issues the token, by its name in
    /// [`OutboundBuilder::server`](crate::OutboundBuilder::server). Default: the default one.
    pub fn server(mut self, name: impl Into<String>) -> Self {
        self.server = Some(name.into());
        self
    }

    /// Which strategy, or which of several: a later one of a list is taken where those before it have nothing for the
    /// caller.
    pub fn strategy(mut self, strategies: impl Into<Strategies>) -> Self {
        self.strategy = Some(strategies.into());
        self
    }

    /// Whose token is exchanged, relayed, or looked into. Default: [`OnBehalfOf::User`]. Where the token is this service's
    /// own, nobody's is.
    pub fn on_behalf_of(mut self, whom: OnBehalfOf) -> Self {
        self.on_behalf_of = Some(whom);
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

    /// Another way to the target's token, to be tried before it is the way for all. Default: none.
    pub fn candidate(mut self, candidate: Candidate) -> Self {
        self.candidate = Some(candidate);
        self
    }

    /// How long a request waits for its token before it is given up, unsent. The `grpc-timeout` of a request counts where
    /// it is shorter. It bounds nothing else: how long the target takes is the client's matter. Default: what
    /// `grpc-timeout` says, else 5 s.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        if deadline.is_zero() {
            self.note("deadline_seconds", "is zero; no token comes at once");
        }
        self.deadline = Some(deadline);
        self
    }

    fn note(&mut self, field: &str, rule: &str) {
        self.wrong.get_or_insert_with(|| InvalidSetting::new(field, rule));
    }

    /// The keys that it signs with, or will.
    pub(crate) fn signing_keys(&self) -> impl Iterator<Item = &SigningKey> {
        self.strategies().flat_map(Strategy::signing_keys)
    }

    /// How it names users in plain text, where it does.
    pub(crate) fn plain_users(&self) -> impl Iterator<Item = &PlainUser> {
        self.strategies().filter_map(Strategy::plain_user)
    }

    /// Those of the row, and those of its candidate.
    fn strategies(&self) -> impl Iterator<Item = &Strategy> {
        let own = self.strategy.iter().flat_map(Strategies::as_slice);
        own.chain(self.candidate.iter().flat_map(Candidate::strategies))
    }

    /// The field of what says who the user is, where that is not `Authorization`.
    pub(crate) fn field(&self) -> Option<HeaderName> {
        self.strategy.as_ref().and_then(Strategies::field).or_else(|| self.user_header.clone())
    }

    /// Whether this service may go without a token of its own there: where the connection can have a certificate of its.
    pub(crate) fn certified_alone(&self) -> Result<(), InvalidSetting> {
        if !self.origin.is_plaintext() || self.plaintext == Some(Plaintext::SidecarMtls) {
            return Ok(());
        }
        let rule = "is left out where a certificate says who this service is, so it needs https";
        Err(InvalidSetting::new("own_token", rule))
    }

    /// The strategies, once everything about this row alone is in order.
    pub(crate) fn check(&self) -> Result<&Strategies, InvalidSetting> {
        if let Some(wrong) = &self.wrong {
            return Err(wrong.clone());
        }
        if let Some(candidate) = &self.candidate {
            let checked = candidate.check().and_then(|mode| candidate.over(self).check().map(|_| mode));
            let is_sent = matches!(checked.map_err(|wrong| wrong.within("candidate"))?, Mode::Percent(_));
            let places =
                |row: &Self| row.strategy.as_ref().map(|strategies| (strategies.field(), strategies.go_alone()));
            if is_sent && places(&candidate.over(self)) != places(self) {
                let rule = "goes in another field than the row's; make it a row, with methods or a path";
                return Err(InvalidSetting::new("strategy", rule).within("candidate"));
            }
        }
        if self.when.tenant.is_some() && self.when.subjects_of.is_empty() {
            return Err(InvalidSetting::new("tenant", "needs subjects_of: the issuer whose tenant it is"));
        }
        let missing = || InvalidSetting::new("strategy", "is missing: token_exchange or client_credentials, say");
        let strategies = self.strategy.as_ref().ok_or_else(missing)?;
        strategies.check(self)?;
        if self.user_header.is_some() && !strategies.are_callers() {
            let rule = "needs a strategy that takes the caller's token; what goes beside is this service's own already";
            return Err(InvalidSetting::new("user_header", rule));
        }
        Ok(strategies)
    }
}

#[cfg(test)]
mod tests;
