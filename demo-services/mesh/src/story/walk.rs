//! Walking: steps that are numbered, requests that are sent, checks that hold or end their step.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use demo_api::payments::{ChargeRequest, payments_client::PaymentsClient};
use demo_kit::StartError;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tonic::{Request, metadata::AsciiMetadataKey, transport::Endpoint};
use tower_identity::WithCauses;

use super::{
    Told,
    answer::{Answer, By, Seen, lasting, outcome_over_grpc},
    clients::{As, Clients, NoToken},
    closing,
    senders::Senders,
    sent::{self, NotSent, Presented},
    stream::Stream,
};
use crate::{
    Mesh, Page, Part,
    mesh::Change,
    mode::{Exception, TrustDomain},
    mtls,
    product::Shape,
    rollout::Rollout,
};

/// Why a step ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("{what}: expected {expected}, found {found}")]
    Check { what: String, expected: Value, found: Value },
    #[error("no answer")]
    NoAnswer(#[from] reqwest::Error),
    #[error("no connection")]
    NoConnection(#[from] tonic::transport::Error),
    #[error("another does not start")]
    NotStarted(#[from] StartError),
    #[error("no token")]
    NoToken(#[from] NoToken),
    #[error("nothing is sent")]
    NotSent(#[from] NotSent),
    #[error("the page cannot be written")]
    Page(#[from] io::Error),
}

impl Broken {
    fn is(&self, exception: &Exception, step: &str) -> bool {
        match self {
            Self::Check { what, found, .. } => exception.is(step, what, found),
            Self::NotStarted(_) => exception.is(step, "another does not start", &Value::Null),
            _ => false,
        }
    }
}

/// A walk under way.
pub(super) struct Walk<'a, W> {
    mesh: &'a mut Mesh,
    page: &'a mut Page<W>,
    senders: Senders,
    /// Where each part listens, also after it has stopped.
    origins: BTreeMap<&'static str, String>,
    issuer: String,
    clients: Clients,
    told: Told,
}

impl<'a, W: Write> Walk<'a, W> {
    pub(super) fn new(mesh: &'a mut Mesh, page: &'a mut Page<W>) -> Result<Self, StartError> {
        let clients = Clients::of(mesh)?;
        let origins = Part::ALL.into_iter().filter_map(|part| Some((part.name(), mesh.origin(part)?))).collect();
        let issuer = mesh.origin(Part::Authority).unwrap_or_default() + mesh.variation().shape().issuer;
        let senders = Senders::of(mesh)?;
        Ok(Self { mesh, page, senders, origins, issuer, clients, told: Told { steps: 0, held: 0, otherwise: 0 } })
    }

    /// Takes one step, and prints what becomes of it.
    pub(super) async fn step(
        &mut self,
        title: &str,
        walk: impl AsyncFnOnce(&mut Self) -> Result<(), Broken>,
    ) -> Result<(), io::Error> {
        self.told.steps += 1;
        self.page.heading(&format!("{}. {title}", self.told.steps))?;
        let walked = walk(self).await;
        let mut exceptions = self.mesh.variation().exceptions();
        match walked {
            Ok(()) if exceptions.any(|exception| exception.at.0 == title) => {
                self.page.failed("holds, which it cannot in this mode")?;
            }
            Ok(()) => self.told.held += 1,
            Err(Broken::Page(error)) => return Err(error),
            Err(broken) => match exceptions.find(|exception| broken.is(exception, title)) {
                Some(exception) => {
                    self.told.otherwise += 1;
                    self.page.otherwise(&exception.to_string())?;
                }
                None => self.page.failed(&WithCauses(&broken).to_string())?,
            },
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
        let shape = self.shape();
        let seen = if self.relates_certificates() { seen.by_certificate() } else { seen };
        let seen = seen.shown_by(shape);
        let (expected, found) = (seen.principal(&self.issuer, shape.tenant, &self.origins), lasting(principal));
        if expected != found {
            return Err(Broken::Check { what: format!("whom {} saw", seen.service), expected, found });
        }
        Ok(self.page.note(&seen.to_string())?)
    }

    /// The same of a user of the partner's, for whom the partner's own authority vouches.
    pub(super) fn saw_of_partner(&mut self, seen: &Seen<'_>, principal: &Value) -> Result<(), Broken> {
        let issuer = self.origin(Part::Partner);
        let (expected, found) = (seen.principal(issuer, None, &self.origins), lasting(principal));
        if expected != found {
            return Err(Broken::Check { what: format!("whom {} saw", seen.service), expected, found });
        }
        Ok(self.page.note(&format!("{seen}, of the partner's"))?)
    }

    /// The same of a call for which the services have come by their tokens themselves, or of what they begin with.
    pub(super) fn saw_on_the_way(&mut self, seen: Seen<'_>, principal: &Value) -> Result<(), Broken> {
        let seen = self.on_the_way(seen);
        self.saw(seen, principal)
    }

    /// Whom a service sees then.
    pub(super) fn on_the_way<'s>(&self, seen: Seen<'s>) -> Seen<'s> {
        let mode = self.mesh.variation().mode.table();
        match (mode.relayed, mode.said, mode.trust_domain) {
            (Some(token), ..) => seen.relayed(token),
            (None, Some(said), _) => seen.said(said),
            (None, None, Some(domain)) => seen.carried(domain),
            (None, None, None) if mode.beside && seen.service == "payments" => Seen { by: By::TwoTokens, ..seen },
            (None, None, None) if mode.named => seen.named(),
            (None, None, None) => seen,
        }
    }

    /// Whether orders and payments are told for whom in plain text.
    pub(super) fn names_users(&self) -> bool {
        self.mesh.variation().mode.table().named
    }

    /// The same of a call for a user of the partner's, who is a guest here.
    pub(super) fn saw_a_guest(&mut self, seen: Seen<'_>, principal: &Value) -> Result<(), Broken> {
        match self.trust_domain() {
            Some(domain) if domain.guests_at.contains(&seen.service) => {
                self.saw(seen.carried_for_a_guest(domain), principal)
            }
            Some(_) => self.saw(seen, principal),
            // To orders he comes with a token of the authority's, which names him.
            None if self.names_users() && seen.service == "orders" => self.saw(seen, principal),
            None => self.saw_on_the_way(seen, principal),
        }
    }

    /// What the storefront presents to orders for a user.
    pub(super) async fn for_orders(&self, first: &str) -> Result<Presented, Broken> {
        let mode = self.mesh.variation().mode.table();
        if mode.relayed.is_some() {
            return Ok(first.into());
        }
        if mode.trust_domain.is_some_and(|domain| domain.minted.is_some()) {
            let own = self.own_token(As::Storefront, ("orders", "transactions:carry")).await?;
            return Ok(sent::made_at_the_edge(self.mesh.settings(Part::Storefront), &own, first).await?);
        }
        if mode.named || mode.said.is_some() || mode.trust_domain.is_some() {
            return Ok(sent::to_orders(self.mesh.settings(Part::Storefront), self.origin(Part::Orders), first).await?);
        }
        let token = self.exchange(As::Storefront, first, ("orders", "prices:read orders:read orders:write")).await?;
        Ok((&token).into())
    }

    /// Whose transaction tokens say for whom a service calls, where they do.
    pub(super) fn trust_domain(&self) -> Option<&'static TrustDomain> {
        self.mesh.variation().mode.table().trust_domain
    }

    /// The same where the storefront makes them, of whoever comes from outside.
    pub(super) fn at_the_edge(&self) -> Option<&'static TrustDomain> {
        self.trust_domain().filter(|domain| domain.minted.is_some())
    }

    /// Who vouches for a user of ours whom payments sees.
    pub(super) fn vouches_at_payments(&self) -> &str {
        self.trust_domain().map_or(self.issuer.as_str(), |domain| domain.name)
    }

    /// Who vouches for everybody here.
    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Who vouches for the callers of payments.
    pub(super) fn vouches_for_callers(&self) -> &str {
        if self.relates_certificates() { mtls::VOUCHES } else { &self.issuer }
    }

    /// How tokens are asked for, and look.
    pub(super) fn shape(&self) -> Shape {
        self.mesh.variation().shape()
    }

    pub(super) fn origin(&self, part: Part) -> &str {
        &self.origins[part.name()]
    }

    pub(super) async fn get(&self, part: Part, path: &str, by: impl Into<Presented>) -> Result<Answer, Broken> {
        self.get_at(self.origin(part), path, by).await
    }

    pub(super) async fn post(
        &self,
        part: Part,
        path: &str,
        by: impl Into<Presented>,
        body: Value,
    ) -> Result<Answer, Broken> {
        self.post_at(self.origin(part), path, by, body).await
    }

    /// The same of one that was [started besides](Self::start_another).
    pub(super) async fn get_at(&self, origin: &str, path: &str, by: impl Into<Presented>) -> Result<Answer, Broken> {
        let by = by.into();
        let request = self.senders.of_token(by.bearer(), origin).get(format!("{origin}{path}"));
        Ok(Answer::to(presenting(request, by)).await?)
    }

    pub(super) async fn post_at(
        &self,
        origin: &str,
        path: &str,
        by: impl Into<Presented>,
        body: Value,
    ) -> Result<Answer, Broken> {
        let by = by.into();
        let request = self.senders.of_token(by.bearer(), origin).post(format!("{origin}{path}"));
        Ok(Answer::to(presenting(request, by).json(&body)).await?)
    }

    /// What becomes of the same with the certificate of this part, or with none: the kind of the refusal, or the status.
    pub(super) async fn post_as(
        &self,
        sender: Option<Part>,
        origin: &str,
        path: &str,
        token: &str,
        body: Value,
    ) -> Result<String, Broken> {
        let request = self.senders.of_part(sender).post(format!("{origin}{path}")).bearer_auth(token).json(&body);
        match Answer::to(request).await {
            Ok(answer) if answer.outcome() == "201" => Ok(answer.outcome()),
            Ok(answer) => Ok(answer.refusal()),
            Err(_) => Ok("no connection".to_owned()),
        }
    }

    /// Whether orders and payments take certificates for their callers' credentials.
    pub(super) fn relates_certificates(&self) -> bool {
        self.mesh.variation().relates_certificates()
    }

    /// The same with these headers in the place of a bearer token.
    pub(super) async fn get_with(&self, part: Part, path: &str, headers: Headers<'_>) -> Result<Answer, Broken> {
        Ok(Answer::to(with(self.request(Method::GET, part, path), headers)).await?)
    }

    pub(super) async fn post_with(
        &self,
        part: Part,
        path: &str,
        headers: Headers<'_>,
        body: Value,
    ) -> Result<Answer, Broken> {
        Ok(Answer::to(with(self.request(Method::POST, part, path), headers).json(&body)).await?)
    }

    /// A stream of the storefront's, which listens by now to what comes.
    pub(super) async fn listen(&self, path: &str, token: &str) -> Result<Stream, Broken> {
        let response = self.request(Method::GET, Part::Storefront, path).bearer_auth(token).send().await?;
        match response.status().as_u16() {
            200 => Ok(Stream::of(response)),
            status => Err(Broken::Check { what: "a stream".to_owned(), expected: 200.into(), found: status.into() }),
        }
    }

    /// What becomes of a charge that is asked of payments over gRPC.
    pub(super) async fn charge_over_grpc(
        &self,
        by: impl Into<Presented>,
        charge: ChargeRequest,
    ) -> Result<String, Broken> {
        let (by, origin) = (by.into(), self.origin(Part::Payments));
        let endpoint = Endpoint::from_shared(origin.to_owned())?;
        let channel = match self.senders.tls_of_token(by.bearer(), origin) {
            Some(tls) => endpoint.connect_with_connector(tls.connector()).await?,
            None => endpoint.connect().await?,
        };
        let mut payments = PaymentsClient::new(channel);
        let mut request = Request::new(charge);
        for (name, value) in by.fields() {
            let name = AsciiMetadataKey::from_bytes(name.as_str().as_bytes()).expect("a field's name is a key");
            request.metadata_mut().insert(name, value.parse().expect("a token is visible ASCII"));
        }
        Ok(outcome_over_grpc(payments.charge(request).await))
    }

    /// A request that bears nothing.
    pub(super) async fn post_bare(&self, part: Part, path: &str) -> Result<Answer, Broken> {
        Ok(Answer::to(self.request(Method::POST, part, path)).await?)
    }

    /// A user's first token.
    pub(super) async fn sign_in(&self, user: &str) -> Result<String, Broken> {
        self.sign_in_at(Part::Authority, user).await
    }

    /// The same of a user of another authority's.
    pub(super) async fn sign_in_at(&self, authority: Part, user: &str) -> Result<String, Broken> {
        let request = self.request(Method::POST, authority, "/dev/sign-in").json(&json!({ "user": user }));
        let answer = Answer::to(request).await?;
        match answer.body["access_token"].as_str() {
            Some(token) if answer.outcome() == "200" => Ok(token.to_owned()),
            _ => {
                let what = format!("{user} signs in");
                Err(Broken::Check { what, expected: "200".into(), found: answer.outcome().into() })
            }
        }
    }

    /// Exchanges a user's token at the authority, as a service of the shop.
    pub(super) async fn exchange(&self, client: As, subject: &str, to: (&str, &str)) -> Result<String, Broken> {
        Ok(self.clients.exchange(client, subject, to).await?)
    }

    /// The same where the authority is to refuse: its error code.
    pub(super) async fn exchange_refused(&self, client: As, subject: &str, to: (&str, &str)) -> Result<String, Broken> {
        match self.clients.exchange(client, subject, to).await {
            Ok(_) => Ok("a token".to_owned()),
            Err(refused) => refused.code().map(str::to_owned).ok_or_else(|| refused.into()),
        }
    }

    /// The same of a transaction token that is to be replaced by one for these scopes, where somebody replaces them; where nobody
    /// does, there is none to be had.
    pub(super) async fn replacement_refused(
        &self,
        client: As,
        presented: &Presented,
        scopes: &str,
    ) -> Result<String, Broken> {
        let none = || self.shape().not_taken.to_owned();
        let domain = self.trust_domain().filter(|domain| domain.replaces.is_some());
        let (Some(domain), Some(token)) = (domain, presented.transaction()) else { return Ok(none()) };
        match self.clients.replacement(client, token, (domain.name, scopes)).await {
            Ok(_) => Ok("a token".to_owned()),
            Err(refused) => refused.code().map(str::to_owned).ok_or_else(|| refused.into()),
        }
    }

    /// A token of a service's own.
    pub(super) async fn own_token(&self, client: As, to: (&str, &str)) -> Result<String, Broken> {
        Ok(self.clients.own(client, to).await?)
    }

    /// Starts a program once more, from a copy of its file that it follows, and gives its origin.
    pub(super) async fn start_following(&mut self, part: Part) -> Result<(String, Rollout), Broken> {
        let (origin, rollout) = self.mesh.start_following(part).await?;
        self.senders.also_at(part, &origin);
        Ok((origin, rollout))
    }

    /// Starts a shop besides, whose files differ in this; to be stopped by whoever asked for it.
    pub(super) async fn start_another_mesh(&self, changes: &[Change<'_>]) -> Result<Mesh, Broken> {
        Ok(self.mesh.start_another_mesh(changes).await?)
    }

    /// The same walk there, on the same page.
    pub(super) fn at<'b>(&'b mut self, mesh: &'b mut Mesh) -> Result<Walk<'b, W>, Broken> {
        Ok(Walk::new(mesh, self.page)?)
    }

    pub(super) async fn stop(&mut self, part: Part) -> Result<(), Broken> {
        Ok(self.mesh.stop_one(part).await?)
    }

    /// Starts a program once more, with one change to its file, and gives its origin.
    pub(super) async fn start_another(&mut self, part: Part, change: (&str, &str)) -> Result<String, Broken> {
        let origin = self.mesh.start_another(part, change).await?;
        self.senders.also_at(part, &origin);
        Ok(origin)
    }

    fn request(&self, method: Method, part: Part, path: &str) -> RequestBuilder {
        let origin = self.origin(part);
        self.senders.at(origin).request(method, format!("{origin}{path}"))
    }
}

fn presenting(request: RequestBuilder, by: impl Into<Presented>) -> RequestBuilder {
    by.into().fields().fold(request, |request, (name, value)| request.header(name, value))
}

/// Names and values.
pub(super) type Headers<'a> = &'a [(&'a str, &'a str)];

fn with(request: RequestBuilder, headers: Headers<'_>) -> RequestBuilder {
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}
