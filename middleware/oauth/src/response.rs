//! What a token endpoint answers: checked against what was asked, before anything of it is used.

mod demand;
#[cfg(feature = "transaction-tokens")]
mod transaction;

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use tower_identity_core::{Scopes, SecretToken, bearer::is_token68};
use tower_identity_jose::{Limits, json};

use self::demand::Demand;
use crate::{
    Grant, Standing, TokenErrorKind, TokenType,
    grant::AssertionKind,
    http::Answer,
    token_error::{Cause, ErrorCode, FailureAnswer, Nonsense},
};

/// The longest token that is taken from an authorization server, in bytes. What its target reads may be less: that is
/// for whoever sends it to know.
pub const MAX_ISSUED_TOKEN_BYTES: usize = *Limits::TOKEN_BYTES.end();

/// A bearer token that was issued, as it was asked for or narrower.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedToken {
    access_token: SecretToken,
    scopes: Scopes,
    expires_in: Option<Duration>,
    standing: Option<Standing>,
}

impl IssuedToken {
    /// A token that came otherwise than from a token endpoint: what a source of tokens of its own gives. It is good for so
    /// long from now, where that is known.
    #[must_use]
    pub fn new(access_token: SecretToken, scopes: Scopes, expires_in: Option<Duration>) -> Self {
        Self { access_token, scopes, expires_in, standing: None }
    }

    /// Obtained with this credential.
    pub(crate) fn by(self, standing: Option<Standing>) -> Self {
        Self { standing, ..self }
    }

    /// The token: opaque to us (RFC 9068 §6), of characters that an `Authorization` header may hold.
    #[must_use]
    pub fn access_token(&self) -> &SecretToken {
        &self.access_token
    }

    /// What it allows: what the server says, or what was asked for where it says nothing (RFC 6749 §5.1). Some
    /// servers grant less in silence.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// Whether the secret or key that it was obtained with is still one of ours, where that may change: whoever keeps the
    /// token uses it no longer than that.
    #[must_use]
    pub fn standing(&self) -> Option<&Standing> {
        self.standing.as_ref()
    }

    /// How long it is good for, counted from the answer, where the server says so.
    #[must_use]
    pub fn expires_in(&self) -> Option<Duration> {
        self.expires_in
    }
}

/// A token that is no access token, issued for another authorization server to make one of it: by
/// [`JwtBearer`](crate::JwtBearer), once.
#[derive(Debug, PartialEq, Eq)]
pub struct IssuedAssertion {
    token: SecretToken,
    expires_in: Option<Duration>,
}

impl IssuedAssertion {
    /// The assertion, a JWT, which is given away.
    #[must_use]
    pub fn into_token(self) -> SecretToken {
        self.token
    }

    /// How long it is good for, counted from the answer, where the server says so.
    #[must_use]
    pub fn expires_in(&self) -> Option<Duration> {
        self.expires_in
    }
}

/// The wire form of a success (RFC 6749 §5.1, RFC 8693 §2.2.1). A `null` is an absent member: some servers send it for
/// what they do not have. Values are judged by us: what serde says of a wrong type quotes the value, which may be a
/// token.
#[derive(Deserialize)]
struct Success {
    access_token: Option<Value>,
    token_type: Option<Value>,
    issued_token_type: Option<Value>,
    expires_in: Option<Value>,
    scope: Option<Value>,
}

/// The wire form of a failure (RFC 6749 §5.2), with the members that say how the user is to sign in.
#[derive(Default, Deserialize)]
struct Failure {
    error: Option<Value>,
    acr_values: Option<Value>,
    max_age: Option<Value>,
    claims: Option<Value>,
    /// Entra ID's.
    suberror: Option<Value>,
}

/// Reads the answer to this grant.
pub(crate) fn read(grant: &Grant, answer: &Answer) -> Result<IssuedToken, Cause> {
    read_answer(grant, answer, read_success)
}

/// Reads the answer to this exchange, which is for an assertion.
pub(crate) fn read_assertion(exchange: &Grant, answer: &Answer) -> Result<IssuedAssertion, Cause> {
    read_answer(exchange, answer, read_issued_assertion)
}

fn read_answer<T>(
    grant: &Grant,
    answer: &Answer,
    success: impl FnOnce(&Grant, &[u8]) -> Result<T, Nonsense>,
) -> Result<T, Cause> {
    if answer.status == StatusCode::OK {
        return success(grant, &answer.body).map_err(Cause::from);
    }
    let failure = read_failure(answer);
    Err(TokenErrorKind::of_failure(grant.kind(), &failure).into())
}

fn read_success(grant: &Grant, body: &[u8]) -> Result<IssuedToken, Nonsense> {
    #[cfg(feature = "transaction-tokens")]
    if matches!(grant, Grant::TransactionToken(_)) {
        return transaction::read(grant, body);
    }
    read_token(grant, body, |token_type| {
        let is_bearer = token_type.eq_ignore_ascii_case("bearer");
        if is_bearer { Ok(()) } else { Err(Nonsense::TokenType(quotable_token_type(token_type))) }
    })
}

