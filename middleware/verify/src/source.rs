//! Where an issuer's key set is fetched from.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use tower_identity_jose::{KeySet, KeySetError, Thumbprint};
use tower_identity_oauth::{
    Discovery, DiscoveryError, Endpoint, FetchError, Fetched, Get, Http, OwnToken, Refetched, SecretFileError,
    TokenError, TokenFile, UnusableEndpoint, Validator,
};

/// How long a key set is fresh where the server says nothing.
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(10 * 60);
/// How long it is fresh at least, also where the server says `no-store`: the next token would fetch it again.
const MIN_MAX_AGE: Duration = Duration::from_secs(60);
/// How long it is fresh at most.
const MAX_MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Where an issuer's key set is: from configuration only, never from a token.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) place: Place,
    pub(crate) reading: Reading,
    pub(crate) http: Http,
    /// What is presented at a place that is configured.
    pub(crate) token: Option<KeyToken>,
}

/// A token of our own for a key set that demands one.
#[derive(Debug)]
pub(crate) enum KeyToken {
    /// An authorization server issues it.
    Own(OwnToken),
    /// Somebody else puts it into a file.
    File(TokenFile),
}

#[derive(Debug)]
pub(crate) enum Place {
    At(Endpoint),
    Metadata(Discovery),
}

/// How a document is read.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) form: Form,
    /// The only keys that are accepted, if not all are.
    pub(crate) pins: Option<Arc<[Thumbprint]>>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    KeySet,
    TrustBundle,
}

impl Reading {
    pub(crate) fn read(&self, document: &[u8]) -> Result<KeySet, KeySetError> {
        let keys = match self.form {
            Form::KeySet => KeySet::parse(document)?,
            Form::TrustBundle => KeySet::parse_trust_bundle(document)?,
        };
        match &self.pins {
            None => Ok(keys),
            Some(pins) => keys.pinned_to(pins),
        }
    }
}

/// What a fetch brought.
#[derive(Debug)]
pub(crate) enum Brought {
    Document(Box<Document>),
    /// The keys that were known are still the issuer's, for this long from now on.
    Renewed {
        max_age: Duration,
    },
}

/// A key set, as it was fetched.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) keys: KeySet,
    pub(crate) body: Bytes,
    /// How long it is fresh: within [`MIN_MAX_AGE`] and [`MAX_MAX_AGE`].
    pub(crate) max_age: Duration,
    /// By what the server recognises it, where it does.
    pub(crate) known: Option<Known>,
}

/// A document that the server can be asked about again.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    at: Endpoint,
    by: Validator,
    max_age: Option<Duration>,
}

/// Why there is no key set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("there is no usable metadata of the issuer")]
    Metadata(#[source] DiscoveryError),
    #[error("the issuer's metadata does not say where its keys are")]
    Endpoint(#[source] UnusableEndpoint),
    #[error("there is no token of our own for the key set")]
    Token(#[source] TokenError),
    #[error("there is no token of our own for the key set")]
    TokenFile(#[source] SecretFileError),
    #[error("the key set at {jwks_uri} cannot be fetched")]
    Fetch { jwks_uri: Endpoint, source: FetchError },
    #[error("the document at {jwks_uri} is not a usable key set")]
    Document { jwks_uri: Endpoint, source: KeySetError },
}

impl Source {
    /// Fetches the key set, unless it is still the one that is known.
    pub(crate) async fn fetch(&self, known: Option<&Known>) -> Result<Brought, SourceError> {
        match &self.place {
            Place::At(jwks_uri) => self.fetch_from(jwks_uri, &self.http, known).await,
            Place::Metadata(discovery) => {
                let metadata = discovery.metadata().await.map_err(SourceError::Metadata)?;
                let jwks_uri = metadata.jwks_uri().map_err(SourceError::Endpoint)?;
                self.fetch_from(jwks_uri, discovery.http_to(jwks_uri), known).await
            }
        }
    }

    async fn fetch_from(&self, from: &Endpoint, http: &Http, known: Option<&Known>) -> Result<Brought, SourceError> {
        let known = known.filter(|known| known.at == *from);
        let answer = match &self.token {
            None => send(question(from, http, known), from).await?,
            Some(KeyToken::Own(own)) => self.ask_as_ourselves(own, from, http, known).await?,
            Some(KeyToken::File(file)) => {
                let token = file.read(http.clock()).await.map_err(SourceError::TokenFile)?;
                send(question(from, http, known).bearer_from_file(&token), from).await?
            }
        };
        match (answer, known) {
            (Refetched::Changed(fetched), _) => {
                self.document(from, &fetched).map(|document| Brought::Document(Box::new(document)))
            }
            (Refetched::Unchanged { max_age }, known) => {
                // Where it says nothing new, what it said with the document holds on (RFC 9111 §4.3.4).
                let max_age = max_age.or(known.and_then(|known| known.max_age));
                Ok(Brought::Renewed { max_age: clamped(max_age) })
            }
        }
    }

    /// A token that is refused is dropped, once: the next one may be good, and a third is not asked for.
    async fn ask_as_ourselves(
        &self,
        own: &OwnToken,
        from: &Endpoint,
        http: &Http,
        known: Option<&Known>,
    ) -> Result<Refetched, SourceError> {
        let token = own.token().await.map_err(SourceError::Token)?;
        match send(question(from, http, known).bearer(&token), from).await {
            Err(error) if error.is_unauthorized() => own.forget(&token),
            other => return other,
        }
        let another = own.token().await.map_err(SourceError::Token)?;
        send(question(from, http, known).bearer(&another), from).await
    }

    fn document(&self, from: &Endpoint, fetched: &Fetched) -> Result<Document, SourceError> {
        let keys = self
            .reading
            .read(fetched.body())
            .map_err(|source| SourceError::Document { jwks_uri: from.clone(), source })?;
        // A trust domain says it in the bundle (SPIFFE Trust Domain and Bundle §4.1.3).
        let max_age = keys.refresh_hint().or(fetched.max_age());
        let known = fetched.validator().map(|by| Known { at: from.clone(), by: by.clone(), max_age });
        Ok(Document { keys, body: fetched.body().clone(), max_age: clamped(max_age), known })
    }
}

/// Asks for the key set, unless it is still the one that is known.
fn question<'a>(from: &'a Endpoint, http: &'a Http, known: Option<&'a Known>) -> Get<'a> {
    http.get(from).unless(known.map(|known| &known.by))
}

async fn send(question: Get<'_>, to: &Endpoint) -> Result<Refetched, SourceError> {
    question.send().await.map_err(|source| SourceError::Fetch { jwks_uri: to.clone(), source })
}

fn clamped(max_age: Option<Duration>) -> Duration {
    max_age.unwrap_or(DEFAULT_MAX_AGE).clamp(MIN_MAX_AGE, MAX_MAX_AGE)
}

impl SourceError {
    /// Whether this is the issuer's word that none of its keys is to be used, and not an outage.
    pub(crate) fn withdraws_every_key(&self) -> bool {
        matches!(self, Self::Document { source, .. } if source.withdraws_every_key())
    }

    /// When the server wants to be asked again, if it says so.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Metadata(error) => error.retry_after(),
            Self::Token(error) => error.retry_after(),
            Self::Fetch { source, .. } => source.retry_after(),
            Self::Endpoint(_) | Self::TokenFile(_) | Self::Document { .. } => None,
        }
    }

    fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Fetch { source: FetchError::Status { status, .. }, .. } if *status == StatusCode::UNAUTHORIZED)
    }
}
