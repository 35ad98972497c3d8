//! Where the credentials of a request may be.

use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use serde::Deserialize;
use tower_identity_core::{InvalidSetting, Refusal, RefusalKind, fields::same};

use crate::{
    cookie,
    fields::{self, OF_THE_MESSAGE},
};

/// One place where a credential may be: the `Authorization` field, a cookie, or a field of another name.
///
/// Never the query or a form (OAuth 2.1 §5.1). In a file: `"authorization"`, `{ cookie = "__Host-session" }`,
/// `{ header = "x-token" }`.
///
/// ```
/// use tower_identity_inbound::Source;
///
/// let refused = Source::header("x_token").unwrap_err();
/// assert_eq!(refused.to_string(), "header: is written with _, which gateways take for - or drop");
/// # Source::cookie("__Host-session")?;
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Source(Place);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Authorization,
    Cookie(Box<str>),
    Header(HeaderName),
    /// A field that holds a token and nothing else: no scheme.
    #[cfg_attr(not(feature = "transaction-tokens"), expect(dead_code, reason = "of transaction tokens alone"))]
    Alone(HeaderName),
}

/// A source as a file has it.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Written {
    Authorization,
    Cookie(String),
    Header(String),
}

impl TryFrom<Written> for Source {
    type Error = InvalidSetting;

    fn try_from(written: Written) -> Result<Self, InvalidSetting> {
        match written {
            Written::Authorization => Ok(Self::authorization()),
            Written::Cookie(name) => Self::cookie(name),
            Written::Header(name) => Self::header(name),
        }
    }
}

impl Source {
    /// The field `Authorization`, by the scheme `Bearer` (RFC 6750 §2.1).
    #[must_use]
    pub const fn authorization() -> Self {
        Self(Place::Authorization)
    }

