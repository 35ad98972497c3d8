//! A token, as the header value that it is sent as.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use tower_identity_core::SecretToken;

/// `Bearer <token>` (RFC 6750 §2.1), made once for each token that is issued. Prints nothing of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bearer(HeaderValue);

impl Bearer {
    /// `None` if it holds a character that no header may.
    pub(crate) fn new(token: &SecretToken) -> Option<Self> {
        Self::of(HeaderValue::try_from(["Bearer ", token.expose()].concat()).ok()?)
    }

    /// The token and nothing else: for a field of its own, whose name says what it is.
    pub(crate) fn without_scheme(token: &SecretToken) -> Option<Self> {
        Self::of(HeaderValue::try_from(token.expose()).ok()?)
    }

    fn of(mut value: HeaderValue) -> Option<Self> {
        value.set_sensitive(true);
        // The first clone asks for memory to share the bytes by. Clones of that one, which go with requests, do not.
        Some(Self(value.clone()))
    }

    /// How long the header's value is.
    pub(crate) fn bytes(&self) -> usize {
        self.0.len()
    }

    /// Puts it on a request, in place of any other.
    pub(crate) fn attach(&self, headers: &mut HeaderMap) {
        headers.insert(header::AUTHORIZATION, self.0.clone());
    }

    /// The same, in a field of another name.
    pub(crate) fn attach_in(&self, name: &HeaderName, headers: &mut HeaderMap) {
        headers.insert(name, self.0.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(token: &str) -> Bearer {
        Bearer::new(&SecretToken::new(token)).expect("visible ascii")
    }

    #[test]
    fn rfc6750_b1_the_request_has_one_credential_and_it_is_sensitive() {
        let mut headers = HeaderMap::new();
        headers.append("authorization", HeaderValue::from_static("Bearer inbound"));
        headers.append("authorization", HeaderValue::from_static("Basic inbound"));
        headers.insert("x-other", HeaderValue::from_static("stays"));
        bearer("abc").attach(&mut headers);

        let sent: Vec<_> = headers.get_all("authorization").iter().collect();
        assert_eq!(sent, ["Bearer abc"]);
        assert!(sent[0].is_sensitive());
        assert_eq!(headers.get("x-other"), Some(&HeaderValue::from_static("stays")));
    }

    #[test]
    fn a_token_that_no_header_may_hold_is_none_and_none_prints() {
        assert_eq!(Bearer::new(&SecretToken::new("a\r\nx-admin: 1")), None);
        assert!(!format!("{:?}", bearer("s3cret")).contains("s3cret"));
    }
}
