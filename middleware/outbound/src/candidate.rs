//! Another way to a target's token, tried before it is the way for all.

mod budget;
mod pick;
mod shadow;
mod telemetry;
mod trial;

use std::path::Path;

use serde::Deserialize;
use tower_identity_core::{InvalidSetting, Scopes};

pub(crate) use self::{
    shadow::Shadow,
    trial::{Mode, Trial, Which},
};
use crate::{OnBehalfOf, ReadableJwt, Strategies, Strategy, Target, TokenExchange};

/// What is changed of a target's row, and for whom: see [`Target::candidate`].
///
/// What it says takes the place of what the row says; what it leaves out is as in the row. (An audience or a resource
/// takes the place of both; what a row says of an exchange, its actor token and on whose behalf, stays with the row's
/// strategy.) It is either
///
/// - a [shadow](Self::shadow): the row's own token is sent, and the candidate's is only asked for, behind the caller's
///   back and within a budget, to see whether it could be had; or
/// - sent for a [percentage](Self::percent) of the callers, who get it each time or, where it cannot be had, are refused.
///   To nobody is the row's own token sent when the candidate's fails: that would hide what is tried.
///
/// ```
/// use tower_identity_outbound::{Candidate, Target};
///
/// let payments = Target::origin("https://payments.internal")?.audience("payments").client_credentials();
/// let watched = payments.clone().candidate(Candidate::shadow().token_exchange());
/// let begun = payments.candidate(Candidate::percent(10).token_exchange());
/// # let _ = (watched, begun);
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[must_use = "a candidate does nothing until a target has it"]
pub struct Candidate {
    mode: Option<ModeName>,
    percent: Option<u8>,
    max_in_flight: Option<u16>,
    max_per_second: Option<u16>,
    audience: Option<String>,
    resource: Option<String>,
    scope: Option<Scopes>,
    tolerate_scope: Option<Scopes>,
    strategy: Option<Strategies>,
    server: Option<String>,
    on_behalf_of: Option<OnBehalfOf>,
    actor_token: Option<bool>,
    readable_jwt: Option<ReadableJwt>,
    /// The first value that broke a rule, of those that code says.
    #[serde(skip)]
    wrong: Option<InvalidSetting>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ModeName {
    Shadow,
}

impl Candidate {
    /// Asks for the candidate's token after the row's own was obtained, and sends the row's own.
    ///
    /// Nobody waits for it. One caller's is asked for at most every five minutes, and of all callers' no more than a
    /// budget of its own allows: [so many at one time](Self::max_in_flight) and [in any second](Self::max_per_second).
    /// What is beyond it is counted and left. What comes is checked as if it were to be sent, told in one event, and
    /// thrown away.
    pub fn shadow() -> Self {
        Self { mode: Some(ModeName::Shadow), ..Self::default() }
    }

    /// Sends the candidate's token for so many of a hundred callers, 0 to 100.
    ///
    /// They are picked by a digest of the user (of the workload, where there is no user; of this service, where there is
    /// no caller): always the same ones, others at another row, and all of them still when the number is raised.
    pub fn percent(percent: u8) -> Self {
        Self { percent: Some(percent), ..Self::default() }
    }

    /// How many of a shadow's tokens are asked for at one time. Default: 4; at most 64.
    pub fn max_in_flight(mut self, tokens: u16) -> Self {
        self.max_in_flight = Some(tokens);
        self
    }

    /// How many of a shadow's tokens are asked for in any one second. Default: 10; at most 1000.
    pub fn max_per_second(mut self, tokens: u16) -> Self {
        self.max_per_second = Some(tokens);
        self
    }

    /// As [`Target::audience`], in the place of the row's audience and resource.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// As [`Target::resource`], in the place of the row's audience and resource.
    pub fn resource(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }

    /// As [`Target::scope`], in the place of all the row's scopes. Adds to those named here before.
    pub fn scope(mut self, scopes: &str) -> Self {
        match Scopes::parse(scopes) {
            Ok(more) => self.scope = Some(self.scope.unwrap_or_default().union(&more)),
            Err(wrong) => self.note("scope", wrong.to_string()),
        }
        self
    }

    /// As [`Target::tolerate_scope`], in the place of all the row's. Adds to those named here before.
    pub fn tolerate_scope(mut self, scopes: &str) -> Self {
        match Scopes::parse(scopes) {
            Ok(more) => self.tolerate_scope = Some(self.tolerate_scope.unwrap_or_default().union(&more)),
            Err(wrong) => self.note("tolerate_scope", wrong.to_string()),
        }
        self
    }

    /// As [`Target::token_exchange`].
    pub fn token_exchange(self) -> Self {
        self.strategy(TokenExchange::new())
    }

