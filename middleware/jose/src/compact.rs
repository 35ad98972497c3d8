//! Compact serialization (RFC 7515 §7.1): from text to a header, and to what may be claims.

use std::{borrow::Cow, fmt, sync::Arc};

use serde::{Deserialize, de::DeserializeSeed};
use tower_identity_core::SecretToken;

use crate::{
    Header, KnownHeaders, Limits, Unverified, base64url,
    json::{self, JsonError},
};

/// A part of a compact token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The first part.
    Header,
    /// The second part.
    Payload,
    /// The third part.
    Signature,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Signature => "signature",
        })
    }
}

/// Why a string is not a token that could be opened. Always the sender's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Longer than [`Limits::token_bytes`].
    #[error("the token is longer than {limit} bytes")]
    TooLong {
        /// The limit that holds.
        limit: usize,
    },
    /// Not three parts, none of them empty, between two dots.
    #[error("the token is not three parts between dots")]
    NotCompact,
    /// Five parts: encrypted (JWE), and being able to decrypt would prove nothing about the sender.
    #[error("the token is encrypted, not signed")]
    Encrypted,
    /// A part is not base64url in its one canonical form.
    #[error("the {0} is not canonical base64url")]
    Encoding(Part),
    /// The header is not strict JSON, lacks `alg`, or has a registered member of a wrong type.
    #[error("the header is not acceptable")]
    Header(#[source] JsonError),
    /// The payload is not a strict JSON object, or its claims are not of the expected shape.
    #[error("the claims are not acceptable")]
    Claims(#[source] JsonError),
}

impl ParseError {
    /// The check that failed, as a stable word: `format`, `header` or `claims`.
    #[must_use]
    pub const fn check(&self) -> &'static str {
        match self {
            Self::TooLong { .. } | Self::NotCompact | Self::Encrypted | Self::Encoding(_) => "format",
            Self::Header(_) => "header",
            Self::Claims(_) => "claims",
        }
    }
}

/// A token in its compact form, taken apart strictly: three parts of base64url, of which the first is a header.
///
/// What its payload is nobody has looked at. [`claims`](Self::claims) reads it, as a type that may borrow from here, so
/// that a claim costs no copy until somebody keeps it; [`Unverified::parse`] is both steps in one, for claims that borrow
/// nothing.
///
/// ```
/// use serde::Deserialize;
/// use serde_json::json;
/// use tower_identity_jose::{Accept, Algorithm, Compact, KeySet, Limits, MediaType, SigningKey};
///
/// #[derive(Deserialize)]
/// struct Claims<'a> {
///     sub: &'a str,
/// }
///
/// let key = SigningKey::generate(Algorithm::Es256)?;
/// let token = key.sign(&MediaType::ACCESS_TOKEN, &json!({"sub": "alice"}))?;
/// let keys = KeySet::from_keys([key.verifying_key()])?;
/// let accept = Accept::new([MediaType::ACCESS_TOKEN], [Algorithm::Es256]);
///
/// let compact = Compact::parse(token.expose(), &Limits::default())?;
/// let opened = compact.claims::<Claims<'_>>()?.open(&keys, &accept).map_err(|unopened| unopened.into_error())?;
/// assert_eq!(opened.claims().sub, "alice");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Compact {
    pub(crate) token: SecretToken,
    /// Where the signature begins; the dot before it is not signed.
    signature: usize,
    header: Arc<Header>,
    /// Whether the header was not read, but known.
    is_header_known: bool,
    pub(crate) payload: Arc<[u8]>,
    json_depth: u8,
}

impl Compact {
    /// A buffer of as many bytes holds the signature of an RSA key of 4096 bits.
    pub(crate) const SIGNATURE_BYTES: usize = 512;

    /// Takes a token apart.
    ///
    /// # Errors
    ///
    /// [`ParseError`], of which the variant [`Claims`](ParseError::Claims) does not occur here.
    pub fn parse(token: &str, limits: &Limits) -> Result<Self, ParseError> {
        Self::take_apart(token, limits, None)
    }

