//! Client authentication at the token endpoint: `client_secret_basic` (RFC 6749 §2.3.1) and `private_key_jwt`
//! (RFC 7523 §2.2, as updated by its revision: `aud` is the issuer and nothing else).

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use tower_identity::{ClientId, TokenId};
use tower_identity_jose::{Accept, Algorithm, AudienceClaim, Limits, MediaType, NumericDate, Unverified, json};

use crate::{
    authority::Authority,
    client::{Client, Credential, SecretDigest},
    dialect::AssertionAudience,
    error::{ErrorCode, TokenError},
    form::{Form, form_decode},
    replay::Use,
};

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The algorithms of client assertions.
pub(crate) const ASSERTION_ALGORITHMS: [Algorithm; 5] =
    [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::EdDsa, Algorithm::Ed25519];

/// The longest that an assertion may still live. It has to be remembered until then.
const MAX_ASSERTION_LIFETIME: Duration = Duration::from_secs(600);

/// How far a client's clock may differ from ours.
pub(crate) const LEEWAY: Duration = Duration::from_secs(30);

/// The longest `jti` that is remembered, in bytes.
pub(crate) const MAX_JTI_BYTES: usize = 128;

#[derive(Deserialize)]
struct AssertionClaims {
    iss: ClientId,
    sub: ClientId,
    aud: AudienceClaim,
    exp: NumericDate,
    jti: TokenId,
    #[serde(default, deserialize_with = "json::not_null")]
    nbf: Option<NumericDate>,
    #[serde(default, deserialize_with = "json::not_null")]
    iat: Option<NumericDate>,
}

impl Authority {
    /// The client that authenticated: by exactly one mechanism (RFC 6749 §2.3).
    pub(crate) fn authenticate(&self, headers: &HeaderMap, form: &Form<'_>) -> Result<&Client, TokenError> {
        let mut authorization = headers.get_all(header::AUTHORIZATION).iter();
        let basic = match (authorization.next(), authorization.next()) {
            (_, Some(_)) => return Err(TWO_HEADERS),
            (first, None) => first,
        };
        let assertion = form.one("client_assertion").or(form.one("client_assertion_type"));
        let secret = form.one("client_secret");
        let client = match (basic, assertion, secret) {
            (Some(basic), None, None) => self.by_secret(basic)?,
            (None, Some(_), None) => self.by_assertion(form)?,
            (None, None, None) => return Err(NO_AUTHENTICATION.challenged()),
            (None, None, Some(_)) => return Err(SECRET_IN_BODY),
            _ => return Err(TWO_MECHANISMS),
        };
        match form.one("client_id") {
            Some(claimed) if client.id != claimed => Err(ANOTHER_CLIENT),
            _ => Ok(client),
        }
    }

    fn by_secret(&self, credentials: &HeaderValue) -> Result<&Client, TokenError> {
        let refused = const { BAD_CREDENTIALS.challenged() };
        let (id, secret) = basic_credentials(credentials).ok_or(refused.clone())?;
        let client = self.clients.find(&id);
        // An unknown client, or one without a secret, costs a comparison too and gets the same answer.
        let expected = match client.map(|client| &client.credential) {
            Some(Credential::Secret(digest)) => digest,
            Some(Credential::Keys(_)) | None => &SecretDigest::NONE,
        };
        let matches = expected.is_of(&secret);
        client.filter(|_| matches).ok_or(refused)
    }

    fn by_assertion(&self, form: &Form<'_>) -> Result<&Client, TokenError> {
        if form.one("client_assertion_type") != Some(JWT_BEARER) {
            return Err(UNKNOWN_ASSERTION_TYPE);
        }
        let assertion = form.one("client_assertion").ok_or(NO_ASSERTION)?;
        let unverified = Unverified::<AssertionClaims>::parse(assertion, &Limits::default()).map_err(|error| {
            tracing::info!(error = &error as &dyn std::error::Error, "client assertion refused");
            BAD_ASSERTION
        })?;
        let claimed = unverified.claims_unverified();
        let client = self.clients.find(claimed.sub.as_str()).ok_or(BAD_ASSERTION)?;
        let Credential::Keys(keys) = &client.credential else { return Err(BAD_ASSERTION) };
        let accept = Accept::new([MediaType::CLIENT_AUTHENTICATION, MediaType::JWT], ASSERTION_ALGORITHMS).or_untyped();
        let claims = unverified.open(keys, &accept).map_err(|refused| {
            tracing::info!(error = refused.error() as &dyn std::error::Error, "client assertion refused");
            BAD_ASSERTION
        })?;
        self.check_assertion(client, claims.into_claims())?;
        Ok(client)
    }

