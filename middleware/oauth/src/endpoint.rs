//! Where an authorization server may be reached: https, or plain http on this machine.

use std::{fmt, str::FromStr};

use tower_identity_core::Issuer;
use url::{Host, Url};

use crate::special_use::{is_special, is_special_name};

/// Why a URL is not an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEndpoint {
    /// Not an absolute URL.
    #[error("is not an absolute URL")]
    NotAUrl,
    /// Neither https, nor http on this machine (RFC 8414 §2).
    #[error("is neither https nor http on a loopback address")]
    NotSecure,
    /// Not https, over which alone a certificate is shown (RFC 8705 §2).
    #[error("is not https, and a client certificate is shown over TLS alone")]
    NoTls,
    /// The URL carries credentials, which would end up in logs.
    #[error("has a user name or password in it")]
    Credentials,
    /// The URL has a fragment (RFC 6749 §3.2).
    #[error("has a fragment")]
    Fragment,
    /// An issuer has no query (RFC 8414 §2).
    #[error("has a query")]
    Query,
}

/// A URL of an authorization server that requests may be sent to: https, or http to a loopback address, without
/// credentials and fragment (RFC 6749 §3.2, RFC 8414 §2).
///
/// ```
/// use tower_identity_oauth::{Endpoint, InvalidEndpoint};
///
/// assert!(Endpoint::parse("https://login.example.com/token").is_ok());
/// assert!(Endpoint::parse("http://127.0.0.1:9400/token").is_ok());
/// assert_eq!(Endpoint::parse("http://login.example.com/token"), Err(InvalidEndpoint::NotSecure));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Endpoint(Url);

impl Endpoint {
    /// Reads an endpoint.
    ///
    /// # Errors
    ///
    /// [`InvalidEndpoint`] names the rule that the URL breaks.
    pub fn parse(value: &str) -> Result<Self, InvalidEndpoint> {
        let url = Url::parse(value).map_err(|_| InvalidEndpoint::NotAUrl)?;
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            _ => return Err(InvalidEndpoint::NotSecure),
        }
        if !url.username().is_empty() || url.password().is_some() {
            Err(InvalidEndpoint::Credentials)
        } else if url.fragment().is_some() {
            Err(InvalidEndpoint::Fragment)
        } else {
            Ok(Self(url))
        }
    }

    /// The URL of an issuer, which has no query either (RFC 8414 §2). Its exact string is the issuer, never this.
    pub(crate) fn of_issuer(issuer: &Issuer) -> Result<Self, InvalidEndpoint> {
        let endpoint = Self::parse(issuer.as_str())?;
        if endpoint.0.query().is_some() { Err(InvalidEndpoint::Query) } else { Ok(endpoint) }
    }

    /// The URL.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// The same, where a certificate is to be shown.
    ///
    /// # Errors
    ///
    /// [`InvalidEndpoint::NoTls`] of one on this machine, which is without.
    pub(crate) fn with_tls(&self) -> Result<&Self, InvalidEndpoint> {
        if self.0.scheme() == "https" { Ok(self) } else { Err(InvalidEndpoint::NoTls) }
    }

    /// The URL as operators are told of it: a query may hold anything.
    pub(crate) fn without_query(&self) -> String {
        let mut url = self.0.clone();
        url.set_query(None);
        url.into()
    }

    /// Whether it is on the same host and port, in the same scheme.
    pub(crate) fn is_at_the_origin_of(&self, other: &Self) -> bool {
        self.0.origin() == other.0.origin()
    }

    /// The same server, at another path.
    pub(crate) fn at_path(&self, path: &str) -> Self {
        let mut url = self.0.clone();
        url.set_path(path);
        Self(url)
    }

    /// Whether the host is an address that means nothing outside this machine or network: loopback, private,
    /// link-local and their kin. A name is not looked up.
    pub(crate) fn is_of_special_use(&self) -> bool {
        match self.0.host() {
            Some(Host::Domain(name)) => is_special_name(name),
            Some(Host::Ipv4(address)) => is_special(address.into()),
            Some(Host::Ipv6(address)) => is_special(address.into()),
            None => true,
        }
    }
}

