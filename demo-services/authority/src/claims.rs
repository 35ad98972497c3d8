//! The claims of this authority's access tokens (RFC 9068 §2.2, RFC 8693 §4), written and read back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tower_identity::{ClientId, Issuer, Scopes, SessionId, Subject, Timestamp, TokenId, TransactionId};
use tower_identity_jose::{AudienceClaim, NumericDate, json};

/// The longest chain of actors that is issued.
pub(crate) const MAX_ACTORS: usize = 4;

/// What is written. One audience, but where the settings say that a user's first token has several.
#[derive(Debug, Serialize)]
pub(crate) struct IssuedClaims<'a> {
    pub(crate) iss: &'a Issuer,
    pub(crate) sub: &'a Subject,
    pub(crate) aud: &'a AudienceClaim,
    pub(crate) iat: Timestamp,
    pub(crate) exp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) act: Option<ActClaim>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) txn: Option<&'a TransactionId>,
    #[serde(flatten)]
    pub(crate) authentication: &'a AuthenticationClaims,
    /// Tokens for who is called next.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tokens: BTreeMap<&'a str, &'a str>,
    /// Which it is, to whom it is issued and what it allows, among others: as the [dialect](crate::dialect) has it.
    #[serde(flatten)]
    pub(crate) dialect: Map<String, Value>,
}

/// How and when the user signed in: fixed at sign-in, unchanged across exchanges (RFC 9068 §2.2.1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AuthenticationClaims {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) auth_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) acr: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) amr: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sid: Option<SessionId>,
}

/// One actor, and those before it (RFC 8693 §4.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ActClaim {
    pub(crate) iss: Issuer,
    pub(crate) sub: Subject,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) act: Option<Box<ActClaim>>,
}

impl ActClaim {
    /// How many actors the chain has.
    pub(crate) fn depth(&self) -> usize {
        std::iter::successors(Some(self), |actor| actor.act.as_deref()).count()
    }
}

/// What is read back from a token that a client presents to us.
/// Written again, whole, where a service asks what its token is.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PresentedClaims {
    pub(crate) iss: Issuer,
    pub(crate) sub: Subject,
    pub(crate) aud: AudienceClaim,
    #[serde(default, deserialize_with = "json::not_null", skip_serializing_if = "Option::is_none")]
    client_id: Option<ClientId>,
    #[serde(default, deserialize_with = "json::not_null", skip_serializing_if = "Option::is_none")]
    azp: Option<ClientId>,
    #[serde(default, alias = "scp")]
    pub(crate) scope: String,
    pub(crate) exp: NumericDate,
    pub(crate) iat: NumericDate,
    #[serde(default, deserialize_with = "json::not_null", skip_serializing_if = "Option::is_none")]
    pub(crate) nbf: Option<NumericDate>,
    #[serde(alias = "uti")]
    pub(crate) jti: TokenId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) act: Option<ActClaim>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) may_act: Option<MayActClaim>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cnf: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) txn: Option<TransactionId>,
    #[serde(flatten)]
    pub(crate) authentication: AuthenticationClaims,
    /// What else it says.
    #[serde(flatten)]
    pub(crate) others: Map<String, Value>,
}

/// Who may act for the subject (RFC 8693 §4.4): every member that is given must match, so a token that has a member
/// which is not compared here is not read.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MayActClaim {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sub: Option<Subject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) iss: Option<Issuer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<ClientId>,
}

impl PresentedClaims {
    /// To whom it was issued.
    pub(crate) fn client(&self) -> Option<&ClientId> {
        self.azp.as_ref().or(self.client_id.as_ref())
    }

    pub(crate) fn scopes(&self) -> Option<Scopes> {
        Scopes::parse(&self.scope).ok()
    }
}
