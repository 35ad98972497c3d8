//! An issuer's metadata: found, kept, and refreshed in the background.

use std::{fmt, sync::Arc, time::Duration};

use serde::Deserialize;
use tower_identity_core::{InvalidSetting, Issuer};
use tower_identity_refresh::{Failed, Lifetime, Loaded, Slot};

use crate::{Endpoint, FetchError, Http, MetadataError, ServerMetadata};

/// How long metadata is used before it is fetched again in the background.
pub const METADATA_FRESH: Duration = Duration::from_secs(60 * 60);

/// How long the last good metadata is used while the issuer is down.
pub const METADATA_USABLE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a failure stands before the issuer is asked again, where the issuer does not say.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(2);

/// Where the metadata document is looked for, in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DiscoveryOrder {
    /// RFC 8414 §3, then OpenID Connect Discovery §4: the default.
    #[default]
    OauthFirst,
    /// OpenID Connect Discovery §4, then RFC 8414 §3.
    OidcFirst,
}

impl DiscoveryOrder {
    const fn locations(self) -> [Location; 2] {
        match self {
            Self::OauthFirst => [Location::Oauth, Location::Oidc],
            Self::OidcFirst => [Location::Oidc, Location::Oauth],
        }
    }
}

#[derive(Clone, Copy)]
enum Location {
    Oauth,
    Oidc,
}

impl Location {
    /// RFC 8414 §3.1 inserts its segment before the issuer's path, OpenID Connect appends its own. Both drop the
    /// path's terminating slash.
    fn of(self, issuer: &Endpoint) -> Endpoint {
        let path = issuer.url().path();
        let path = path.strip_suffix('/').unwrap_or(path);
        issuer.at_path(&match self {
            Self::Oauth => format!("/.well-known/oauth-authorization-server{path}"),
            Self::Oidc => format!("{path}/.well-known/openid-configuration"),
        })
    }
}

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
            DiscoveryFailure::Document(_) => None,
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

/// The metadata of one issuer: fetched at first use, kept for [an hour](METADATA_FRESH), then refreshed in the
/// background; the last good document stays [while the issuer is down](METADATA_USABLE). Cheap to clone; the clones
/// share the document.
#[derive(Debug, Clone)]
pub struct Discovery {
    issuer: Issuer,
    locations: Arc<[Endpoint; 2]>,
    http: Http,
    slot: Slot<Arc<ServerMetadata>, DiscoveryError>,
}

impl Discovery {
    /// The metadata of this issuer, looked for in the [default order](DiscoveryOrder). Fetches nothing yet.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of the field `issuer` when the issuer is not an https URL (or http on this machine) without
    /// query and fragment (RFC 8414 §2).
    pub fn new(issuer: Issuer, http: Http) -> Result<Self, InvalidSetting> {
        Self::in_order(DiscoveryOrder::default(), issuer, http)
    }

    /// [`new`](Self::new), in an order of the caller's choice.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn in_order(order: DiscoveryOrder, issuer: Issuer, http: Http) -> Result<Self, InvalidSetting> {
        let url = url_of(&issuer)?;
        let locations = Arc::new(order.locations().map(|location| location.of(&url)));
        let slot = Slot::new(http.clock().clone());
        Ok(Self { issuer, locations, http, slot })
    }

    /// The issuer.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The metadata: at once while it is kept, else fetched once for all who ask.
    ///
    /// # Errors
    ///
    /// [`DiscoveryError`] when there is no usable document: none was ever fetched, or the last good one is too old, and
    /// fetching one fails now.
    pub fn metadata(&self) -> impl Future<Output = Result<Arc<ServerMetadata>, DiscoveryError>> + Send + use<> {
        let (issuer, locations, http) = (self.issuer.clone(), Arc::clone(&self.locations), self.http.clone());
        self.slot.get(move || async move {
            match find(&issuer, &locations, &http).await {
                Ok(metadata) => {
                    Ok(Loaded { value: Arc::new(metadata), lifetime: Lifetime::new(METADATA_FRESH, METADATA_USABLE) })
                }
                Err(error) => {
                    tracing::warn!(%issuer, error = &error as &dyn std::error::Error, "no usable metadata");
                    let retry_after = error.retry_after().unwrap_or(PAUSE_AFTER_FAILURE);
                    Err(Failed { error, retry_after })
                }
            }
        })
    }
}

/// The URL of an issuer whose metadata is to be fetched.
pub(crate) fn url_of(issuer: &Issuer) -> Result<Endpoint, InvalidSetting> {
    Endpoint::of_issuer(issuer).map_err(|broken| InvalidSetting::new("issuer", format!("{issuer:?} {broken}")))
}

/// A location that has no such document leads to the next. A server that is down, and a document of another issuer,
/// end the search: the next location is the same server's.
async fn find(issuer: &Issuer, locations: &[Endpoint; 2], http: &Http) -> Result<ServerMetadata, DiscoveryError> {
    let mut tried = Vec::with_capacity(locations.len());
    let [first, second] = locations;
    let mut failure = match look(issuer, first, http).await {
        Ok(metadata) => return Ok(metadata),
        Err(failure) => failure,
    };
    tried.push(first.clone());
    if leads_on(&failure) {
        failure = match look(issuer, second, http).await {
            Ok(metadata) => return Ok(metadata),
            Err(failure) => failure,
        };
        tried.push(second.clone());
    }
    Err(DiscoveryError(Arc::new(Inner { issuer: issuer.clone(), tried, last: failure })))
}

async fn look(issuer: &Issuer, location: &Endpoint, http: &Http) -> Result<ServerMetadata, DiscoveryFailure> {
    let fetched = http.get_json_bytes(location).await.map_err(DiscoveryFailure::Fetch)?;
    ServerMetadata::parse(issuer, fetched.body()).map_err(DiscoveryFailure::Document)
}

fn leads_on(failure: &DiscoveryFailure) -> bool {
    match failure {
        DiscoveryFailure::Fetch(error) => !error.is_transient(),
        DiscoveryFailure::Document(MetadataError::OtherIssuer { .. }) => false,
        DiscoveryFailure::Document(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8414_a3_locations_of_issuers_with_and_without_a_path() {
        let cases = [
            ("https://h", "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"),
            ("https://h/", "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"),
            ("https://h/t1", "/.well-known/oauth-authorization-server/t1", "/t1/.well-known/openid-configuration"),
            ("https://h/a/", "/.well-known/oauth-authorization-server/a", "/a/.well-known/openid-configuration"),
            ("https://h/a/b", "/.well-known/oauth-authorization-server/a/b", "/a/b/.well-known/openid-configuration"),
        ];
        for (issuer, oauth, oidc) in cases {
            let url = url_of(&issuer.parse().expect(issuer)).expect(issuer);
            assert_eq!(Location::Oauth.of(&url).to_string(), format!("https://h{oauth}"), "{issuer}");
            assert_eq!(Location::Oidc.of(&url).to_string(), format!("https://h{oidc}"), "{issuer}");
        }
    }
}