/// Whether what is sent there stays on this machine. Of the names below `localhost`, some resolvers ask the network
/// (RFC 6761 §6.3 only advises them not to), so none of those counts.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(value: &str) -> Result<Self, InvalidEndpoint> {
        Self::parse(value)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8414_a2_only_https_or_http_on_this_machine() {
        let cases = [
            ("https://as.example/token", None),
            ("https://as.example/token?tenant=a", None),
            ("https://10.0.0.7/token", None),
            ("http://127.0.0.1:9400/token", None),
            ("http://[::1]:9400/token", None),
            ("http://localhost:9400/token", None),
            ("http://as.example/token", Some(InvalidEndpoint::NotSecure)),
            ("http://10.0.0.7/token", Some(InvalidEndpoint::NotSecure)),
            ("http://localhost.example/token", Some(InvalidEndpoint::NotSecure)),
            ("http://as.localhost/token", Some(InvalidEndpoint::NotSecure)),
            ("http://localhost./token", Some(InvalidEndpoint::NotSecure)),
            ("http://127.0.0.1.example/token", Some(InvalidEndpoint::NotSecure)),
            ("ftp://as.example/token", Some(InvalidEndpoint::NotSecure)),
            ("file:///etc/passwd", Some(InvalidEndpoint::NotSecure)),
            ("https://id:secret@as.example/token", Some(InvalidEndpoint::Credentials)),
            ("https://id@as.example/token", Some(InvalidEndpoint::Credentials)),
            ("https://as.example/token#a", Some(InvalidEndpoint::Fragment)),
            ("/token", Some(InvalidEndpoint::NotAUrl)),
            ("", Some(InvalidEndpoint::NotAUrl)),
        ];
        for (input, refused) in cases {
            assert_eq!(Endpoint::parse(input).err(), refused, "{input}");
        }
    }

    #[test]
    fn rfc8414_a2_an_issuer_has_no_query() {
        let of_issuer = |issuer: &str| Endpoint::of_issuer(&issuer.parse().expect(issuer)).map(|url| url.to_string());
        assert_eq!(of_issuer("https://as.example/t1"), Ok("https://as.example/t1".to_owned()));
        assert_eq!(of_issuer("https://as.example/t1?a"), Err(InvalidEndpoint::Query));
        assert_eq!(of_issuer("https://as.example/t1?"), Err(InvalidEndpoint::Query));
        assert_eq!(of_issuer("https://as.example/t1#a"), Err(InvalidEndpoint::Fragment));
    }

    #[test]
    fn operators_are_told_no_query() {
        let told = |url: &str| Endpoint::parse(url).expect(url).without_query();
        assert_eq!(told("https://as.example/t1/token?key=hunter2"), "https://as.example/t1/token");
        assert_eq!(told("https://as.example/t1/token"), "https://as.example/t1/token");
    }

    #[test]
    fn addresses_of_special_use_are_known_in_every_spelling() {
        let special = [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.0.0.1/",
            "https://10.1.2.3/",
            "https://172.16.0.1/",
            "https://192.168.0.1/",
            "https://169.254.169.254/",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
            "https://[::1]/",
            "https://[::]/",
            "https://[fe80::1]/",
            "https://[fd00::1]/",
            "https://[::ffff:169.254.169.254]/",
            "https://localhost/",
            "https://LOCALHOST./",
            "https://a.localhost/",
        ];
        for url in special {
            assert!(Endpoint::parse(url).expect(url).is_of_special_use(), "{url}");
        }
        for url in ["https://as.example/", "https://93.184.216.34/", "https://172.32.0.1/", "https://[2606:4700::1]/"] {
            assert!(!Endpoint::parse(url).expect(url).is_of_special_use(), "{url}");
        }
    }
}
