//! An authorization server's metadata document (RFC 8414 §2, OpenID Connect Discovery §3).

use serde::Deserialize;
use serde_json::Value;
use tower_identity_core::Issuer;
use tower_identity_jose::json;

use crate::{Endpoint, InvalidEndpoint};

/// Why a document is not the metadata of the issuer. Nothing of such a document is used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// Not a JSON object, or one with duplicate names.
    #[error("the document is not a JSON object without duplicate names")]
    NotAnObject,
    /// The document names no issuer.
    #[error("the document names no issuer")]
    NoIssuer,
    /// The document names another issuer. Compared byte for byte: a slash more or less is another issuer
    /// (RFC 8414 §3.3).
    #[error("the document is of issuer {found:?}, not of {expected:?}")]
    OtherIssuer {
        /// The issuer that was asked for.
        expected: Issuer,
        /// The issuer that the document names.
        found: String,
    },
}

/// Why an endpoint of the metadata cannot be used. The others can.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnusableEndpoint {
    /// The server names no such endpoint.
    #[error("the metadata names no {member}")]
    Missing {
        /// The metadata member.
        member: &'static str,
    },
    /// The URL is not one that requests may be sent to.
    #[error("{member} of the metadata is not usable")]
    Invalid {
        /// The metadata member.
        member: &'static str,
        /// The rule that it breaks.
        source: InvalidEndpoint,
    },
    /// The URL leads into this machine or network, while the issuer's own does not.
    #[error("{member} of the metadata leads to a private address")]
    Private {
        /// The metadata member.
        member: &'static str,
    },
}

/// Where an authorization server's endpoints are.
///
/// Only what this room uses is read, each endpoint on its own: one that is missing or unusable spoils no other. The
/// lists of what the server supports are not read at all, because they are wrong often enough; whether something is
/// supported shows when it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerMetadata {
    issuer: Issuer,
    token_endpoint: Result<Endpoint, UnusableEndpoint>,
    jwks_uri: Result<Endpoint, UnusableEndpoint>,
    introspection_endpoint: Result<Endpoint, UnusableEndpoint>,
    mtls: Aliases,
}

/// Where clients are served that show a certificate, where that is elsewhere (RFC 8705 §5).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Aliases {
    token_endpoint: Result<Endpoint, UnusableEndpoint>,
    introspection_endpoint: Result<Endpoint, UnusableEndpoint>,
}

/// The wire form. Members of a wrong type are judged one by one.
#[derive(Deserialize)]
struct Document {
    issuer: Option<Value>,
    token_endpoint: Option<Value>,
    jwks_uri: Option<Value>,
    introspection_endpoint: Option<Value>,
    mtls_endpoint_aliases: Option<Value>,
}

impl ServerMetadata {
    /// Reads a document that must be of this issuer.
    ///
    /// # Errors
    ///
    /// [`MetadataError`] when the document is not usable at all.
    pub fn parse(issuer: &Issuer, document: &[u8]) -> Result<Self, MetadataError> {
        let is_inside = Endpoint::of_issuer(issuer).is_ok_and(|url| url.is_of_special_use());
        Self::parse_with(issuer, document, is_inside)
    }

    /// As [`parse`](Self::parse), told whether the document may name private addresses.
    pub(crate) fn parse_with(issuer: &Issuer, document: &[u8], may_be_private: bool) -> Result<Self, MetadataError> {
        let document: Document = json::from_slice(document).map_err(|_| MetadataError::NotAnObject)?;
        let found = document.issuer.as_ref().and_then(Value::as_str).ok_or(MetadataError::NoIssuer)?;
        if *issuer != found {
            return Err(MetadataError::OtherIssuer { expected: issuer.clone(), found: abridged(found) });
        }
        let endpoint = |member, value: Option<Value>| endpoint(member, value, may_be_private);
        let mut aliases = document.mtls_endpoint_aliases;
        // What is no object names none of them, and is not overlooked.
        let mut alias = |name| match &mut aliases {
            Some(Value::Object(aliases)) => aliases.remove(name).filter(|alias| !alias.is_null()),
            other => other.clone(),
        };
        let mtls = Aliases {
            token_endpoint: endpoint("mtls_endpoint_aliases.token_endpoint", alias("token_endpoint")),
            introspection_endpoint: endpoint(
                "mtls_endpoint_aliases.introspection_endpoint",
                alias("introspection_endpoint"),
            ),
        };
        Ok(Self {
            issuer: issuer.clone(),
            token_endpoint: endpoint("token_endpoint", document.token_endpoint),
            jwks_uri: endpoint("jwks_uri", document.jwks_uri),
            introspection_endpoint: endpoint("introspection_endpoint", document.introspection_endpoint),
            mtls,
        })
    }

