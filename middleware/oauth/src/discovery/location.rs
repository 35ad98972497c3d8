//! Where metadata is looked for.

use serde::Deserialize;

use crate::Endpoint;

/// Where the metadata document is looked for, in which order.
///
/// Where there are two places, what both documents name has to agree (RFC 9068 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DiscoveryOrder {
    /// RFC 8414 §3, then OpenID Connect Discovery §4: the default.
    #[default]
    OauthFirst,
    /// OpenID Connect Discovery §4, then RFC 8414 §3.
    OidcFirst,
    /// RFC 8414 §3, and nowhere else.
    OauthOnly,
    /// OpenID Connect Discovery §4, and nowhere else.
    OidcOnly,
}

/// The places of one issuer, in order.
#[derive(Debug)]
pub(super) struct Locations {
    pub(super) first: Endpoint,
    pub(super) second: Option<Endpoint>,
}

impl DiscoveryOrder {
    /// The places of the issuer that is at this URL.
    pub(super) fn locations(self, issuer: &Endpoint) -> Locations {
        let (first, second) = match self {
            Self::OauthFirst => (oauth(issuer), Some(oidc(issuer))),
            Self::OidcFirst => (oidc(issuer), Some(oauth(issuer))),
            Self::OauthOnly => (oauth(issuer), None),
            Self::OidcOnly => (oidc(issuer), None),
        };
        Locations { first, second }
    }
}

/// RFC 8414 §3.1 inserts its segment before the issuer's path, without the path's terminating slash.
fn oauth(issuer: &Endpoint) -> Endpoint {
    issuer.at_path(&format!("/.well-known/oauth-authorization-server{}", path(issuer)))
}

/// OpenID Connect Discovery §4 appends its own, to the path without its terminating slash.
fn oidc(issuer: &Endpoint) -> Endpoint {
    issuer.at_path(&format!("{}/.well-known/openid-configuration", path(issuer)))
}

fn path(issuer: &Endpoint) -> &str {
    let path = issuer.url().path();
    path.strip_suffix('/').unwrap_or(path)
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
            let issuer = issuer.parse().expect(issuer);
            let (oauth, oidc) = (format!("https://h{oauth}"), format!("https://h{oidc}"));
            let places = |order: DiscoveryOrder| {
                let Locations { first, second } = order.locations(&issuer);
                (first.to_string(), second.map(|second| second.to_string()))
            };
            assert_eq!(places(DiscoveryOrder::OauthFirst), (oauth.clone(), Some(oidc.clone())));
            assert_eq!(places(DiscoveryOrder::OidcFirst), (oidc.clone(), Some(oauth.clone())));
            assert_eq!(places(DiscoveryOrder::OauthOnly), (oauth, None));
            assert_eq!(places(DiscoveryOrder::OidcOnly), (oidc, None));
        }
    }
}
