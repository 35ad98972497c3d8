//! What our client assertions look like (RFC 7523 §3, as draft-ietf-oauth-rfc7523bis has it).

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tower_identity_core::{ClientId, Clock, InvalidSetting, SecretToken};
use tower_identity_jose::{Algorithm, MediaType, SignError, SigningKey, SigningKeyError, random_id};

use super::Recipient;

/// How long a client assertion is good for.
const ASSERTION_LIFETIME: Duration = Duration::from_secs(60);

/// The field that says it, in a file.
const FIELD: &str = "assertion";

/// What a client assertion that we sign looks like, where a server wants it otherwise than draft-ietf-oauth-rfc7523bis:
/// the table `assertion` of a server.
///
/// | field | meaning | default |
/// |---|---|---|
/// | `audience` | whom it is for: `"issuer"`, `"token_endpoint"` (its URL, as it is configured), or the audience itself | `"issuer"` |
/// | `typ` | `"client-authentication+jwt"` or `"JWT"` | the former |
/// | `alg` | the algorithm, where the key has several: `"PS256"` for RSA | ES256, EdDSA, RS256 |
/// | `certificate` | whether the key's file holds its certificate, too, by which the header names the key (`x5t#S256`, RFC 7515 §4.1.8), and not by `kid` | `false` |
///
/// Another audience than the issuer is a risk: a server that names it could use our assertions at the server whose
/// audience it is. So the token endpoint has to be configured then, metadata is not asked for it, and no other server
/// may be signed in to with the same key.
///
/// ```
/// use tower_identity_jose::{Algorithm, SigningKey};
/// use tower_identity_oauth::{AssertionAudience, AssertionStyle, AssertionTyp, ClientAuth};
///
/// let style = AssertionStyle::new().audience(AssertionAudience::TokenEndpoint).typ(AssertionTyp::Jwt);
/// let key = SigningKey::generate(Algorithm::Es256)?;
/// let auth = ClientAuth::private_key_jwt("orders", key)?.assertion(style)?;
/// # let _ = auth;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[must_use = "it says how assertions look to whom it is given"]
pub struct AssertionStyle {
    audience: AssertionAudience,
    typ: AssertionTyp,
    alg: Option<Algorithm>,
    certificate: bool,
}

/// Whom a client assertion of ours is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum AssertionAudience {
    /// The server's issuer and nobody else (draft-ietf-oauth-rfc7523bis). The default.
    #[default]
    Issuer,
    /// The URL of the token endpoint that it is sent to.
    TokenEndpoint,
    /// This.
    Other(String),
}

impl<'de> Deserialize<'de> for AssertionAudience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match String::deserialize(deserializer)?.as_str() {
            "issuer" => Self::Issuer,
            "token_endpoint" => Self::TokenEndpoint,
            other => Self::Other(other.to_owned()),
        })
    }
}

/// What kind of token a client assertion of ours says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[non_exhaustive]
pub enum AssertionTyp {
    /// `client-authentication+jwt` (draft-ietf-oauth-rfc7523bis). The default.
    #[default]
    #[serde(rename = "client-authentication+jwt")]
    ClientAuthentication,
    /// `JWT`, for servers that know no kinds.
    #[serde(rename = "JWT")]
    Jwt,
}

impl AssertionStyle {
    /// As draft-ietf-oauth-rfc7523bis has it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whom it is for.
    pub fn audience(mut self, audience: AssertionAudience) -> Self {
        self.audience = audience;
        self
    }

    /// What kind it says it is.
    pub fn typ(mut self, typ: AssertionTyp) -> Self {
        self.typ = typ;
        self
    }

    /// By which algorithm it is signed, where the key has several.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.alg = Some(algorithm);
        self
    }

    /// Names the key by its certificate, which has to come [with it](super::ClientAuth::private_key_pem).
    pub fn certificate(mut self) -> Self {
        self.certificate = true;
        self
    }

    pub(super) fn to_whom(&self) -> &AssertionAudience {
        &self.audience
    }

    /// Whom it is for, where somebody else has signed it and nothing else can be wanted of it.
    pub(super) fn audience_alone(self) -> Result<AssertionAudience, InvalidSetting> {
        let Self { audience, typ, alg, certificate } = self;
        let other = [("typ", typ != AssertionTyp::default()), ("alg", alg.is_some()), ("certificate", certificate)];
        match other.into_iter().find(|(_, is_said)| *is_said) {
            None => Ok(audience),
            Some((field, _)) => {
                let rule = "is of assertions that we sign; somebody else signs those in client_assertion_file";
                Err(InvalidSetting::new(field, rule).within(FIELD))
            }
        }
    }

    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        match &self.audience {
            AssertionAudience::Other(audience) if audience.trim().is_empty() => {
                Err(InvalidSetting::new("audience", "is empty").within(FIELD))
            }
            _ => Ok(()),
        }
    }
}

