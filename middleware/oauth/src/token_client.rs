//! Asking for a token.

mod breaker;
mod endpoints;
mod line;
mod not_asked;
mod retry;
mod server;
mod telemetry;

use std::{fmt, sync::Arc, time::Duration};

use form_urlencoded::Serializer;
use http::StatusCode;
use tower_identity_core::{ClientId, Clock, Fingerprint, Issuer};
use tower_identity_refresh::{Upkeep, jitter};

use self::{
    breaker::Pass,
    endpoints::{Endpoints, Tried},
    retry::{Attempts, Health, Next},
    server::Server,
};
pub(crate) use self::{endpoints::At, server::Servers};
pub use self::{line::Urgency, not_asked::NotAsked};
use crate::{
    ClientAuth, CredentialError, Endpoint, FetchError, Grant, Http, IssuedAssertion, IssuedToken, Parameters, Standing,
    TokenError, TokenErrorKind, TokenExchange,
    client_auth::{Fetched, Proof, Prover, Recipient, Used},
    http::Answer,
    response,
    token_error::Cause,
};

/// A client of one authorization server's token endpoint, or of several endpoints of it. Cheap to clone; prints no
/// secret.
///
/// What it does when the server fails, for all clients of this server over the same [`Http`]:
///
/// - *Retries*: where there was no connection, or 502, 503 or 504, a call is made again, twice at most, after a short
///   pause or as long as `Retry-After` says, within [`DEADLINE`](crate::DEADLINE) in all. So is one that was told by 429
///   when to come back. No other answer leads to another attempt; and an assertion, which serves once, is never sent again.
/// - *The line*: 64 calls are under way at one time, and [so many](crate::TokenEndpoint::line) wait for a turn; beyond
///   that a call fails at once, as unavailable. [Refreshes](Urgency::Refresh) give way to those who wait.
/// - *The breaker* of each endpoint: after five outages in a row, with no answer in between, the endpoint is left alone
///   for five seconds, or as long as it says; then one call tries it again. Calls that find no other endpoint fail at
///   once, as unavailable for that long.
#[derive(Clone)]
pub struct TokenClient(Arc<Inner>);

struct Inner {
    server: Arc<Server>,
    accepts: Vec<Issuer>,
    endpoints: Endpoints,
    auth: ClientAuth,
    prover: Prover,
    /// Of what the prover reads from files.
    keeper: Option<Upkeep>,
    parameters: Parameters,
    http: Http,
    room: usize,
    fingerprint: Fingerprint,
}

/// What was issued, and whether the credential that it was obtained with is still ours, where that may change.
type Issued<T> = (T, Option<Standing>);

/// An attempt that brought nothing.
struct Failed {
    health: Health,
    cause: Cause,
    /// The credential by which the server does not know us, where there may be another.
    refused: Option<Used>,
}

impl Failed {
    fn ours(cause: impl Into<Cause>) -> Self {
        Self { health: Health::Answers, cause: cause.into(), refused: None }
    }
}

/// How an answer is read: as what was asked for.
type Read<T> = fn(&Grant, &Answer) -> Result<T, Cause>;

/// What a client is made of, all of it checked.
pub(crate) struct Connection {
    pub(crate) issuer: Issuer,
    pub(crate) accepts: Vec<Issuer>,
    pub(crate) at: At,
    pub(crate) auth: ClientAuth,
    pub(crate) prover: Prover,
    /// What goes along with each call.
    pub(crate) parameters: Parameters,
    /// How many calls may wait.
    pub(crate) room: usize,
    pub(crate) fingerprint: Fingerprint,
}

impl TokenClient {
    pub(crate) fn new(connection: Connection, http: Http) -> Self {
        let Connection { issuer, accepts, at, auth, prover, parameters, room, fingerprint } = connection;
        let server = http.servers().of(&issuer);
        let endpoints = Endpoints::new(at, auth.is_by_certificate(), &server, http.clock());
        let keeper = prover.keeper(http.clock());
        keeper.iter().for_each(Upkeep::keep);
        let inner = Inner { server, accepts, endpoints, auth, prover, keeper, parameters, http, room, fingerprint };
        Self(Arc::new(inner))
    }

