//! Which workload it was issued to, and for which user, if for any.

use tower_identity_core::{Refusal, Subject, User};

use super::Rules;
use crate::{
    anchor::Named,
    check,
    claim::{Object, refuse},
    claims::{ClaimName, Claims, Found, KubernetesClaim, SubjectId, parsed},
    profile::{CallerShape, Sign, SubjectEvidence},
    shown::Shown,
};

/// The workload that the token was issued to.
pub(crate) fn client(claims: &Claims<'_>, rules: &Rules) -> Result<Subject, Refusal> {
    let text = client_text(claims, rules)?;
    match &rules.table.caller {
        CallerShape::Client { claims: names, .. } => parsed(text, check::CLAIMS, named(names)),
        CallerShape::SpiffeId => parsed(text, check::CLAIMS, "sub"),
        CallerShape::Asserting { .. } => parsed(text, check::CLAIMS, "iss"),
        CallerShape::SignedIn { .. } => parsed(text, check::CLAIMS, "aud"),
        #[cfg(feature = "transaction-tokens")]
        CallerShape::Transaction => parsed(text, check::CLAIMS, "req_wl"),
        CallerShape::ServiceAccount => {
            is_service_account(text, claims)?;
            parsed(text, check::CLAIMS, "sub")
        }
    }
}

/// As [`client`], before anything is made of it.
pub(super) fn client_text<'c>(claims: &'c Claims<'_>, rules: &Rules) -> Result<&'c str, Refusal> {
    let names = match &rules.table.caller {
        CallerShape::Client { claims: names, .. } => names,
        CallerShape::SpiffeId | CallerShape::ServiceAccount => return subject_text(claims),
        CallerShape::SignedIn { .. } => return relying_party(claims),
        CallerShape::Asserting { .. } => return claims.iss.as_ref().required(check::CLAIMS, "iss").map(|iss| &**iss),
        #[cfg(feature = "transaction-tokens")]
        CallerShape::Transaction => return super::transaction::requester(claims),
    };
    let mut found = None;
    for name in *names {
        match (found, claims.text(*name)?) {
            (None, text) => found = text,
            (Some(_), None) => {}
            (Some(first), Some(second)) if first == second => {}
            (Some(_), Some(_)) => return Err(refuse(check::CLAIMS, "the claims that name the client differ")),
        }
    }
    found.ok_or_else(|| refuse(check::CLAIMS, format!("{} is missing", named(names))))
}

fn missing(name: ClaimName) -> Refusal {
    refuse(check::CLAIMS, format!("{} is missing", name.as_str()))
}

fn subject_text<'c>(claims: &'c Claims<'_>) -> Result<&'c str, Refusal> {
    claims.sub.as_ref().required(check::CLAIMS, "sub").map(|sub| &**sub)
}