impl AssertionAudience {
    /// Whom an assertion to this server is for.
    pub(super) fn at<'a>(&'a self, recipient: &Recipient<'a>) -> &'a str {
        match (self, recipient.token_endpoint) {
            (Self::Other(audience), _) => audience,
            (Self::TokenEndpoint, Some(endpoint)) => endpoint.url().as_str(),
            (Self::TokenEndpoint | Self::Issuer, _) => recipient.issuer.as_str(),
        }
    }
}

/// A key that signs assertions, and how.
#[derive(Clone)]
pub(super) struct Signer {
    key: SigningKey,
    /// The SHA-256 of its certificate, base64url, where it came with one.
    certificate: Option<String>,
}

impl Signer {
    pub(super) fn new(key: SigningKey) -> Self {
        Self { key, certificate: None }
    }

    /// Reads a private key in PEM, and its certificate where that is in the text, too.
    pub(super) fn from_pem(pem: &SecretToken) -> Result<Self, SigningKeyError> {
        let pem = pem.expose();
        let key = section(pem, |label| label.ends_with("PRIVATE KEY")).unwrap_or(pem);
        let certificate = section(pem, |label| label == "CERTIFICATE").and_then(|section| {
            let base64: String = section.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
            let der = base64_simd::STANDARD.decode_to_vec(base64).ok()?;
            Some(base64_simd::URL_SAFE_NO_PAD.encode_to_string(Sha256::digest(&der)))
        });
        Ok(Self { key: SigningKey::from_pem(key)?, certificate })
    }

    pub(super) fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The key of a file, as the server knows it and wants it.
    pub(super) fn read(pem: &SecretToken, key_id: Option<&Arc<str>>, style: &AssertionStyle) -> Result<Self, String> {
        let mut signer = Self::from_pem(pem).map_err(|broken| broken.to_string())?;
        if let Some(key_id) = key_id {
            signer.key = signer.key.with_key_id(Arc::clone(key_id));
        }
        signer.styled(style).map_err(|wrong| wrong.to_string())
    }

    /// The same, as the style wants it: with its algorithm, and not without the certificate that it names.
    pub(super) fn styled(self, style: &AssertionStyle) -> Result<Self, InvalidSetting> {
        if style.certificate && self.certificate.is_none() {
            let rule = "is demanded, and the key came without one; put it into the key's file, beside the key";
            return Err(InvalidSetting::new("certificate", rule).within(FIELD));
        }
        let key = match style.alg {
            None => self.key,
            Some(algorithm) => self
                .key
                .with_algorithm(algorithm)
                .map_err(|wrong| InvalidSetting::new("alg", wrong.to_string()).within(FIELD))?,
        };
        Ok(Self { key, ..self })
    }

    /// A fresh assertion: servers refuse one that they have seen.
    pub(super) fn sign(
        &self,
        style: &AssertionStyle,
        client: &ClientId,
        recipient: &Recipient<'_>,
        clock: &Clock,
    ) -> Result<SecretToken, SignError> {
        let typ = match style.typ {
            AssertionTyp::ClientAuthentication => &MediaType::CLIENT_AUTHENTICATION,
            AssertionTyp::Jwt => &MediaType::JWT,
        };
        let mut header: Map<String, Value> = self.key.header(typ);
        if let Some(certificate) = self.certificate.as_ref().filter(|_| style.certificate) {
            header.remove("kid");
            header.insert("x5t#S256".to_owned(), certificate.as_str().into());
        }
        let now = clock.wall();
        let exp = now.saturating_add(ASSERTION_LIFETIME).as_secs();
        let aud = style.audience.at(recipient);
        let claims = Claims { iss: client, sub: client, aud, jti: random_id(), iat: now.as_secs(), exp };
        self.key.sign_with_header(&header, &claims)
    }
}

/// The same key under the same name, by the same algorithm and certificate.
impl PartialEq for Signer {
    fn eq(&self, other: &Self) -> bool {
        let parts = |signer: &Self| (signer.key.thumbprint(), signer.key.algorithm());
        parts(self) == parts(other) && self.key.key_id() == other.key.key_id() && self.certificate == other.certificate
    }
}

impl Eq for Signer {}

/// The claims of a client assertion. Its audience is one string: of several, each could use it at the others.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a ClientId,
    sub: &'a ClientId,
    aud: &'a str,
    jti: String,
    iat: u64,
    exp: u64,
}

/// The first section of a PEM text whose label is such, with its lines of encapsulation (RFC 7468 §2).
fn section(pem: &str, wanted: impl Fn(&str) -> bool) -> Option<&str> {
    const BEGIN: &str = "-----BEGIN ";
    let mut from = 0;
    while let Some(at) = pem[from..].find(BEGIN) {
        let begin = from + at;
        let label = pem[begin + BEGIN.len()..].split_once("-----")?.0;
        let end = format!("-----END {label}-----");
        let length = pem[begin..].find(&end)? + end.len();
        if wanted(label) {
            return Some(&pem[begin..begin + length]);
        }
        from = begin + length;
    }
    None
}
