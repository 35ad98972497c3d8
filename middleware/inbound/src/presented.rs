//! What a request presents (RFC 9110 §11, RFC 6750 §2).

use std::fmt;

use http::{
    HeaderMap, HeaderValue, Uri,
    header::{AUTHORIZATION, GetAll},
};
use tower_identity_core::{Refusal, RefusalKind, bearer::is_token68};

/// What a request presents as its credential. What is malformed is never absent.
#[derive(Debug, Clone)]
pub enum Presented<'a> {
    /// Nothing. A token in the query or in a form is nothing: neither is a place for one (OAuth 2.1 §5.1).
    Absent,
    /// Something that cannot be taken for a credential, and why: outside the grammar, repeated, sent in two ways
    /// (400), or of a scheme that is not accepted (401 without an error code).
    Malformed(Refusal),
    /// A credential, of which so far only the form is known.
    Credentials(Credentials<'a>),
}

/// A well-formed credential, not verified.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials<'a> {
    /// The token of `Authorization: Bearer` (RFC 6750 §2.1).
    Bearer(&'a str),
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bearer(_) => f.write_str("Bearer(..)"),
        }
    }
}

impl<'a> Presented<'a> {
    /// Reads the credential of a request: no token that is longer than this, in bytes, is one.
    ///
    /// ```
    /// use http::{HeaderMap, HeaderValue, Uri, header::AUTHORIZATION};
    /// use tower_identity_core::bearer::MAX_TOKEN_BYTES;
    /// use tower_identity_inbound::{Credentials, Presented};
    ///
    /// let mut headers = HeaderMap::new();
    /// headers.insert(AUTHORIZATION, HeaderValue::from_static("bearer mF_9.B5f-4.1JqM"));
    /// let presented = Presented::read(&headers, &Uri::from_static("/orders"), MAX_TOKEN_BYTES);
    /// assert!(matches!(presented, Presented::Credentials(Credentials::Bearer("mF_9.B5f-4.1JqM"))));
    /// ```
    #[must_use]
    pub fn read(headers: &'a HeaderMap, uri: &Uri, max_token_bytes: usize) -> Self {
        match one(headers.get_all(AUTHORIZATION)) {
            Ok(None) => Self::Absent,
            Ok(Some(_)) if names_a_token(uri) => {
                Self::Malformed(malformed("query").detail("a token in the query beside an Authorization field"))
            }
            Ok(Some(value)) => credentials(value, max_token_bytes).map_or_else(Self::Malformed, Self::Credentials),
            Err(repeated) => Self::Malformed(repeated),
        }
    }
}

/// `Authorization` is not a list: two fields are two credentials, and choosing one would be a guess.
fn one<'a>(values: GetAll<'a, HeaderValue>) -> Result<Option<&'a HeaderValue>, Refusal> {
    let mut values = values.into_iter();
    let first = values.next();
    match values.next() {
        None => Ok(first),
        Some(_) => Err(malformed("authorization").detail("more than one Authorization field")),
    }
}

fn names_a_token(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token"))
}

/// `credentials = "Bearer" 1*SP token68` (RFC 6750 §2.1), the scheme in any case.
///
/// No part of the value is ever quoted in a refusal: a client that forgets the scheme sends its token in that place.
fn credentials(value: &HeaderValue, max_token_bytes: usize) -> Result<Credentials<'_>, Refusal> {
    // What `HeaderValue::to_str` says, without its walk of a byte at a time: a header value has no control characters.
    let ascii = std::str::from_utf8(value.as_bytes()).ok().filter(|text| text.is_ascii());
    let text = ascii.ok_or_else(|| malformed("authorization").detail("a character outside visible ASCII"))?;
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    if scheme.is_empty() || !scheme.bytes().all(is_token_character) {
        return Err(malformed("scheme").detail("the Authorization field does not begin with a scheme"));
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(if has_comma_outside_quotes(rest) {
            malformed("authorization").detail("a comma: several credentials in one field")
        } else {
            Refusal::new(RefusalKind::NoCredential, "scheme").detail("the only scheme that is accepted is Bearer")
        });
    }
    let token = rest.trim_start_matches(' ');
    if token.len() > max_token_bytes {
        return Err(malformed("length").detail(format!("{} bytes, at most {max_token_bytes}", token.len())));
    }
    if !is_token68(token) {
        return Err(malformed("token68").detail("the token is empty or has a character outside its grammar"));
    }
    Ok(Credentials::Bearer(token))
}

fn malformed(check: &'static str) -> Refusal {
    Refusal::new(RefusalKind::MalformedRequest, check)
}

/// `tchar` (RFC 9110 §5.6.2).
fn is_token_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether a proxy may have joined two fields into this one. A comma inside a quoted string is content.
fn has_comma_outside_quotes(text: &str) -> bool {
    let mut quoted = false;
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if quoted => drop(bytes.next()),
            b'"' => quoted = !quoted,
            b',' if !quoted => return true,
            _ => {}
        }
    }
    false
}
