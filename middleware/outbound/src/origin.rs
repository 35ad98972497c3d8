//! An origin: scheme, host and port, compared exactly (RFC 6454 §4).

use std::{fmt, net::IpAddr};

use http::{
    HeaderValue, Uri,
    uri::{self, Authority},
};
use url::{Host, Url};

/// The schemes that a token may travel over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// The origin of a target, as it is configured: the host in lower case, the port always known.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: Scheme,
    host: Box<str>,
    port: u16,
    /// Host and port, the latter where it is not the scheme's own.
    authority: Box<str>,
    loopback: bool,
}

impl Origin {
    /// Reads `scheme://host[:port]`. The error is the rule that the text breaks.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        const SHAPE: &str = "is not of the form scheme://host[:port]";
        if !text.contains("://") {
            return Err(SHAPE);
        }
        let url = Url::parse(text).map_err(|_| SHAPE)?;
        let scheme = match url.scheme() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            _ => return Err("has a scheme other than https and http"),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("holds a user name or password");
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err("has more than scheme, host and port; a path goes into the path prefix");
        }
        let host = url.host().ok_or(SHAPE)?;
        let loopback = match &host {
            Host::Domain(name) => *name == "localhost",
            Host::Ipv4(address) => IpAddr::from(*address).is_loopback(),
            Host::Ipv6(address) => IpAddr::from(*address).is_loopback(),
        };
        let port = url.port().unwrap_or(scheme.default_port());
        let host: Box<str> = host.to_string().into();
        let written = if port == scheme.default_port() { host.clone() } else { format!("{host}:{port}").into() };
        Ok(Self { scheme, host, port, authority: written, loopback })
    }

    /// Whether a token sent there could be read on the way.
    pub(crate) fn is_plaintext(&self) -> bool {
        self.scheme == Scheme::Http
    }

    /// Whether the host is this machine by its name or address.
    pub(crate) fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// What [`is_written`](Self::is_written) asks about first.
    pub(crate) fn bits(&self) -> u64 {
        bits(&self.authority)
    }

    /// Whether an address has this origin, and writes it so. One that writes it otherwise may have it, too.
    pub(crate) fn is_written(&self, uri: &Uri) -> bool {
        let is_scheme = |scheme: &uri::Scheme| match self.scheme {
            Scheme::Https => *scheme == uri::Scheme::HTTPS,
            Scheme::Http => *scheme == uri::Scheme::HTTP,
        };
        uri.scheme().is_some_and(is_scheme) && uri.authority().is_some_and(|other| other.as_str() == &*self.authority)
    }

    /// Whether a request to that origin comes here. Host names know no case (RFC 3986 §3.2.2).
    pub(crate) fn is(&self, other: &OriginOf<'_>) -> bool {
        self.port == other.port && self.scheme == other.scheme && self.host.eq_ignore_ascii_case(other.host)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        OriginOf { scheme: self.scheme, host: &self.host, port: self.port }.fmt(f)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The origin of a request's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OriginOf<'a> {
    scheme: Scheme,
    host: &'a str,
    port: u16,
}

/// Something of every byte of a text: texts that differ in it are not the same, which is known sooner than by comparing
/// them.
pub(crate) fn bits(text: &str) -> u64 {
    let mix = |state: u64, bytes: [u8; 8]| {
        // No product waits for another one.
        state.rotate_left(5) ^ u64::from_le_bytes(bytes).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    };
    let bytes = text.as_bytes();
    // The last word begins in the one before it, where there is one.
    let last = bytes.last_chunk().copied().unwrap_or_else(|| {
        let mut short = [0; 8];
        short[..bytes.len()].copy_from_slice(bytes);
        short
    });
    mix(bytes.as_chunks().0.iter().copied().fold(bytes.len() as u64, mix), last)
}

/// Why an address has no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoOrigin {
    /// It is relative, or of another scheme.
    NotAbsolute,
    /// It holds a user name or password.
    Credentials,
    /// The port is not a number that a port can have.
    Port,
}

