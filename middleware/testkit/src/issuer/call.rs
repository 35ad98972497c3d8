//! What a client sent to the token endpoint, or to the introspection endpoint.

use std::fmt;

use http::{HeaderMap, HeaderValue, header};
use serde_json::Value;
use tower_identity_core::{CertificateThumbprint, SecretToken};

use super::state::Shared;

/// One request to the token endpoint or to the introspection endpoint, decoded. `Debug` hides the parameters and headers that hold secrets.
#[derive(Clone)]
pub struct TokenCall {
    form: Vec<(String, String)>,
    headers: HeaderMap,
    client: ClientAuthentication,
}

/// How a client said who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientAuthentication {
    /// Not at all, or by its name alone.
    None {
        /// The `client_id` parameter.
        client_id: Option<String>,
    },
    /// `client_secret_basic` (RFC 6749 §2.3.1), both parts form-decoded.
    Basic {
        /// The client's name.
        client_id: String,
        /// Its secret.
        secret: SecretToken,
    },
    /// `client_secret_post` (RFC 6749 §2.3.1).
    Post {
        /// The client's name.
        client_id: String,
        /// Its secret.
        secret: SecretToken,
    },
    /// `client_assertion` (RFC 7523 §2.2). Decoded, and not verified.
    Assertion {
        /// The `sub` of the assertion.
        client_id: String,
        /// The `client_assertion_type`.
        assertion_type: String,
        /// The assertion itself.
        assertion: SecretToken,
        /// Its header.
        header: Value,
        /// Its claims.
        claims: Value,
    },
    /// By the certificate of its connection (`tls_client_auth`, RFC 8705 §2).
    Certificate {
        /// The `client_id` parameter.
        client_id: String,
        /// The certificate, which it is [known by](crate::TestIssuer::register_certificate).
        thumbprint: CertificateThumbprint,
    },
    /// In a way that cannot be read, or in more than one.
    Malformed,
}

impl ClientAuthentication {
    /// The client, unless it only says so.
    #[must_use]
    pub fn authenticated(&self) -> Option<&str> {
        match self {
            Self::None { .. } | Self::Malformed => None,
            Self::Basic { client_id, .. }
            | Self::Post { client_id, .. }
            | Self::Assertion { client_id, .. }
            | Self::Certificate { client_id, .. } => Some(client_id),
        }
    }

    fn read(headers: &HeaderMap, form: &[(String, String)]) -> Self {
        let field = |name| form.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
        let client_id = field("client_id");
        let (secret, assertion) = (field("client_secret"), field("client_assertion"));
        let authorization = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        let read = match (authorization, secret, assertion) {
            (None, None, None) => return Self::None { client_id },
            (Some(value), None, None) => Self::read_basic(value),
            (None, Some(secret), None) => client_id.map(|client_id| Self::Post { client_id, secret: secret.into() }),
            (None, None, Some(assertion)) => {
                Self::read_assertion(field("client_assertion_type").unwrap_or_default(), assertion)
            }
            _ => None,
        };
        read.unwrap_or(Self::Malformed)
    }

    fn read_basic(value: &[u8]) -> Option<Self> {
        let encoded = value.strip_prefix(b"Basic ")?;
        let decoded = base64_simd::STANDARD.decode_to_vec(encoded).ok()?;
        let (client_id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
        Some(Self::Basic { client_id: form_decoded(client_id), secret: form_decoded(secret).into() })
    }

    fn read_assertion(assertion_type: String, assertion: String) -> Option<Self> {
        let mut parts = assertion.split('.').map(|part| {
            let json = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(part).ok()?;
            serde_json::from_slice::<Value>(&json).ok()
        });
        let (header, claims) = (parts.next()??, parts.next()??);
        let client_id = claims.get("sub")?.as_str()?.to_owned();
        Some(Self::Assertion { client_id, assertion_type, header, claims, assertion: assertion.into() })
    }
}

/// Each half of Basic credentials is form-encoded by itself (RFC 6749 §2.3.1): it decodes as a parameter's name does.
fn form_decoded(half: &str) -> String {
    // A literal `&` or `=` would be the encoder's mistake; kept as it is, so that the test sees it.
    let guarded = half.replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(guarded.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

impl TokenCall {
    pub(super) fn read(
        shared: &Shared,
        headers: &HeaderMap,
        body: &[u8],
        shown: Option<CertificateThumbprint>,
    ) -> Self {
        let form: Vec<_> = form_urlencoded::parse(body).into_owned().collect();
        let client = shared.recognised(ClientAuthentication::read(headers, &form), shown);
        Self { form, headers: headers.clone(), client }
    }

    /// The first value of a parameter.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields(name).next()
    }

    /// All values of a parameter, in the order in which they came.
    pub fn fields(&self, name: &str) -> impl Iterator<Item = &str> {
        self.form.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// All parameters, in the order in which they came.
    #[must_use]
    pub fn form(&self) -> &[(String, String)] {
        &self.form
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// How the client said who it is.
    #[must_use]
    pub fn client(&self) -> &ClientAuthentication {
        &self.client
    }
}

impl fmt::Debug for TokenCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SECRET: [&str; 7] = [
            "token",
            "subject_token",
            "actor_token",
            "assertion",
            "client_assertion",
            "client_secret",
            "refresh_token",
        ];
        let shown = |(name, value): &(String, String)| match SECRET.contains(&name.as_str()) {
            true => (name.clone(), "(..)".to_owned()),
            false => (name.clone(), value.clone()),
        };
        let form: Vec<_> = self.form.iter().map(shown).collect();
        let headers: Vec<_> = self.headers.keys().map(http::HeaderName::as_str).collect();
        f.debug_struct("TokenCall")
            .field("form", &form)
            .field("client", &self.client)
            .field("headers", &headers)
            .finish()
    }
}