    /// [`parse`](Self::parse), which does not read a header again that is known.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn parse_knowing(token: &str, limits: &Limits, headers: &KnownHeaders) -> Result<Self, ParseError> {
        Self::take_apart(token, limits, Some(headers))
    }

    fn take_apart(token: &str, limits: &Limits, headers: Option<&KnownHeaders>) -> Result<Self, ParseError> {
        if token.len() > limits.token_bytes() {
            return Err(ParseError::TooLong { limit: limits.token_bytes() });
        }
        let [header, payload, signature] = parts(token)?;
        let encoding = |part| move |_| not_three_parts(token).unwrap_or(ParseError::Encoding(part));
        let json_depth = limits.json_depth();
        let known = headers.and_then(|headers| headers.get(header, json_depth));
        let mut buffer = [0; 256];
        let unread = match known {
            Some(_) => Cow::Borrowed(&[][..]),
            None => base64url::decode_into(header, &mut buffer).map_err(encoding(Part::Header))?,
        };
        let payload = base64url::decode_shared(payload).map_err(encoding(Part::Payload))?;
        base64url::check(signature).map_err(encoding(Part::Signature))?;
        let is_header_known = known.is_some();
        let header = match known {
            Some(header) => header,
            None => Arc::new(json::object_from_slice(&unread, json_depth).map_err(ParseError::Header)?),
        };
        Ok(Self {
            header,
            is_header_known,
            token: SecretToken::from(token),
            signature: token.len() - signature.len(),
            payload,
            json_depth,
        })
    }

    /// The header: for choosing a key, and for nothing else.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// For as long as the token, and for others with the same header.
    pub(crate) fn shared_header(&self) -> &Arc<Header> {
        &self.header
    }

    pub(crate) fn is_header_known(&self) -> bool {
        self.is_header_known
    }

    /// The header as the token has it.
    pub(crate) fn encoded_header(&self) -> &str {
        self.token.expose().split_once('.').map_or("", |(header, _)| header)
    }

    /// The limit that it was read under.
    pub(crate) fn json_depth(&self) -> u8 {
        self.json_depth
    }

    /// Reads the payload as claims, which nobody has vouched for.
    ///
    /// # Errors
    ///
    /// [`ParseError::Claims`].
    pub fn claims<'a, C: Deserialize<'a>>(&'a self) -> Result<Unverified<C, &'a Self>, ParseError> {
        Ok(Unverified { claims: self.read()?, compact: self })
    }

    /// [`claims`](Self::claims), of what a seed makes of the payload: for claims that are many, and are to be read where
    /// they are to lie.
    ///
    /// # Errors
    ///
    /// [`ParseError::Claims`].
    pub fn claims_by<'a, S: DeserializeSeed<'a>>(
        &'a self,
        seed: S,
    ) -> Result<Unverified<S::Value, &'a Self>, ParseError> {
        let claims = json::object_by_seed(&self.payload, self.json_depth, seed).map_err(ParseError::Claims)?;
        Ok(Unverified { claims, compact: self })
    }

    /// [`claims`](Self::claims), of what a function makes of the payload.
    ///
    /// # Errors
    ///
    /// [`ParseError::Claims`].
    pub fn claims_with<'a, C>(
        &'a self,
        read: impl FnOnce(json::Unread<'a>) -> Result<C, JsonError>,
    ) -> Result<Unverified<C, &'a Self>, ParseError> {
        let claims = json::Unread::object(&self.payload, self.json_depth).and_then(read).map_err(ParseError::Claims)?;
        Ok(Unverified { claims, compact: self })
    }

    pub(crate) fn read<'a, C: Deserialize<'a>>(&'a self) -> Result<C, ParseError> {
        json::object_from_slice(&self.payload, self.json_depth).map_err(ParseError::Claims)
    }

    /// What is signed: header, dot, payload.
    pub(crate) fn signed(&self) -> &[u8] {
        &self.token.expose().as_bytes()[..self.signature - 1]
    }

    /// The signature. It is not kept decoded: most tokens are opened once. None if it has another encoding than one
    /// part of a token may have, which it has not.
    pub(crate) fn signature<'b>(&self, buffer: &'b mut [u8]) -> Option<Cow<'b, [u8]>> {
        base64url::decode_into(&self.token.expose()[self.signature..], buffer).ok()
    }
}

impl fmt::Debug for Compact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compact").field("header", &self.header).finish_non_exhaustive()
    }
}

/// The three parts. What lies in them is not looked at yet; nor is the third searched for a fourth, since a dot is no
/// letter of base64url.
fn parts(token: &str) -> Result<[&str; 3], ParseError> {
    // Many bytes at a time, since most tokens have a kilobyte of them.
    let mut dots = memchr::memchr_iter(b'.', token.as_bytes());
    let (Some(first), Some(second)) = (dots.next(), dots.next()) else {
        return Err(ParseError::NotCompact);
    };
    let (header, payload, signature) = (&token[..first], &token[first + 1..second], &token[second + 1..]);
    if header.is_empty() || payload.is_empty() || signature.is_empty() {
        return Err(not_three_parts(token).unwrap_or(ParseError::NotCompact));
    }
    Ok([header, payload, signature])
}

/// Before a part is to blame, their number is.
#[cold]
fn not_three_parts(token: &str) -> Option<ParseError> {
    match memchr::memchr_iter(b'.', token.as_bytes()).count() {
        2 => None,
        4 => Some(ParseError::Encrypted),
        _ => Some(ParseError::NotCompact),
    }
}
