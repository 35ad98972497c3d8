//! Where an issuer's key set is fetched from.

use std::time::Duration;

use tower_identity_jose::{KeySet, KeySetError};
use tower_identity_oauth::{Discovery, DiscoveryError, Endpoint, FetchError, Http, UnusableEndpoint};

/// How long a key set is fresh where the server says nothing.
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(10 * 60);
/// How long it is fresh at least, also where the server says `no-store`: the next token would fetch it again.
const MIN_MAX_AGE: Duration = Duration::from_secs(60);
/// How long it is fresh at most.
const MAX_MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Where an issuer's key set is: from configuration only, never from a token.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    At { jwks_uri: Endpoint, http: Http },
    Metadata { discovery: Discovery, http: Http },
}

/// A key set, as it was fetched.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) keys: KeySet,
    /// How long it is fresh: within [`MIN_MAX_AGE`] and [`MAX_MAX_AGE`].
    pub(crate) max_age: Duration,
}

/// Why there is no key set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("there is no usable metadata of the issuer")]
    Metadata(#[source] DiscoveryError),
    #[error("the issuer's metadata does not say where its keys are")]
    Endpoint(#[source] UnusableEndpoint),
    #[error("the key set at {jwks_uri} cannot be fetched")]
    Fetch { jwks_uri: Endpoint, source: FetchError },
    #[error("the document at {jwks_uri} is not a usable key set")]
    Document { jwks_uri: Endpoint, source: KeySetError },
}

impl Source {
    pub(crate) async fn fetch(&self) -> Result<Document, SourceError> {
        match self {
            Self::At { jwks_uri, http } => fetch(jwks_uri, http).await,
            Self::Metadata { discovery, http } => {
                let metadata = discovery.metadata().await.map_err(SourceError::Metadata)?;
                fetch(metadata.jwks_uri().map_err(SourceError::Endpoint)?, http).await
            }
        }
    }
}

async fn fetch(jwks_uri: &Endpoint, http: &Http) -> Result<Document, SourceError> {
    let fetched = http
        .get_json_bytes(jwks_uri)
        .await
        .map_err(|source| SourceError::Fetch { jwks_uri: jwks_uri.clone(), source })?;
    let keys =
        KeySet::parse(fetched.body()).map_err(|source| SourceError::Document { jwks_uri: jwks_uri.clone(), source })?;
    let max_age = fetched.max_age().unwrap_or(DEFAULT_MAX_AGE).clamp(MIN_MAX_AGE, MAX_MAX_AGE);
    Ok(Document { keys, max_age })
}

impl SourceError {
    /// When the server wants to be asked again, if it says so.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Metadata(error) => error.retry_after(),
            Self::Fetch { source, .. } => source.retry_after(),
            Self::Endpoint(_) | Self::Document { .. } => None,
        }
    }
}
