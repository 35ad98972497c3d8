//! Whether somebody at this machine asks, for the few routes that ask for no credential.

use std::net::{IpAddr, SocketAddr};

use axum::http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{FORWARDED, HOST, ORIGIN},
    uri::Authority,
};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whether a request comes from a program on this machine that its user started.
///
/// That the peer is on this machine is not enough. A browser is, and sends what any page wants (it says so by
/// `Origin`), also to a name of the page's own that was made to mean this machine (which is what `Host` then says). A
/// reverse proxy is, and sends what anybody wants.
#[must_use]
pub fn is_from_this_machine(peer: SocketAddr, headers: &HeaderMap) -> bool {
    let passed_on = [ORIGIN, FORWARDED, X_FORWARDED_FOR].iter().any(|name| headers.contains_key(name));
    let mut hosts = headers.get_all(HOST).iter();
    let by_its_name = matches!((hosts.next(), hosts.next()), (Some(host), None) if names_this_machine(host));
    peer.ip().to_canonical().is_loopback() && by_its_name && !passed_on
}

fn names_this_machine(host: &HeaderValue) -> bool {
    let Ok(authority) = Authority::try_from(host.as_bytes()) else { return false };
    let name = authority.host();
    let address = name.strip_prefix('[').and_then(|v6| v6.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(peer: &str, headers: &[(&'static str, &'static str)]) -> bool {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(*name, HeaderValue::from_static(value));
        }
        is_from_this_machine(SocketAddr::new(peer.parse().expect("an address"), 50_000), &all)
    }

    #[test]
    fn a_program_on_this_machine_is_answered_and_no_other_machine() {
        for (peer, expected) in [("127.0.0.1", true), ("::1", true), ("::ffff:127.0.0.1", true), ("192.0.2.1", false)] {
            assert_eq!(asked(peer, &[("host", "127.0.0.1:9400")]), expected, "{peer}");
        }
    }

    #[test]
    fn a_name_that_was_made_to_mean_this_machine_is_not_its_name() {
        for host in ["127.0.0.1:9400", "127.0.0.1", "localhost:9400", "LOCALHOST", "[::1]:9400"] {
            assert!(asked("127.0.0.1", &[("host", host)]), "{host}");
        }
        for host in ["rebound.example:9400", "localhost.example", "127.0.0.1.example", "192.0.2.1", "localhost@x", ""] {
            assert!(!asked("127.0.0.1", &[("host", host)]), "{host}");
        }
        assert!(!asked("127.0.0.1", &[]));
        assert!(!asked("127.0.0.1", &[("host", "localhost"), ("host", "rebound.example")]));
    }

    #[test]
    fn a_page_or_a_proxy_on_this_machine_asks_for_somebody_else() {
        let passed_on = [
            ("origin", "https://page.example"),
            ("origin", "null"),
            ("forwarded", "for=192.0.2.1"),
            ("x-forwarded-for", "192.0.2.1"),
        ];
        for header in passed_on {
            assert!(!asked("127.0.0.1", &[("host", "localhost"), header]), "{header:?}");
        }
        assert!(asked("127.0.0.1", &[("host", "localhost"), ("user-agent", "curl")]));
    }
}
