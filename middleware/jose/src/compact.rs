//! Compact serialization (RFC 7515 §7.1): from text to header and claims that nobody has vouched for yet.

use std::{fmt, sync::Arc};

use serde::de::DeserializeOwned;
use tower_identity_core::SecretToken;

use crate::{
    Header, Limits, base64url,
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

/// A token that was parsed, once and strictly, and that nobody has vouched for yet.
pub struct Unverified<C> {
    pub(crate) token: SecretToken,
    /// How much of the token is signed: header, dot, payload.
    pub(crate) signed: usize,
    pub(crate) header: Header,
    pub(crate) claims: C,
    pub(crate) payload: Arc<[u8]>,
    pub(crate) signature: Vec<u8>,
}

impl<C: DeserializeOwned> Unverified<C> {
    /// Parses a compact token, reading its payload as claims of type `C`.
    ///
    /// # Errors
    ///
    /// [`ParseError`].
    pub fn parse(token: &str, limits: &Limits) -> Result<Self, ParseError> {
        if token.len() > limits.token_bytes() {
            return Err(ParseError::TooLong { limit: limits.token_bytes() });
        }
        let [header, payload, signature] = parts(token)?;
        let encoding = |part| move |_| ParseError::Encoding(part);
        let header_json = base64url::decode(header).map_err(encoding(Part::Header))?;
        let payload = base64url::decode_shared(payload).map_err(encoding(Part::Payload))?;
        let signed = token.len() - signature.len() - 1;
        let signature = base64url::decode(signature).map_err(encoding(Part::Signature))?;

        Ok(Self {
            header: json::object_from_slice(&header_json, limits.json_depth()).map_err(ParseError::Header)?,
            claims: json::object_from_slice(&payload, limits.json_depth()).map_err(ParseError::Claims)?,
            token: SecretToken::new(token),
            signed,
            payload,
            signature,
        })
    }
}

/// The three parts. What lies in them is not looked at yet.
fn parts(token: &str) -> Result<[&str; 3], ParseError> {
    let mut parts = token.split('.');
    match ([parts.next(), parts.next(), parts.next()], parts.count()) {
        ([Some(header), Some(payload), Some(signature)], 0)
            if !header.is_empty() && !payload.is_empty() && !signature.is_empty() =>
        {
            Ok([header, payload, signature])
        }
        (_, 2) => Err(ParseError::Encrypted),
        _ => Err(ParseError::NotCompact),
    }
}

impl<C> Unverified<C> {
    /// The header: for choosing a key, and for nothing else.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The claims, as anybody may have written them: for choosing whose keys to try, and for nothing else.
    #[must_use]
    pub fn claims_unverified(&self) -> &C {
        &self.claims
    }
}

impl<C> fmt::Debug for Unverified<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unverified").field("header", &self.header).finish_non_exhaustive()
    }
}