    /// The authorization server.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        self.0.server.issuer()
    }

    /// Whether subject tokens of this issuer may be sent there. To be asked before an exchange.
    #[must_use]
    pub fn accepts(&self, issuer: &Issuer) -> bool {
        self.0.accepts.contains(issuer)
    }

    /// Which client we are there.
    #[must_use]
    pub fn client_id(&self) -> &ClientId {
        self.0.auth.client_id()
    }

    /// What goes along with each request, besides what the protocol says.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.0.parameters
    }

    /// The server, its configured endpoints and parameters, and [who we are there](ClientAuth::fingerprint): part of a
    /// cache key. In which order the endpoints are listed, and which of them was asked, makes no other token.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint
    }

    /// Reads the files of its credentials here and now, which are looked at [by themselves](ClientAuth#files) all the time.
    /// Blocks for as long as that takes.
    pub fn read_credentials(&self) {
        self.0.prover.read_again();
    }

    /// The clock that its deadlines are measured by.
    pub(crate) fn clock(&self) -> &Clock {
        self.0.http.clock()
    }

    /// Asks for a token that somebody waits for. The answer is checked: a token of another kind, or one that allows more
    /// than was asked for, is an error.
    ///
    /// Tells one event for each request, with the error where there is one, and counts it.
    ///
    /// # Errors
    ///
    /// [`TokenError`], whose [kind](TokenError::kind) says whose fault it is. Where the server was not asked, its source
    /// is [`NotAsked`].
    pub async fn request(&self, grant: &Grant) -> Result<IssuedToken, TokenError> {
        self.request_with(grant, Urgency::Waiting).await
    }

    /// [`request`](Self::request), by somebody who waits for the token or by nobody yet.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    pub async fn request_with(&self, grant: &Grant, urgency: Urgency) -> Result<IssuedToken, TokenError> {
        let (token, standing) = self.request_read(grant, urgency, response::read).await?;
        Ok(token.by(standing))
    }

    /// Exchanges a token for an assertion: of the type that the exchange [requests](TokenExchange::requested_token_type),
    /// for another authorization server (draft-ietf-oauth-identity-chaining-17 §2.3), and no access token (`N_A`).
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    pub async fn request_assertion(
        &self,
        exchange: TokenExchange,
        urgency: Urgency,
    ) -> Result<IssuedAssertion, TokenError> {
        let (assertion, _) = self.request_read(&exchange.into(), urgency, response::read_assertion).await?;
        Ok(assertion)
    }

    async fn request_read<T>(&self, grant: &Grant, urgency: Urgency, read: Read<T>) -> Result<Issued<T>, TokenError> {
        let clock = self.clock();
        let (began, mut tried) = (clock.monotonic(), Tried::new());
        let result = self.ask(grant, urgency, read, &mut tried).await;
        let result = result.map_err(|cause| cause.of(grant.kind(), self.issuer().clone()));
        let took = clock.monotonic().since(began);
        telemetry::ended(self.issuer(), grant.kind(), tried.len(), took, &result);
        result
    }

    async fn ask<T>(
        &self,
        grant: &Grant,
        urgency: Urgency,
        read: Read<T>,
        tried: &mut Tried,
    ) -> Result<Issued<T>, Cause> {
        let (Inner { server, endpoints, room, keeper, .. }, clock) = (&*self.0, self.clock());
        keeper.iter().for_each(Upkeep::keep);
        endpoints.any()?;
        let _place = server.line().enter(urgency, *room, clock).await?;
        let now = clock.monotonic();
        let mut attempts = if grant.is_repeatable() { Attempts::new(urgency, now) } else { Attempts::one(now) };
        let (mut failed, mut refused, mut repeats) = (None::<Cause>, None::<Used>, grant.is_repeatable());
        loop {
            let (index, pass) = match endpoints.choose(tried) {
                Ok(chosen) => chosen,
                Err(not_asked) => return Err(failed.unwrap_or_else(|| not_asked.into())),
            };
            tried.push(index);
            let left = attempts.time_left(clock.monotonic());
            let failure = match self.attempt(grant, read, (index, pass), left, refused.as_ref()).await {
                // Obtained with a secret that was withdrawn meanwhile: nobody would use it.
                Ok((_, Some(standing))) if repeats && standing.is_gone() => {
                    repeats = false;
                    continue;
                }
                Ok(issued) => return Ok(issued),
                Err(failure) => failure,
            };
            let Failed { health, cause, refused: unknown } = failure;
            if let Some(used) = unknown.filter(|used| used.refused(refused.is_some())) {
                (refused, failed) = (Some(used), Some(cause));
                continue;
            }
            match attempts.after(health, endpoints.any_but(tried), clock.monotonic(), jitter()) {
                Next::Elsewhere => {}
                Next::After(pause) if endpoints.any().is_ok() => clock.sleep(pause).await,
                Next::GiveUp | Next::After(_) => return Err(cause),
            }
            failed = Some(cause);
        }
    }

    async fn attempt<T>(
        &self,
        grant: &Grant,
        read: Read<T>,
        (index, pass): (usize, Pass),
        left: Duration,
        refused: Option<&Used>,
    ) -> Result<Issued<T>, Failed> {
        let Inner { endpoints, http, prover, .. } = &*self.0;
        let (endpoint, http) = endpoints.resolve(index, http, left).await.map_err(Failed::ours)?;
        let fetched = prover.fetch().await.map_err(Failed::ours)?;
        let composed = self.compose(grant, (&endpoint, http), refused, &fetched).map_err(Failed::ours)?;
        let (form, Proof { header, http: shown, used, standing }) = composed;
        let http = shown.as_ref().unwrap_or(http);
        let answer = http.post_form(&endpoint, header.as_ref(), form, left).await;
        let health = Health::of(&answer);
        if health.is_outage() {
            pass.outage(health.retry_after());
        } else {
            pass.answered();
        }
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let refused = used.filter(|_| matches!(error, FetchError::Certificate { .. }));
                return Err(Failed { health, cause: error.into(), refused });
            }
        };
        match read(grant, &answer) {
            Ok(issued) => {
                used.iter().for_each(Used::accepted);
                Ok((issued, standing))
            }
            Err(cause) => {
                if answer.status == StatusCode::UNAUTHORIZED {
                    prover.forget(&fetched);
                }
                let problem = match &cause.kind {
                    TokenErrorKind::OurConfiguration { problem } => Some(problem),
                    _ => None,
                };
                let refused = used.and_then(|used| used.unknown(problem, answer.status));
                Err(Failed { health, cause, refused })
            }
        }
    }

    /// The form, and the header's part of who we are: anew for each attempt.
    fn compose(
        &self,
        grant: &Grant,
        (to, http): (&Endpoint, &Http),
        refused: Option<&Used>,
        fetched: &Fetched,
    ) -> Result<(String, Proof), CredentialError> {
        let Inner { server, prover, parameters, .. } = &*self.0;
        let mut form = Serializer::new(String::new());
        grant.append_to(&mut form);
        let recipient = Recipient { issuer: server.issuer(), token_endpoint: Some(to) };
        let proof = prover.prove(&mut form, &recipient, http, refused, fetched)?;
        let mut form = form.finish();
        // What a target says of itself comes before what its server says of all.
        grant.target().parameters.append_to(&mut form);
        parameters.append_to(&mut form);
        Ok((form, proof))
    }
}

impl fmt::Debug for TokenClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenClient")
            .field("issuer", self.issuer())
            .field("accepts", &self.0.accepts)
            .field("endpoints", &self.0.endpoints)
            .field("auth", &self.0.auth)
            .finish_non_exhaustive()
    }
}
