//! One strategy of a row, or several.

use std::{fmt, path::Path};

use http::HeaderName;
use serde::{
    Deserialize, Deserializer,
    de::{
        Error, IntoDeserializer, MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};
use tower_identity_core::InvalidSetting;
use tower_identity_oauth::TargetService;

use super::Strategy;
use crate::Target;

/// The strategy of a row, or a list of them: a later one is taken where those before it have nothing for the caller, and
/// never where what they have is wrong.
///
/// ```
/// use tower_identity_outbound::{Embedded, Strategy, Target, TokenExchange};
///
/// let payments = Target::origin("https://payments.internal")?
///     .audience("payments")
///     .strategy([Embedded::at("tokens.payments").into(), Strategy::from(TokenExchange::new())]);
/// # let _ = payments;
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strategies(Vec<Strategy>);

impl<S: Into<Strategy>> From<S> for Strategies {
    fn from(one: S) -> Self {
        Self(vec![one.into()])
    }
}

impl<const N: usize> From<[Strategy; N]> for Strategies {
    fn from(list: [Strategy; N]) -> Self {
        Self(list.into())
    }
}

impl Strategies {
    pub(crate) fn as_slice(&self) -> &[Strategy] {
        &self.0
    }

    /// The files that they name are in this folder.
    pub(crate) fn move_to(&mut self, folder: &Path) {
        self.0.iter_mut().for_each(|strategy| strategy.move_to(folder));
    }

    /// Reads the keys that they name by their files.
    pub(crate) fn read_files(&mut self) -> Result<(), InvalidSetting> {
        let list = self.0.len() > 1;
        self.0.iter_mut().enumerate().try_for_each(|(at, strategy)| {
            let wrong = |wrong: InvalidSetting| if list { wrong.within(at) } else { wrong }.within("strategy");
            strategy.read_files().map_err(wrong)
        })
    }

    /// Whether they take the caller's token. Where there are several, all do.
    pub(crate) fn are_callers(&self) -> bool {
        self.0.iter().all(Strategy::is_callers)
    }

    /// The field that the caller's token goes in, where the strategy has one of its own: it is the only one then.
    pub(crate) fn field(&self) -> Option<HeaderName> {
        self.0.iter().find_map(Strategy::field)
    }

    /// Whether no token of this service's own goes beside the one in that field.
    pub(crate) fn go_alone(&self) -> bool {
        self.0.iter().any(Strategy::goes_alone)
    }

    /// What the caller's token is asked for, where that is not what the row says.
    pub(crate) fn terms(&self, row: &TargetService) -> Result<Option<TargetService>, InvalidSetting> {
        self.0.iter().find_map(|strategy| strategy.terms(row)).transpose()
    }

    /// Checks what the row says for each of them, and that each can be reached.
    pub(crate) fn check(&self, row: &Target) -> Result<(), InvalidSetting> {
        let refused = |field: &str, rule: String| Err(InvalidSetting::new(field, rule));
        let Some((last, others)) = self.0.split_last() else {
            return refused("strategy", "is an empty list; name one strategy at least".to_owned());
        };
        if let Some(sure) = others.iter().find(|strategy| !strategy.may_be_absent()) {
            let name = sure.name();
            return refused(
                "strategy",
                format!("goes on after {name}, which always has a token or fails; end with it"),
            );
        }
        let name = last.name();
        if !others.is_empty() && last.field().is_some() {
            let rule =
                format!("has {name} in a list, which goes in a field of its own; make it the row's only strategy");
            return refused("strategy", rule);
        }
        if !others.is_empty() && !last.is_callers() {
            // A service's token in the place of a user's.
            return refused(
                "strategy",
                format!("ends with {name}, which would lose the user; say as_service() instead"),
            );
        }
        self.0.iter().try_for_each(|strategy| strategy.check(row))?;
        if row.actor_token && !self.0.iter().any(Strategy::sends_actor) {
            return refused("actor_token", format!("belongs to an exchange; with {name} nobody acts"));
        }
        if row.on_behalf_of.is_some() && !self.are_callers() {
            let rule = format!("belongs to a caller's token; {name} is this service itself, so leave it out");
            return refused("on_behalf_of", rule);
        }
        if row.readable_jwt.is_some() && !self.are_callers() && !last.is_issued() {
            return refused("readable_jwt", format!("belongs to tokens that a server issues; {name} asks none"));
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Strategies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrSeveral)
    }
}

struct OneOrSeveral;

impl<'de> Visitor<'de> for OneOrSeveral {
    type Value = Strategies;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a strategy, a table of one strategy, or a list of those")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Strategies, E> {
        <Strategy as Deserialize>::deserialize(name.into_deserializer()).map(Strategies::from)
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Strategies, A::Error> {
        <Strategy as Deserialize>::deserialize(MapAccessDeserializer::new(table)).map(Strategies::from)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Strategies, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(Strategies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Embedded, ReadableJwt, Relay, TokenExchange, TokenFile};

    fn checked(strategies: impl Into<Strategies>, change: impl FnOnce(Target) -> Target) -> Result<(), String> {
        let row = Target::origin("https://payments.internal").expect("origin").audience("payments");
        change(row).strategy(strategies).check().map(drop).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn out_b6_a_later_strategy_is_for_callers_and_can_be_reached() {
        let embedded = || Strategy::from(Embedded::at("tokens.payments"));
        let same = |row| row;
        assert_eq!(checked([embedded(), Strategy::from(TokenExchange::new())], same), Ok(()));
        assert_eq!(checked([embedded(), embedded(), Relay::new().into()], same), Ok(()));
        let refused = |strategies: Strategies| checked(strategies, same).expect_err("refused");
        assert_eq!(refused(Strategies(Vec::new())), "strategy: is an empty list; name one strategy at least");
        assert_eq!(
            refused([Strategy::from(TokenExchange::new()), embedded()].into()),
            "strategy: goes on after token_exchange, which always has a token or fails; end with it"
        );
        for own in [Strategy::ClientCredentials, TokenFile::at("/run/token").into()] {
            let expected =
                format!("strategy: ends with {}, which would lose the user; say as_service() instead", own.name());
            assert_eq!(refused([embedded(), own].into()), expected);
        }
    }

    #[test]
    fn what_a_row_says_belongs_to_its_strategy() {
        let exchanged = || [Embedded::at("a").into(), Strategy::from(TokenExchange::new())];
        let own = || Strategy::from(TokenFile::at("/run/token"));
        assert_eq!(checked(exchanged(), Target::actor_token), Ok(()));
        assert_eq!(
            checked(Relay::new(), Target::actor_token),
            Err("actor_token: belongs to an exchange; with relay nobody acts".to_owned())
        );
        assert_eq!(checked(Relay::new(), |row| row.readable_jwt(ReadableJwt::new())), Ok(()), "of as_service()");
        assert_eq!(
            checked(own(), |row| row.readable_jwt(ReadableJwt::new())),
            Err("readable_jwt: belongs to tokens that a server issues; file asks none".to_owned())
        );
        let bare = |_| Target::origin("https://payments.internal").expect("origin");
        assert_eq!(checked(own(), bare), Ok(()), "whoever writes the file knows whom it is for");
        for strategy in [Strategy::from(Relay::new()), Embedded::at("a").into()] {
            let expected = "audience: is missing, and so is resource: whom has the token to be for?";
            assert_eq!(checked(strategy, |row| bare(row).scope("a")), Err(expected.to_owned()));
        }
    }
}
