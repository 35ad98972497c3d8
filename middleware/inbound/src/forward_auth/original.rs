//! The request that a proxy asks about, read out of its question.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri,
    header::{CONTENT_TYPE, HOST},
    uri::PathAndQuery,
};
use serde::Deserialize;
use tower_identity_core::Refusal;

use super::CHECK;
use crate::source::malformed;

const METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const AUTHORITY: HeaderName = HeaderName::from_static("x-forwarded-host");
const URI: HeaderName = HeaderName::from_static("x-forwarded-uri");

/// Where a proxy says what it asks about. In a file: `"forwarded"`, `"as_asked"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OriginalRequest {
    /// In `X-Forwarded-Method`, `X-Forwarded-Proto`, `X-Forwarded-Host` and `X-Forwarded-Uri`, each once: as Traefik and
    /// Caddy write them, and nginx and HAProxy are told to.
    Forwarded,
    /// In the question itself, which has the method, the host and the path of what it is about: as Envoy's `ext_authz`
    /// sends it over HTTP, without a `path_prefix`.
    AsAsked,
}

impl OriginalRequest {
    /// Makes of a question the request that it is about.
    pub(super) fn restore<B>(self, request: &mut Request<B>) -> Result<(), Refusal> {
        if self == Self::Forwarded {
            let headers = request.headers();
            let method = Method::from_bytes(only(headers, &METHOD)?.as_bytes()).map_err(|_| wrong(&METHOD))?;
            let path: PathAndQuery = text(headers, &URI)?.parse().map_err(|_| wrong(&URI))?;
            let host = only(headers, &AUTHORITY)?.clone();
            let uri = Uri::builder().scheme(scheme(headers)?).authority(host.as_bytes()).path_and_query(path);
            let uri = uri.build().map_err(|_| wrong(&AUTHORITY))?;
            if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
                return Err(wrong(&AUTHORITY));
            }
            *request.method_mut() = method;
            *request.uri_mut() = uri;
            request.headers_mut().insert(HOST, host);
        }
        // A question has no body; and whoever says by its type that it is gRPC's would be refused with status 200.
        request.headers_mut().remove(CONTENT_TYPE);
        match reads_as_one(request.uri().path()) {
            true => Ok(()),
            false => Err(malformed(CHECK).detail("a path that others may read as another")),
        }
    }
}

fn scheme(headers: &HeaderMap) -> Result<&'static str, Refusal> {
    match only(headers, &PROTO)?.as_bytes() {
        b"https" => Ok("https"),
        b"http" => Ok("http"),
        _ => Err(wrong(&PROTO)),
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h str, Refusal> {
    only(headers, name)?.to_str().map_err(|_| wrong(name))
}

fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h HeaderValue, Refusal> {
    let mut values = headers.get_all(name).into_iter();
    match (values.next(), values.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(malformed(CHECK).detail(format!("no field {name}"))),
        (Some(_), Some(_)) => Err(malformed(CHECK).detail(format!("more than one field {name}"))),
    }
}

fn wrong(name: &HeaderName) -> Refusal {
    malformed(CHECK).detail(format!("what stands in {name} is of no request"))
}

/// Whether a path is in its normal form (RFC 3986 §6.2.2), so that a proxy which routes by its normal form and a rule here
/// cannot mean two.
fn reads_as_one(path: &str) -> bool {
    let bytes = path.as_bytes();
    let segments = || path.split('/').skip(1);
    let ends_with = segments().count();
    path.starts_with('/')
        && !bytes.contains(&b'\\')
        && segments().enumerate().all(|(at, segment)| match segment {
            // The last one is empty where the path ends with `/`.
            "" => at + 1 == ends_with,
            "." | ".." => false,
            _ => true,
        })
        && bytes
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'%')
            .all(|(at, _)| is_needed(bytes.get(at + 1..at + 3)))
}

/// Whether what these two digits stand for can be written in no other way, and separates nothing.
fn is_needed(digits: Option<&[u8]>) -> bool {
    let byte = digits.and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| {
        digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u8::from_str_radix(digits, 16).ok()).flatten()
    });
    byte.is_some_and(|byte| !byte.is_ascii_alphanumeric() && !b"-._~/\\".contains(&byte) && !byte.is_ascii_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fauth_a3_a_path_has_one_reading() {
        for path in ["/", "/orders", "/orders/", "/orders/7", "/a%20b/%C3%A9", "/a.b/..c", "/a%25", "/a;b=c", "/a:b@c"]
        {
            assert!(reads_as_one(path), "{path}");
        }
        for path in [
            "",
            "*",
            "orders",
            "//",
            "//orders",
            "/a//b",
            "/.",
            "/..",
            "/a/./b",
            "/a/../b",
            "/a/..",
            "/%2e%2E/b",
            "/a%2Fb",
            "/a%2fb",
            "/a%5cb",
            "/a\\b",
            "/%61dmin",
            "/%7Ea",
            "/a%00",
            "/a%0d",
            "/a%7f",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%+1",
        ] {
            assert!(!reads_as_one(path), "{path}");
        }
    }
}
