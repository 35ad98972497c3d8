//! Whose token it is, and whether the key that verified it is theirs.

use tower_identity_core::Refusal;

use super::Rules;
use crate::{anchor::Named, check, claim::refuse, claims::Claims, shown::Shown};

/// RFC 9068 §4: `iss` is the issuer, byte for byte; and the tenant or the trust domain, where there is one, is ours too.
pub(crate) fn issuer<'r>(claims: &Claims<'_>, rules: &'r Rules) -> Result<&'r Named, Refusal> {
    rules.anchor.named(claims)
}

/// RFC 8725 §3.8: a key that says whose it is is that issuer's.
pub(crate) fn key(says: Option<&str>, named: &Named, rules: &Rules) -> Result<(), Refusal> {
    match says {
        Some(says) if !rules.anchor.is_key_of(says, &named.issuer) => {
            Err(refuse(check::KEY, format!("the key is of {}, the token of {:?}", Shown(says), named.issuer)))
        }
        Some(_) | None => Ok(()),
    }
}