    fn check_assertion(&self, client: &Client, claims: AssertionClaims) -> Result<(), TokenError> {
        let now = self.clock.wall();
        let expires_at = claims.exp.timestamp();
        let begins_at = [claims.nbf, claims.iat].into_iter().flatten().map(NumericDate::timestamp).max();
        if claims.iss != claims.sub {
            return Err(BAD_ASSERTION);
        }
        // Any other value, even beside ours, would let another server replay what it was sent (audience injection).
        let expected = match self.dialect.assertion_audience {
            AssertionAudience::Issuer => self.issuer.to_string(),
            AssertionAudience::TokenEndpoint => self.places.token_endpoint(),
        };
        if !matches!(claims.aud.as_slice(), [only] if only.as_str() == expected) {
            return Err(ASSERTION_AUDIENCE);
        }
        if expires_at <= now || begins_at.is_some_and(|begins_at| begins_at > now.saturating_add(LEEWAY)) {
            return Err(ASSERTION_TIME);
        }
        if expires_at.since(now) > MAX_ASSERTION_LIFETIME {
            return Err(ASSERTION_TOO_LONG);
        }
        if claims.jti.as_str().len() > MAX_JTI_BYTES {
            return Err(BAD_ASSERTION);
        }
        match self.used_assertions.use_up(&client.id, claims.jti, expires_at, now) {
            Use::First => Ok(()),
            Use::Replayed => Err(ASSERTION_REPLAYED),
            Use::Full => Err(TOO_MANY_ASSERTIONS),
        }
    }
}

/// `Basic`, base64, and inside it the form-encoded id and secret.
fn basic_credentials(value: &HeaderValue) -> Option<(String, String)> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let decoded = base64_simd::STANDARD.decode_to_vec(encoded.trim_start_matches(' ')).ok()?;
    let (id, secret) = str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((form_decode(id)?.into_owned(), form_decode(secret)?.into_owned()))
}

const TWO_HEADERS: TokenError = TokenError::invalid_request("there are several Authorization headers");
const TWO_MECHANISMS: TokenError = TokenError::invalid_request("the client authenticates in several ways at once");
pub(crate) const NO_AUTHENTICATION: TokenError = TokenError::invalid_client("the client does not authenticate");
const SECRET_IN_BODY: TokenError = TokenError::invalid_client("client_secret_post is not accepted");
const ANOTHER_CLIENT: TokenError = TokenError::invalid_client("client_id is not the client that authenticated");
pub(crate) const BAD_CREDENTIALS: TokenError =
    TokenError::invalid_client("the client's credentials are not acceptable");
const UNKNOWN_ASSERTION_TYPE: TokenError = TokenError::invalid_client("this client_assertion_type is not accepted");
const NO_ASSERTION: TokenError = TokenError::invalid_client("client_assertion is missing");
pub(crate) const BAD_ASSERTION: TokenError = TokenError::invalid_client("the client assertion is not acceptable");
pub(crate) const ASSERTION_AUDIENCE: TokenError =
    TokenError::invalid_client("the client assertion is not for this issuer, or not for it alone");
pub(crate) const ASSERTION_TIME: TokenError =
    TokenError::invalid_client("the client assertion has ended, or not begun");
pub(crate) const ASSERTION_TOO_LONG: TokenError =
    TokenError::invalid_client("the client assertion lives longer than 10 minutes");
pub(crate) const ASSERTION_REPLAYED: TokenError = TokenError::invalid_client("the client assertion was used before");
const TOO_MANY_ASSERTIONS: TokenError =
    TokenError::new(ErrorCode::TemporarilyUnavailable, "too many assertions of this client are still alive");