    /// As [`Target::client_credentials`].
    pub fn client_credentials(self) -> Self {
        self.strategy(Strategy::ClientCredentials)
    }

    /// As [`Target::strategy`].
    pub fn strategy(mut self, strategies: impl Into<Strategies>) -> Self {
        self.strategy = Some(strategies.into());
        self
    }

    /// As [`Target::server`].
    pub fn server(mut self, name: impl Into<String>) -> Self {
        self.server = Some(name.into());
        self
    }

    /// As [`Target::on_behalf_of`].
    pub fn on_behalf_of(mut self, whose: OnBehalfOf) -> Self {
        self.on_behalf_of = Some(whose);
        self
    }

    /// Whether this service's own token goes along, as with [`Target::actor_token`].
    pub fn actor_token(mut self, sent: bool) -> Self {
        self.actor_token = Some(sent);
        self
    }

    /// As [`Target::readable_jwt`].
    pub fn readable_jwt(mut self, readable: ReadableJwt) -> Self {
        self.readable_jwt = Some(readable);
        self
    }

    /// The files that it names are in this folder.
    pub(crate) fn move_to(&mut self, folder: &Path) {
        if let Some(strategies) = &mut self.strategy {
            strategies.move_to(folder);
        }
    }

    /// Reads the keys that it names by their files.
    pub(crate) fn read_files(&mut self) -> Result<(), InvalidSetting> {
        self.strategy.as_mut().map_or(Ok(()), Strategies::read_files).map_err(|wrong| wrong.within("candidate"))
    }

    /// The strategies that it has of its own.
    pub(crate) fn strategies(&self) -> impl Iterator<Item = &Strategy> {
        self.strategy.iter().flat_map(Strategies::as_slice)
    }

    fn note(&mut self, field: &str, rule: String) {
        self.wrong.get_or_insert_with(|| InvalidSetting::new(field, rule));
    }

    /// The row as it would be.
    pub(crate) fn over(&self, row: &Target) -> Target {
        let mut target = row.clone();
        target.candidate = None;
        if self.audience.is_some() || self.resource.is_some() {
            (target.audience, target.resource) = (None, None);
        }
        if let Some(audience) = &self.audience {
            target = target.audience(audience);
        }
        if let Some(resource) = &self.resource {
            target = target.resource(resource);
        }
        if let Some(scopes) = &self.scope {
            target.scopes = scopes.clone();
        }
        if let Some(tolerated) = &self.tolerate_scope {
            target.tolerated = tolerated.clone();
        }
        if self.strategy.is_some() && self.strategy != target.strategy {
            (target.actor_token, target.on_behalf_of) = (false, None);
            target.strategy.clone_from(&self.strategy);
        }
        if let Some(server) = &self.server {
            target.server = Some(server.clone());
        }
        if let Some(whose) = self.on_behalf_of {
            target.on_behalf_of = Some(whose);
        }
        if let Some(sent) = self.actor_token {
            target.actor_token = sent;
        }
        if let Some(readable) = &self.readable_jwt {
            target.readable_jwt = Some(readable.clone());
        }
        target
    }

    /// For whom it is, once everything about it alone is in order.
    pub(crate) fn check(&self) -> Result<Mode, InvalidSetting> {
        const IN_FLIGHT: u16 = 4;
        const PER_SECOND: u16 = 10;
        if let Some(wrong) = &self.wrong {
            return Err(wrong.clone());
        }
        let refused = |field: &str, rule: &str| Err(InvalidSetting::new(field, rule));
        match (self.mode, self.percent) {
            (None, None) => refused("mode", "is missing: mode = \"shadow\", or percent"),
            (Some(_), Some(_)) => refused("percent", "is of no use to a shadow, which is sent for nobody"),
            (None, Some(101..)) => refused("percent", "is more than 100"),
            (None, Some(_)) if self.max_in_flight.is_some() => refused("max_in_flight", "is of a shadow's budget"),
            (None, Some(_)) if self.max_per_second.is_some() => refused("max_per_second", "is of a shadow's budget"),
            (None, Some(percent)) => Ok(Mode::Percent(percent)),
            (Some(ModeName::Shadow), None) => {
                let in_flight = self.max_in_flight.unwrap_or(IN_FLIGHT);
                let per_second = self.max_per_second.unwrap_or(PER_SECOND);
                if !(1..=64).contains(&in_flight) {
                    return refused("max_in_flight", "is not from 1 to 64");
                }
                if !(1..=1000).contains(&per_second) {
                    return refused("max_per_second", "is not from 1 to 1000");
                }
                Ok(Mode::Shadow { in_flight, per_second })
            }
        }
    }
}

#[cfg(test)]
mod tests;
