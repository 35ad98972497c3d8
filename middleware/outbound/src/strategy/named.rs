//! Reads a strategy from its plain name, or from a table.

use std::{fmt, iter, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeSeed, EnumAccess, Error, IntoDeserializer, MapAccess, VariantAccess, Visitor,
        value::{EnumAccessDeserializer, MapAccessDeserializer, MapDeserializer},
    },
};

use super::Strategy;

/// A plain name is a strategy that says nothing of its settings.
impl<'de> Deserialize<'de> for Strategy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(One)
    }
}

struct One;

impl<'de> Visitor<'de> for One {
    type Value = Strategy;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a strategy, or a table of one strategy")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Strategy, E> {
        // The inherent one, which is derived.
        Strategy::deserialize(EnumAccessDeserializer::new(Plain { name, error: PhantomData }))
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Strategy, A::Error> {
        Strategy::deserialize(MapAccessDeserializer::new(table))
    }
}

/// A name, as a variant with nothing in it.
struct Plain<'n, E> {
    name: &'n str,
    error: PhantomData<E>,
}

struct Nothing<E>(PhantomData<E>);

impl<'de, E: Error> EnumAccess<'de> for Plain<'_, E> {
    type Error = E;
    type Variant = Nothing<E>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Nothing<E>), E> {
        Ok((seed.deserialize(self.name.into_deserializer())?, Nothing(PhantomData)))
    }
}

impl<'de, E: Error> VariantAccess<'de> for Nothing<E> {
    type Error = E;

    fn unit_variant(self) -> Result<(), E> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, E> {
        seed.deserialize(MapDeserializer::new(iter::empty::<(&str, &str)>()))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, E> {
        Err(E::custom("has to be a table"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, E> {
        Err(E::custom("has to be a table"))
    }
}

#[cfg(test)]
mod tests {
    use tower_identity_oauth::TokenType;

    use crate::{Embedded, Relay, Strategies, Strategy, TokenExchange, TokenFile};

    fn read(text: &str) -> Result<Strategies, String> {
        #[derive(Debug, serde::Deserialize)]
        struct Row {
            strategy: Strategies,
        }
        let row = toml::from_str::<Row>(&format!("strategy = {text}"));
        row.map(|row| row.strategy).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_strategy_is_a_name_or_a_table_and_several_are_a_list() {
        let relay = || Relay::new().accepts("mesh");
        let cases: [(&str, Strategies); 10] = [
            ("'token_exchange'", TokenExchange::new().into()),
            ("{ token_exchange = {} }", TokenExchange::new().into()),
            (
                "{ token_exchange = { requested_token_type = 'urn:ietf:params:oauth:token-type:jwt' } }",
                TokenExchange::new().requested_token_type(TokenType::Jwt).into(),
            ),
            ("'client_credentials'", Strategy::ClientCredentials.into()),
            ("'relay'", Relay::new().into()),
            ("{ relay = {} }", Relay::new().into()),
            ("{ relay = { accepts = ['mesh'] } }", relay().into()),
            ("{ embedded = { claim = 'tokens.payments' } }", Embedded::at("tokens.payments").into()),
            ("{ file = { path = '/run/token' } }", TokenFile::at("/run/token").into()),
            (
                "[{ embedded = { claim = 'a' } }, 'token_exchange']",
                [Embedded::at("a").into(), Strategy::from(TokenExchange::new())].into(),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text).as_ref(), Ok(&expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_strategy_says_what_is_wrong() {
        let cases = [
            ("'exchange'", "unknown variant `exchange`, expected one of `token_exchange`, `client_credentials`"),
            ("{ exchange = {} }", "unknown variant `exchange`, expected one of `token_exchange`"),
            ("'fixed'", "unknown variant `fixed`"),
            ("'embedded'", "missing field `claim`"),
            ("'file'", "missing field `path`"),
            ("{ relay = { accept = [] } }", "unknown field `accept`, expected `accepts`"),
            ("7", "invalid type: integer `7`, expected the name of a strategy, a table of one strategy, or a list"),
            ("[7]", "invalid type: integer `7`, expected the name of a strategy, or a table of one strategy"),
        ];
        for (text, expected) in cases {
            let refused = read(text).expect_err(text);
            assert!(refused.starts_with(expected), "{text}: {refused}");
        }
    }
}
