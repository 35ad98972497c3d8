//! Tokens of any shape: valid by default, wrong in exactly the way that a test asks for.

#[cfg(feature = "transaction-tokens")]
mod transaction;
mod written_as;

use std::{fmt, time::Duration};

use http::HeaderValue;
use serde_json::{Map, Value, json};
use tower_identity_core::{SecretToken, Timestamp};
use tower_identity_jose::{MediaType, SigningKey, random_id};

/// Mints a token. Without further words it is a valid RFC 9068 access token: five minutes of life, the audience
/// `test`, a random `jti`, issued to the client `test-client` for itself.
///
/// An attack and its control differ in one line:
///
/// ```
/// use tower_identity_core::Timestamp;
/// use tower_identity_jose::{Algorithm, SigningKey};
/// use tower_identity_testkit::TokenBuilder;
///
/// let (ours, theirs) = (SigningKey::generate(Algorithm::Es256)?, SigningKey::generate(Algorithm::Es256)?);
/// let token = TokenBuilder::new("https://as.example", &ours, Timestamp::from_secs(1_767_225_600))
///     .subject("alice")
///     .client("storefront")
///     .audience("orders")
///     .scope("orders:write");
///
/// let control = token.clone().build();
/// let attack = token.sign_with(&theirs).header("kid", ours.key_id()).build();
/// # assert_ne!(control, attack);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "a token builder does nothing until it builds"]
pub struct TokenBuilder {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    payload: Option<Vec<u8>>,
    key: SigningKey,
    signature: Option<Vec<u8>>,
    tampered: bool,
}

impl TokenBuilder {
    /// A valid access token of this issuer, signed with this key, issued now.
    pub fn new(issuer: impl AsRef<str>, key: &SigningKey, now: Timestamp) -> Self {
        let claims = Map::from_iter([
            ("iss".to_owned(), json!(issuer.as_ref())),
            ("sub".to_owned(), json!("test-client")),
            ("client_id".to_owned(), json!("test-client")),
            ("aud".to_owned(), json!("test")),
            ("jti".to_owned(), json!(random_id())),
        ]);
        let header = key.header(&MediaType::ACCESS_TOKEN);
        Self { header, claims, payload: None, key: key.clone(), signature: None, tampered: false }
            .issued_at(now)
            .lifetime(Duration::from_secs(300))
    }

    /// Whom the token is about: a user.
    pub fn subject(self, subject: impl AsRef<str>) -> Self {
        self.claim("sub", subject.as_ref())
    }

    /// Whom the token was issued to; as long as no subject is named it is about the client itself.
    pub fn client(self, client_id: impl AsRef<str>) -> Self {
        let for_itself = self.claims.get("sub") == self.claims.get("client_id");
        let token = self.claim("client_id", client_id.as_ref());
        if for_itself { token.subject(client_id) } else { token }
    }

    /// Whom the token is for. A list of audiences is a [`claim`](Self::claim).
    pub fn audience(self, audience: impl AsRef<str>) -> Self {
        self.claim("aud", audience.as_ref())
    }

    /// What the token allows, separated by spaces.
    pub fn scope(self, scope: impl AsRef<str>) -> Self {
        self.claim("scope", scope.as_ref())
    }

    /// A further actor, as an exchange adds one: outermost, the earlier ones below it, and now the client
    /// (RFC 8693 §4.1). The subject stays.
    pub fn acted_by(mut self, actor: impl AsRef<str>) -> Self {
        let mut act = Map::from_iter([("sub".to_owned(), json!(actor.as_ref()))]);
        act.extend(self.claims.get("iss").map(|issuer| ("iss".to_owned(), issuer.clone())));
        act.extend(self.claims.remove("act").map(|earlier| ("act".to_owned(), earlier)));
        self.claim("act", act).claim("client_id", actor.as_ref())
    }

    /// When the token was issued.
    pub fn issued_at(self, issued: Timestamp) -> Self {
        self.claim("iat", issued.as_secs())
    }

    /// How long after it was issued the token ends.
    pub fn lifetime(self, lifetime: Duration) -> Self {
        let issued = self.claims.get("iat").and_then(Value::as_u64).unwrap_or_default();
        self.claim("exp", issued.saturating_add(lifetime.as_secs()))
    }

    /// When the token ends.
    pub fn expires_at(self, end: Timestamp) -> Self {
        self.claim("exp", end.as_secs())
    }

    /// Sets a claim to any JSON, in place of what it was.
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    /// Removes a claim.
    pub fn without(mut self, name: impl AsRef<str>) -> Self {
        self.claims.remove(name.as_ref());
        self
    }

    /// The claims, as they stand.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// Sets a member of the header to any JSON, in place of what it was.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.header.insert(name.into(), value.into());
        self
    }

    /// Removes a member of the header.
    pub fn without_header(mut self, name: impl AsRef<str>) -> Self {
        self.header.remove(name.as_ref());
        self
    }

    /// These bytes as the payload, JSON or not, in place of the claims.
    pub fn payload(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.payload = Some(bytes.into());
        self
    }

    /// Signs with another key, and says so: `alg` and `kid` become the key's.
    pub fn sign_with(mut self, key: &SigningKey) -> Self {
        self.key = key.clone();
        self.header("alg", key.algorithm().to_string()).header("kid", key.key_id())
    }

    /// These bytes as the signature, whatever the key would sign.
    pub fn signature(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.signature = Some(bytes.into());
        self
    }

    /// `alg` becomes `none`, and the signature is empty.
    pub fn unsigned(self) -> Self {
        self.header("alg", "none").signature([])
    }

    /// Changes the payload after it was signed: `jti` becomes another one, and nothing else. A payload that was given
    /// as bytes loses its last one instead.
    pub fn tampered(mut self) -> Self {
        self.tampered = true;
        self
    }

    /// The token.
    ///
    /// # Panics
    ///
    /// When the cryptography fails.
    #[must_use]
    pub fn build(self) -> SecretToken {
        let header = encode(Value::Object(self.header.clone()).to_string().as_bytes());
        let input = format!("{header}.{}", encode(&self.payload_bytes()));
        let signature = match &self.signature {
            Some(bytes) => bytes.clone(),
            None => self.key.sign_bytes(input.as_bytes()).expect("a key that was parsed can sign"),
        };
        let sent = if self.tampered { format!("{header}.{}", encode(&self.tampered_bytes())) } else { input };
        SecretToken::from(format!("{sent}.{}", encode(&signature)))
    }

    /// The value of an `Authorization` header that presents the token, marked sensitive.
    ///
    /// # Panics
    ///
    /// When the cryptography fails.
    #[must_use]
    pub fn bearer(self) -> HeaderValue {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.build().expose()))
            .expect("base64url and dots are visible ASCII");
        value.set_sensitive(true);
        value
    }

    fn payload_bytes(&self) -> Vec<u8> {
        match &self.payload {
            Some(bytes) => bytes.clone(),
            None => Value::Object(self.claims.clone()).to_string().into_bytes(),
        }
    }

    fn tampered_bytes(&self) -> Vec<u8> {
        match &self.payload {
            Some(bytes) => bytes.split_last().map(|(_, rest)| rest.to_vec()).unwrap_or_default(),
            None => self.clone().claim("jti", random_id()).payload_bytes(),
        }
    }
}

fn encode(bytes: &[u8]) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// Shows what the token will say, which is no secret; it cannot be presented without its signature.
impl fmt::Debug for TokenBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenBuilder")
            .field("header", &self.header)
            .field("claims", &self.claims)
            .finish_non_exhaustive()
    }
}
