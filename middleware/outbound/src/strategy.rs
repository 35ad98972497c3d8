//! How a target's token is obtained, as a row says it. What does it is in [`source`](crate::source).

mod chaining;
mod embedded;
mod entra_on_behalf_of;
mod id_jag;
mod named;
mod plain_user;
mod relay;
mod signed;
mod strategies;
mod token_exchange;
mod token_file;
#[cfg(feature = "transaction-tokens")]
mod transaction_token;

use std::path::Path;

use http::HeaderName;
use serde::Deserialize;
use tower_identity_core::{InvalidSetting, SecretToken};
use tower_identity_jose::SigningKey;
use tower_identity_oauth::{CustomGrantType, Parameters, TargetService};

pub(crate) use self::embedded::Whose;
#[cfg(feature = "transaction-tokens")]
pub use self::transaction_token::TransactionToken;
pub use self::{
    chaining::Chaining, embedded::Embedded, entra_on_behalf_of::EntraOnBehalfOf, id_jag::IdJag, plain_user::PlainUser,
    relay::Relay, signed::Signed, strategies::Strategies, token_exchange::TokenExchange, token_file::TokenFile,
};
use crate::Target;

/// How a target's token is obtained: by its plain name, such as `"token_exchange"`, or, where there is more to say, as a
/// table of one entry, such as `{ relay = { accepts = ["mesh"] } }`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Strategy {
    /// The caller's token is exchanged for one to the target (RFC 8693): its user's, unless the row says
    /// [otherwise](crate::OnBehalfOf).
    TokenExchange(TokenExchange),
    /// This service's own token (RFC 6749 §4.4), whoever is calling.
    ClientCredentials,
    /// The caller's token is exchanged at Keycloak for one to the target: its standard token exchange, version 2.
    KeycloakExchange,
    /// The caller's user's token makes one to the target at Entra ID: its on-behalf-of flow.
    EntraOnBehalfOf(EntraOnBehalfOf),
    /// The caller's token makes one to the target by a grant of the server's own.
    CustomGrant(CustomGrantType),
    /// The caller's token is an assertion for the row's server, which makes one to the target of it (RFC 7523 §2.1).
    Assertion,
    /// The caller's token is exchanged at one server for an assertion, of which the row's server makes one to the target:
    /// identity chaining across trust domains.
    Chaining(Chaining),
    /// The same with an identity assertion (ID-JAG).
    IdJag(IdJag),
    /// The caller's token itself, where it is for the target.
    Relay(Relay),
    /// The token that lies in the caller's, for the target.
    Embedded(Embedded),
    /// A token about the caller's user, which this service signs itself.
    Signed(Signed),
    /// The transaction token of the caller's user, beside this service's own token.
    #[cfg(feature = "transaction-tokens")]
    TransactionToken(TransactionToken),
    /// The name of the caller's user in plain text, beside this service's own token.
    PlainUser(PlainUser),
    /// This service's own token, from a file that somebody else writes.
    File(TokenFile),
    /// This service's own token, always this one. Files do not say it: a token in a configuration is there to stay.
    #[serde(skip)]
    Fixed(SecretToken),
}

