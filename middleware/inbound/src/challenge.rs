//! The `WWW-Authenticate` header (RFC 9110 §11.6.1, RFC 6750 §3).

use std::fmt::Write;

use http::HeaderValue;
use tower_identity_core::RefusalKind;

use crate::{Asked, asked::quote};

/// What a challenge without any other parameter names, because RFC 6750 §3 wants at least one.
const REALM_WHEN_NONE_IS_SET: &str = r#""api""#;

/// The challenge that belongs to a refusal, where its row of the error map has one.
///
/// There is no `error_description`: the code is all that the peer learns.
pub(crate) fn challenge(kind: &RefusalKind, asked: &Asked) -> Option<HeaderValue> {
    let mut bearer = Bearer::default();
    match kind {
        // A client that did not know that it has to authenticate gets no error code (RFC 6750 §3.1).
        RefusalKind::NoCredential => {
            bearer.raw("realm", asked.realm.as_ref().map_or(REALM_WHEN_NONE_IS_SET, |realm| realm.quoted()));
            return Some(bearer.finish());
        }
        RefusalKind::MalformedRequest => bearer.error(asked, "invalid_request"),
        RefusalKind::InvalidToken => bearer.error(asked, "invalid_token"),
        RefusalKind::InsufficientScope { required } => {
            bearer.error(asked, "insufficient_scope");
            bearer.text("scope", &required.to_string());
        }
        RefusalKind::InsufficientAuthentication { acr_values, max_age } => {
            bearer.error(asked, "insufficient_user_authentication");
            if !acr_values.is_empty() {
                bearer.text("acr_values", &acr_values.join(" "));
            }
            if let Some(max_age) = max_age {
                bearer.text("max_age", &max_age.as_secs().to_string());
            }
        }
        _ => return None,
    }
    Some(bearer.finish())
}

#[derive(Default)]
struct Bearer(String);

impl Bearer {
    fn error(&mut self, asked: &Asked, code: &'static str) {
        if let Some(realm) = &asked.realm {
            self.raw("realm", realm.quoted());
        }
        self.text("error", code);
    }

    fn text(&mut self, name: &'static str, text: &str) {
        self.raw(name, &quote(text));
    }

    fn raw(&mut self, name: &'static str, quoted: &str) {
        let before = if self.0.is_empty() { "Bearer " } else { ", " };
        write!(self.0, "{before}{name}={quoted}").expect("writing to a string succeeds");
    }

    fn finish(self) -> HeaderValue {
        HeaderValue::try_from(self.0).expect("quoted strings and names are visible ASCII")
    }
}
