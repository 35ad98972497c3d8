//! Who a user is inside, as the file says.

use std::{collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Unexpected, Visitor, value::SeqAccessDeserializer},
};
use tower_identity_core::{Audience, InvalidSetting, Issuer, Principal, Subject, Tenant, User};
use tower_identity_edge::{NameTable, Pairwise, UserNames};
use tower_identity_jose::KeyedHash;

/// `"pairwise"`, or a list of users and their names.
pub(super) enum Users {
    Pairwise,
    Named(Vec<UserTable>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserTable {
    issuer: Issuer,
    tenant: Option<Tenant>,
    subject: Subject,
    name: Subject,
}

impl Users {
    /// The names, in the place of which the edge's own is nobody's.
    pub(super) fn names(&self, edge: &Subject, secret: &KeyedHash) -> Result<Names, InvalidSetting> {
        let rows = match self {
            Self::Pairwise => return Ok(Names::Pairwise(Pairwise::new(secret.clone()))),
            Self::Named(rows) => rows,
        };
        let mut users = HashSet::new();
        for (at, row) in rows.iter().enumerate() {
            if row.name == *edge {
                return Err(InvalidSetting::new("name", "is the name of the edge").within(at));
            }
            if !users.insert(row.user()) {
                return Err(InvalidSetting::new(at, "is a user who has a name already"));
            }
        }
        Ok(Names::Table(rows.iter().map(|row| (row.user(), row.name.clone())).collect()))
    }
}

impl UserTable {
    fn user(&self) -> User {
        User { id: self.subject.clone(), issuer: self.issuer.clone(), tenant: self.tenant.clone() }
    }
}

/// One of the two ways.
pub(super) enum Names {
    Pairwise(Pairwise),
    Table(NameTable),
}

impl UserNames for Names {
    fn name(&self, principal: Principal<'_>, audience: &Audience) -> Option<Subject> {
        match self {
            Self::Pairwise(names) => names.name(principal, audience),
            Self::Table(names) => names.name(principal, audience),
        }
    }
}

impl<'de> Deserialize<'de> for Users {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordOrList)
    }
}

struct WordOrList;

impl<'de> Visitor<'de> for WordOrList {
    type Value = Users;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"pairwise\", or a list of users and their names")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Users, E> {
        match word {
            "pairwise" => Ok(Users::Pairwise),
            other => Err(E::invalid_value(Unexpected::Str(other), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, rows: A) -> Result<Users, A::Error> {
        match Vec::deserialize(SeqAccessDeserializer::new(rows))? {
            none if none.is_empty() => Err(A::Error::invalid_length(0, &"a user: without any, everybody is refused")),
            rows => Ok(Users::Named(rows)),
        }
    }
}
