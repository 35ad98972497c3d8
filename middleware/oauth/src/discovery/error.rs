//! Why there is no usable metadata.

use std::{fmt, sync::Arc, time::Duration};

use tower_identity_core::Issuer;

use crate::{Endpoint, FetchError, MetadataError};

/// Why one location had no usable document.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryFailure {
    /// The document could not be fetched.
    #[error("the document cannot be fetched")]
    Fetch(#[source] FetchError),
    /// The document is not the issuer's metadata.
    #[error("the document is not usable")]
    Document(#[source] MetadataError),
    /// The issuer has two documents, and they do not say the same (RFC 9068 §4). Neither is used: one of them may be
    /// somebody else's who can write at that place.
    #[error("the documents at the two locations name different values of {member}")]
    Disagreement {
        /// The metadata member.
        member: &'static str,
    },
}

/// No usable metadata of an issuer. Cheap to clone, so that equal waiters can share one.
#[derive(Debug, Clone)]
pub struct DiscoveryError(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    issuer: Issuer,
    tried: Vec<Endpoint>,
    last: DiscoveryFailure,
}

impl DiscoveryError {
    pub(super) fn new(issuer: Issuer, tried: Vec<Endpoint>, last: DiscoveryFailure) -> Self {
        Self(Arc::new(Inner { issuer, tried, last }))
    }

    /// The issuer.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.0.issuer
    }

    /// What was wrong at the last location that was tried.
    #[must_use]
    pub fn failure(&self) -> &DiscoveryFailure {
        &self.0.last
    }

    /// Whether it may well succeed a little later. Everything else needs somebody to act.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(&self.0.last, DiscoveryFailure::Fetch(error) if error.is_transient())
    }

    /// When the issuer wants to be asked again, if it says so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match &self.0.last {
            DiscoveryFailure::Fetch(error) => error.retry_after(),
            DiscoveryFailure::Document(_) | DiscoveryFailure::Disagreement { .. } => None,
        }
    }
}

impl fmt::Display for DiscoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no usable metadata of issuer {} at ", self.0.issuer)?;
        for (at, url) in self.0.tried.iter().enumerate() {
            write!(f, "{}{url}", if at == 0 { "" } else { " or " })?;
        }
        Ok(())
    }
}

impl std::error::Error for DiscoveryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0.last)
    }
}
