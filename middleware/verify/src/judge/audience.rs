//! Whom it is for.

use tower_identity_core::{Audience, Refusal};

use super::{Rules, subject::client_text};
use crate::{
    check,
    claim::{refuse, wrong},
    claims::{Claims, parsed},
    profile::AudienceShape,
    shown::Shown,
};

/// RFC 9068 §4: `aud`, or what the profile has in its place, holds an identifier that this service uses for itself.
pub(crate) fn audience(claims: &Claims<'_>, rules: &Rules) -> Result<Vec<Audience>, Refusal> {
    let aud = claims.aud.as_ref().optional(check::AUD, "aud")?;
    let audience = match (&rules.table.audience, aud) {
        (AudienceShape::AudOrClient, None) => {
            let client = client_text(claims, rules)
                .map_err(|_| refuse(check::AUD, "aud is missing, and so is the client that stands in for it"))?;
            vec![known_or_new(client, rules)?]
        }
        (_, None) => return Err(refuse(check::AUD, "aud is missing")),
        (_, Some(aud)) => aud.as_slice().iter().map(|one| known_or_new(one, rules)).collect::<Result<Vec<_>, _>>()?,
    };
    if audience.is_empty() {
        return Err(wrong(check::AUD, "aud"));
    }
    if matches!(rules.table.audience, AudienceShape::OneAud) && audience.len() > 1 {
        return Err(refuse(check::AUD, format!("expected one audience, found {}", Shown(&audience))));
    }
    if audience.iter().any(|one| rules.audiences.contains(one)) {
        return Ok(audience);
    }
    Err(refuse(check::AUD, format!("expected one of {:?}, found {}", rules.audiences, Shown(&audience))))
}

/// A name that we go by is at hand already.
fn known_or_new(name: &str, rules: &Rules) -> Result<Audience, Refusal> {
    match rules.audiences.iter().find(|known| **known == *name) {
        Some(known) => Ok(known.clone()),
        None => parsed(name, check::AUD, "aud"),
    }
}
