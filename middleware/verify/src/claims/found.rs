//! Claims by name, for tables that speak of them.

use std::fmt;

use tower_identity_core::Refusal;

use super::Claims;
use crate::{
    check,
    claim::{Claim, wrong},
    shown::Shown,
    text::TextOrNumber,
};

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
    Scope,
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
            Self::Scope => "scope",
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
            ClaimName::Scope => &self.scope,
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
