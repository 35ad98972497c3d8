//! What a request presents (RFC 9110 §11, RFC 6750 §2).

use std::fmt;

use http::{HeaderMap, Uri};
use tower_identity_core::{Refusal, RefusalKind, bearer::is_token68};

use crate::{
    session,
    source::{Form, Found, Source, Sources, malformed},
};

/// What a request presents as its credential. What is malformed is never absent.
#[derive(Debug, Clone)]
pub enum Presented<'a> {
    /// Nothing. A token in the query or in a form is nothing: neither is a place for one (OAuth 2.1 §5.1).
    Absent,
    /// Something that cannot be taken for a credential, and why: outside the grammar, repeated, sent in two ways
    /// (400), or of a scheme that is not accepted, or a user's without a caller's (401 without an error code).
    Malformed(Refusal),
    /// A user's transaction token, and no token of the caller's own: as good as nothing, unless the connection's certificate
    /// says who calls.
    Transaction(&'a str),
    /// A credential, of which so far only the form is known.
    Credentials(Credentials<'a>),
}

/// Well-formed credentials, not verified.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credentials<'a> {
    caller: &'a str,
    user: Option<&'a str>,
    transaction: Option<&'a str>,
    by_cookie: bool,
}

impl<'a> Credentials<'a> {
    /// The caller's bearer token (RFC 6750 §2.1), or what stands in its place in a [session's](crate::session) cookie.
    #[must_use]
    pub fn caller(&self) -> &'a str {
        self.caller
    }

    /// The user's own, where it stands beside the caller's.
    #[must_use]
    pub fn user(&self) -> Option<&'a str> {
        self.user
    }

    /// The user's transaction token, where it stands beside the caller's.
    #[must_use]
    pub fn transaction(&self) -> Option<&'a str> {
        self.transaction
    }

    /// The same, with this token for the caller's.
    pub(crate) fn with_caller<'b>(self, caller: &'b str) -> Credentials<'b>
    where
        'a: 'b,
    {
        Credentials { caller, ..self }
    }

    /// Whether one of them is a cookie: browsers send it whoever made them ask.
    #[must_use]
    pub fn by_cookie(&self) -> bool {
        self.by_cookie
    }
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.user.or(self.transaction).is_some() { "Bearer(.., ..)" } else { "Bearer(..)" })
    }
}

impl<'a> Presented<'a> {
    /// Reads the credentials of a request from their sources: no token that is longer than this, in bytes, is one.
    ///
    /// ```
    /// use http::{HeaderMap, HeaderValue, Uri, header::{AUTHORIZATION, COOKIE}};
    /// use tower_identity_core::bearer::MAX_TOKEN_BYTES;
    /// use tower_identity_inbound::{Presented, Source, Sources};
    ///
    /// let sources = Sources::of([Source::authorization(), Source::cookie("__Host-session")?])?;
    /// let read = |headers: &HeaderMap| {
    ///     match Presented::read(&sources, headers, &Uri::from_static("/orders"), MAX_TOKEN_BYTES) {
    ///         Presented::Absent => Ok(None),
    ///         Presented::Malformed(refusal) => Err(refusal.check()),
    ///         Presented::Transaction(_) => Err("caller"),
    ///         Presented::Credentials(credentials) => Ok(Some(credentials.caller().to_owned())),
    ///     }
    /// };
    /// let mut headers = HeaderMap::new();
    /// assert_eq!(read(&headers), Ok(None));
    /// headers.insert(AUTHORIZATION, HeaderValue::from_static("bearer mF_9.B5f-4.1JqM"));
    /// assert_eq!(read(&headers), Ok(Some("mF_9.B5f-4.1JqM".to_owned())));
    /// headers.insert(COOKIE, HeaderValue::from_static("theme=dark; __Host-session=mF_9.B5f-4.1JqM"));
    /// assert_eq!(read(&headers), Err("sources"));
    /// # Ok::<(), tower_identity_core::InvalidSetting>(())
    /// ```
    #[must_use]
    pub fn read(sources: &'a Sources, headers: &'a HeaderMap, uri: &Uri, max_token_bytes: usize) -> Self {
        match presented(sources, headers, uri, max_token_bytes) {
            Ok(presented) => presented,
            Err(refusal) => Self::Malformed(refusal),
        }
    }
}

