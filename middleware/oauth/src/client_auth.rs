//! How we prove to an authorization server which client we are (RFC 6749 §2.3, RFC 7523 §2.2).

mod assertion;

use std::fmt;

use form_urlencoded::{Serializer, byte_serialize};
use http::HeaderValue;
use serde::Deserialize;
use tower_identity_core::{ClientId, Clock, Fingerprint, InvalidSetting, Issuer, SecretToken};
use tower_identity_jose::{SignError, SigningKey, SigningKeyError, Thumbprint};

use self::assertion::Signer;
pub use self::assertion::{AssertionAudience, AssertionStyle, AssertionTyp};
use crate::Endpoint;

/// The `client_assertion_type` of a JWT (RFC 7523 §2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Which client we are at an authorization server, and how we prove it. Cheap to clone; prints no secret.
///
/// ```
/// use tower_identity_oauth::ClientAuth;
///
/// let auth = ClientAuth::client_secret_basic("orders", "s3cr3t")?;
/// assert_eq!(format!("{auth:?}"), r#"ClientAuth { client_id: "orders", method: client_secret_basic }"#);
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
///
/// Two are equal that are the same client, which proves it in the same way, by the same secret or key.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientAuth {
    client_id: ClientId,
    method: Method,
}

#[derive(Clone, PartialEq, Eq)]
enum Method {
    ClientSecretBasic { secret: SecretToken, encoding: BasicEncoding },
    ClientSecretPost { secret: SecretToken },
    PrivateKeyJwt { signer: Signer, style: AssertionStyle },
}

/// How id and secret are written before they are joined for the `Authorization` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BasicEncoding {
    /// Form-encoded, the WHATWG way (RFC 6749 §2.3.1), which leaves alphanumerics and `*-._` alone: most ids and secrets
    /// read the same to a server that forgets to decode. The default.
    #[default]
    Form,
    /// As they are, for servers that do not decode. The id has no colon then.
    None,
}