/// How a refusal speaks of the claims that may name the client.
const fn named(names: &'static [ClaimName]) -> &'static str {
    match names {
        [one] => one.as_str(),
        _ => "the claim that names the client",
    }
}

/// The user that the token is about, or nobody where it is about its client: by evidence, never by how a subject looks
/// (RFC 9068 §5).
pub(crate) fn user(
    claims: &Claims<'_>,
    client: &Subject,
    named: &Named,
    rules: &Rules,
) -> Result<Option<User>, Refusal> {
    let subject = match &rules.table.caller {
        CallerShape::Client { subject, .. } => subject,
        CallerShape::SpiffeId | CallerShape::ServiceAccount => return Ok(None),
        CallerShape::Asserting { .. } => return asserted(claims, rules).map(Some),
        CallerShape::SignedIn { user_id } => return signed_in(claims, *user_id, named).map(Some),
        #[cfg(feature = "transaction-tokens")]
        CallerShape::Transaction => return super::transaction::user(claims, client, named).map(Some),
    };
    let sub = match claims.sub.as_ref().optional(check::CLAIMS, "sub")? {
        Some(sub) if *client == **sub => Some(client.clone()),
        // Also where the user goes by another claim: an empty subject is nobody's.
        Some(sub) => Some(parsed(sub, check::CLAIMS, "sub")?),
        None if subject.required => return Err(missing(ClaimName::Sub)),
        None => None,
    };
    let holds = |alternatives: &[&[Sign]]| {
        alternatives.iter().any(|signs| signs.iter().all(|sign| is_seen(*sign, claims, client.as_str())))
    };
    let SubjectEvidence { workload, user, user_id, undecided, .. } = subject;
    match (holds(workload), holds(user)) {
        (true, false) => Ok(None),
        (false, true) => {
            let id = match user_id {
                ClaimName::Sub => sub.ok_or_else(|| missing(ClaimName::Sub))?,
                other => {
                    let id = claims.text(*other)?.ok_or_else(|| missing(*other))?;
                    parsed(id, check::CLAIMS, other.as_str())?
                }
            };
            Ok(Some(User { id, issuer: named.issuer.clone(), tenant: named.tenant.clone() }))
        }
        (true, true) | (false, false) => Err(refuse(check::SUBJECT, *undecided)),
    }
}

/// The client that an ID token was issued to: whom it is for, and `azp` too, where that is there (OpenID Connect Core §3.1.3.7,
/// 3 and 5).
fn relying_party<'c>(claims: &'c Claims<'_>) -> Result<&'c str, Refusal> {
    let aud = claims.aud.as_ref().required(check::CLAIMS, "aud")?;
    let client = aud.as_slice().first().ok_or_else(|| refuse(check::CLAIMS, "aud is empty"))?;
    match claims.text(ClaimName::Azp)? {
        Some(azp) if *azp != **client => {
            Err(refuse(check::CLAIMS, "azp is another client than the one that it is for"))
        }
        _ => Ok(client),
    }
}

/// Whose sign-in an ID token is about. `sub` is there whatever the user goes by.
fn signed_in(claims: &Claims<'_>, user_id: ClaimName, named: &Named) -> Result<User, Refusal> {
    subject_text(claims)?;
    let id = claims.text(user_id)?.ok_or_else(|| missing(user_id))?;
    let id = parsed(id, check::CLAIMS, user_id.as_str())?;
    Ok(User { id, issuer: named.issuer.clone(), tenant: named.tenant.clone() })
}

/// The user whom a service says that it calls for (RFC 9493 §3.2.4): of an issuer that it may speak for.
fn asserted(claims: &Claims<'_>, rules: &Rules) -> Result<User, Refusal> {
    let Object(SubjectId { format, iss, sub }) = claims.sub_id.as_ref().required(check::CLAIMS, "sub_id")?;
    let format = format.as_ref().required(check::CLAIMS, "format of sub_id")?;
    if &**format != "iss_sub" {
        return Err(refuse(
            check::CLAIMS,
            format!("expected a sub_id of the format iss_sub, found {}", Shown(&**format)),
        ));
    }
    let iss = iss.as_ref().required(check::CLAIMS, "iss of sub_id")?;
    let sub = sub.as_ref().required(check::CLAIMS, "sub of sub_id")?;
    let tenant = claims.text(ClaimName::Tid)?.map(|tid| parsed(tid, check::CLAIMS, "tid")).transpose()?;
    match rules.users_of.iter().find(|issuer| **issuer == **iss) {
        Some(issuer) => Ok(User { id: parsed(sub, check::CLAIMS, "sub of sub_id")?, issuer: issuer.clone(), tenant }),
        None => {
            let detail =
                format!("it may speak for users of {:?}, and not for those of {}", rules.users_of, Shown(&**iss));
            Err(refuse(check::SUBJECT, detail))
        }
    }
}

fn is_seen(sign: Sign, claims: &Claims<'_>, client: &str) -> bool {
    let text = |name| match claims.found(name) {
        Found::Text(text) => Some(text),
        Found::Absent | Found::Number(_) | Found::Other => None,
    };
    match sign {
        Sign::Present(name) => claims.found(name) != Found::Absent,
        Sign::Absent(name) => claims.found(name) == Found::Absent,
        Sign::Is(name, expected) => text(name) == Some(expected),
        Sign::IsNot(name, other) => text(name) != Some(other),
        Sign::Same(one, other) => text(one).is_some() && text(one) == text(other),
        Sign::OfClient(name, around) => text(name).is_some_and(|text| around.is_around(client, text)),
        Sign::NotOfClient(name, around) => text(name).is_some_and(|text| !around.is_around(client, text)),
        Sign::Contains(name, part) => text(name).is_some_and(|text| text.contains(part)),
        Sign::Without(name, around) => text(name).is_some_and(|text| around.stripped(text).is_none()),
    }
}

/// The subject is a service account in one spelling, and it is the one that the token says it is bound to.
fn is_service_account(sub: &str, claims: &Claims<'_>) -> Result<(), Refusal> {
    let Object(KubernetesClaim { namespace, serviceaccount }) =
        claims.kubernetes.as_ref().required(check::CLAIMS, "kubernetes.io")?;
    let namespace = namespace.as_ref().required(check::CLAIMS, "kubernetes.io.namespace")?;
    let Object(account) = serviceaccount.as_ref().required(check::CLAIMS, "kubernetes.io.serviceaccount")?;
    let name = account.name.as_ref().required(check::CLAIMS, "kubernetes.io.serviceaccount.name")?;
    let named = sub.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    if named == Some((&**namespace, &**name)) && [namespace, name].iter().all(|part| is_label(part)) {
        return Ok(());
    }
    let expected = format!("expected the service account {} of {}, found another", Shown(&**name), Shown(&**namespace));
    Err(refuse(check::SUBJECT, expected))
}

/// What names of namespaces and service accounts are made of (RFC 1123, of which a colon or a space is no part).
fn is_label(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
}
