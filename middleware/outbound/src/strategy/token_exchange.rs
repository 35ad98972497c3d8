//! Token exchange, and what may be said of it.

use serde::Deserialize;
use tower_identity_core::InvalidSetting;
use tower_identity_oauth::TokenType;

const FIELD: &str = "requested_token_type";

/// The types of which a target can take a token. Of the others, a refresh token is for the authorization server alone, an ID
/// token for whoever signed the user in, and an assertion for another authorization server.
const FOR_TARGETS: [TokenType; 2] = [TokenType::AccessToken, TokenType::Jwt];

/// The caller's token is exchanged for one to the target (RFC 8693).
///
/// ```
/// use tower_identity_oauth::TokenType;
/// use tower_identity_outbound::{Target, TokenExchange};
///
/// // Of a server whose access tokens are opaque, where the target verifies its tokens by itself.
/// let payments = Target::origin("https://payments.internal")?
///     .audience("payments")
///     .strategy(TokenExchange::new().requested_token_type(TokenType::Jwt));
/// # let _ = payments;
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Fields")]
#[must_use = "it does nothing until a target has it"]
pub struct TokenExchange {
    pub(crate) requested: TokenType,
}

impl TokenExchange {
    /// For an access token.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for a token of this type (RFC 8693 §2.1), and takes none that is said to be of another (§2.2.1): an access token,
    /// or a JWT. A row with any other is refused when the list is built. Default: an access token.
    pub fn requested_token_type(mut self, token_type: TokenType) -> Self {
        self.requested = token_type;
        self
    }

    pub(crate) fn check(&self) -> Result<(), InvalidSetting> {
        let rule = || not_for_targets(self.requested.as_str()).within("token_exchange").within("strategy");
        FOR_TARGETS.contains(&self.requested).then_some(()).ok_or_else(rule)
    }
}

fn not_for_targets(name: &str) -> InvalidSetting {
    let [access_token, jwt] = FOR_TARGETS;
    InvalidSetting::new(
        FIELD,
        format!("names {name:?}, of which no target takes a token; it is {access_token} or {jwt}"),
    )
}

/// As a file has it.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Fields {
    requested_token_type: Option<String>,
}

impl TryFrom<Fields> for TokenExchange {
    type Error = InvalidSetting;

    fn try_from(fields: Fields) -> Result<Self, InvalidSetting> {
        let Some(name) = fields.requested_token_type else { return Ok(Self::new()) };
        let requested = FOR_TARGETS.into_iter().find(|token_type| token_type.as_str() == name);
        requested.map(|requested| Self { requested }).ok_or_else(|| not_for_targets(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Target;

    fn read(text: &str) -> Result<TokenExchange, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    fn refused(name: &str) -> String {
        let [access_token, jwt] = FOR_TARGETS;
        format!("requested_token_type: names {name:?}, of which no target takes a token; it is {access_token} or {jwt}")
    }

    #[test]
    fn te_b5_a_file_says_what_code_says() {
        assert_eq!(read(""), Ok(TokenExchange::new()));
        for token_type in FOR_TARGETS {
            let text = format!("requested_token_type = '{token_type}'");
            assert_eq!(read(&text), Ok(TokenExchange::new().requested_token_type(token_type)));
        }
        assert!(read("requested = 'jwt'").expect_err("no such field").starts_with("unknown field `requested`"));
    }

    #[test]
    fn te_b5_no_row_asks_for_what_no_target_takes() {
        for name in ["refresh_token", "id_token", "id-jag", "saml2"] {
            let name = format!("urn:ietf:params:oauth:token-type:{name}");
            assert_eq!(read(&format!("requested_token_type = '{name}'")), Err(refused(&name)));
        }
        assert_eq!(read("requested_token_type = ''"), Err(refused("")));

        let checked = |token_type| {
            let row = Target::origin("https://payments.internal").expect("origin").audience("payments");
            let row = row.strategy(TokenExchange::new().requested_token_type(token_type));
            row.check().map(drop).map_err(|wrong| wrong.to_string())
        };
        for token_type in [TokenType::IdToken, TokenType::IdJag] {
            let expected = format!("strategy.token_exchange.{}", refused(token_type.as_str()));
            assert_eq!(checked(token_type), Err(expected));
        }
        for token_type in FOR_TARGETS {
            assert_eq!(checked(token_type), Ok(()));
        }
    }
}