/// It is not to be used as an access token, and says so (RFC 8693 §2.2.1).
fn read_issued_assertion(exchange: &Grant, body: &[u8]) -> Result<IssuedAssertion, Nonsense> {
    let token = read_token(exchange, body, |token_type| {
        let is_none = token_type.eq_ignore_ascii_case("N_A");
        if is_none { Ok(()) } else { Err(Nonsense::NotForAssertions(quotable_token_type(token_type))) }
    })?;
    let kind = AssertionKind::of(&token.access_token).map_err(|_| Nonsense::NotAnAssertion)?;
    if exchange.requested_token_type() == Some(TokenType::IdJag) && kind != AssertionKind::IdJag {
        return Err(Nonsense::NotAnAssertion);
    }
    Ok(IssuedAssertion { token: token.access_token, expires_in: token.expires_in })
}

fn read_token(
    grant: &Grant,
    body: &[u8],
    of_type: impl FnOnce(&str) -> Result<(), Nonsense>,
) -> Result<IssuedToken, Nonsense> {
    let Ok(success) = json::from_slice::<Success>(body) else { return Err(Nonsense::NotJson) };

    of_type(text("token_type", success.token_type.as_ref())?.ok_or(Nonsense::Member("token_type"))?)?;
    if let Some(requested) = grant.requested_token_type() {
        const MEMBER: &str = "issued_token_type";
        let issued = text(MEMBER, success.issued_token_type.as_ref())?.ok_or(Nonsense::Member(MEMBER))?;
        if issued != requested.as_str() {
            return Err(Nonsense::IssuedTokenType(quotable(issued, issued.starts_with("urn:"))));
        }
    }
    let access_token = match text("access_token", success.access_token.as_ref())? {
        Some(token) if token.len() > MAX_ISSUED_TOKEN_BYTES => return Err(Nonsense::TokenTooLong(token.len())),
        Some(token) if is_token68(token) => SecretToken::new(token),
        _ => return Err(Nonsense::Member("access_token")),
    };
    let asked = grant.target();
    let scopes = match text("scope", success.scope.as_ref())? {
        None => asked.scopes.clone(),
        Some(granted) => Scopes::parse(granted).map_err(|_| Nonsense::Member("scope"))?,
    };
    let accepted = asked.scopes.union(&asked.tolerated);
    if !scopes.iter().all(|scope| accepted.contains(scope) || grant.covers(scope)) {
        return Err(Nonsense::WiderScope { accepted, granted: scopes });
    }
    let expires_in = success.expires_in.as_ref().map(lifetime).transpose()?;
    Ok(IssuedToken { access_token, scopes, expires_in, standing: None })
}

/// Never requires anything: a failure may be empty, HTML, or a proxy's own JSON.
pub(crate) fn read_failure(answer: &Answer) -> FailureAnswer {
    let body: Failure = json::from_slice(&answer.body).unwrap_or_default();
    let Demand { acr_values, max_age, claims } =
        Demand::read(body.acr_values.as_ref(), body.max_age.as_ref(), body.claims.as_ref());
    let code = |member: Option<&Value>| member.and_then(Value::as_str).and_then(ErrorCode::read);
    FailureAnswer {
        status: answer.status,
        retry_after: answer.retry_after,
        code: code(body.error.as_ref()),
        suberror: code(body.suberror.as_ref()),
        demands_claims: body.claims.is_some(),
        acr_values,
        max_age,
        claims,
    }
}

/// How long the token is good yet.
fn lifetime(value: &Value) -> Result<Duration, Nonsense> {
    match seconds(value) {
        Some(Duration::ZERO) => Err(Nonsense::NoLifetime),
        Some(seconds) => Ok(seconds),
        None if value.as_f64().is_some_and(|seconds| seconds < 0.0) => Err(Nonsense::NoLifetime),
        None => Err(Nonsense::Member("expires_in")),
    }
}

/// A member that is a string where it is there at all.
fn text<'v>(member: &'static str, value: Option<&'v Value>) -> Result<Option<&'v str>, Nonsense> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Nonsense::Member(member)),
    }
}

/// Seconds as a number, or as digits in a string, which one large provider sends. A fraction is cut off.
fn seconds(value: &Value) -> Option<Duration> {
    let whole = match value {
        Value::Number(number) => number.as_u64().or_else(|| {
            let float = number.as_f64()?;
            (0.0..9e15).contains(&float).then_some(float as u64)
        })?,
        Value::String(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
        _ => return None,
    };
    Some(Duration::from_secs(whole))
}

/// The longest `token_type` that is quoted: those that are registered are shorter, and tokens are longer.
const LONGEST_TOKEN_TYPE: usize = 16;

fn quotable_token_type(token_type: &str) -> String {
    quotable(token_type, token_type.len() <= LONGEST_TOKEN_TYPE)
}

/// What a server said in place of a type, where it looks like one: a server that mixes up its members must not get a
/// token into an error.
fn quotable(text: &str, looks_like_a_type: bool) -> String {
    if looks_like_a_type { text.chars().take(64).collect() } else { "something else".to_owned() }
}

#[cfg(test)]
mod tests;
