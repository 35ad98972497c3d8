//! Fetching a document.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, StatusCode,
    header::{ACCEPT, AUTHORIZATION},
};

use tower_identity_core::SecretToken;

use super::{
    FetchError, Http, Validator,
    caching::{max_age, retry_after},
};
use crate::{Endpoint, FileToken, IssuedToken};

/// What is asked for: metadata, and key sets, for which some servers have the one type and some the other (RFC 7517
/// §8.5.1). A Kubernetes API server answers 406 to who does not take the latter.
const DOCUMENTS: &str = "application/json, application/jwk-set+json";

/// A document that was fetched with status 200.
#[derive(Debug, Clone)]
pub struct Fetched {
    body: Bytes,
    max_age: Option<Duration>,
    validator: Option<Validator>,
}

impl Fetched {
    /// The document.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// How long the server lets the document be kept (RFC 9111 §5.2.2): zero for `no-store` and `no-cache`, `None`
    /// when it says nothing. Not clamped.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        self.max_age
    }

    /// By what the server recognises it.
    #[must_use]
    pub fn validator(&self) -> Option<&Validator> {
        self.validator.as_ref()
    }
}

/// What a request [for what is new](Get::unless) brought.
#[derive(Debug, Clone)]
pub enum Refetched {
    /// A document.
    Changed(Fetched),
    /// Nothing: the document that is known is still the server's (304, RFC 9110 §15.4.5).
    Unchanged {
        /// How long it may be kept from now on, where the server says something new.
        max_age: Option<Duration>,
    },
}

/// A request for a JSON document that is not sent yet: see [`Http::get`].
#[must_use = "nothing is asked for until it is sent"]
pub struct Get<'a> {
    http: &'a Http,
    from: &'a Endpoint,
    known: Option<&'a Validator>,
    authorization: Option<HeaderValue>,
}

impl<'a> Get<'a> {
    pub(super) fn new(http: &'a Http, from: &'a Endpoint) -> Self {
        Self { http, from, known: None, authorization: None }
    }

    /// Asks for the document only if it is no longer the one that this validator came with, from this same URL.
    pub fn unless(mut self, known: Option<&'a Validator>) -> Self {
        self.known = known;
        self
    }

    /// Presents a token of our own (RFC 6750 §2.1). Without it no credentials are sent.
    pub fn bearer(self, token: &IssuedToken) -> Self {
        self.authorization(token.access_token())
    }

    /// [`bearer`](Self::bearer), with a token from a file.
    pub fn bearer_from_file(self, token: &FileToken) -> Self {
        self.authorization(token.token())
    }

    fn authorization(mut self, token: &SecretToken) -> Self {
        let value = format!("Bearer {}", token.expose());
        let mut value = HeaderValue::try_from(value).expect("a bearer token is of characters that a header may hold");
        value.set_sensitive(true);
        self.authorization = Some(value);
        self
    }

    /// Sends it.
    ///
    /// # Errors
    ///
    /// [`FetchError`], also for every status but 200, and 304 where it was asked for.
    pub async fn send(self) -> Result<Refetched, FetchError> {
        let mut request = self.http.clients.documents.get(self.from.url().clone()).header(ACCEPT, DOCUMENTS);
        if let Some((name, value)) = self.known.map(Validator::condition) {
            request = request.header(name, value);
        }
        if let Some(credentials) = self.authorization {
            request = request.header(AUTHORIZATION, credentials);
        }
        let (status, headers, body) = self.http.send(request, super::DEADLINE).await?;
        match status {
            StatusCode::OK => {
                Ok(Refetched::Changed(Fetched { body, max_age: max_age(&headers), validator: Validator::of(&headers) }))
            }
            StatusCode::NOT_MODIFIED if self.known.is_some() => Ok(Refetched::Unchanged { max_age: max_age(&headers) }),
            _ => Err(FetchError::Status { status, retry_after: retry_after(&headers) }),
        }
    }
}

impl fmt::Debug for Get<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Get").field("from", self.from).field("known", &self.known).finish_non_exhaustive()
    }
}