fn presented<'a>(
    sources: &'a Sources,
    headers: &'a HeaderMap,
    uri: &Uri,
    max_token_bytes: usize,
) -> Result<Presented<'a>, Refusal> {
    let mut caller = None;
    for source in sources.caller() {
        if let Some(found) = source.find(headers)?
            && caller.replace((source, found)).is_some()
        {
            return Err(malformed("sources").detail("a credential in each of two places"));
        }
    }
    let in_its_place = |source: Option<&'a Source>| match source {
        Some(source) => source.find(headers).map(|found| found.map(|found| (source, found))),
        None => Ok(None),
    };
    let (user, transaction) = (in_its_place(sources.user())?, in_its_place(sources.transaction())?);
    if user.is_some() && transaction.is_some() {
        return Err(malformed("sources").detail("a user's credential and a transaction token: two users"));
    }
    if (caller.is_some() || user.is_some() || transaction.is_some()) && names_a_token(uri) {
        return Err(malformed("query").detail("a token in the query beside a credential"));
    }
    let by_cookie = [caller, user].into_iter().flatten().any(|(source, _)| source.is_cookie());
    let token = |(source, found): (&Source, Found<'a>)| match source.is_cookie() && sources.are_of_sessions() {
        true => session::id(found.value),
        false => token(found, max_token_bytes),
    };
    let (caller, user) = (caller.map(token).transpose()?, user.map(token).transpose()?);
    let transaction = transaction.map(token).transpose()?;
    match (caller, user) {
        (Some(caller), user) => Ok(Presented::Credentials(Credentials { caller, user, transaction, by_cookie })),
        (None, None) => Ok(transaction.map_or(Presented::Absent, Presented::Transaction)),
        // Whoever speaks for a user has to say first who it is itself.
        (None, Some(_)) => Err(Refusal::new(RefusalKind::NoCredential, "caller")
            .detail("a user's credential without the caller's own beside it")),
    }
}

/// Whether there is a token in the query, which is no place for one.
#[inline]
pub(crate) fn names_a_token(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token"))
}

/// The token that stands in a source.
///
/// No part of the value is ever quoted in a refusal: a client that forgets the scheme sends its token in that place.
fn token(found: Found<'_>, max_token_bytes: usize) -> Result<&str, Refusal> {
    // What `HeaderValue::to_str` says, without its walk of a byte at a time: a header value has no control characters.
    let ascii = simdutf8::basic::from_utf8(found.value).ok().filter(|text| text.is_ascii());
    let text = ascii.ok_or_else(|| malformed(found.form.check()).detail("a character outside visible ASCII"))?;
    let token = match found.form {
        Form::Token | Form::Alone => text,
        Form::Credentials => of_bearer(text)?,
        Form::Either if text.contains(' ') || text.eq_ignore_ascii_case("bearer") => of_bearer(text)?,
        Form::Either => text,
    };
    if token.len() > max_token_bytes {
        return Err(malformed("length").detail(format!("{} bytes, at most {max_token_bytes}", token.len())));
    }
    if !is_token68(token) {
        return Err(malformed("token68").detail("the token is empty or has a character outside its grammar"));
    }
    Ok(token)
}

/// `credentials = "Bearer" 1*SP token68` (RFC 6750 §2.1), the scheme in any case.
fn of_bearer(text: &str) -> Result<&str, Refusal> {
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    if scheme.is_empty() || !scheme.bytes().all(is_token_character) {
        return Err(malformed("scheme").detail("the credential does not begin with a scheme"));
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(if has_comma_outside_quotes(rest) {
            malformed("authorization").detail("a comma: several credentials in one field")
        } else {
            Refusal::new(RefusalKind::NoCredential, "scheme").detail("the only scheme that is accepted is Bearer")
        });
    }
    Ok(rest.trim_start_matches(' '))
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
