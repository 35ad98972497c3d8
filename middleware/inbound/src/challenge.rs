//! The `WWW-Authenticate` header (RFC 9110 §11.6.1, RFC 6750 §3).

use std::{fmt::Write, sync::Arc};

use http::HeaderValue;
use tower_identity_core::{Refusal, RefusalKind};

use crate::Asked;

/// What a challenge without any other parameter names, because RFC 6750 §3 wants at least one.
const WHEN_NOTHING_IS_NAMED: &str = r#"realm="api""#;

/// What every challenge of a request names, written once: its realm, and where the metadata of the resource is.
///
/// [`AuthLayer`](crate::AuthLayer) leaves it in the request, so that a refusal further in names the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names(Arc<str>);

impl Names {
    /// `None` where there is nothing to name: characters that a challenge cannot carry are left out.
    pub(crate) fn of(realm: Option<&str>, resource_metadata: Option<&str>) -> Option<Self> {
        let mut parameters = Parameters::default();
        for (name, text) in [("realm", realm), ("resource_metadata", resource_metadata)] {
            let quoted = text.map(quote).filter(|quoted| quoted != r#""""#);
            if let Some(quoted) = quoted {
                parameters.raw(name, &quoted);
            }
        }
        (!parameters.0.is_empty()).then(|| Self(parameters.0.into()))
    }
}

/// The challenge that belongs to a refusal, where its row of the error map has one.
///
/// There is no `error_description`: the code is all that the peer learns.
pub(crate) fn challenge(refusal: &Refusal, asked: &Asked) -> Option<HeaderValue> {
    let mut parameters = Parameters(asked.names.as_ref().map(|names| (*names.0).to_owned()).unwrap_or_default());
    match refusal.kind() {
        // A client that did not know that it has to authenticate gets no error code (RFC 6750 §3.1).
        RefusalKind::NoCredential if parameters.0.is_empty() => parameters.0.push_str(WHEN_NOTHING_IS_NAMED),
        RefusalKind::NoCredential => {}
        RefusalKind::MalformedRequest => parameters.text("error", "invalid_request"),
        RefusalKind::InvalidToken => parameters.text("error", "invalid_token"),
        RefusalKind::InsufficientScope { required } => {
            parameters.text("error", "insufficient_scope");
            parameters.text("scope", &required.to_string());
        }
        RefusalKind::InsufficientAuthentication { scope, acr_values, max_age } => {
            let claims = refusal.demanded_claims();
            let error = if claims.is_some() { "insufficient_claims" } else { "insufficient_user_authentication" };
            parameters.text("error", error);
            // As Entra ID's clients look for it. What is below is for all others.
            if let Some(claims) = claims {
                parameters.text("claims", &claims.to_base64());
            }
            // Beside the sign-in, so that a client that follows the challenge comes back with both (RFC 9470 §3).
            if !scope.is_empty() {
                parameters.text("scope", &scope.to_string());
            }
            if !acr_values.is_empty() {
                parameters.text("acr_values", &acr_values.join(" "));
            }
            if let Some(max_age) = max_age {
                parameters.text("max_age", &max_age.as_secs().to_string());
            }
        }
        _ => return None,
    }
    let challenge = HeaderValue::try_from(format!("Bearer {}", parameters.0));
    Some(challenge.expect("quoted strings and names are visible ASCII"))
}

/// The parameters of a challenge, with commas between them.
#[derive(Default)]
struct Parameters(String);

impl Parameters {
    fn text(&mut self, name: &'static str, text: &str) {
        self.raw(name, &quote(text));
    }

    fn raw(&mut self, name: &'static str, quoted: &str) {
        let before = if self.0.is_empty() { "" } else { ", " };
        write!(self.0, "{before}{name}={quoted}").expect("writing to a string succeeds");
    }
}

/// Writes a quoted string (RFC 9110 §5.6.4): visible ASCII and spaces, quote and backslash escaped, everything else left
/// out, so that no text can end the string, the parameter or the header line.
fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            ' '..='~' => quoted.push(character),
            _ => {}
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(realm: &str, resource_metadata: &str) -> Option<String> {
        Names::of(Some(realm), Some(resource_metadata)).map(|names| names.0.to_string())
    }

    #[test]
    fn cve_2026_50630_no_name_can_leave_its_quotes() {
        let cases = [
            ("orders", r#""orders""#),
            (r#"a"b\c"#, r#""a\"b\\c""#),
            ("a\r\nset-cookie: x=1", r#""aset-cookie: x=1""#),
            ("t\tab\u{7f}\0é", r#""tab""#),
        ];
        for (text, quoted) in cases {
            assert_eq!(named(text, ""), Some(format!("realm={quoted}")), "{text:?}");
            assert_eq!(named("", text), Some(format!("resource_metadata={quoted}")), "{text:?}");
            assert_eq!(named(text, text), Some(format!("realm={quoted}, resource_metadata={quoted}")), "{text:?}");
        }
        assert_eq!(named("\r\n", ""), None);
        assert_eq!(Names::of(None, None), None);
    }

    #[test]
    fn cve_2026_50630_every_character_is_quoted_escaped_or_left_out() {
        for character in '\0'..='\u{ffff}' {
            let quoted = quote(&format!("a{character}b"));
            let expected = match character {
                '"' | '\\' => format!("\"a\\{character}b\""),
                ' '..='~' => format!("\"a{character}b\""),
                _ => "\"ab\"".to_owned(),
            };
            assert_eq!(quoted, expected, "{character:?}");
        }
    }
}
