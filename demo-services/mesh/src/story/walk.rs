//! Walking: steps that are numbered, requests that are sent, checks that hold or end their step.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::Path,
};

use demo_api::payments::{ChargeRequest, payments_client::PaymentsClient};
use demo_kit::StartError;
use reqwest::{Client, Method};
use serde::Deserialize;
use serde_json::{Value, json};
use tonic::{
    Request,
    metadata::{Ascii, MetadataValue},
    transport::Endpoint,
};
use tower_identity::{InvalidSetting, SecretToken, Settings, WithCauses};

use super::{
    Told,
    answer::{Answer, Seen, lasting, outcome_over_grpc},
    closing,
};
use crate::{Mesh, Page, Part};

/// Why a step ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("{what}: expected {expected}, found {found}")]
    Check { what: String, expected: Value, found: Value },
    #[error("no answer")]
    NoAnswer(#[from] reqwest::Error),
    #[error("no connection")]
    NoConnection(#[from] tonic::transport::Error),
    #[error("the page cannot be written")]
    Page(#[from] io::Error),
}

/// A walk under way.
pub(super) struct Walk<'a, W> {
    mesh: &'a mut Mesh,
    page: &'a mut Page<W>,
    http: Client,
    /// Where each part listens, also after it has stopped.
    origins: BTreeMap<&'static str, String>,
    storefront: OurClient,
    told: Told,
}

/// Who the storefront is at the authority, from its own file.
#[derive(Deserialize)]
struct OurClient {
    client_id: String,
    client_secret: SecretToken,
}

#[derive(Deserialize)]
struct OutboundTable {
    server: BTreeMap<String, OurClient>,
}

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

impl<'a, W: Write> Walk<'a, W> {
    pub(super) fn new(mesh: &'a mut Mesh, directory: &Path, page: &'a mut Page<W>) -> Result<Self, StartError> {
        let settings = Settings::from_path(directory.join(Part::Storefront.name()).with_extension("toml"))?;
        let servers: OutboundTable = settings.section("outbound")?;
        let refuse = || {
            let rule = "the walk needs an authorization server with client_secret here";
            StartError::from(settings.refuse(&InvalidSetting::new("server", rule).within("outbound")))
        };
        let storefront = servers.server.into_values().next().ok_or_else(refuse)?;
        let origins = Part::ALL.into_iter().filter_map(|part| Some((part.name(), mesh.origin(part)?))).collect();
        let http = Client::builder().no_proxy().build()?;
        Ok(Self { mesh, page, http, origins, storefront, told: Told { steps: 0, held: 0 } })
    }

    /// Takes one step, and prints what becomes of it.
    pub(super) async fn step(
        &mut self,
        title: &str,
        walk: impl AsyncFnOnce(&mut Self) -> Result<(), Broken>,
    ) -> Result<(), io::Error> {
        self.told.steps += 1;
        self.page.heading(&format!("{}. {title}", self.told.steps))?;
        match walk(self).await {
            Ok(()) => self.told.held += 1,
            Err(Broken::Page(error)) => return Err(error),
            Err(broken) => self.page.failed(&WithCauses(&broken).to_string())?,
        }
        Ok(())
    }

    pub(super) fn told(self) -> io::Result<Told> {
        self.page.heading(&closing(self.told))?;
        Ok(self.told)
    }

    /// Prints the check as held, or ends the step.
    pub(super) fn holds(
        &mut self,
        what: &str,
        expected: impl Into<Value>,
        found: impl Into<Value>,
    ) -> Result<(), Broken> {
        let (expected, found) = (expected.into(), found.into());
        if expected != found {
            return Err(Broken::Check { what: what.to_owned(), expected, found });
        }
        Ok(self.page.held(what)?)
    }

    /// Prints whom a service saw, or ends the step if it saw somebody else.
    pub(super) fn saw(&mut self, seen: Seen<'_>, principal: &Value) -> Result<(), Broken> {
        let (expected, found) = (seen.principal(self.issuer()), lasting(principal));
        if expected != found {
            return Err(Broken::Check { what: format!("whom {} saw", seen.service), expected, found });
        }
        Ok(self.page.note(&seen.to_string())?)
    }

    /// Who vouches for everybody here.
    pub(super) fn issuer(&self) -> &str {
        &self.origins[Part::Authority.name()]
    }

    pub(super) async fn get(&self, part: Part, path: &str, token: &str) -> Result<Answer, Broken> {
        Ok(Answer::to(self.request(Method::GET, part, path).bearer_auth(token)).await?)
    }

    pub(super) async fn post(&self, part: Part, path: &str, token: &str, body: Value) -> Result<Answer, Broken> {
        Ok(Answer::to(self.request(Method::POST, part, path).bearer_auth(token).json(&body)).await?)
    }

    /// What becomes of a charge that is asked of payments over gRPC.
    pub(super) async fn charge_over_grpc(&self, token: &str, charge: ChargeRequest) -> Result<String, Broken> {
        let endpoint = Endpoint::from_shared(self.origins[Part::Payments.name()].clone())?;
        let mut payments = PaymentsClient::new(endpoint.connect().await?);
        let mut request = Request::new(charge);
        let bearer = format!("Bearer {token}").parse::<MetadataValue<Ascii>>().expect("a token is visible ASCII");
        request.metadata_mut().insert("authorization", bearer);
        Ok(outcome_over_grpc(payments.charge(request).await))
    }

    /// A request that bears nothing.
    pub(super) async fn post_bare(&self, part: Part, path: &str) -> Result<Answer, Broken> {
        Ok(Answer::to(self.request(Method::POST, part, path)).await?)
    }

    /// A user's first token.
    pub(super) async fn sign_in(&mut self, user: &str) -> Result<String, Broken> {
        let request = self.request(Method::POST, Part::Authority, "/dev/sign-in").json(&json!({ "user": user }));
        let answer = Answer::to(request).await?;
        self.token_of(&format!("{user} signs in"), &answer)
    }

    /// Exchanges a user's token at the authority, with the storefront's own credentials.
    pub(super) async fn exchange_as_storefront(&mut self, subject: &str, audience: &str) -> Result<String, Broken> {
        let form = [
            ("grant_type", TOKEN_EXCHANGE),
            ("subject_token", subject),
            ("subject_token_type", ACCESS_TOKEN),
            ("audience", audience),
        ];
        // Form-encoded inside of Basic (RFC 6749 §2.3.1).
        let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let OurClient { client_id, client_secret } = &self.storefront;
        let request = self
            .request(Method::POST, Part::Authority, "/token")
            .basic_auth(encode(client_id), Some(encode(client_secret.expose())))
            .form(&form);
        let answer = Answer::to(request).await?;
        self.token_of(&format!("the storefront exchanges it for a token for {audience}"), &answer)
    }

    pub(super) async fn stop(&mut self, part: Part) -> Result<(), Broken> {
        Ok(self.mesh.stop_one(part).await?)
    }

    fn token_of(&mut self, what: &str, answer: &Answer) -> Result<String, Broken> {
        match answer.body["access_token"].as_str() {
            Some(token) if answer.outcome() == "200" => Ok(token.to_owned()),
            _ => Err(Broken::Check { what: what.to_owned(), expected: "200".into(), found: answer.outcome().into() }),
        }
    }

    fn request(&self, method: Method, part: Part, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.origins[part.name()]))
    }
}
