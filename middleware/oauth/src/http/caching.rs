//! What a server says of how long its answer is good, and by what to recognise it (RFC 9110 §8.8, RFC 9111 §5.2).

use std::time::Duration;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CACHE_CONTROL, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, RETRY_AFTER},
};

/// The longest `Retry-After` that is believed.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// The longest validator that is kept and sent back, in bytes.
const MAX_VALIDATOR_BYTES: usize = 512;

/// By what a server recognises a document that it sent before: its entity tag, or else when it was last modified
/// (RFC 9110 §8.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validator {
    name: HeaderName,
    value: HeaderValue,
}

impl Validator {
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let read = |from: HeaderName, name: HeaderName| {
            let value = headers.get(from).filter(|value| (1..=MAX_VALIDATOR_BYTES).contains(&value.len()))?;
            Some(Self { name, value: value.clone() })
        };
        read(ETAG, IF_NONE_MATCH).or_else(|| read(LAST_MODIFIED, IF_MODIFIED_SINCE))
    }

    /// The condition under which the document is to be sent again (RFC 9110 §13.1).
    pub(super) fn condition(&self) -> (HeaderName, HeaderValue) {
        (self.name.clone(), self.value.clone())
    }
}

/// `Retry-After` in its form of seconds (RFC 9110 §10.2.3); a date is not read.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

/// How long the answer may be kept (RFC 9111 §5.2.2): zero for `no-store` and `no-cache`, `None` where the server says
/// nothing.
pub(super) fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut max_age = None;
    for directive in values.flat_map(|value| value.split(',')).map(str::trim) {
        let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
        if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
            return Some(Duration::ZERO);
        }
        if name.eq_ignore_ascii_case("max-age") {
            max_age = argument.trim_matches('"').parse().ok().map(Duration::from_secs);
        }
    }
    max_age
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn jwks_a1_cache_control_is_read_and_forbidding_wins() {
        let seconds = |n| Some(Duration::from_secs(n));
        let cases: [(&[&'static str], Option<Duration>); 9] = [
            (&["max-age=300"], seconds(300)),
            (&["public, Max-Age=300"], seconds(300)),
            (&["public", "max-age=\"20\""], seconds(20)),
            (&["max-age=300, no-store"], seconds(0)),
            (&["no-cache"], seconds(0)),
            (&["no-cache=\"set-cookie\""], seconds(0)),
            (&["s-maxage=300"], None),
            (&["max-age=soon"], None),
            (&[], None),
        ];
        for (values, expected) in cases {
            assert_eq!(max_age(&headers(&CACHE_CONTROL, values)), expected, "{values:?}");
        }
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_capped() {
        let cases = [
            ("7", Some(7)),
            ("0", Some(0)),
            ("3600", Some(60)),
            ("Wed, 21 Oct 2026 07:28:00 GMT", None),
            ("-1", None),
            ("1.5", None),
        ];
        for (value, expected) in cases {
            assert_eq!(retry_after(&headers(&RETRY_AFTER, &[value])), expected.map(Duration::from_secs), "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn jwks_a1_a_document_is_recognised_by_its_tag_or_else_by_its_date() {
        let tag = (ETAG, HeaderValue::from_static("W/\"7\""));
        let date = (LAST_MODIFIED, HeaderValue::from_static("Wed, 21 Oct 2026 07:28:00 GMT"));
        let long = (ETAG, HeaderValue::try_from("x".repeat(513)).expect("visible ASCII"));
        let condition = |headers: &[&(HeaderName, HeaderValue)]| {
            let headers = headers.iter().map(|header| (*header).clone()).collect::<HeaderMap>();
            Validator::of(&headers).map(|validator| validator.condition())
        };
        assert_eq!(condition(&[&tag, &date]), Some((IF_NONE_MATCH, tag.1.clone())));
        assert_eq!(condition(&[&date]), Some((IF_MODIFIED_SINCE, date.1.clone())));
        assert_eq!(condition(&[&long, &date]), Some((IF_MODIFIED_SINCE, date.1)));
        assert_eq!(condition(&[&(ETAG, HeaderValue::from_static(""))]), None);
        assert_eq!(condition(&[]), None);
    }
}