impl<'a> OriginOf<'a> {
    pub(crate) fn uri(uri: &'a Uri) -> Result<Self, NoOrigin> {
        let scheme = match uri.scheme() {
            Some(scheme) if *scheme == uri::Scheme::HTTPS => Scheme::Https,
            Some(scheme) if *scheme == uri::Scheme::HTTP => Scheme::Http,
            _ => return Err(NoOrigin::NotAbsolute),
        };
        Self::new(scheme, uri.authority().ok_or(NoOrigin::NotAbsolute)?)
    }

    fn new(scheme: Scheme, authority: &'a Authority) -> Result<Self, NoOrigin> {
        let host = authority.host();
        // Read from the text: `Authority::port` takes a port that is none for an absent one.
        let port = match authority.as_str().strip_prefix(host) {
            Some("") => scheme.default_port(),
            Some(port) if !port.contains('@') => match port.strip_prefix(':') {
                Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                    digits.parse().map_err(|_| NoOrigin::Port)?
                }
                _ => return Err(NoOrigin::Port),
            },
            _ => return Err(NoOrigin::Credentials),
        };
        Ok(Self { scheme, host, port })
    }

    /// Whether a `Host` header names the same host and port. Behind one address, it is what chooses the server.
    pub(crate) fn is_host(&self, header: &HeaderValue) -> bool {
        let Ok(authority) = Authority::try_from(header.as_bytes()) else { return false };
        let named = OriginOf::new(self.scheme, &authority);
        named.is_ok_and(|named| named.port == self.port && named.host.eq_ignore_ascii_case(self.host))
    }
}