    /// The cookie of this name, compared byte for byte: its value is the token and nothing else.
    ///
    /// Take a name that begins with `__Host-`, or with `__Secure-` where subdomains have to share it: a browser takes
    /// such a cookie over TLS only, and the former from nobody but this very host, so that a sibling domain cannot plant
    /// one (RFC 6265bis §4.1.3). Set it `HttpOnly`, `Secure` and `SameSite=Lax` or `Strict`.
    ///
    /// What comes by cookie is guarded against other sites: see [`AuthLayer::allowed_origins`].
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] for the field `cookie`, when this is no name of a cookie (RFC 6265 §4.1.1).
    ///
    /// [`AuthLayer::allowed_origins`]: crate::AuthLayer::allowed_origins
    pub fn cookie(name: impl Into<String>) -> Result<Self, InvalidSetting> {
        let name = name.into();
        // A cookie's name is a token, as a field's is.
        HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| InvalidSetting::new("cookie", "is empty or has a character that no cookie's name has"))?;
        Ok(Self(Place::Cookie(name.into())))
    }

    /// The field of this name: the token alone, or `Bearer` and the token as in `Authorization`. There is no third form,
    /// and the two cannot be confused: a token has no space.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] for the field `header`: this is no name of a field; it has a `_`; it is `Authorization`, which
    /// is [a source of its own](Self::authorization); or what stands there is not a client's to choose, such as `Host`,
    /// `Cookie`, or a field of the connection (RFC 9110 §7.6.1).
    pub fn header(name: impl AsRef<str>) -> Result<Self, InvalidSetting> {
        let refuse = |rule: &str| Err(InvalidSetting::new("header", rule));
        let Ok(name) = HeaderName::from_bytes(name.as_ref().as_bytes()) else {
            return refuse("is no name of a header field");
        };
        if name == AUTHORIZATION {
            return refuse("is the source `authorization`");
        }
        if name.as_str().contains('_') {
            return refuse("is written with _, which gateways take for - or drop");
        }
        if OF_THE_MESSAGE.iter().any(|pattern| pattern.matches(name.as_str())) {
            return refuse("has another meaning, and is no place for a credential");
        }
        Ok(Self(Place::Header(name)))
    }

    /// The field of a transaction token (draft-ietf-oauth-transaction-tokens-11 §5.1).
    #[cfg(feature = "transaction-tokens")]
    const fn transaction_token() -> Self {
        Self(Place::Alone(HeaderName::from_static(tower_identity_core::transaction_tokens::FIELD)))
    }

    /// What stands in this place. Two there are two credentials, and choosing one would be a guess.
    pub(crate) fn find<'a>(&'a self, headers: &'a HeaderMap) -> Result<Option<Found<'a>>, Refusal> {
        let (found, form) = match &self.0 {
            Place::Authorization => {
                let twice = || malformed("authorization").detail("more than one Authorization field");
                (only(headers.get_all(AUTHORIZATION).into_iter().map(HeaderValue::as_bytes), twice)?, Form::Credentials)
            }
            Place::Header(name) => {
                let twice = || malformed("header").detail(format!("more than one field {name}"));
                (only(headers.get_all(name).into_iter().map(HeaderValue::as_bytes), twice)?, Form::Either)
            }
            Place::Alone(name) => {
                let twice = || malformed(Form::Alone.check()).detail(format!("more than one field {name}"));
                (only(headers.get_all(name).into_iter().map(HeaderValue::as_bytes), twice)?, Form::Alone)
            }
            Place::Cookie(name) => {
                let twice = || malformed("cookie").detail(format!("more than one cookie {name}"));
                (only(cookie::values(headers, name), twice)?, Form::Token)
            }
        };
        Ok(found.map(|value| Found { value, form }))
    }

    /// Takes it out, a field in every spelling that somebody behind may take for it, and leaves everything else.
    pub(crate) fn remove(&self, headers: &mut HeaderMap) {
        match &self.0 {
            Place::Authorization => drop(headers.remove(AUTHORIZATION)),
            Place::Header(own) | Place::Alone(own) => fields::remove(headers, |name| same(own.as_str(), name.as_str())),
            Place::Cookie(name) => cookie::remove(headers, name),
        }
    }

    pub(crate) fn is_authorization(&self) -> bool {
        matches!(self.0, Place::Authorization)
    }

    pub(crate) fn is_cookie(&self) -> bool {
        matches!(self.0, Place::Cookie(_))
    }

    /// Whether a browser sends it over TLS alone: it takes no cookie of such a name that is not `Secure` (RFC 6265bis
    /// §4.1.3), older ones by these very letters.
    fn is_secure_cookie(&self) -> bool {
        matches!(&self.0, Place::Cookie(name) if name.starts_with("__Host-") || name.starts_with("__Secure-"))
    }

    /// The field of its own that the credential comes in.
    pub(crate) fn field(&self) -> Option<&HeaderName> {
        match &self.0 {
            Place::Header(name) | Place::Alone(name) => Some(name),
            Place::Authorization | Place::Cookie(_) => None,
        }
    }
}

fn only<'a>(
    mut values: impl Iterator<Item = &'a [u8]>,
    twice: impl FnOnce() -> Refusal,
) -> Result<Option<&'a [u8]>, Refusal> {
    let first = values.next();
    match values.next() {
        None => Ok(first),
        Some(_) => Err(twice()),
    }
}

/// What stands in a source.
#[derive(Clone, Copy)]
pub(crate) struct Found<'a> {
    pub(crate) value: &'a [u8],
    pub(crate) form: Form,
}

/// How a source writes a token.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// By a scheme.
    Credentials,
    /// Alone.
    Token,
    /// Alone, or by the scheme `Bearer`.
    Either,
    /// Alone, in a field of its own.
    Alone,
}

impl Form {
    /// Of a refusal of what has this form.
    pub(crate) fn check(self) -> &'static str {
        match self {
            Self::Credentials => "authorization",
            Self::Token => "cookie",
            Self::Either => "header",
            Self::Alone => "transaction_token",
        }
    }
}

/// All the places where the credentials of a request may be: the caller's, and the user's own.
///
/// The default is `Authorization`, and no user's beside the caller's.
#[derive(Debug, Clone)]
pub struct Sources {
    caller: Box<[Source]>,
    user: Option<Source>,
    transaction: Option<Source>,
    /// Whether a cookie holds the id of a session, and no token.
    sessions: bool,
}

impl Default for Sources {
    fn default() -> Self {
        Self { caller: [Source::authorization()].into(), user: None, transaction: None, sessions: false }
    }
}

