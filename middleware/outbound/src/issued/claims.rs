//! The claims of an issued token that we may read, each check a function of its own.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};
use tower_identity_core::{Issuer, Refusal, SecretToken, Timestamp, VerifiedToken};
use tower_identity_jose::{AudienceClaim, NumericDate};

use super::{
    readable::{Readable, Users},
    refuse, size,
};
use crate::source::Ask;

/// Where servers say which client a token was issued to (RFC 9068 §2.2, OpenID Connect Core §2, Entra ID, Okta).
const CLIENTS: [&str; 4] = ["client_id", "azp", "appid", "cid"];

/// How much of a value is shown that somebody else chose, in characters.
const SHOWN: usize = 256;

type Claims = Map<String, Value>;

impl Readable {
    /// Checks what is in a token, and says how much of its life is left, where it says when it ends.
    pub(super) fn check(&self, token: &SecretToken, ask: &Ask, server: &Issuer) -> Result<Option<Duration>, Refusal> {
        let token = size::read(token).map_err(|wrong| {
            refuse("issued_jwt", "the token is not the JWT that the target's row says it is").caused_by(wrong)
        })?;
        let claims = token.claims_unverified();
        audience(claims, self)?;
        if let Some(subject) = &ask.subject {
            user(claims, subject, server, self)?;
        }
        actor(claims, server, self)?;
        ends(claims, ask.recipe.clock.wall())
    }
}

/// It is for the target (RFC 8707 §2.2): what is for somebody else would be refused there, or be good for more.
fn audience(claims: &Claims, readable: &Readable) -> Result<(), Refusal> {
    const CHECK: &str = "issued_aud";
    let expected = shown(&readable.audiences);
    let Some(aud) = claims.get("aud") else {
        return Err(refuse(CHECK, format!("expected one of {expected}, and aud is missing")));
    };
    let aud = AudienceClaim::deserialize(aud).map_err(|_| malformed(CHECK, "aud"))?;
    if readable.audiences.iter().any(|one| aud.contains(one)) {
        return Ok(());
    }
    Err(refuse(CHECK, format!("expected one of {expected}, found {}", shown(aud.as_slice()))))
}

/// It is the subject's. Nobody is named in the detail.
fn user(claims: &Claims, subject: &VerifiedToken, server: &Issuer, readable: &Readable) -> Result<(), Refusal> {
    const CHECK: &str = "issued_sub";
    // A service's token in the place of a user's, whoever's users they are.
    let sub = text(CHECK, claims, "sub")?;
    if sub.is_some_and(|sub| readable.is_us(sub)) {
        return Err(refuse(CHECK, "expected a token of the subject token's user, found one of this service's own"));
    }
    let Users::Same { claim } = &readable.users else {
        return sub.map(drop).ok_or_else(|| missing(CHECK, "sub"));
    };
    let user = subject.identity().user.as_ref();
    let (Some(expected), true) = (whom(subject, claim), subject.issuer() == server) else {
        // What another issuer calls its subject cannot be compared; but it is somebody's.
        return sub.map(drop).ok_or_else(|| missing(CHECK, "sub"));
    };
    let found = text(CHECK, claims, claim)?.ok_or_else(|| missing(CHECK, claim))?;
    if expected != found {
        return Err(refuse(CHECK, format!("{claim} is another than the subject token's")));
    }
    match (user.and_then(|user| user.tenant.as_ref()), text(CHECK, claims, "tid")?) {
        (Some(tenant), Some(tid)) if *tenant != *tid => Err(refuse(CHECK, "tid is another than the subject token's")),
        _ => Ok(()),
    }
}

/// What a subject token calls whom it is about: its user, or the workload whose own it is, by this claim.
pub(crate) fn whom(subject: &VerifiedToken, claim: &str) -> Option<String> {
    match &subject.identity().user {
        Some(user) => Some(user.id.as_str().to_owned()),
        None => match subject.claims::<Claims>().ok()?.remove(claim)? {
            Value::String(workload) => Some(workload),
            _ => None,
        },
    }
}

/// We act, wherever it says that anybody does, and it was issued to us (RFC 8693 §4.1, §4.3).
fn actor(claims: &Claims, server: &Issuer, readable: &Readable) -> Result<(), Refusal> {
    const CHECK: &str = "issued_act";
    match claims.get("act") {
        None => {}
        Some(Value::Object(act)) => {
            let sub = text(CHECK, act, "sub")?.ok_or_else(|| missing(CHECK, "sub of act"))?;
            let by_server = text(CHECK, act, "iss")?.is_none_or(|iss| *server == *iss);
            // A client id is a name at its server; at another it is somebody else's.
            let is_us = if by_server { readable.is_us(sub) } else { readable.us[1..].iter().any(|us| **us == *sub) };
            if !is_us {
                // No name of theirs: whom the token calls an actor may be a person.
                return Err(refuse(CHECK, format!("expected {} as the actor, found another", shown(&readable.us))));
            }
        }
        Some(_) => return Err(malformed(CHECK, "act")),
    }
    for claim in CLIENTS {
        match text(CHECK, claims, claim)? {
            Some(client) if !readable.is_us(client) => {
                let expected = shown(&readable.us);
                return Err(refuse(
                    CHECK,
                    format!("expected {claim} to be one of {expected}, found {}", shown(client)),
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// It has not ended. How much of its life is left, where it says when it ends.
fn ends(claims: &Claims, now: Timestamp) -> Result<Option<Duration>, Refusal> {
    const CHECK: &str = "issued_exp";
    let Some(exp) = claims.get("exp") else { return Ok(None) };
    let exp = NumericDate::deserialize(exp).map_err(|_| malformed(CHECK, "exp"))?.timestamp();
    match exp.since(now) {
        Duration::ZERO => Err(refuse(CHECK, format!("exp was {} s ago", now.since(exp).as_secs()))),
        left => Ok(Some(left)),
    }
}

/// A claim that is a string where it is there at all.
fn text<'c>(check: &'static str, claims: &'c Claims, name: &str) -> Result<Option<&'c str>, Refusal> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(malformed(check, name)),
    }
}

fn missing(check: &'static str, name: &str) -> Refusal {
    refuse(check, format!("{name} is missing"))
}

fn malformed(check: &'static str, name: &str) -> Refusal {
    refuse(check, format!("{name} is of a wrong type"))
}

fn shown(value: impl std::fmt::Debug) -> String {
    let mut text = format!("{value:?}");
    if let Some((end, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(end);
        text.push('…');
    }
    text
}
