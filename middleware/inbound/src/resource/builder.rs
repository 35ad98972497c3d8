//! The metadata of a resource, collected and checked.

use std::{net::IpAddr, sync::Arc};

use arc_swap::ArcSwap;
use http::{Uri, uri::Scheme};
use tower_identity_core::{InvalidSetting, Issuer, Scopes};
use tower_identity_verify::{Current, Verifier};

use super::{Inner, ResourceMetadata, Said};

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// Collects the [metadata](ResourceMetadata) of a resource.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it builds"]
pub struct ResourceMetadataBuilder {
    identifier: String,
    authorization_servers: Option<Vec<String>>,
    scopes: Vec<String>,
    name: Option<String>,
    documentation: Option<String>,
}

impl ResourceMetadataBuilder {
    pub(super) fn new(identifier: String) -> Self {
        Self { identifier, authorization_servers: None, scopes: Vec::new(), name: None, documentation: None }
    }

    /// The authorization servers that issue tokens for this resource, by their issuer identifiers.
    ///
    /// By default they are the issuers of the verifier, as far as these are URLs, whatever its settings are by then. Name those that clients may know where
    /// the verifier trusts others too, such as an issuer of workloads inside.
    pub fn authorization_servers<I>(mut self, issuers: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        self.authorization_servers = Some(issuers.into_iter().map(Into::into).collect());
        self
    }

    /// Adds scopes that a client may ask for: one, or several with spaces between them. None are named by default.
    pub fn scope(mut self, scopes: impl Into<String>) -> Self {
        self.scopes.push(scopes.into());
        self
    }

    /// The name of this service, for people.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The URL of a page for people who write clients.
    pub fn documentation(mut self, url: impl Into<String>) -> Self {
        self.documentation = Some(url.into());
        self
    }

    /// Checks what was collected.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] names the field of [`ResourceSettings`](super::ResourceSettings): `identifier` and each of
    /// `authorization_servers` are https URLs, http on a loopback address, without user information, query and fragment;
    /// `scope` is of the grammar of scopes; `documentation` is an http or https URL; `name` is not empty.
    pub fn build(self, verifier: &Verifier) -> Result<ResourceMetadata, InvalidSetting> {
        let path_at = path_of(&self.identifier).map_err(|rule| InvalidSetting::new("identifier", rule))?;
        let current = verifier.current();
        let (authorization_servers, verifier) = match self.authorization_servers {
            Some(named) => (named, None),
            None => (issuers_of(&current), Some(verifier.clone())),
        };
        for (at, server) in authorization_servers.iter().enumerate() {
            path_of(server).map_err(|rule| InvalidSetting::new(at, rule).within("authorization_servers"))?;
        }
        let scopes =
            Scopes::parse(&self.scopes.join(" ")).map_err(|wrong| InvalidSetting::new("scope", wrong.to_string()))?;
        if self.name.as_ref().is_some_and(|name| name.trim().is_empty()) {
            return Err(InvalidSetting::new("name", "is empty"));
        }
        if self.documentation.as_deref().is_some_and(|url| !is_page(url)) {
            return Err(InvalidSetting::new("documentation", "is no http or https URL"));
        }

        // Only the slash right behind the host goes; any other is part of the path (RFC 9728 §3.1).
        let (origin, path) = self.identifier.split_at(path_at);
        let path = if path == "/" { "" } else { path };
        let url = format!("{origin}{WELL_KNOWN}{path}");
        let Self { identifier, name, documentation, .. } = self;
        let said = Said { identifier, authorization_servers, scopes, name, documentation };
        let document = ArcSwap::from_pointee((current.generation(), said.document(&said.authorization_servers)));
        Ok(ResourceMetadata(Arc::new(Inner { url, path_at, said, verifier, document })))
    }
}

/// The issuers that clients may know of: those that are URLs.
pub(super) fn issuers_of(verifier: &Current) -> Vec<String> {
    let issuers = verifier.issuers().map(Issuer::as_str);
    issuers.filter(|issuer| path_of(issuer).is_ok()).map(str::to_owned).collect()
}

/// Where the path of an identifier begins: of a resource (RFC 9728 §1.2) or an issuer (RFC 8414 §2).
fn path_of(identifier: &str) -> Result<usize, &'static str> {
    // `http` takes some characters that RFC 3986 does not, and drops fragments.
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%".contains(&b);
    let uri = Some(identifier).filter(|text| text.bytes().all(legal)).and_then(|text| text.parse::<Uri>().ok());
    let Some((uri, authority)) = uri.as_ref().and_then(|uri| Some((uri, uri.authority()?))) else {
        return Err("is no absolute URL without fragment");
    };
    match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => {}
        Some(scheme) if *scheme == Scheme::HTTP && is_loopback(authority.host()) => {}
        _ => return Err("is neither https nor http on a loopback address"),
    }
    if authority.host().is_empty() || authority.as_str().contains('@') {
        return Err("has no host, or user information");
    }
    if authority.as_str() != authority.host() && authority.port_u16().is_none() {
        return Err("has a port that is none");
    }
    if uri.query().is_some() {
        return Err("has a query");
    }
    let authority_at = identifier.find("://").map_or(0, |at| at + "://".len());
    Ok(authority_at + authority.as_str().len())
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn is_page(url: &str) -> bool {
    url.bytes().all(|b| b.is_ascii_graphic())
        && url.parse::<Uri>().is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")))
}

#[cfg(test)]
mod tests;
