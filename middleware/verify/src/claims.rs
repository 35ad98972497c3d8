//! The claims of an access token, as they were found, of whichever profile.

use std::fmt;

use serde::{Deserialize, de::IgnoredAny};
use tower_identity_core::Refusal;
use tower_identity_jose::NumericDate;

use crate::{
    check,
    claim::{Claim, Object, wrong},
    shown::Shown,
    text::{Entry, List, Members, Text, TextOrNumber, Texts},
};

/// What is read of the payload; which of it counts is for the profile to say.
///
/// Absent claims cost nothing. `may_act` is not read: it says who may act, never who acts (RFC 8693 §4.4).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Claims<'a> {
    #[serde(borrow)]
    pub(crate) iss: Claim<Text<'a>>,
    pub(crate) sub: Claim<Text<'a>>,
    pub(crate) aud: Claim<Texts<'a>>,
    pub(crate) exp: Claim<NumericDate>,
    pub(crate) nbf: Claim<NumericDate>,
    pub(crate) iat: Claim<NumericDate>,
    jti: Claim<Text<'a>>,
    uti: Claim<Text<'a>>,
    pub(crate) cnf: Claim<IgnoredAny>,
    pub(crate) act: Claim<Object<ActorClaim<'a>>>,
    pub(crate) txn: Claim<Text<'a>>,

    // The client that the token was issued to.
    client_id: Claim<Text<'a>>,
    azp: Claim<Text<'a>>,
    appid: Claim<Text<'a>>,
    cid: Claim<Text<'a>>,

    // Whom it is about, and what says so.
    tid: Claim<Text<'a>>,
    oid: Claim<Text<'a>>,
    uid: Claim<Text<'a>>,
    idtyp: Claim<Text<'a>>,
    gty: Claim<Text<'a>>,
    username: Claim<Text<'a>>,
    preferred_username: Claim<Text<'a>>,
    unique_name: Claim<Text<'a>>,
    #[serde(rename = "kubernetes.io")]
    pub(crate) kubernetes: Claim<Object<KubernetesClaim<'a>>>,

    // What kind of token it is.
    typ: Claim<Text<'a>>,
    token_use: Claim<Text<'a>>,
    token_type: Claim<Text<'a>>,
    ver: Claim<TextOrNumber<'a>>,
    nonce: Claim<IgnoredAny>,
    at_hash: Claim<IgnoredAny>,
    c_hash: Claim<IgnoredAny>,
    events: Claim<IgnoredAny>,
    token_introspection: Claim<IgnoredAny>,

    // What it allows.
    pub(crate) scope: Claim<Text<'a>>,
    pub(crate) scp: Claim<Texts<'a>>,

    // How the user signed in.
    pub(crate) auth_time: Claim<NumericDate>,
    pub(crate) acr: Claim<Text<'a>>,
    pub(crate) amr: Claim<List<Text<'a>>>,
    pub(crate) sid: Claim<Text<'a>>,

    // What else is said of the subject.
    name: Claim<Text<'a>>,
    pub(crate) email: Claim<Text<'a>>,
    pub(crate) email_verified: Claim<bool>,
    pub(crate) groups: Claim<List<Entry<'a>>>,
    #[serde(rename = "cognito:groups")]
    pub(crate) cognito_groups: Claim<List<Entry<'a>>>,
    pub(crate) hasgroups: Claim<bool>,
    #[serde(rename = "_claim_names")]
    pub(crate) claim_names: Claim<Object<Elsewhere>>,
    pub(crate) roles: Claim<List<Entry<'a>>>,
    pub(crate) permissions: Claim<List<Entry<'a>>>,
    pub(crate) realm_access: Claim<Object<Access<'a>>>,
    pub(crate) resource_access: Claim<Members<'a, Claim<Object<Access<'a>>>>>,
}

/// One level of `act` (RFC 8693 §4.1); an earlier actor is nested in the later one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ActorClaim<'a> {
    #[serde(borrow)]
    pub(crate) iss: Claim<Text<'a>>,
    pub(crate) sub: Claim<Text<'a>>,
    pub(crate) act: Claim<Box<Object<ActorClaim<'a>>>>,
}

/// `kubernetes.io`: the objects that a service account's token is bound to.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct KubernetesClaim<'a> {
    #[serde(borrow)]
    pub(crate) namespace: Claim<Text<'a>>,
    pub(crate) serviceaccount: Claim<Object<KubernetesObject<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct KubernetesObject<'a> {
    #[serde(borrow)]
    pub(crate) name: Claim<Text<'a>>,
}

/// The roles at a realm, or at one of its clients.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Access<'a> {
    #[serde(borrow)]
    pub(crate) roles: Claim<List<Entry<'a>>>,
}

/// The claims that are to be had elsewhere (OpenID Connect Core §5.6.2).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Elsewhere {
    pub(crate) groups: Claim<IgnoredAny>,
}

