//! The header fields that belong to the message itself, and taking others out.

use http::{HeaderMap, HeaderName};
use tower_identity_core::fields::Pattern;

/// Takes the fields of these names out.
pub(crate) fn remove(headers: &mut HeaderMap, is_gone: impl Fn(&HeaderName) -> bool) {
    let gone: Vec<_> = headers.keys().filter(|name| is_gone(name)).cloned().collect();
    for name in gone {
        headers.remove(name);
    }
}

/// Fields that say how the message is to be read, where it goes or who made it: none is a client's to put a credential
/// in, and none can be taken away.
pub(crate) const OF_THE_MESSAGE: &[Pattern] = &[
    // Of this connection, not of the request (RFC 9110 §7.6.1).
    Pattern::name("connection"),
    Pattern::name("keep-alive"),
    Pattern::begins("proxy-"),
    Pattern::name("te"),
    Pattern::name("trailer"),
    Pattern::name("transfer-encoding"),
    Pattern::name("upgrade"),
    Pattern::begins("http2-"),
    // Where it goes, and how it is read.
    Pattern::name("host"),
    Pattern::begins("content-"),
    Pattern::name("expect"),
    Pattern::name("range"),
    Pattern::begins("if-"),
    Pattern::begins("accept"),
    Pattern::begins("grpc-"),
    Pattern::name("date"),
    Pattern::name("via"),
    Pattern::name("max-forwards"),
    Pattern::name("cache-control"),
    // What a browser says, and pages cannot: `sec-websocket-protocol` is sent back besides.
    Pattern::name("origin"),
    Pattern::name("referer"),
    Pattern::name("user-agent"),
    Pattern::begins("sec-"),
    Pattern::begins("access-control-"),
    // Credentials, which are sources of their own.
    Pattern::name("authorization"),
    Pattern::name("cookie"),
    Pattern::name("set-cookie"),
];