impl Strategy {
    /// Its name in a file.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::TokenExchange(_) => "token_exchange",
            Self::ClientCredentials => "client_credentials",
            Self::KeycloakExchange => "keycloak_exchange",
            Self::EntraOnBehalfOf(_) => "entra_on_behalf_of",
            Self::CustomGrant(_) => "custom_grant",
            Self::Assertion => "assertion",
            Self::Chaining(_) => "chaining",
            Self::IdJag(_) => "id_jag",
            Self::Relay(_) => "relay",
            Self::Embedded(_) => "embedded",
            Self::Signed(_) => "signed",
            #[cfg(feature = "transaction-tokens")]
            Self::TransactionToken(_) => "transaction_token",
            Self::PlainUser(_) => "plain_user",
            Self::File(_) => "file",
            Self::Fixed(_) => "fixed",
        }
    }

    /// The file that it names is in this folder, unless its path is absolute.
    fn move_to(&mut self, folder: &Path) {
        match self {
            Self::File(file) => file.path = folder.join(&file.path),
            Self::Signed(signed) => signed.move_to(folder),
            _ => {}
        }
    }

    /// Reads the keys that it names by their files.
    fn read_files(&mut self) -> Result<(), InvalidSetting> {
        match self {
            Self::Signed(signed) => signed.read_files().map_err(|wrong| wrong.within("signed")),
            _ => Ok(()),
        }
    }

    /// The keys that it signs with, or will.
    pub(crate) fn signing_keys(&self) -> &[SigningKey] {
        match self {
            Self::Signed(signed) => signed.keys(),
            _ => &[],
        }
    }

    /// How it names users in plain text, where it does.
    pub(crate) const fn plain_user(&self) -> Option<&PlainUser> {
        match self {
            Self::PlainUser(plain) => Some(plain),
            _ => None,
        }
    }

    /// Whether it takes the caller's token, or makes one from it. Without, it is this service's own.
    pub(crate) const fn is_callers(&self) -> bool {
        !matches!(self, Self::ClientCredentials | Self::File(_) | Self::Fixed(_))
    }

    /// Whether it may find that there is nothing for a caller, so that another strategy is the next.
    pub(crate) const fn may_be_absent(&self) -> bool {
        matches!(self, Self::Embedded(_))
    }

    /// Whether this service's own token goes along as the actor's, where the row wants that.
    pub(crate) const fn sends_actor(&self) -> bool {
        matches!(self, Self::TokenExchange(_))
    }

    /// Whether a server is asked for it.
    pub(crate) const fn is_issued(&self) -> bool {
        !matches!(self, Self::Relay(_) | Self::Embedded(_) | Self::Signed(_) | Self::File(_) | Self::Fixed(_))
    }

    /// The server that is asked before the row's own, by its name: none of the default one. Nothing where none is.
    pub(crate) fn asks_first(&self) -> Option<Option<&str>> {
        match self {
            Self::Chaining(chaining) => Some(chaining.through.as_deref()),
            Self::IdJag(id_jag) => Some(id_jag.through.as_deref()),
            _ => None,
        }
    }

    /// The field that its token goes in, where that is one of its own and not the row's choice.
    pub(crate) fn field(&self) -> Option<HeaderName> {
        match self {
            #[cfg(feature = "transaction-tokens")]
            Self::TransactionToken(_) => Some(HeaderName::from_static(tower_identity_core::transaction_tokens::FIELD)),
            Self::PlainUser(plain) => plain.field(),
            _ => None,
        }
    }

    /// Whether no token of this service's own goes beside the caller's in its field.
    pub(crate) const fn goes_alone(&self) -> bool {
        match self {
            #[cfg(feature = "transaction-tokens")]
            Self::TransactionToken(transaction) => !transaction.sends_own_token(),
            Self::PlainUser(plain) => !plain.sends_own_token(),
            _ => false,
        }
    }

    /// What the caller's token is asked for, where the row's terms are those of this service's own alone.
    pub(crate) fn terms(&self, row: &TargetService) -> Option<Result<TargetService, InvalidSetting>> {
        match self {
            #[cfg(feature = "transaction-tokens")]
            Self::TransactionToken(transaction) => Some(transaction.terms(row)),
            Self::PlainUser(_) => Some(Ok(TargetService::default())),
            _ => {
                let _ = row;
                None
            }
        }
    }

    /// Checks what the row has to say for this strategy.
    pub(crate) fn check(&self, row: &Target) -> Result<(), InvalidSetting> {
        let is_named = row.audience.is_some() || row.resource.is_some();
        let missing = |rule: &str| Err(InvalidSetting::new("audience", rule));
        match self {
            Self::Relay(_) | Self::Embedded(_) if !is_named => {
                missing("is missing, and so is resource: whom has the token to be for?")
            }
            Self::KeycloakExchange if row.resource.is_some() => {
                Err(InvalidSetting::new("resource", "is nothing that Keycloak knows; name a client by audience"))
            }
            Self::EntraOnBehalfOf(entra) => entra.check(row),
            Self::Signed(signed) => signed.check(row),
            Self::CustomGrant(grant) => match repeated(grant, &row.parameters) {
                Some(name) => {
                    let rule =
                        format!("is what {:?} sends the caller's token as; the two are one parameter", grant.name());
                    Err(InvalidSetting::new(name, rule).within("parameters"))
                }
                None if !is_named && row.scopes.is_empty() => missing(FOR_WHAT),
                None => Ok(()),
            },
            Self::IdJag(_) if row.resource.is_none() => {
                Err(InvalidSetting::new("resource", "is missing: the API that the identity assertion is to be used at"))
            }
            strategy if strategy.is_issued() && !is_named && row.scopes.is_empty() => missing(FOR_WHAT),
            Self::TokenExchange(exchange) => exchange.check(),
            #[cfg(feature = "transaction-tokens")]
            Self::TransactionToken(transaction) => transaction.check(row),
            Self::PlainUser(plain) => plain.check(row),
            _ => Ok(()),
        }
    }
}

const FOR_WHAT: &str = "is missing, as are resource and scope: a token for what?";

/// The parameter that a grant of the server's own sends the caller's token as, where it stands among others.
pub(crate) fn repeated<'p>(grant: &CustomGrantType, parameters: &'p Parameters) -> Option<&'p str> {
    parameters.names().find(|name| name.eq_ignore_ascii_case(grant.subject_parameter()))
}

impl From<TokenExchange> for Strategy {
    fn from(exchange: TokenExchange) -> Self {
        Self::TokenExchange(exchange)
    }
}

impl From<EntraOnBehalfOf> for Strategy {
    fn from(entra: EntraOnBehalfOf) -> Self {
        Self::EntraOnBehalfOf(entra)
    }
}

impl From<CustomGrantType> for Strategy {
    fn from(grant_type: CustomGrantType) -> Self {
        Self::CustomGrant(grant_type)
    }
}

impl From<Chaining> for Strategy {
    fn from(chaining: Chaining) -> Self {
        Self::Chaining(chaining)
    }
}

impl From<IdJag> for Strategy {
    fn from(id_jag: IdJag) -> Self {
        Self::IdJag(id_jag)
    }
}

impl From<Relay> for Strategy {
    fn from(relay: Relay) -> Self {
        Self::Relay(relay)
    }
}

impl From<Embedded> for Strategy {
    fn from(embedded: Embedded) -> Self {
        Self::Embedded(embedded)
    }
}

impl From<Signed> for Strategy {
    fn from(signed: Signed) -> Self {
        Self::Signed(signed)
    }
}

#[cfg(feature = "transaction-tokens")]
impl From<TransactionToken> for Strategy {
    fn from(transaction: TransactionToken) -> Self {
        Self::TransactionToken(transaction)
    }
}

impl From<PlainUser> for Strategy {
    fn from(plain: PlainUser) -> Self {
        Self::PlainUser(plain)
    }
}

impl From<TokenFile> for Strategy {
    fn from(file: TokenFile) -> Self {
        Self::File(file)
    }
}
