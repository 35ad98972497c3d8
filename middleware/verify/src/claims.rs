//! The claims of a JWT access token (RFC 9068 §2.2), as they were found.

use serde::{Deserialize, Deserializer, de::IgnoredAny};
use tower_identity_core::{Issuer, Scopes, SessionId, Subject, TokenId, TransactionId};
use tower_identity_jose::{AudienceClaim, NumericDate};

use crate::claim::{Claim, Object};

/// What is read of the payload. `may_act` is not: it says who may act, never who acts (RFC 8693 §4.4).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Claims {
    pub(crate) iss: Claim<Issuer>,
    pub(crate) sub: Claim<Subject>,
    pub(crate) client_id: Claim<Subject>,
    pub(crate) aud: Claim<AudienceClaim>,
    pub(crate) exp: Claim<NumericDate>,
    pub(crate) nbf: Claim<NumericDate>,
    pub(crate) iat: Claim<NumericDate>,
    pub(crate) jti: Claim<TokenId>,
    pub(crate) scope: Claim<ScopeString>,
    pub(crate) act: Claim<Object<ActorClaim>>,
    pub(crate) cnf: Claim<IgnoredAny>,
    pub(crate) txn: Claim<TransactionId>,
    pub(crate) auth_time: Claim<NumericDate>,
    pub(crate) acr: Claim<String>,
    pub(crate) amr: Claim<Vec<String>>,
    pub(crate) sid: Claim<SessionId>,
}

/// One level of `act` (RFC 8693 §4.1); an earlier actor is nested in the later one.
#[derive(Debug, Deserialize)]
pub(crate) struct ActorClaim {
    #[serde(default)]
    pub(crate) iss: Claim<Issuer>,
    #[serde(default)]
    pub(crate) sub: Claim<Subject>,
    #[serde(default)]
    pub(crate) act: Claim<Box<Object<ActorClaim>>>,
}

/// `scope`: one string of scopes separated by spaces (RFC 8693 §4.2). Not the list that some issuers send.
#[derive(Debug)]
pub(crate) struct ScopeString(pub(crate) Scopes);

impl<'de> Deserialize<'de> for ScopeString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Scopes::parse(&text).map(Self).map_err(serde::de::Error::custom)
    }
}
