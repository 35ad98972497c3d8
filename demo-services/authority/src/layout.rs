//! Where an authority's documents and endpoints are, by its identifier.

use tower_identity::{InvalidSetting, Issuer};

/// What stands for the tenant.
const TENANT: &str = "{tenant}";

/// Paths below an origin. `{tenant}` is the tenant whose issuer it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// What the identifier has after the origin.
    pub(crate) issuer: &'static str,
    pub(crate) token: &'static str,
    pub(crate) keys: &'static str,
    pub(crate) metadata: &'static [&'static str],
    /// Where there is one.
    pub(crate) introspection: Option<&'static str>,
}

/// The identifier is an origin, and all is below it.
pub(crate) const AT_THE_ROOT: Layout = Layout {
    issuer: "",
    token: "/token",
    keys: "/jwks",
    metadata: &["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"],
    introspection: Some("/introspect"),
};

/// A layout at an issuer's origin.
#[derive(Debug)]
pub(crate) struct Places {
    origin: String,
    /// Empty where there are no tenants.
    pub(crate) tenant: String,
    layout: Layout,
}

impl Places {
    /// Where all is of this issuer, if its identifier is of that layout.
    pub(crate) fn of(issuer: &Issuer, layout: Layout) -> Result<Self, InvalidSetting> {
        let invalid = |rule: &str| Err(InvalidSetting::new("issuer", rule));
        let Some((scheme, rest)) = issuer.as_str().split_once("://") else { return invalid("is not a URL") };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if rest.contains(['?', '#', '@']) {
            return invalid("has more than scheme, host, port and path");
        }
        let Some(tenant) = tenant_in(path, layout.issuer) else {
            return match layout.issuer {
                "" => invalid("has more than scheme, host and port"),
                expected => {
                    Err(InvalidSetting::new("issuer", format!("does not go on with {expected} after the port")))
                }
            };
        };
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => authority,
        };
        match scheme {
            "https" => {}
            "http" if is_loopback(host) => {}
            "http" => return invalid("is http on an address that is not loopback"),
            _ => return invalid("is neither https nor http"),
        }
        Ok(Self { origin: format!("{scheme}://{authority}"), tenant: tenant.to_owned(), layout })
    }

    pub(crate) fn token_endpoint(&self) -> String {
        self.url(self.layout.token)
    }

    pub(crate) fn keys(&self) -> String {
        self.url(self.layout.keys)
    }

    pub(crate) fn introspection_endpoint(&self) -> Option<String> {
        self.layout.introspection.map(|path| self.url(path))
    }

    pub(crate) fn token_path(&self) -> String {
        self.path(self.layout.token)
    }

    pub(crate) fn keys_path(&self) -> String {
        self.path(self.layout.keys)
    }

    pub(crate) fn introspection_path(&self) -> Option<String> {
        self.layout.introspection.map(|path| self.path(path))
    }

    pub(crate) fn metadata_paths(&self) -> impl Iterator<Item = String> {
        self.layout.metadata.iter().map(|path| self.path(path))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{}", self.origin, self.path(path))
    }

    fn path(&self, path: &str) -> String {
        path.replace(TENANT, &self.tenant)
    }
}

/// The tenant that stands in a path, where the path is like this otherwise.
fn tenant_in<'p>(path: &'p str, like: &str) -> Option<&'p str> {
    let Some((before, after)) = like.split_once(TENANT) else { return (path == like).then_some("") };
    let tenant = path.strip_prefix(before)?.strip_suffix(after)?;
    let is_one = !tenant.is_empty() && tenant.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-'));
    is_one.then_some(tenant)
}

/// Whether a URL's host, as it is written, can only be this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    ["127.0.0.1", "[::1]", "localhost"].contains(&host)
}
