//! Asking about a token.

use std::{fmt, sync::Arc};

use form_urlencoded::Serializer;
use http::StatusCode;
use tower_identity_core::{ClientId, Clock, Fingerprint, Issuer, SecretToken};
use tower_identity_refresh::Upkeep;

use super::{AnswerForm, Introspected, IntrospectionError, answer, error::Cause};
use crate::{
    ClientAuth, CredentialError, DEADLINE, Discovery, Endpoint, FetchError, Http,
    client_auth::{Fetched, Proof, Prover, Recipient, Used},
    token_error,
};

/// A client of one authorization server's introspection endpoint. Cheap to clone; prints no secret.
#[derive(Clone)]
pub struct IntrospectionClient(Arc<Inner>);

struct Inner {
    issuer: Issuer,
    at: Where,
    auth: ClientAuth,
    prover: Prover,
    /// Of what the prover reads from files.
    keeper: Option<Upkeep>,
    form: AnswerForm,
    http: Http,
    fingerprint: Fingerprint,
}

#[derive(Debug)]
pub(super) enum Where {
    Known(Endpoint),
    Discovered(Discovery),
}

impl IntrospectionClient {
    pub(super) fn new(
        issuer: Issuer,
        at: Where,
        (auth, prover): (ClientAuth, Prover),
        form: AnswerForm,
        http: Http,
        fingerprint: Fingerprint,
    ) -> Self {
        let keeper = prover.keeper(http.clock());
        keeper.iter().for_each(Upkeep::keep);
        Self(Arc::new(Inner { issuer, at, auth, prover, keeper, form, http, fingerprint }))
    }

    /// The authorization server.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.0.issuer
    }

    /// Which client we are there.
    #[must_use]
    pub fn client_id(&self) -> &ClientId {
        self.0.auth.client_id()
    }

    /// The form in which answers come.
    #[must_use]
    pub fn form(&self) -> AnswerForm {
        self.0.form
    }

    /// The server, the configured endpoint, [who we are there](ClientAuth::fingerprint) and the form of the answer: part
    /// of a cache key.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint
    }

    /// The clock that its deadlines are measured by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        self.0.http.clock()
    }

    /// Asks about a token, once; and once more by the next of [several credentials](ClientAuth#files), where the server
    /// does not know us by the one. A POST, with our credentials (RFC 7662 §2.1): the token is in no URL.
    ///
    /// # Errors
    ///
    /// [`IntrospectionError`] when there is no answer. That the token is not good is one.
    pub async fn introspect(&self, token: &SecretToken) -> Result<Introspected, IntrospectionError> {
        self.ask(token).await.map_err(|cause| cause.of(self.0.issuer.clone()))
    }

    async fn ask(&self, token: &SecretToken) -> Result<Introspected, Cause> {
        let Inner { at, auth, prover, form, http, keeper, .. } = &*self.0;
        keeper.iter().for_each(Upkeep::keep);
        let discovered;
        let (endpoint, http) = match at {
            Where::Known(endpoint) => (endpoint, http),
            Where::Discovered(discovery) => {
                discovered = discovery.metadata().await?;
                let endpoint = match auth.is_by_certificate() {
                    true => discovered.mtls_introspection_endpoint(),
                    false => discovered.introspection_endpoint(),
                };
                let endpoint = endpoint?;
                (endpoint, discovery.http_to(endpoint))
            }
        };
        let ends_at = http.clock().monotonic().saturating_add(DEADLINE);
        let mut refused = None::<Used>;
        loop {
            let fetched = prover.fetch().await.map_err(token_error::Cause::from)?;
            let (body, Proof { header, http: shown, used, .. }) =
                self.compose((token, http), refused.as_ref(), &fetched)?;
            let within = ends_at.since(http.clock().monotonic());
            let by = shown.as_ref().unwrap_or(http);
            let asking = by.post_form_for(form.media_type(), endpoint, header.as_ref(), body, within);
            // By another of our credentials, maybe: as for a token.
            let (cause, unknown) = match asking.await {
                Ok((answer, content_type)) => match answer::read(*form, &answer, content_type.as_ref()) {
                    Ok(said) => {
                        used.iter().for_each(Used::accepted);
                        return Ok(said);
                    }
                    Err(cause) => {
                        if answer.status == StatusCode::UNAUTHORIZED {
                            prover.forget(&fetched);
                        }
                        let unknown = used.and_then(|used| used.unknown(cause.problem(), answer.status));
                        (cause, unknown)
                    }
                },
                Err(error) => {
                    let unknown = used.filter(|_| matches!(error, FetchError::Certificate { .. }));
                    (error.into(), unknown)
                }
            };
            match unknown.filter(|used| used.refused(refused.is_some())) {
                Some(used) => refused = Some(used),
                None => return Err(cause),
            }
        }
    }

    /// The form, and the header's part of who we are.
    fn compose(
        &self,
        (token, http): (&SecretToken, &Http),
        refused: Option<&Used>,
        fetched: &Fetched,
    ) -> Result<(String, Proof), CredentialError> {
        let Inner { issuer, prover, .. } = &*self.0;
        let mut form = Serializer::new(String::new());
        form.append_pair("token", token.expose()).append_pair("token_type_hint", "access_token");
        let recipient = Recipient { issuer, token_endpoint: None };
        let proof = prover.prove(&mut form, &recipient, http, refused, fetched)?;
        Ok((form.finish(), proof))
    }
}

impl fmt::Debug for IntrospectionClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionClient")
            .field("issuer", &self.0.issuer)
            .field("at", &self.0.at)
            .field("auth", &self.0.auth)
            .field("form", &self.0.form)
            .finish_non_exhaustive()
    }
}