impl fmt::Display for OriginOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.host)?;
        if self.port == self.scheme.default_port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port_and_nothing_else() {
        let cases = [
            ("https://payments.internal", Ok("https://payments.internal")),
            ("https://payments.internal/", Ok("https://payments.internal")),
            ("https://PAYMENTS.internal:443", Ok("https://payments.internal")),
            ("http://127.0.0.1:8080", Ok("http://127.0.0.1:8080")),
            ("http://[::1]:80", Ok("http://[::1]")),
            ("payments.internal", Err("is not of the form scheme://host[:port]")),
            ("https:payments.internal", Err("is not of the form scheme://host[:port]")),
            ("https://", Err("is not of the form scheme://host[:port]")),
            ("ftp://payments.internal", Err("has a scheme other than https and http")),
            ("https://me@payments.internal", Err("holds a user name or password")),
            ("https://:secret@payments.internal", Err("holds a user name or password")),
            (
                "https://payments.internal/v1",
                Err("has more than scheme, host and port; a path goes into the path prefix"),
            ),
            (
                "https://payments.internal?",
                Err("has more than scheme, host and port; a path goes into the path prefix"),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(Origin::parse(text).map(|o| o.to_string()), expected.map(str::to_owned), "{text}");
        }
    }

    #[test]
    fn rfc6750_b1_only_the_same_scheme_host_and_port_are_the_same_origin() {
        let origin = Origin::parse("https://payments.internal").expect("origin");
        let cases = [
            ("https://payments.internal/x", Ok(true)),
            ("https://payments.internal:443/x", Ok(true)),
            ("https://PAYMENTS.Internal/x", Ok(true)),
            ("HTTPS://payments.internal/x", Ok(true)),
            ("http://payments.internal/x", Ok(false)),
            ("http://payments.internal:443/x", Ok(false)),
            ("https://payments.internal:8443/x", Ok(false)),
            ("https://payments.internal./x", Ok(false)),
            ("https://payments.internal.evil.example/x", Ok(false)),
            ("https://evilpayments.internal/x", Ok(false)),
            ("https://internal/x", Ok(false)),
            ("https://%70ayments.internal/x", Ok(false)),
            ("https://payments.internal@evil.example/x", Err(NoOrigin::Credentials)),
            ("https://me:secret@payments.internal/x", Err(NoOrigin::Credentials)),
            ("https://payments.internal:secret@payments.internal/x", Err(NoOrigin::Credentials)),
            ("https://payments.internal:99999/x", Err(NoOrigin::Port)),
            ("https://payments.internal:/x", Err(NoOrigin::Port)),
            ("wss://payments.internal/x", Err(NoOrigin::NotAbsolute)),
            ("/x", Err(NoOrigin::NotAbsolute)),
            ("payments.internal:443", Err(NoOrigin::NotAbsolute)),
        ];
        for (text, expected) in cases {
            let Ok(uri) = text.parse::<Uri>() else {
                assert_ne!(expected, Ok(true), "{text}");
                continue;
            };
            assert_eq!(OriginOf::uri(&uri).map(|other| origin.is(&other)), expected, "{text}");
        }
    }

    #[test]
    fn rfc6750_b1_an_origin_that_is_written_as_it_is_listed_is_that_one() {
        for (listed, address, expected) in [
            ("https://a.internal", "https://a.internal/x", true),
            ("https://a.internal:443", "https://a.internal/x", true),
            ("https://a.internal:8443", "https://a.internal:8443/x", true),
            ("http://[::1]:80", "http://[::1]/x", true),
            // The same one, and written otherwise: found by reading it.
            ("https://a.internal", "https://A.internal/x", false),
            ("https://a.internal", "https://a.internal:443/x", false),
            // Others.
            ("https://a.internal", "http://a.internal/x", false),
            ("http://a.internal", "https://a.internal/x", false),
            ("http://a.internal:443", "https://a.internal/x", false),
            ("https://a.internal", "https://a.internal:8443/x", false),
            ("https://a.internal", "https://me@a.internal/x", false),
            ("https://a.internal", "/a.internal", false),
        ] {
            let uri: Uri = address.parse().expect("uri");
            let origin = Origin::parse(listed).expect("origin");
            assert_eq!(origin.is_written(&uri), expected, "{listed} {address}");
            let read = OriginOf::uri(&uri).is_ok_and(|other| origin.is(&other));
            assert!(!expected || read, "{listed} {address}");
            assert!(!expected || origin.bits() == bits(uri.authority().expect("one").as_str()));
        }
        let all =
            ["a.internal", "b.internal", "a.internam", "a.interna", "a", "b", "", "aaaaaaaa", "aaaaaaaaa"].map(bits);
        for (at, one) in all.iter().enumerate() {
            assert!(!all[..at].contains(one), "{at}");
        }
    }

    #[test]
    fn a_host_header_agrees_or_names_another_server() {
        let uri: Uri = "https://payments.internal/x".parse().expect("uri");
        let origin = OriginOf::uri(&uri).expect("origin");
        let cases = [
            ("payments.internal", true),
            ("Payments.Internal:443", true),
            ("payments.internal:8443", false),
            ("orders.internal", false),
            ("me@payments.internal", false),
            ("payments.internal@", false),
            ("@", false),
            (":", false),
            ("[", false),
            ("", false),
            ("payments.internal, orders.internal", false),
        ];
        for (header, expected) in cases {
            assert_eq!(origin.is_host(&HeaderValue::from_static(header)), expected, "{header}");
        }
    }

    #[test]
    fn loopback_is_a_name_or_an_address_of_this_machine() {
        let cases = [
            ("http://localhost:1", true),
            ("http://127.9.9.9:1", true),
            ("http://[::1]:1", true),
            ("http://localhost.evil.example", false),
            ("http://127.0.0.1.evil.example", false),
            ("http://10.0.0.1", false),
        ];
        for (text, expected) in cases {
            assert_eq!(Origin::parse(text).map(|o| o.is_loopback()), Ok(expected), "{text}");
        }
    }
}
