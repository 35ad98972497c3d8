//! Whether it is its time (RFC 7519 §4.1.4 to §4.1.6).

use std::time::Duration;

use tower_identity_core::{Refusal, Timestamp};

use super::Rules;
use crate::{
    check,
    claim::{Claim, refuse},
    claims::Claims,
};

/// For how long a verdict is good about a token that does not say when it ends: as long as a request may take that goes on
/// with it. It is judged anew with each request, so the end of no answer that is remembered cuts one short.
const UNTOLD: Duration = Duration::from_secs(60);

/// A token ends *at* `exp`; where it need not say so, a while from now.
pub(crate) fn not_ended(claims: &Claims<'_>, rules: &Rules, now: Timestamp) -> Result<Timestamp, Refusal> {
    if matches!(claims.exp, Claim::Absent) && !rules.table.ends {
        return Ok(now.saturating_add(UNTOLD));
    }
    let exp = claims.exp.as_ref().required(check::EXP, "exp")?.timestamp();
    if now >= exp.saturating_add(rules.leeway) {
        return Err(refuse(check::EXP, format!("expired {}s ago", now.since(exp).as_secs())));
    }
    if let (Some(longest), Claim::Is(iat)) = (rules.longest, &claims.iat) {
        let life = exp.since(iat.timestamp());
        if life > longest {
            let (life, longest) = (life.as_secs(), longest.as_secs());
            return Err(refuse(check::EXP, format!("lives for {life} s, and {longest} s are the most")));
        }
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
pub(crate) fn issued(claims: &Claims<'_>, rules: &Rules, now: Timestamp) -> Result<Option<Timestamp>, Refusal> {
    match claims.iat.as_ref().optional(check::IAT, "iat")?.map(|iat| iat.timestamp()) {
        Some(iat) if now.saturating_add(rules.leeway) < iat => {
            Err(refuse(check::IAT, format!("issued {}s in the future", iat.since(now).as_secs())))
        }
        None if rules.table.issued_at => Err(refuse(check::IAT, "iat is missing")),
        issued_at => Ok(issued_at),
    }
}