/// A claim that a profile's table may speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClaimName {
    Appid,
    AtHash,
    Azp,
    CHash,
    Cid,
    ClientId,
    Events,
    Gty,
    Idtyp,
    Jti,
    Kubernetes,
    Name,
    Nonce,
    Oid,
    PreferredUsername,
    RealmAccess,
    Roles,
    Scp,
    Sub,
    Tid,
    TokenIntrospection,
    TokenType,
    TokenUse,
    Typ,
    Uid,
    UniqueName,
    Username,
    Uti,
    Ver,
}

/// What a claim is, as far as a table asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found<'c> {
    Absent,
    Text(&'c str),
    Number(u64),
    /// Of another type, right or wrong.
    Other,
}

/// For an operator's log.
impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("nothing"),
            Self::Text(text) => write!(f, "{}", Shown(text)),
            Self::Number(number) => write!(f, "{number}"),
            Self::Other => f.write_str("something else"),
        }
    }
}

impl ClaimName {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Appid => "appid",
            Self::AtHash => "at_hash",
            Self::Azp => "azp",
            Self::CHash => "c_hash",
            Self::Cid => "cid",
            Self::ClientId => "client_id",
            Self::Events => "events",
            Self::Gty => "gty",
            Self::Idtyp => "idtyp",
            Self::Jti => "jti",
            Self::Kubernetes => "kubernetes.io",
            Self::Name => "name",
            Self::Nonce => "nonce",
            Self::Oid => "oid",
            Self::PreferredUsername => "preferred_username",
            Self::RealmAccess => "realm_access",
            Self::Roles => "roles",
            Self::Scp => "scp",
            Self::Sub => "sub",
            Self::Tid => "tid",
            Self::TokenIntrospection => "token_introspection",
            Self::TokenType => "token_type",
            Self::TokenUse => "token_use",
            Self::Typ => "typ",
            Self::Uid => "uid",
            Self::UniqueName => "unique_name",
            Self::Username => "username",
            Self::Uti => "uti",
            Self::Ver => "ver",
        }
    }
}

impl Claims<'_> {
    pub(crate) fn found(&self, name: ClaimName) -> Found<'_> {
        let text = match name {
            ClaimName::Appid => &self.appid,
            ClaimName::Azp => &self.azp,
            ClaimName::Cid => &self.cid,
            ClaimName::ClientId => &self.client_id,
            ClaimName::Gty => &self.gty,
            ClaimName::Idtyp => &self.idtyp,
            ClaimName::Jti => &self.jti,
            ClaimName::Name => &self.name,
            ClaimName::Oid => &self.oid,
            ClaimName::PreferredUsername => &self.preferred_username,
            ClaimName::Sub => &self.sub,
            ClaimName::Tid => &self.tid,
            ClaimName::TokenType => &self.token_type,
            ClaimName::TokenUse => &self.token_use,
            ClaimName::Typ => &self.typ,
            ClaimName::Uid => &self.uid,
            ClaimName::UniqueName => &self.unique_name,
            ClaimName::Username => &self.username,
            ClaimName::Uti => &self.uti,
            ClaimName::AtHash => return presence(&self.at_hash),
            ClaimName::CHash => return presence(&self.c_hash),
            ClaimName::Events => return presence(&self.events),
            ClaimName::Kubernetes => return presence(&self.kubernetes),
            ClaimName::Nonce => return presence(&self.nonce),
            ClaimName::RealmAccess => return presence(&self.realm_access),
            ClaimName::Roles => return presence(&self.roles),
            ClaimName::Scp => return presence(&self.scp),
            ClaimName::TokenIntrospection => return presence(&self.token_introspection),
            ClaimName::Ver => {
                return match &self.ver {
                    Claim::Absent => Found::Absent,
                    Claim::Is(TextOrNumber::Text(text)) => Found::Text(text),
                    Claim::Is(TextOrNumber::Number(number)) => Found::Number(*number),
                    Claim::Wrong => Found::Other,
                };
            }
        };
        match text {
            Claim::Absent => Found::Absent,
            Claim::Is(text) => Found::Text(text),
            Claim::Wrong => Found::Other,
        }
    }

    /// The claim's string if it is there; a refusal when it is something else.
    pub(crate) fn text(&self, name: ClaimName) -> Result<Option<&str>, Refusal> {
        match self.found(name) {
            Found::Absent => Ok(None),
            Found::Text(text) => Ok(Some(text)),
            Found::Number(_) | Found::Other => Err(wrong(check::CLAIMS, name.as_str())),
        }
    }
}

fn presence<T>(claim: &Claim<T>) -> Found<'static> {
    match claim {
        Claim::Absent => Found::Absent,
        Claim::Is(_) | Claim::Wrong => Found::Other,
    }
}

/// A name of the domain, read from what a claim says: never empty, never padded.
pub(crate) fn parsed<'t, N: TryFrom<&'t str>>(
    text: &'t str,
    check: &'static str,
    name: &'static str,
) -> Result<N, Refusal> {
    N::try_from(text).map_err(|_| wrong(check, name))
}

#[cfg(test)]
mod tests;
