//! How we prove to an authorization server which client we are (RFC 6749 §2.3, RFC 7523 §2.2).

use std::{fmt, time::Duration};

use form_urlencoded::{Serializer, byte_serialize};
use http::HeaderValue;
use serde::Serialize;
use tower_identity_core::{ClientId, Clock, Fingerprint, InvalidSetting, Issuer, SecretToken};
use tower_identity_jose::{MediaType, SignError, SigningKey, Thumbprint, random_id};

/// How long a client assertion is good for.
const ASSERTION_LIFETIME: Duration = Duration::from_secs(60);

/// Which client we are at an authorization server, and how we prove it. Cheap to clone; prints no secret.
///
/// ```
/// use tower_identity_oauth::ClientAuth;
///
/// let auth = ClientAuth::client_secret_basic("orders", "s3cr3t")?;
/// assert_eq!(format!("{auth:?}"), r#"ClientAuth { client_id: "orders", method: client_secret_basic }"#);
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
#[derive(Clone)]
pub struct ClientAuth {
    client_id: ClientId,
    method: Method,
}

/// The same client, which proves it in the same way, by the same secret or key.
impl PartialEq for ClientAuth {
    fn eq(&self, other: &Self) -> bool {
        self.client_id == other.client_id
            && match (&self.method, &other.method) {
                (Method::ClientSecretBasic { authorization: one }, Method::ClientSecretBasic { authorization }) => {
                    one == authorization
                }
                (Method::ClientSecretPost { secret: one }, Method::ClientSecretPost { secret }) => one == secret,
                (Method::PrivateKeyJwt { key: one }, Method::PrivateKeyJwt { key }) => {
                    one.thumbprint() == key.thumbprint() && one.key_id() == key.key_id()
                }
                _ => false,
            }
    }
}

impl Eq for ClientAuth {}

#[derive(Clone)]
enum Method {
    ClientSecretBasic { authorization: HeaderValue },
    ClientSecretPost { secret: SecretToken },
    PrivateKeyJwt { key: SigningKey },
}

impl ClientAuth {
    /// A secret in the `Authorization` header (RFC 6749 §2.3.1).
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `client_id` or `client_secret`, when one is empty or not usable.
    pub fn client_secret_basic(
        client_id: impl AsRef<str>,
        secret: impl Into<SecretToken>,
    ) -> Result<Self, InvalidSetting> {
        let (client_id, secret) = (named(client_id.as_ref())?, usable(secret.into())?);
        let authorization = basic(&client_id, &secret);
        Ok(Self { client_id, method: Method::ClientSecretBasic { authorization } })
    }

    /// A secret in the form, for servers that do not decode the header as RFC 6749 §2.3.1 has it.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `client_id` or `client_secret`, when one is empty or not usable.
    pub fn client_secret_post(
        client_id: impl AsRef<str>,
        secret: impl Into<SecretToken>,
    ) -> Result<Self, InvalidSetting> {
        let (client_id, secret) = (named(client_id.as_ref())?, usable(secret.into())?);
        Ok(Self { client_id, method: Method::ClientSecretPost { secret } })
    }

    /// An assertion signed with a private key whose public part the server knows (RFC 7523 §2.2). No secret travels.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `client_id`, when it is empty or not usable.
    pub fn private_key_jwt(client_id: impl AsRef<str>, key: SigningKey) -> Result<Self, InvalidSetting> {
        Ok(Self { client_id: named(client_id.as_ref())?, method: Method::PrivateKeyJwt { key } })
    }

    /// Which client we are.
    #[must_use]
    pub fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// The method's registered name (RFC 8414 §2).
    #[must_use]
    pub const fn method(&self) -> &'static str {
        match self.method {
            Method::ClientSecretBasic { .. } => "client_secret_basic",
            Method::ClientSecretPost { .. } => "client_secret_post",
            Method::PrivateKeyJwt { .. } => "private_key_jwt",
        }
    }

    /// Client, method and, where there is a key, its thumbprint: part of a cache key. Covers no secret, so that it
    /// may be logged, and a rotated secret keeps its tokens.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let thumbprint = match &self.method {
            Method::PrivateKeyJwt { key } => Some(key.thumbprint()),
            Method::ClientSecretBasic { .. } | Method::ClientSecretPost { .. } => None,
        };
        Fingerprint::of("client-auth")
            .field(self.client_id.as_str())
            .field(self.method())
            .optional(thumbprint.as_ref().map(Thumbprint::as_bytes))
            .finish()
    }

    /// Writes the form's part of the proof and returns the header's. Exactly one of the two holds it (RFC 6749 §2.3).
    /// A fresh assertion each time: servers refuse one that they have seen.
    pub(crate) fn append_to(
        &self,
        form: &mut Serializer<'_, String>,
        issuer: &Issuer,
        clock: &Clock,
    ) -> Result<Option<&HeaderValue>, SignError> {
        match &self.method {
            Method::ClientSecretBasic { authorization } => return Ok(Some(authorization)),
            Method::ClientSecretPost { secret } => {
                form.append_pair("client_id", self.client_id.as_str()).append_pair("client_secret", secret.expose());
            }
            Method::PrivateKeyJwt { key } => {
                let assertion = Assertion::new(&self.client_id, issuer, clock);
                let signed = key.sign(&MediaType::CLIENT_AUTHENTICATION, &assertion)?;
                form.append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
                    .append_pair("client_assertion", signed.expose());
            }
        }
        Ok(None)
    }
}

/// The claims of a client assertion. Its audience is the issuer and nothing else: an assertion for an endpoint's URL
/// can be obtained from us by another server that names this endpoint as its own (RFC 7523bis).
#[derive(Serialize)]
struct Assertion<'a> {
    iss: &'a ClientId,
    sub: &'a ClientId,
    aud: &'a Issuer,
    jti: String,
    iat: u64,
    exp: u64,
}

impl<'a> Assertion<'a> {
    fn new(client: &'a ClientId, issuer: &'a Issuer, clock: &Clock) -> Self {
        let now = clock.wall();
        let exp = now.saturating_add(ASSERTION_LIFETIME).as_secs();
        Self { iss: client, sub: client, aud: issuer, jti: random_id(), iat: now.as_secs(), exp }
    }
}

fn named(client_id: &str) -> Result<ClientId, InvalidSetting> {
    ClientId::parse(client_id).map_err(|broken| InvalidSetting::new("client_id", broken.to_string()))
}

fn usable(secret: SecretToken) -> Result<SecretToken, InvalidSetting> {
    match secret.expose() {
        "" => Err(InvalidSetting::new("client_secret", "is empty")),
        text if text.trim() != text => Err(InvalidSetting::new("client_secret", "has white space around it")),
        _ => Ok(secret),
    }
}

/// `id:secret`, each form-encoded before they are joined (RFC 6749 §2.3.1). The encoding is WHATWG's, which leaves
/// alphanumerics and `*-._` alone: most ids and secrets then read the same to a server that forgets to decode.
fn basic(client_id: &ClientId, secret: &SecretToken) -> HeaderValue {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let joined = format!("{}:{}", encoded(client_id.as_str()), encoded(secret.expose()));
    let value = format!("Basic {}", base64_simd::STANDARD.encode_to_string(joined));
    let mut value = HeaderValue::try_from(value).expect("base64 is visible ASCII");
    value.set_sensitive(true);
    value
}

impl fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAuth")
            .field("client_id", &self.client_id)
            .field("method", &format_args!("{}", self.method()))
            .finish()
    }
}

#[cfg(test)]
mod tests;
