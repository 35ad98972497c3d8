//! What a token says of itself, as far as it is shown.

use std::collections::BTreeMap;

use serde::{Serialize, de::IgnoredAny};
use tower_identity_core::Timestamp;
use tower_identity_jose::{Compact, Header, NumericDate, json};

use crate::{
    claim::Claim,
    claims::{ClaimName, Claims, Found},
    text::Texts,
};

/// What issuers call the client.
const CLIENTS: [ClaimName; 4] = [ClaimName::ClientId, ClaimName::Azp, ClaimName::Appid, ClaimName::Cid];

/// How many claims, and how many audiences, are shown.
const NAMED: usize = 64;
/// How much of a text that the sender chose is shown, in characters.
const SHOWN: usize = 64;

/// The header, the times, the names of the claims, and of their values those that say which token it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Said {
    pub(super) alg: Option<Box<str>>,
    pub(super) typ: Option<Box<str>>,
    pub(super) kid: Option<Box<str>>,
    pub(super) iss: Option<Box<str>>,
    pub(super) aud: Option<Vec<Box<str>>>,
    /// Whichever claim it is that names one.
    pub(super) client: Option<Box<str>>,
    pub(super) iat: Option<Timestamp>,
    pub(super) nbf: Option<Timestamp>,
    pub(super) exp: Option<Timestamp>,
    pub(super) claims: Vec<Box<str>>,
}

impl Said {
    /// What a header says, where there is one.
    pub(super) fn new(header: Option<&Header>) -> Self {
        Self {
            alg: header.map(|header| cut(header.algorithm_name())),
            typ: header.and_then(Header::typ).map(cut),
            kid: header.and_then(Header::key_id).map(cut),
            ..Self::default()
        }
    }

    /// What claims say.
    pub(super) fn claims(self, claims: &Claims<'_>, names: &Names) -> Self {
        let all = |aud: &Texts<'_>| aud.as_slice().iter().map(|one| cut(one)).take(NAMED).collect();
        let client = CLIENTS.iter().find_map(|name| match claims.found(*name) {
            Found::Text(client) => Some(cut(client)),
            _ => None,
        });
        Self {
            iss: value(&claims.iss).map(|iss| cut(iss)),
            aud: value(&claims.aud).map(all),
            client,
            iat: time(&claims.iat),
            nbf: time(&claims.nbf),
            exp: time(&claims.exp),
            claims: names.0.keys().map(|name| cut(name)).take(NAMED).collect(),
            ..self
        }
    }
}

/// The names of a payload's claims, sorted.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<String, IgnoredAny>);

impl Names {
    pub(super) fn of(token: &Compact) -> Self {
        token.claims().map(|claims| Self(BTreeMap::clone(claims.claims_unverified()))).unwrap_or_default()
    }

    /// Those of an object.
    pub(super) fn of_object(json: &[u8]) -> Self {
        json::from_slice(json).map(Self).unwrap_or_default()
    }

    /// Those that only ID tokens have (OpenID Connect Core §2, §3.3.2.11).
    pub(super) fn of_id_tokens(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str).filter(|name| matches!(*name, "at_hash" | "c_hash" | "nonce"))
    }
}

fn value<T>(claim: &Claim<T>) -> Option<&T> {
    match claim {
        Claim::Is(value) => Some(value),
        Claim::Absent | Claim::Wrong => None,
    }
}

fn time(claim: &Claim<NumericDate>) -> Option<Timestamp> {
    value(claim).map(|date| date.timestamp())
}

fn cut(text: &str) -> Box<str> {
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]).into(),
        None => text.into(),
    }
}
