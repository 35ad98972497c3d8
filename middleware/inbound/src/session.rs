//! Sessions: opaque ids in cookies, and the store that knows which token each of them stands for.

use std::fmt;

use tower_identity_core::{BoxFuture, Refusal, SecretToken};

pub use tower_identity_verify::StoreError;

use crate::source::malformed;

/// The longest id of a session, in bytes.
pub const MAX_ID_BYTES: usize = 256;

/// Which access token a session stands for. Signing in, keeping that token fresh, and signing out are the work of whoever writes
/// to the store.
///
/// It is asked on every request that brings such a cookie, and its answer is not remembered: whoever signs out is signed out
/// with the next request. What it answers is verified as any token that a client presents: a store that is wrong makes no
/// token good. See [`AuthLayer::sessions`](crate::AuthLayer::sessions).
pub trait SessionStore: Send + Sync + 'static {
    /// The access token of this session; `None` where there is no such session, or none any more.
    ///
    /// It is dropped where its caller goes away, and after five seconds: the request is then answered with 503. There are never
    /// more than 64 of them at one time for one layer, and whoever comes beyond that is told to come back: made-up ids are
    /// asked about too, so keep the store near. Compare ids by a hash of them, or where a timing tells nothing.
    ///
    /// # Errors
    ///
    /// When that cannot be said now: the request is answered with 503.
    fn token(&self, session: SessionCookie) -> BoxFuture<'_, Result<Option<SecretToken>, StoreError>>;
}

/// What a cookie says which session it is of: at most [`MAX_ID_BYTES`] `cookie-octet`s (RFC 6265 §4.1.1). Who has it has the
/// session, so it is a secret as a token is, and never prints.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionCookie(SecretToken);

impl SessionCookie {
    /// Of what was [read](id).
    pub(crate) fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// The id itself, for the store, never for a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for SessionCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionCookie(..)")
    }
}

/// The id in the value of a cookie: what is none is asked about nowhere.
pub(crate) fn id(value: &[u8]) -> Result<&str, Refusal> {
    if value.len() > MAX_ID_BYTES {
        return Err(malformed("length").detail(format!("{} bytes, at most {MAX_ID_BYTES}", value.len())));
    }
    match std::str::from_utf8(value) {
        Ok(id) if !id.is_empty() && id.bytes().all(is_cookie_octet) => Ok(id),
        _ => Err(malformed("cookie").detail("the id of a session is empty or has a character outside its grammar")),
    }
}

fn is_cookie_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)
}
