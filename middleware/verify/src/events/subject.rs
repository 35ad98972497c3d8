//! Whom an event is about: subject identifiers (RFC 9493, and the complex ones of the Shared Signals Framework §3).

use serde_json::{Map, Value};
use tower_identity_core::{Issuer, Refusal, Revocation, SessionId, Subject, Tenant, TokenId};

use crate::{
    check,
    claim::{refuse, wrong},
};

/// How many identifiers of one subject are looked at.
const MAX_ALIASES: usize = 16;

/// What is known of the subject in words that tokens have. Several are one subject by several names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct About(Vec<Named>);

#[derive(Debug, PartialEq, Eq)]
enum Named {
    Token(Issuer, TokenId),
    /// All that match: of the session, of the user, of the tenant.
    Sessions {
        issuer: Issuer,
        session: Option<SessionId>,
        user: Option<Subject>,
        tenant: Option<Tenant>,
    },
}

type Members = Map<String, Value>;

impl About {
    /// Reads `sub_id`. What names nobody by a word that tokens have, an e-mail address say, names nobody here.
    pub(super) fn read(sub_id: &Members, transmitter: &Issuer) -> Result<Self, Refusal> {
        let named = match format(sub_id)? {
            "aliases" => {
                let identifiers = sub_id.get("identifiers").and_then(Value::as_array);
                let identifiers = identifiers.ok_or_else(|| wrong(check::SUBJECT, "identifiers"))?;
                let of = |value: &Value| match object(value)? {
                    nested if format(nested)? == "aliases" => Err(wrong(check::SUBJECT, "identifiers")),
                    nested => Named::read(nested, transmitter),
                };
                if identifiers.len() > MAX_ALIASES {
                    return Err(refuse(check::SUBJECT, format!("more than {MAX_ALIASES} identifiers of one subject")));
                }
                let named = identifiers.iter().map(of).collect::<Result<Vec<_>, _>>()?;
                named.into_iter().flatten().collect()
            }
            _ => Named::read(sub_id, transmitter)?.into_iter().collect(),
        };
        Ok(Self(named))
    }

    /// The revocations, of issuers of which it is known whether their tokens say of which tenant they are. Where they do
    /// not, a user is revoked in whichever tenant.
    pub(super) fn revocations(self, has_tenants: impl Fn(&Issuer) -> bool) -> Vec<Revocation> {
        self.0.into_iter().filter_map(|named| named.revocation(&has_tenants)).collect()
    }
}

impl Named {
    fn read(id: &Members, transmitter: &Issuer) -> Result<Option<Self>, Refusal> {
        Ok(match format(id)? {
            "jwt_id" => Some(Self::Token(issuer(id)?, text(id, "jti")?)),
            // A simple identifier of a session-revoked event: of a user, or of the session itself (CAEP 1.0 §3.1).
            "iss_sub" => Some(Self::of_user(issuer(id)?, text(id, "sub")?)),
            "opaque" => Some(Self::of_session(transmitter.clone(), text(id, "id")?)),
            "complex" => Self::complex(id, transmitter)?,
            _ => None,
        })
    }

    /// Those sessions that match every member. A member that tokens do not tell of, a device say, narrows nothing here:
    /// rather too much is ended than too little. But a user who is named by what tokens do not tell is nobody here.
    fn complex(id: &Members, transmitter: &Issuer) -> Result<Option<Self>, Refusal> {
        let member = |name: &str| id.get(name).map(object).transpose();
        let (mut named_by, mut user) = (None, None);
        let of_user = member("user")?;
        if let Some(id) = of_user {
            match format(id)? {
                "iss_sub" => (named_by, user) = (Some(issuer(id)?), Some(text(id, "sub")?)),
                "opaque" => user = Some(text(id, "id")?),
                _ => {}
            }
        }
        let opaque = |id: Option<&Members>| match id {
            Some(id) if format(id)? == "opaque" => id.get("id").map(|_| text::<String>(id, "id")).transpose(),
            Some(_) | None => Ok(None),
        };
        let session = opaque(member("session")?)?.map(|id| read("session", &id)).transpose()?;
        let tenant = opaque(member("tenant")?)?.map(|id| read("tenant", &id)).transpose()?;
        if of_user.is_some() && user.is_none() && session.is_none() {
            // Whoever it is, it is not everybody of the tenant.
            return Ok(None);
        }
        let issuer = named_by.unwrap_or_else(|| transmitter.clone());
        let is_named = user.is_some() || session.is_some() || tenant.is_some();
        Ok(is_named.then_some(Self::Sessions { issuer, session, user, tenant }))
    }