impl Sources {
    /// The places where the caller's credential may be, looked at in this order: a request presents it in one of them.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] for the field `sources`: there is none, or one is named twice.
    pub fn of(caller: impl IntoIterator<Item = Source>) -> Result<Self, InvalidSetting> {
        let caller: Box<[Source]> = caller.into_iter().collect();
        if caller.is_empty() {
            return Err(InvalidSetting::new("sources", "names no source"));
        }
        if let Some(at) = (1..caller.len()).find(|&at| caller[..at].contains(&caller[at])) {
            return Err(InvalidSetting::new(at, "is named twice").within("sources"));
        }
        Ok(Self { caller, user: None, transaction: None, sessions: false })
    }

    /// And the place where the user's own credential may be, beside the caller's: said last.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] for the field `user_source`: it is one of the caller's.
    pub fn with_user(self, source: Source) -> Result<Self, InvalidSetting> {
        if self.caller.contains(&source) {
            return Err(InvalidSetting::new("user_source", "is a source of the caller's credential too"));
        }
        if self.is_of_transactions(&source) {
            return Err(InvalidSetting::new("user_source", "is the field of transaction tokens"));
        }
        Ok(Self { user: Some(source), ..self })
    }

    /// And the field `Txn-Token`, where the user's transaction token is.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] for the field `sources` or `user_source`: one of them is that field.
    #[cfg(feature = "transaction-tokens")]
    pub fn with_transaction_tokens(self) -> Result<Self, InvalidSetting> {
        self.with_transaction(Some(Source::transaction_token()))
    }

    /// And this place, where the user's transaction token is, if there is one.
    pub(crate) fn with_transaction(self, transaction: Option<Source>) -> Result<Self, InvalidSetting> {
        let sources = Self { transaction, ..self };
        let rule = "is the field of transaction tokens";
        if let Some(at) = sources.caller.iter().position(|source| sources.is_of_transactions(source)) {
            return Err(InvalidSetting::new(at, rule).within("sources"));
        }
        match &sources.user {
            Some(user) if sources.is_of_transactions(user) => Err(InvalidSetting::new("user_source", rule)),
            _ => Ok(sources),
        }
    }

    /// And the cookies among the caller's hold ids of sessions.
    pub(crate) fn of_sessions(self) -> Result<Self, InvalidSetting> {
        if !self.caller.iter().any(Source::is_cookie) {
            return Err(InvalidSetting::new("sources", "names no cookie, and a session is known by one"));
        }
        if self.user.as_ref().is_some_and(Source::is_cookie) {
            return Err(InvalidSetting::new("user_source", "is a cookie, which is a caller's session here"));
        }
        Ok(Self { sessions: true, ..self })
    }

    /// Whether a cookie of theirs is the id of a session.
    pub(crate) fn are_of_sessions(&self) -> bool {
        self.sessions
    }

    fn is_of_transactions(&self, other: &Source) -> bool {
        self.transaction.as_ref().is_some_and(|own| own.field() == other.field())
    }

    /// Where the caller's credential may be.
    #[must_use]
    pub fn caller(&self) -> &[Source] {
        &self.caller
    }

    /// Where the user's own credential may be.
    #[must_use]
    pub fn user(&self) -> Option<&Source> {
        self.user.as_ref()
    }

    /// Where the user's transaction token is.
    pub(crate) fn transaction(&self) -> Option<&Source> {
        self.transaction.as_ref()
    }

    pub(crate) fn forget_transaction_tokens(&mut self) {
        self.transaction = None;
    }

    /// Whether they are the field `Authorization` and no other place.
    pub(crate) fn are_authorization(&self) -> bool {
        self.user.is_none() && self.transaction.is_none() && matches!(&*self.caller, [only] if only.is_authorization())
    }

    /// Whether a request that brings a cookie of theirs, whichever it is, came from a browser over TLS.
    pub(crate) fn by_tls_alone(&self) -> bool {
        self.all().filter(|source| source.is_cookie()).all(Source::is_secure_cookie)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Source> {
        self.caller.iter().chain(&self.user).chain(&self.transaction)
    }
}

/// What stands in a place is no credential, or not one alone.
pub(crate) fn malformed(check: &'static str) -> Refusal {
    Refusal::new(RefusalKind::MalformedRequest, check)
}
