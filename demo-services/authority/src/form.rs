//! The token endpoint's form, read strictly (RFC 6749 §3.2, appendix B).

use std::borrow::Cow;

use axum::http::{HeaderMap, header};
use percent_encoding::percent_decode_str;

use crate::error::TokenError;

/// Parameters that may be sent more than once (RFC 8707 §2, RFC 8693 §2.1).
const REPEATABLE: [&str; 2] = ["resource", "audience"];

/// The parameters of a request. One that is sent without a value counts as omitted.
pub(crate) struct Form<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Form<'a> {
    /// Reads the body of a request.
    pub(crate) fn read(headers: &HeaderMap, body: &'a [u8]) -> Result<Self, TokenError> {
        let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(TokenError::invalid_request("the body is not application/x-www-form-urlencoded"));
        }
        let body = str::from_utf8(body).map_err(|_| NOT_TEXT)?;
        let mut form = Self(Vec::new());
        for pair in body.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (form_decode(name).ok_or(NOT_TEXT)?, form_decode(value).ok_or(NOT_TEXT)?);
            if value.is_empty() {
                continue;
            }
            if !REPEATABLE.contains(&&*name) && form.one(&name).is_some() {
                return Err(TokenError::invalid_request("a parameter is sent more than once"));
            }
            form.0.push((name, value));
        }
        Ok(form)
    }

    /// The value of a parameter that cannot be repeated.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        self.many(name).next()
    }

    /// All values of a parameter.
    pub(crate) fn many(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(at, _)| at == name).map(|(_, value)| &**value)
    }
}

const NOT_TEXT: TokenError = TokenError::invalid_request("the form is not UTF-8");

/// Decodes one form-encoded name or value. `None` when it is not UTF-8.
pub(crate) fn form_decode(encoded: &str) -> Option<Cow<'_, str>> {
    if !encoded.contains('+') {
        return percent_decode_str(encoded).decode_utf8().ok();
    }
    let spaced = encoded.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(Cow::Owned(decoded.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Vec<(String, String)>, TokenError> {
        let headers = HeaderMap::from_iter([(
            header::CONTENT_TYPE,
            "application/x-www-form-urlencoded; charset=utf-8".parse().expect("value"),
        )]);
        Form::read(&headers, body.as_bytes())
            .map(|form| form.0.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    fn pairs(expected: &[(&str, &str)]) -> Result<Vec<(String, String)>, TokenError> {
        Ok(expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn rfc6749_c1_parameters_stand_once_and_empty_ones_do_not_count() {
        let twice = Err(TokenError::invalid_request("a parameter is sent more than once"));
        let cases = [
            ("scope=a", pairs(&[("scope", "a")])),
            ("scope=a&scope=b", twice.clone()),
            ("scope=a&%73cope=b", twice.clone()),
            ("scope=&scope=b&scope", pairs(&[("scope", "b")])),
            ("audience=a&audience=b", pairs(&[("audience", "a"), ("audience", "b")])),
            ("x=a+b%2Bc%26", pairs(&[("x", "a b+c&")])),
            ("unknown=a", pairs(&[("unknown", "a")])),
            ("unknown=a&unknown=a", twice),
            ("a=%ff", Err(NOT_TEXT)),
            ("a=%ff+", Err(NOT_TEXT)),
            ("", pairs(&[])),
        ];
        for (body, expected) in cases {
            assert_eq!(read(body), expected, "{body}");
        }
    }

    #[test]
    fn rfc6749_c1_another_media_type_is_refused() {
        for media_type in ["application/json", "", "application/x-www-form-urlencoded2"] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, media_type.parse().expect("value"))]);
            let refused = Form::read(&headers, b"a=b").err();
            let expected = TokenError::invalid_request("the body is not application/x-www-form-urlencoded");
            assert_eq!(refused, Some(expected), "{media_type}");
        }
    }
}