    /// The first endpoint that both documents name and that is not the same in both.
    pub(crate) fn disagreement(&self, other: &Self) -> Option<&'static str> {
        type Named = Result<Endpoint, UnusableEndpoint>;
        let differ = |(one, another): (&Named, &Named)| {
            let is_missing = |url: &Named| matches!(url, Err(UnusableEndpoint::Missing { .. }));
            one != another && !is_missing(one) && !is_missing(another)
        };
        [
            ("jwks_uri", (&self.jwks_uri, &other.jwks_uri)),
            ("token_endpoint", (&self.token_endpoint, &other.token_endpoint)),
            ("introspection_endpoint", (&self.introspection_endpoint, &other.introspection_endpoint)),
            ("mtls_endpoint_aliases", (&self.mtls.token_endpoint, &other.mtls.token_endpoint)),
            ("mtls_endpoint_aliases", (&self.mtls.introspection_endpoint, &other.mtls.introspection_endpoint)),
        ]
        .into_iter()
        .find_map(|(member, both)| differ(both).then_some(member))
    }

    /// The issuer, which the document was checked to name.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Where tokens are issued (RFC 6749 §3.2).
    ///
    /// # Errors
    ///
    /// [`UnusableEndpoint`] when the server names none, or one that is not usable.
    pub fn token_endpoint(&self) -> Result<&Endpoint, UnusableEndpoint> {
        self.token_endpoint.as_ref().map_err(Clone::clone)
    }

    /// Where the server's public keys are (RFC 7517 §5).
    ///
    /// # Errors
    ///
    /// [`UnusableEndpoint`] when the server names none, or one that is not usable.
    pub fn jwks_uri(&self) -> Result<&Endpoint, UnusableEndpoint> {
        self.jwks_uri.as_ref().map_err(Clone::clone)
    }

    /// Where opaque tokens are looked up (RFC 7662 §2).
    ///
    /// # Errors
    ///
    /// [`UnusableEndpoint`] when the server names none, or one that is not usable.
    pub fn introspection_endpoint(&self) -> Result<&Endpoint, UnusableEndpoint> {
        self.introspection_endpoint.as_ref().map_err(Clone::clone)
    }

    /// Where tokens are issued to clients that show a certificate: the alias, where the server names one (RFC 8705 §5).
    ///
    /// # Errors
    ///
    /// [`UnusableEndpoint`] when the server names none, or one that is not usable or has no TLS.
    pub fn mtls_token_endpoint(&self) -> Result<&Endpoint, UnusableEndpoint> {
        Self::alias(&self.mtls.token_endpoint, ("token_endpoint", &self.token_endpoint))
    }

    /// Where clients that show a certificate look opaque tokens up: the alias, where the server names one (RFC 8705 §5).
    ///
    /// # Errors
    ///
    /// As [`mtls_token_endpoint`](Self::mtls_token_endpoint).
    pub fn mtls_introspection_endpoint(&self) -> Result<&Endpoint, UnusableEndpoint> {
        Self::alias(&self.mtls.introspection_endpoint, ("introspection_endpoint", &self.introspection_endpoint))
    }

    /// An alias that cannot be used is not as good as none.
    fn alias<'a>(
        alias: &'a Result<Endpoint, UnusableEndpoint>,
        (member, ordinary): (&'static str, &'a Result<Endpoint, UnusableEndpoint>),
    ) -> Result<&'a Endpoint, UnusableEndpoint> {
        let (member, named) = match alias {
            Err(UnusableEndpoint::Missing { .. }) => (member, ordinary),
            Ok(_) | Err(_) => ("mtls_endpoint_aliases", alias),
        };
        let endpoint = named.as_ref().map_err(Clone::clone)?;
        endpoint.with_tls().map_err(|source| UnusableEndpoint::Invalid { member, source })
    }
}