    fn of_user(issuer: Issuer, user: Subject) -> Self {
        Self::Sessions { issuer, session: None, user: Some(user), tenant: None }
    }

    fn of_session(issuer: Issuer, session: SessionId) -> Self {
        Self::Sessions { issuer, session: Some(session), user: None, tenant: None }
    }

    fn revocation(self, has_tenants: impl Fn(&Issuer) -> bool) -> Option<Revocation> {
        match self {
            Self::Token(issuer, id) => Some(Revocation::token(issuer, id)),
            Self::Sessions { issuer, session: Some(session), user, .. } => {
                let of_session = Revocation::session(issuer, session);
                Some(match user {
                    Some(user) => of_session.of_subject(user),
                    None => of_session,
                })
            }
            Self::Sessions { issuer, session: None, user: Some(user), tenant } => {
                let tenant = tenant.filter(|_| has_tenants(&issuer));
                let of_user = Revocation::subject(issuer, user);
                Some(match tenant {
                    Some(tenant) => of_user.in_tenant(tenant),
                    None => of_user,
                })
            }
            Self::Sessions { issuer, session: None, user: None, tenant } => {
                tenant.filter(|_| has_tenants(&issuer)).map(|tenant| Revocation::tenant(issuer, tenant))
            }
        }
    }
}

fn object(value: &Value) -> Result<&Members, Refusal> {
    value.as_object().ok_or_else(|| refuse(check::SUBJECT, "a subject identifier is an object"))
}

fn format(id: &Members) -> Result<&str, Refusal> {
    id.get("format").and_then(Value::as_str).ok_or_else(|| wrong(check::SUBJECT, "format"))
}

fn issuer(id: &Members) -> Result<Issuer, Refusal> {
    text(id, "iss")
}

fn text<T: std::str::FromStr>(id: &Members, name: &'static str) -> Result<T, Refusal> {
    let text = id.get(name).and_then(Value::as_str).ok_or_else(|| wrong(check::SUBJECT, name))?;
    read(name, text)
}

fn read<T: std::str::FromStr>(name: &'static str, text: &str) -> Result<T, Refusal> {
    text.parse().map_err(|_| wrong(check::SUBJECT, name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is revoked of this subject, of an issuer whose tokens say their tenant and of one whose do not.
    fn revocations(sub_id: &Value) -> [Vec<Revocation>; 2] {
        let read = || About::read(object(sub_id).expect("an object"), &login()).expect("in order");
        [true, false].map(|has_tenants| read().revocations(|_| has_tenants))
    }

    fn login() -> Issuer {
        "https://login.example.com".parse().expect("an issuer")
    }

    #[test]
    fn ssf_a1_a_user_who_is_named_by_what_tokens_do_not_tell_is_not_everybody_of_the_tenant() {
        let (alice, acme) = (|| "alice".parse().expect("a subject"), || "acme".parse().expect("a tenant"));
        let opaque = |id: &str| json!({"format": "opaque", "id": id});
        let of = |user: Option<Value>| {
            let mut sub_id = json!({"format": "complex", "tenant": opaque("acme")});
            if let Some(user) = user {
                sub_id["user"] = user;
            }
            revocations(&sub_id)
        };
        assert_eq!(of(None), [vec![Revocation::tenant(login(), acme())], vec![]]);
        let of_alice = Revocation::subject(login(), alice());
        assert_eq!(of(Some(opaque("alice"))), [vec![of_alice.clone().in_tenant(acme())], vec![of_alice]]);
        assert_eq!(of(Some(json!({"format": "email", "email": "alice@example.com"}))), [vec![], vec![]]);
    }
}
