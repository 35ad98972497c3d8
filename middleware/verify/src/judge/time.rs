//! Whether it is its time (RFC 7519 §4.1.4 to §4.1.6).

use tower_identity_core::{Refusal, Timestamp};

use super::Rules;
use crate::{
    check,
    claim::{Claim, refuse},
    claims::Claims,
};

/// A token ends *at* `exp`; where it need not say so, with the `answer` that it is described in.
pub(crate) fn not_ended(
    claims: &Claims<'_>,
    answer: Option<Timestamp>,
    rules: &Rules,
    now: Timestamp,
) -> Result<Timestamp, Refusal> {
    let exp = match (&claims.exp, answer) {
        (Claim::Absent, Some(end)) => return Ok(end),
        (exp, _) => exp.as_ref().required(check::EXP, "exp")?.timestamp(),
    };
    if now >= exp.saturating_add(rules.leeway) {
        return Err(refuse(check::EXP, format!("expired {}s ago", now.since(exp).as_secs())));
    }
    Ok(exp)
}

/// A token begins at `nbf`, if it has one.
pub(crate) fn begun(claims: &Claims<'_>, rules: &Rules, now: Timestamp) -> Result<(), Refusal> {
    match claims.nbf.as_ref().optional(check::NBF, "nbf")?.map(|nbf| nbf.timestamp()) {
        Some(nbf) if now.saturating_add(rules.leeway) < nbf => {
            Err(refuse(check::NBF, format!("not valid for another {}s", nbf.since(now).as_secs())))
        }
        Some(_) | None => Ok(()),
    }
}

/// A token that was issued in the future was not issued.
pub(crate) fn issued(claims: &Claims<'_>, rules: &Rules, now: Timestamp) -> Result<(), Refusal> {
    match claims.iat.as_ref().optional(check::IAT, "iat")?.map(|iat| iat.timestamp()) {
        Some(iat) if now.saturating_add(rules.leeway) < iat => {
            Err(refuse(check::IAT, format!("issued {}s in the future", iat.since(now).as_secs())))
        }
        None if rules.table.issued_at => Err(refuse(check::IAT, "iat is missing")),
        Some(_) | None => Ok(()),
    }
}