/// To whom it is proved.
#[derive(Clone, Copy)]
pub(crate) struct Recipient<'a> {
    pub(crate) issuer: &'a Issuer,
    /// Where the proof is sent, when that is a token endpoint.
    pub(crate) token_endpoint: Option<&'a Endpoint>,
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
        Ok(Self { client_id, method: Method::ClientSecretBasic { secret, encoding: BasicEncoding::Form } })
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
        Self::signed_by(client_id.as_ref(), Signer::new(key))
    }

    /// The same, with a key in PEM, and perhaps its certificate beside it in the same text: for servers that know a key
    /// [by its certificate](AssertionStyle::certificate).
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `client_id`, when it is empty or not usable, or of `private_key`, when there is none.
    pub fn private_key_pem(client_id: impl AsRef<str>, pem: impl Into<SecretToken>) -> Result<Self, InvalidSetting> {
        Self::key_in(client_id.as_ref(), &pem.into(), |wrong| InvalidSetting::new("private_key", wrong.to_string()))
    }

    pub(crate) fn key_in(
        client_id: &str,
        pem: &SecretToken,
        wrong: impl FnOnce(SigningKeyError) -> InvalidSetting,
    ) -> Result<Self, InvalidSetting> {
        Self::signed_by(client_id, Signer::from_pem(pem).map_err(wrong)?)
    }

    fn signed_by(client_id: &str, signer: Signer) -> Result<Self, InvalidSetting> {
        let method = Method::PrivateKeyJwt { signer, style: AssertionStyle::new() };
        Ok(Self { client_id: named(client_id)?, method })
    }

    /// How id and secret are written for the `Authorization` header. For [`client_secret_basic`](Self::client_secret_basic).
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `basic_encoding`, when this proves it otherwise, or an id that is written as it is has a colon.
    pub fn basic_encoding(self, encoding: BasicEncoding) -> Result<Self, InvalidSetting> {
        let invalid = |rule| Err(InvalidSetting::new("basic_encoding", rule));
        match self.method {
            Method::ClientSecretBasic { .. }
                if encoding == BasicEncoding::None && self.client_id.as_str().contains(':') =>
            {
                invalid("is none, and the client_id has a colon, which ends it there")
            }
            Method::ClientSecretBasic { secret, .. } => {
                Ok(Self { method: Method::ClientSecretBasic { secret, encoding }, ..self })
            }
            _ => invalid("goes with client_secret_basic only"),
        }
    }

    /// What the assertions look like. For [`private_key_jwt`](Self::private_key_jwt).
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `assertion`, when this proves it otherwise, the key is for no such algorithm, or there is no
    /// certificate.
    pub fn assertion(self, style: AssertionStyle) -> Result<Self, InvalidSetting> {
        style.check()?;
        match self.method {
            Method::PrivateKeyJwt { signer, .. } => {
                let signer = signer.styled(&style)?;
                Ok(Self { method: Method::PrivateKeyJwt { signer, style }, ..self })
            }
            _ => Err(InvalidSetting::new("assertion", "goes with private_key_jwt only")),
        }
    }

    /// Under this `kid`, by which the server knows the key.
    pub(crate) fn key_id(self, key_id: &str) -> Self {
        match self.method {
            Method::PrivateKeyJwt { signer, style } => {
                Self { method: Method::PrivateKeyJwt { signer: signer.named(key_id), style }, ..self }
            }
            _ => self,
        }
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
        Fingerprint::of("client-auth")
            .field(self.client_id.as_str())
            .field(self.method())
            .optional(self.thumbprint().as_ref().map(Thumbprint::as_bytes))
            .finish()
    }

    fn thumbprint(&self) -> Option<Thumbprint> {
        match &self.method {
            Method::PrivateKeyJwt { signer, .. } => Some(signer.key().thumbprint()),
            Method::ClientSecretBasic { .. } | Method::ClientSecretPost { .. } => None,
        }
    }

    /// Whether assertions are for somebody else than the issuer: they go nowhere that metadata says.
    pub(crate) fn is_for_another(&self) -> bool {
        matches!(&self.method, Method::PrivateKeyJwt { style, .. } if style.is_for_another())
    }

    /// Whether assertions are for the token endpoint, whichever that is.
    pub(crate) fn is_for_endpoint(&self) -> bool {
        matches!(&self.method, Method::PrivateKeyJwt { style, .. } if style.is_for_endpoint())
    }

    /// Whether an assertion of one of the two may be good at the server of the other: both are signed with one key, and
    /// one of them is for somebody else than its issuer.
    pub(crate) fn is_good_for(&self, other: &Self) -> bool {
        (self.is_for_another() || other.is_for_another())
            && self.thumbprint().is_some_and(|key| other.thumbprint() == Some(key))
    }

    /// Writes the form's part of the proof and returns the header's. Exactly one of the two holds it (RFC 6749 §2.3).
    pub(crate) fn append_to(
        &self,
        form: &mut Serializer<'_, String>,
        recipient: &Recipient<'_>,
        clock: &Clock,
    ) -> Result<Option<HeaderValue>, SignError> {
        match &self.method {
            Method::ClientSecretBasic { secret, encoding } => {
                return Ok(Some(basic(&self.client_id, secret, *encoding)));
            }
            Method::ClientSecretPost { secret } => {
                form.append_pair("client_id", self.client_id.as_str()).append_pair("client_secret", secret.expose());
            }
            Method::PrivateKeyJwt { signer, style } => {
                let assertion = signer.sign(style, &self.client_id, recipient, clock)?;
                form.append_pair("client_id", self.client_id.as_str())
                    .append_pair("client_assertion_type", JWT_BEARER)
                    .append_pair("client_assertion", assertion.expose());
            }
        }
        Ok(None)
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

/// `id:secret`, each encoded before they are joined (RFC 6749 §2.3.1).
fn basic(client_id: &ClientId, secret: &SecretToken, encoding: BasicEncoding) -> HeaderValue {
    let encoded = |text: &str| match encoding {
        BasicEncoding::Form => byte_serialize(text.as_bytes()).collect::<String>(),
        BasicEncoding::None => text.to_owned(),
    };
    let joined = format!("{}:{}", encoded(client_id.as_str()), encoded(secret.expose()));
    let value = format!("Basic {}", base64_simd::STANDARD.encode_to_string(joined));
    let mut value = HeaderValue::try_from(value).expect("base64 is visible ASCII");
    value.set_sensitive(true);
    value
}

impl fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ClientAuth");
        debug.field("client_id", &self.client_id).field("method", &format_args!("{}", self.method()));
        match &self.method {
            Method::ClientSecretBasic { encoding: BasicEncoding::None, .. } => {
                debug.field("basic_encoding", &BasicEncoding::None);
            }
            Method::PrivateKeyJwt { style, .. } if *style != AssertionStyle::default() => {
                debug.field("assertion", style);
            }
            _ => {}
        }
        debug.finish()
    }
}

#[cfg(test)]
mod tests;
