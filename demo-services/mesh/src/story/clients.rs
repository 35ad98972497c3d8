//! The services' own clients at the authority, from the services' own files: for what a service would do by itself, or
//! should not be able to.

use std::collections::BTreeMap;

use demo_kit::StartError;
use serde::Deserialize;
use tower_identity::{InvalidSetting, Scopes, SecretToken, ServerSettings, Settings, system_clock};
use tower_identity_oauth::{
    ClientCredentials, EntraOnBehalfOf, Grant, Http, KeycloakExchange, TargetService, TokenClient, TokenError,
    TokenErrorKind, TokenExchange, TokenType, TransactionTokenExchange, Unexchangeable,
};

use crate::{
    Mesh, Part,
    product::{Asked, Shape},
};

/// The clients of those that the walk plays.
pub(super) struct Clients {
    storefront: TokenClient,
    orders: TokenClient,
    shape: Shape,
}

/// Which of them.
#[derive(Debug, Clone, Copy)]
pub(super) enum As {
    Storefront,
    Orders,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoToken {
    #[error(transparent)]
    Refused(#[from] TokenError),
    #[error(transparent)]
    NoSubject(#[from] Unexchangeable),
}

impl NoToken {
    /// The error code of an authority that does not accept the token that was to be exchanged.
    pub(super) fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(error) => match error.kind() {
                TokenErrorKind::Rejected { code } => Some(code.as_str()),
                _ => None,
            },
            Self::NoSubject(_) => None,
        }
    }
}

#[derive(Deserialize)]
struct OutboundTable {
    server: BTreeMap<String, ServerSettings>,
}

impl Clients {
    pub(super) fn of(mesh: &Mesh) -> Result<Self, StartError> {
        let client = |part| client_of(mesh.settings(part));
        let shape = mesh.variation().shape();
        Ok(Self { storefront: client(Part::Storefront)?, orders: client(Part::Orders)?, shape })
    }

    /// Exchanges a user's token for one for this service, with these scopes.
    pub(super) async fn exchange(&self, client: As, subject: &str, to: (&str, &str)) -> Result<String, NoToken> {
        let (subject, target) = (SecretToken::new(subject), self.service(to.0, &self.shape.scopes(to.0, to.1)));
        let grant: Grant = match self.shape.asked {
            Asked::Exchange { at_keycloak: false } => TokenExchange::new(subject, target)?.into(),
            Asked::Exchange { at_keycloak: true } => KeycloakExchange::new(subject, target)?.into(),
            Asked::OnBehalfOf => EntraOnBehalfOf::new(subject, target)?.into(),
        };
        self.token(client, grant).await
    }

    /// Exchanges a transaction token for another of its trust domain, with these scopes.
    pub(super) async fn replacement(
        &self,
        client: As,
        token: &SecretToken,
        (domain, asked): (&str, &str),
    ) -> Result<String, NoToken> {
        let target = TargetService {
            audience: Some(domain.parse().expect("the walk's own names are names")),
            scopes: scopes(asked),
            ..TargetService::default()
        };
        let exchange = TransactionTokenExchange::new(token.clone(), target)?;
        self.token(client, exchange.subject_token_type(TokenType::TransactionToken).into()).await
    }

    /// A token of the client's own.
    pub(super) async fn own(&self, client: As, to: (&str, &str)) -> Result<String, NoToken> {
        let target = self.service(to.0, &self.shape.own_scopes(to.0, to.1));
        self.token(client, ClientCredentials::new(target).into()).await
    }

    /// An audience, and scopes there.
    fn service(&self, audience: &str, asked: &str) -> TargetService {
        let is_named = self.shape.asked != Asked::OnBehalfOf;
        TargetService {
            audience: is_named.then(|| audience.parse().expect("the walk's own names are names")),
            scopes: scopes(asked),
            tolerated: scopes(&self.shape.unasked.join(" ")),
            ..TargetService::default()
        }
    }

    async fn token(&self, client: As, grant: Grant) -> Result<String, NoToken> {
        let client = match client {
            As::Storefront => &self.storefront,
            As::Orders => &self.orders,
        };
        Ok(client.request(&grant).await?.access_token().expose().to_owned())
    }
}

fn client_of(settings: &Settings) -> Result<TokenClient, StartError> {
    let refuse = |invalid: InvalidSetting| settings.refuse(&invalid.within("server").within("outbound"));
    let table: OutboundTable = settings.section("outbound")?;
    let Some((name, server)) = table.server.into_iter().next() else {
        let rule = "the walk needs an authorization server here";
        return Err(settings.refuse(&InvalidSetting::new("server", rule).within("outbound")).into());
    };
    let http = match settings.client_tls() {
        Some(tls) => Http::with_tls(tls.config(), system_clock()),
        None => Http::new(system_clock()),
    };
    let http = http.map_err(|error| refuse(InvalidSetting::new(name.as_str(), error.to_string())))?;
    let endpoint = server.token_endpoint(&settings.beside("")).and_then(|endpoint| endpoint.connect(&http));
    Ok(endpoint.map_err(|invalid| refuse(invalid.within(name.as_str())))?)
}

fn scopes(of_the_walk: &str) -> Scopes {
    Scopes::parse(of_the_walk).expect("the walk's own scopes are scopes")
}
