//! Where a token is to be used, and for what.

use std::{fmt, str::FromStr};

use form_urlencoded::Serializer;
use tower_identity_core::{Audience, Fingerprint, Scopes};
use url::Url;

use crate::Parameters;

/// Why a string is not a resource indicator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a resource is an absolute URI without fragment")]
pub struct InvalidResource(());

/// The service that a token is for, by its URI: absolute and without fragment (RFC 8707 §2). Sent as it was written.
///
/// ```
/// use tower_identity_oauth::Resource;
///
/// assert_eq!(Resource::parse("https://payments.internal/v1")?.as_str(), "https://payments.internal/v1");
/// assert!(Resource::parse("/v1").is_err());
/// # Ok::<(), tower_identity_oauth::InvalidResource>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resource(Box<str>);

impl Resource {
    /// Reads a resource indicator.
    ///
    /// # Errors
    ///
    /// [`InvalidResource`] when it is relative or has a fragment.
    pub fn parse(value: &str) -> Result<Self, InvalidResource> {
        match Url::parse(value) {
            Ok(uri) if uri.fragment().is_none() => Ok(Self(value.into())),
            _ => Err(InvalidResource(())),
        }
    }

    /// The URI as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Resource {
    type Err = InvalidResource;

    fn from_str(value: &str) -> Result<Self, InvalidResource> {
        Self::parse(value)
    }
}

/// Where a token is to be used and for what. One audience and one resource at most: several would multiply the scopes
/// (RFC 8693 §2.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetService {
    /// The service's logical name at the authorization server (RFC 8693 §2.1).
    pub audience: Option<Audience>,
    /// The service's URI (RFC 8707 §2).
    pub resource: Option<Resource>,
    /// What the token is to allow. Empty asks for whatever the server grants by default, of which only
    /// [tolerated](Self::tolerated) scopes are accepted.
    pub scopes: Scopes,
    /// What the server may grant unasked. Anything else beyond [scopes](Self::scopes) is refused.
    pub tolerated: Scopes,
    /// What else is sent with each request for such a token.
    pub parameters: Parameters,
}

impl TargetService {
    /// All of it: part of a cache key.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("target-service")
            .optional(self.audience.as_ref().map(Audience::as_str))
            .optional(self.resource.as_ref().map(Resource::as_str))
            .field(self.scopes.to_string())
            .field(self.tolerated.to_string())
            .field(self.parameters.fingerprint().as_bytes())
            .finish()
    }

    pub(super) fn append_to(&self, form: &mut Serializer<'_, String>) {
        self.append_audience(form);
        self.append_resource(form);
        self.append_scope(form);
    }

    pub(super) fn append_audience(&self, form: &mut Serializer<'_, String>) {
        if let Some(audience) = &self.audience {
            form.append_pair("audience", audience.as_str());
        }
    }

    pub(super) fn append_resource(&self, form: &mut Serializer<'_, String>) {
        if let Some(resource) = &self.resource {
            form.append_pair("resource", resource.as_str());
        }
    }

    pub(super) fn append_scope(&self, form: &mut Serializer<'_, String>) {
        if !self.scopes.is_empty() {
            form.append_pair("scope", &self.scopes.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8707_b1_a_resource_is_absolute_without_fragment_and_kept_as_written() {
        for good in ["https://payments.test", "https://payments.test/", "urn:example:payments", "https://h/?tenant=a"] {
            assert_eq!(Resource::parse(good).map(|resource| resource.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "/payments", "payments.test", "https://payments.test/#a"] {
            assert_eq!(Resource::parse(bad), Err(InvalidResource(())), "{bad}");
        }
    }
}
