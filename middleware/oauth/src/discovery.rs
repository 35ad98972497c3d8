//! An issuer's metadata: found, kept, and refreshed in the background.

mod error;
mod location;
mod search;

use std::{sync::Arc, time::Duration};

use tower_identity_core::{InvalidSetting, Issuer};
use tower_identity_refresh::{Failed, Lifetime, Loaded, Slot};

use self::search::Search;
pub use self::{
    error::{DiscoveryError, DiscoveryFailure},
    location::DiscoveryOrder,
};
use crate::{Endpoint, Http, ServerMetadata};

/// How long metadata is used before it is fetched again in the background.
pub const METADATA_FRESH: Duration = Duration::from_secs(60 * 60);

/// How long the last good metadata is used while the issuer is down.
pub const METADATA_USABLE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a failure stands before the issuer is asked again, where the issuer does not say.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(2);

/// How an issuer's metadata is found, where not as by default.
#[derive(Debug, Clone, Default)]
pub struct DiscoveryOptions {
    order: DiscoveryOrder,
    found_at: Option<Issuer>,
    allow_private: bool,
}

impl DiscoveryOptions {
    /// Where the document is looked for, and in which order.
    #[must_use]
    pub fn order(mut self, order: DiscoveryOrder) -> Self {
        self.order = order;
        self
    }

    /// Looks for the document at another issuer's URL. It must name the issuer all the same: for a server whose one
    /// document is a pattern of the issuers of many tenants.
    #[must_use]
    pub fn found_at(mut self, other: Issuer) -> Self {
        self.found_at = Some(other);
        self
    }

    /// Lets the document name private addresses, and names that lead to them. Without it, only the document of an
    /// issuer that is itself named by such an address may; a name that leads to one is then good for the issuer's own
    /// host and port only.
    #[must_use]
    pub fn allow_private(mut self) -> Self {
        self.allow_private = true;
        self
    }
}

/// The metadata of one issuer: fetched at first use, kept for [an hour](METADATA_FRESH), then refreshed in the
/// background; the last good document stays [while the issuer is down](METADATA_USABLE). Cheap to clone; the clones
/// share the document.
///
/// Where an issuer has a document at both locations, they have to agree on every endpoint that both name
/// (RFC 9068 §4); else neither is used, and whoever configures the service says [where to
/// look](DiscoveryOrder::OauthOnly). The second document is fetched once, and again when the first one changes.
#[derive(Debug, Clone)]
pub struct Discovery {
    search: Arc<Search>,
    /// Where the document is looked for.
    base: Endpoint,
    /// For what the document names elsewhere; `None` where it may lead inside.
    public: Option<Http>,
    slot: Slot<Arc<ServerMetadata>, DiscoveryError>,
}

impl Discovery {
    /// The metadata of this issuer, looked for in the [default order](DiscoveryOrder). Fetches nothing yet.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of the field `issuer` when the issuer is not an https URL (or http on this machine) without
    /// query and fragment (RFC 8414 §2), or the HTTP client cannot be set up.
    pub fn new(issuer: Issuer, http: Http) -> Result<Self, InvalidSetting> {
        Self::with(&DiscoveryOptions::default(), issuer, http)
    }

    /// [`new`](Self::new), with options.
    ///
    /// ```
    /// use tower_identity_oauth::{Discovery, DiscoveryOptions, DiscoveryOrder, Http};
    /// use tower_identity_refresh::system_clock;
    ///
    /// let options = DiscoveryOptions::default().order(DiscoveryOrder::OidcFirst);
    /// let discovery = Discovery::with(&options, "https://login.example.com".parse()?, Http::new(system_clock())?)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with(options: &DiscoveryOptions, issuer: Issuer, http: Http) -> Result<Self, InvalidSetting> {
        let base = url_of(options.found_at.as_ref().unwrap_or(&issuer))?;
        let may_be_private = options.allow_private || base.is_of_special_use();
        let public = if may_be_private { None } else { Some(http.public_only()) };
        let public = public.transpose().map_err(|error| InvalidSetting::new("issuer", error.to_string()))?;
        let slot = Slot::new(http.clock().clone());
        let search = Search { issuer, locations: options.order.locations(&base), may_be_private, http };
        Ok(Self { search: Arc::new(search), base, public, slot })
    }

    /// The issuer.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.search.issuer
    }

    /// The client for an endpoint that the metadata names: one that goes to no private address, unless the endpoint is
    /// at the issuer's own host and port, or the document may lead inside. Whoever can write the document would choose
    /// which of our internal services gets a request (RFC 8725bis §3.10).
    #[must_use]
    pub fn http_to(&self, endpoint: &Endpoint) -> &Http {
        match &self.public {
            Some(public) if !endpoint.is_at_the_origin_of(&self.base) => public,
            Some(_) | None => &self.search.http,
        }
    }

    /// The metadata: at once while it is kept, else fetched once for all who ask.
    ///
    /// # Errors
    ///
    /// [`DiscoveryError`] when there is no usable document: none was ever fetched, or the last good one is too old, and
    /// fetching one fails now.
    pub fn metadata(&self) -> impl Future<Output = Result<Arc<ServerMetadata>, DiscoveryError>> + Send + use<> {
        let (search, before) = (Arc::clone(&self.search), self.slot.peek());
        self.slot.get(move || async move {
            match search.search(before.as_deref()).await {
                Ok(metadata) => {
                    Ok(Loaded { value: Arc::new(metadata), lifetime: Lifetime::new(METADATA_FRESH, METADATA_USABLE) })
                }
                Err(error) => {
                    let issuer = &search.issuer;
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

#[cfg(test)]
mod tests {
    use tower_identity_refresh::system_clock;

    use super::*;

    #[test]
    fn rfc8414_a6_what_metadata_names_elsewhere_is_fetched_by_a_client_that_stays_outside() {
        let http = Http::new(system_clock()).expect("TLS can be set up");
        let cases = [
            ("https://as.example", false, "https://as.example/jwks", false),
            ("https://as.example", false, "https://as.example:444/jwks", true),
            ("https://as.example", false, "https://keys.example/jwks", true),
            ("https://as.example", true, "https://keys.example/jwks", false),
            ("https://10.0.0.1", false, "https://keys.example/jwks", false),
            ("http://127.0.0.1:9400", false, "http://127.0.0.1:9401/jwks", false),
        ];
        for (issuer, allowed, named, stays_outside) in cases {
            let options = DiscoveryOptions { allow_private: allowed, ..DiscoveryOptions::default() };
            let discovery = Discovery::with(&options, issuer.parse().expect(issuer), http.clone()).expect(issuer);
            let client = discovery.http_to(&named.parse().expect(named));
            assert_eq!(client.is_public_only(), stays_outside, "{issuer} {allowed} {named}");
        }
    }
}
