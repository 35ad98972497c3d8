//! The walk of a token that is no JWT: over what its issuer says of it, or the JWT that it stands for.

use tower_identity_core::{Refusal, SecretToken, Timestamp, WithCauses};
use tower_identity_jose::json;

use super::{
    claims::Faults,
    said::{Names, Said},
    walk::{Walk, told, walk},
};
use crate::{
    check,
    claims::Claims,
    inner::Inner,
    judge,
    opaque::{Opaque, StandsFor},
    trusted::Trusted,
};

/// Finds what the token stands for, as a verification does, and walks over that.
pub(crate) async fn walk_opaque(token: &SecretToken, opaque: &Opaque, verifier: &Inner, now: Timestamp) -> Walk {
    let trusted = opaque.trusted();
    let found = match opaque.find(token).await {
        Ok(found) => found,
        Err(refusal) => return unknown(trusted, &refusal),
    };
    match found.stands_for() {
        StandsFor::Nothing => {
            let mut walk = Walk::of_opaque(trusted);
            walk.fault(check::INTROSPECTION, "its issuer does not say that the token is active".to_owned());
            walk.skip(behind(check::INTROSPECTION), NOTHING_SAID);
            walk
        }
        StandsFor::Members(json) => walk_members(json, trusted, now),
        StandsFor::Jwt(jwt) => {
            let no_keys = trusted.keys.loaded().await.err();
            walk(jwt.expose(), (&verifier.limits, &*verifier.trusted), Some(trusted), now, no_keys.as_ref())
        }
    }
}

const NOTHING_SAID: &str = "nothing is said of the token";

/// Nothing could be found out, or nothing was asked.
fn unknown(trusted: &Trusted, refusal: &Refusal) -> Walk {
    let mut walk = Walk::of_opaque(trusted);
    if refusal.check() == check::FORMAT {
        walk.refused([refusal.clone()]);
    }
    let at = match refusal.check() {
        known if check::OPAQUE.contains(&known) => known,
        // Of the issuer's keys.
        _ => {
            walk.skip([check::INTROSPECTION], "what is said of the token cannot be verified");
            check::INTROSPECTION
        }
    };
    walk.skip(behind(at), NOTHING_SAID);
    walk
}

fn walk_members(members: &[u8], trusted: &Trusted, now: Timestamp) -> Walk {
    let mut walk = Walk::of_opaque(trusted);
    walk.genuine = true;
    let claims: Claims<'_> = match json::from_slice(members) {
        Ok(claims) => claims,
        Err(error) => {
            walk.fault(check::CLAIMS, WithCauses(&error).to_string());
            walk.skip(behind(check::INTROSPECTION), "what is said of the token cannot be read");
            return walk;
        }
    };
    walk.said = Some(Said::new(None).claims(&claims, &Names::of_object(members)));
    match judge::issuer(&claims, &trusted.rules) {
        Ok(named) => {
            let faults = Faults::of(&claims, named, &trusted.rules, now);
            walk.refused(faults.refusals);
            walk.skip(faults.unreached, "it is not known whose token it is");
        }
        Err(refusal) => {
            walk.fault(refusal.check(), told(&refusal));
            walk.skip(behind(check::ISS), "another issuer's rules do not apply");
        }
    }
    walk
}

impl Walk {
    fn of_opaque(trusted: &Trusted) -> Self {
        Self { issuer: Some(trusted.rules.anchor.name().clone()), is_opaque: true, ..Self::default() }
    }
}

/// The checks that come after one.
fn behind(check: &'static str) -> impl Iterator<Item = &'static str> {
    check::OPAQUE.into_iter().skip_while(move |one| *one != check).skip(1)
}