/// A public server has no business in naming a private address: whoever can write its metadata would choose which of
/// our internal services gets a request (RFC 8725bis §3.10). Addresses are judged here, as they are written; names when
/// they are looked up, by [`Http::public_only`](crate::Http::public_only).
fn endpoint(member: &'static str, value: Option<Value>, may_be_private: bool) -> Result<Endpoint, UnusableEndpoint> {
    let value = value.ok_or(UnusableEndpoint::Missing { member })?;
    let url = value.as_str().ok_or(InvalidEndpoint::NotAUrl);
    let endpoint = url.and_then(Endpoint::parse).map_err(|source| UnusableEndpoint::Invalid { member, source })?;
    if !may_be_private && endpoint.is_of_special_use() {
        return Err(UnusableEndpoint::Private { member });
    }
    Ok(endpoint)
}

/// What a stranger wrote, for a log line.
fn abridged(text: &str) -> String {
    text.chars().take(256).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(issuer: &str, document: &Value) -> Result<ServerMetadata, MetadataError> {
        ServerMetadata::parse(&issuer.parse().expect("issuer"), document.to_string().as_bytes())
    }

    #[test]
    fn rfc8414_a1_the_issuer_is_compared_to_the_byte() {
        let document = json!({"issuer": "https://h.example/t1", "jwks_uri": "https://h.example/keys"});
        let metadata = parse("https://h.example/t1", &document).expect("the control is accepted");
        assert_eq!(metadata.jwks_uri().map(ToString::to_string), Ok("https://h.example/keys".to_owned()));
        for other in
            ["https://h.example/t1/", "https://H.example/t1", "https://h.example:443/t1", "https://h.example/t%31"]
        {
            let refused = parse(other, &document).expect_err(other);
            let expected = MetadataError::OtherIssuer {
                expected: other.parse().expect("issuer"),
                found: "https://h.example/t1".into(),
            };
            assert_eq!(refused, expected);
        }
        for nothing in [json!({}), json!({"issuer": null}), json!({"issuer": ["https://h.example/t1"]})] {
            assert_eq!(parse("https://h.example/t1", &nothing), Err(MetadataError::NoIssuer), "{nothing}");
        }
    }

    #[test]
    fn a_document_that_is_no_object_or_says_a_thing_twice_is_refused() {
        let issuer: Issuer = "https://h.example".parse().expect("issuer");
        let documents: [&[u8]; 6] = [
            b"",
            b"<!doctype html>",
            b"[]",
            b"null",
            br#"{"issuer":"https://h.example","issuer":"https://h.example"}"#,
            br#"{"issuer":"https://h.example"} {}"#,
        ];
        for document in documents {
            assert_eq!(ServerMetadata::parse(&issuer, document), Err(MetadataError::NotAnObject));
        }
        let control = ServerMetadata::parse(&issuer, br#"{"issuer":"https://h.example"}"#).expect("the control");
        assert_eq!((control.issuer(), control.token_endpoint().is_ok()), (&issuer, false));
    }

    #[test]
    fn rfc8414_a5_an_unusable_endpoint_spoils_no_other() {
        let document = json!({
            "issuer": "https://h.example",
            "token_endpoint": "https://h.example/token",
            "jwks_uri": "http://h.example/keys",
            "introspection_endpoint": 7,
        });
        let metadata = parse("https://h.example", &document).expect("document");
        assert_eq!(metadata.token_endpoint().map(ToString::to_string), Ok("https://h.example/token".to_owned()));
        let invalid = |member, source| Err(UnusableEndpoint::Invalid { member, source });
        assert_eq!(metadata.jwks_uri(), invalid("jwks_uri", InvalidEndpoint::NotSecure));
        assert_eq!(metadata.introspection_endpoint(), invalid("introspection_endpoint", InvalidEndpoint::NotAUrl));
        let nothing = parse("https://h.example", &json!({"issuer": "https://h.example", "jwks_uri": null}));
        let nothing = nothing.expect("document");
        assert_eq!(nothing.jwks_uri(), Err(UnusableEndpoint::Missing { member: "jwks_uri" }));
        assert_eq!(nothing.token_endpoint(), Err(UnusableEndpoint::Missing { member: "token_endpoint" }));
    }

    #[test]
    fn rfc8414_a6_a_public_issuer_cannot_lead_us_to_a_private_address() {
        for inside in ["https://169.254.169.254/keys", "https://10.0.0.1/keys", "http://localhost:8080/keys"] {
            let public = json!({"issuer": "https://h.example", "jwks_uri": inside});
            let refused = parse("https://h.example", &public).expect("document");
            assert_eq!(refused.jwks_uri(), Err(UnusableEndpoint::Private { member: "jwks_uri" }), "{inside}");

            let private = json!({"issuer": "https://10.0.0.1", "jwks_uri": inside});
            let control = parse("https://10.0.0.1", &private).expect("document");
            assert_eq!(control.jwks_uri().map(ToString::to_string), Ok(inside.to_owned()));
        }
    }

    #[test]
    fn rfc8705_b1_an_alias_counts_where_there_is_one_and_one_that_is_unusable_is_not_passed_over() {
        let named = |aliases: Value, issuer: &str| {
            let document = json!({
                "issuer": issuer,
                "token_endpoint": format!("{issuer}/token"),
                "introspection_endpoint": "http://127.0.0.1/introspect",
                "mtls_endpoint_aliases": aliases,
            });
            let metadata = parse(issuer, &document).expect("document");
            assert_eq!(metadata.token_endpoint().map(ToString::to_string), Ok(format!("{issuer}/token")));
            metadata.mtls_token_endpoint().map(ToString::to_string)
        };
        let public = |aliases| named(aliases, "https://h.example");
        let (mtls, token) = (Ok("https://mtls.h.example/token".to_owned()), Ok("https://h.example/token".to_owned()));
        assert_eq!(public(json!({"token_endpoint": "https://mtls.h.example/token"})), mtls);
        for none in [json!(null), json!({}), json!({"token_endpoint": null}), json!({"jwks_uri": "https://a.example"})]
        {
            assert_eq!(public(none.clone()), token, "{none}");
        }
        let (member, alias) = ("mtls_endpoint_aliases", |url: &str| json!({ "token_endpoint": url }));
        let invalid = |member, source| Err(UnusableEndpoint::Invalid { member, source });
        let one = "mtls_endpoint_aliases.token_endpoint";
        assert_eq!(public(alias("http://mtls.h.example/token")), invalid(one, InvalidEndpoint::NotSecure));
        assert_eq!(public(json!(7)), invalid(one, InvalidEndpoint::NotAUrl));
        assert_eq!(public(alias("https://10.0.0.1/token")), Err(UnusableEndpoint::Private { member: one }));
        let inside = |aliases| named(aliases, "http://127.0.0.1:9");
        assert_eq!(inside(alias("http://127.0.0.1/token")), invalid(member, InvalidEndpoint::NoTls));
        assert_eq!(inside(json!({})), invalid("token_endpoint", InvalidEndpoint::NoTls));
        assert_eq!(inside(alias("https://127.0.0.1/token")), Ok("https://127.0.0.1/token".to_owned()), "the control");
    }

    #[test]
    fn the_lists_of_what_is_supported_gate_nothing() {
        let document = json!({
            "issuer": "https://h.example",
            "token_endpoint": "https://h.example//token",
            "grant_types_supported": ["authorization_code", "implicit"],
            "token_endpoint_auth_methods_supported": 5,
            "id_token_signing_alg_values_supported": ["none", "HS256"],
        });
        let metadata = parse("https://h.example", &document).expect("document");
        assert_eq!(metadata.token_endpoint().map(ToString::to_string), Ok("https://h.example//token".to_owned()));
    }
}
