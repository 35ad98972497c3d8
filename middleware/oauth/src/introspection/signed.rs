//! An answer that is signed (RFC 9701 §5).

use std::ops::RangeInclusive;

use serde::Deserialize;
use serde_json::{Map, Value};
use tower_identity_core::{Issuer, SecretToken, Timestamp};
use tower_identity_jose::{
    Accept, Algorithm, AudienceClaim, KeySet, Limits, MediaType, NumericDate, OpenError, ParseError, Unverified,
};

use super::Introspected;

/// The longest signed answer, in bytes.
const MAX_BYTES: usize = *Limits::TOKEN_BYTES.end();

/// The kind of token that it is (RFC 9701 §5).
const TYPE: &str = "token-introspection+jwt";

/// An answer that is signed, and not verified yet. It is no access token: its kind says so.
#[derive(Debug, Clone)]
pub struct SignedAnswer(SecretToken);

/// Why a signed answer is none. The server's fault: nothing of it is used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidAnswer {
    /// It is no JWT with the claims of RFC 9701 §5.
    #[error("the answer is not a JWT with iss, aud, iat and token_introspection")]
    Unreadable(#[source] ParseError),
    /// It is of another kind or algorithm, or no key of the server verifies it.
    #[error("the answer is not genuine")]
    NotGenuine(#[source] OpenError),
    /// Another issuer signed it.
    #[error("the answer is of another issuer")]
    OtherIssuer,
    /// It is for somebody else.
    #[error("the answer is for {found:?}, not for us")]
    NotForUs {
        /// Whom it is for.
        found: AudienceClaim,
    },
    /// It was issued in the future.
    #[error("the answer was issued in the future")]
    FromTheFuture,
    /// It was issued before it was asked for: an answer to somebody's earlier question, replayed.
    #[error("the answer was issued before it was asked for")]
    Stale,
}

impl InvalidAnswer {
    /// Whether the key set lacks the key, and a newer one may have it.
    #[must_use]
    pub fn is_of_unknown_key(&self) -> bool {
        matches!(self, Self::NotGenuine(OpenError::UnknownKey { .. }))
    }
}

/// The claims that are required; what else stands beside `token_introspection` says nothing of the token.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: AudienceClaim,
    iat: NumericDate,
    token_introspection: Map<String, Value>,
}

impl SignedAnswer {
    pub(super) fn new(jwt: SecretToken) -> Self {
        Self(jwt)
    }

    /// What is accepted of the answer's header.
    #[must_use]
    pub fn accept(algorithms: impl IntoIterator<Item = Algorithm>) -> Accept {
        Accept::new([MediaType::parse(TYPE).expect("a media type")], algorithms)
    }

    /// What it says of the token: [`Inactive`](Introspected::Inactive) or [`Active`](Introspected::Active), where it is
    /// genuine, of this issuer, for one of these names of ours, and `issued` within these bounds: from the second in which
    /// it was asked for until now, each with what the clocks may differ by.
    ///
    /// # Errors
    ///
    /// [`InvalidAnswer`].
    pub fn open<'n>(
        &self,
        keys: &KeySet,
        accept: &Accept,
        issuer: &Issuer,
        us: impl IntoIterator<Item = &'n str>,
        issued: &RangeInclusive<Timestamp>,
    ) -> Result<Introspected, InvalidAnswer> {
        let limits = Limits::default().with_token_bytes(MAX_BYTES).expect("within the limits");
        let answer = Unverified::<Claims>::parse(self.0.expose(), &limits).map_err(InvalidAnswer::Unreadable)?;
        let opened = answer.open(keys, accept).map_err(|unopened| InvalidAnswer::NotGenuine(unopened.into_error()))?;
        let Claims { iss, aud, iat, token_introspection } = opened.into_claims();
        if *issuer != *iss {
            return Err(InvalidAnswer::OtherIssuer);
        }
        if !us.into_iter().any(|name| aud.as_slice().iter().any(|one| *one == *name)) {
            return Err(InvalidAnswer::NotForUs { found: aud });
        }
        // Most servers write whole seconds.
        if iat.timestamp() < Timestamp::from_secs(issued.start().as_secs()) {
            return Err(InvalidAnswer::Stale);
        }
        if iat.timestamp() > *issued.end() {
            return Err(InvalidAnswer::FromTheFuture);
        }
        let members = Value::Object(token_introspection).to_string();
        Ok(Introspected::of_object(members.as_bytes()).expect("an object was read strictly"))
    }
}
