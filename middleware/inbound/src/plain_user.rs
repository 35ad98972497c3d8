//! The field in which callers name their users in plain text.

use http::{HeaderMap, HeaderName};
use tower_identity_core::{
    InvalidSetting, Refusal,
    bearer::is_token68,
    fields::{MAX_PLAIN_NAME_BYTES, is_plain_name, same},
};
use tower_identity_verify::check::PLAIN_USER;

use crate::{Source, fields, source::malformed};

/// Where a caller says who its user is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlainUser(HeaderName, Said);

/// By what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    ByName,
    ByIdToken,
}

impl Said {
    /// The setting that names the field.
    pub(crate) const fn setting(self) -> &'static str {
        match self {
            Self::ByName => "plain_user_header",
            Self::ByIdToken => "id_token_header",
        }
    }
}

impl PlainUser {
    /// # Errors
    ///
    /// As [`Source::header`], for the setting that names the field.
    pub(crate) fn in_field(name: &str, said: Said) -> Result<Self, InvalidSetting> {
        let of_field = |invalid: InvalidSetting| InvalidSetting::new(said.setting(), invalid.rule());
        let source = Source::header(name).map_err(of_field)?;
        let field = source.field().expect("a source that is a field has one").clone();
        Ok(Self(field, said))
    }

    pub(crate) fn said(&self) -> Said {
        self.1
    }

    pub(crate) fn field(&self) -> &HeaderName {
        &self.0
    }

    /// The name that stands there. A field that somebody else may take for it is refused and not passed over: whoever means a
    /// user and is heard as nobody's caller would have other rights.
    pub(crate) fn find<'a>(&self, headers: &'a HeaderMap) -> Result<Option<&'a str>, Refusal> {
        let mut fields = headers.iter().filter(|(name, _)| same(self.0.as_str(), name.as_str()));
        let Some((name, value)) = fields.next() else { return Ok(None) };
        let wrong = |detail: &'static str| Err(malformed(PLAIN_USER).detail(detail));
        if fields.next().is_some() {
            return wrong("a user is named in more than one field");
        }
        if name != self.0 {
            return wrong("the field that names a user is spelled otherwise");
        }
        match value.to_str() {
            Ok(name) if is_plain_name(name) => Ok(Some(name)),
            // How long it may be, and of what form it is, whoever verifies it asks.
            Ok(token) if self.1 == Said::ByIdToken && is_token68(token) => Ok(Some(token)),
            Ok(_) if self.1 == Said::ByIdToken => wrong("the user's ID token is not of the form of a token"),
            Ok(name) if name.len() > MAX_PLAIN_NAME_BYTES => wrong("the user's name is longer than 256 bytes"),
            _ => wrong("the user's name is empty, or has a comma or a character outside visible ASCII"),
        }
    }

    /// Takes it out, in every spelling.
    pub(crate) fn remove(&self, headers: &mut HeaderMap) {
        fields::remove(headers, |name| same(self.0.as_str(), name.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn found(fields: &[(&'static str, &[u8])]) -> Result<Option<String>, &'static str> {
        let field = PlainUser::in_field("x-user-id", Said::ByName).expect("a field");
        let headers = fields.iter().map(|(name, value)| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value).expect("a value of a field"))
        });
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(name, value);
        }
        field.find(&all).map(|name| name.map(str::to_owned)).map_err(|refusal| refusal.check())
    }

    #[test]
    fn named_a4_one_field_names_one_user_in_visible_ascii_or_the_request_is_refused() {
        let longest = [b'a'; MAX_PLAIN_NAME_BYTES];
        assert_eq!(found(&[]), Ok(None));
        assert_eq!(found(&[("x-user", b"alice")]), Ok(None), "another field");
        assert_eq!(found(&[("x-user-id", b"alice@example.com")]), Ok(Some("alice@example.com".to_owned())));
        assert_eq!(found(&[("x-user-id", &longest)]), Ok(Some("a".repeat(MAX_PLAIN_NAME_BYTES))));
        let wrong: [&[(&'static str, &[u8])]; 9] = [
            &[("x-user-id", b"alice"), ("x-user-id", b"alice")],
            &[("x-user-id", b"alice"), ("x_user_id", b"bob")],
            &[("x_user_id", b"alice")],
            &[("x-user-id", b"alice,bob")],
            &[("x-user-id", b"")],
            &[("x-user-id", b"alice smith")],
            &[("x-user-id", b"al\xc3\xafce")],
            &[("x-user-id", b"alice\t")],
            &[("x-user-id", &[b'a'; MAX_PLAIN_NAME_BYTES + 1])],
        ];
        for fields in wrong {
            assert_eq!(found(fields), Err(PLAIN_USER), "{fields:?}");
        }
    }
}
