//! Asking for a token.

use std::{fmt, sync::Arc};

use form_urlencoded::Serializer;
use http::HeaderValue;
use tower_identity_core::{ClientId, Clock, Fingerprint, Issuer};
use tower_identity_jose::SignError;

use crate::{ClientAuth, Discovery, Endpoint, Grant, Http, IssuedToken, TokenError, response, token_error::Cause};

/// A client of one authorization server's token endpoint. Cheap to clone; prints no secret.
#[derive(Clone)]
pub struct TokenClient(Arc<Inner>);

struct Inner {
    issuer: Issuer,
    accepts: Vec<Issuer>,
    at: Where,
    auth: ClientAuth,
    http: Http,
    fingerprint: Fingerprint,
}

#[derive(Debug)]
pub(crate) enum Where {
    Known(Endpoint),
    Discovered(Discovery),
}

impl TokenClient {
    pub(crate) fn new(
        issuer: Issuer,
        accepts: Vec<Issuer>,
        at: Where,
        auth: ClientAuth,
        http: Http,
        fingerprint: Fingerprint,
    ) -> Self {
        Self(Arc::new(Inner { issuer, accepts, at, auth, http, fingerprint }))
    }

    /// The authorization server.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.0.issuer
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

    /// The server, the configured endpoint, and [who we are there](ClientAuth::fingerprint): part of a cache key.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint
    }

    /// The clock that its deadlines are measured by.
    pub(crate) fn clock(&self) -> &Clock {
        self.0.http.clock()
    }

    /// Asks for a token, once. The answer is checked: a token of another kind, or one that allows more than was asked
    /// for, is an error.
    ///
    /// Writes one event for each request: `server`, `grant`, `outcome` and `duration_ms`, with the error where there
    /// is one.
    ///
    /// # Errors
    ///
    /// [`TokenError`], whose [kind](TokenError::kind) says whose fault it is.
    pub async fn request(&self, grant: &Grant) -> Result<IssuedToken, TokenError> {
        let clock = self.0.http.clock();
        let began = clock.monotonic();
        let result = self.ask(grant).await.map_err(|cause| cause.of(grant.kind(), self.0.issuer.clone()));
        let duration_ms = clock.monotonic().since(began).as_secs_f64() * 1e3;
        let (server, grant) = (&self.0.issuer, grant.kind());
        match &result {
            Ok(_) => tracing::info!(%server, %grant, outcome = "issued", duration_ms, "token request"),
            Err(error) => {
                let outcome = error.kind().as_str();
                let error = error as &(dyn std::error::Error + 'static);
                tracing::warn!(%server, %grant, outcome, duration_ms, error, "token request");
            }
        }
        result
    }

    async fn ask(&self, grant: &Grant) -> Result<IssuedToken, Cause> {
        let Inner { at, http, .. } = &*self.0;
        let discovered;
        let (endpoint, http) = match at {
            Where::Known(endpoint) => (endpoint, http),
            Where::Discovered(discovery) => {
                discovered = discovery.metadata().await?;
                let endpoint = discovered.token_endpoint()?;
                (endpoint, discovery.http_to(endpoint))
            }
        };
        let (form, authorization) = self.compose(grant)?;
        let answer = http.post_form(endpoint, authorization, form).await?;
        response::read(grant, &answer)
    }

    /// The form, and the header's part of who we are.
    fn compose(&self, grant: &Grant) -> Result<(String, Option<&HeaderValue>), SignError> {
        let Inner { issuer, auth, http, .. } = &*self.0;
        let mut form = Serializer::new(String::new());
        grant.append_to(&mut form);
        let authorization = auth.append_to(&mut form, issuer, http.clock())?;
        Ok((form.finish(), authorization))
    }
}

impl fmt::Debug for TokenClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenClient")
            .field("issuer", &self.0.issuer)
            .field("accepts", &self.0.accepts)
            .field("at", &self.0.at)
            .field("auth", &self.0.auth)
            .finish_non_exhaustive()
    }
}
