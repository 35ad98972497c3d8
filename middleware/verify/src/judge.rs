//! Is a token for us, now, and whom does it name: a pure function of its claims, its issuer's rules and the time.

use std::{sync::Arc, time::Duration};

use tower_identity_core::{
    Actor, ActorChain, Attributes, Audience, AuthenticationContext, Evidence, Identity, Issuer, Refusal, SecretToken,
    Subject, Timestamp, User, VerifiedTokenParts, Workload,
};
use tower_identity_jose::NumericDate;

use crate::{
    claim::{Claim, Object, refuse},
    claims::{ActorClaim, Claims},
};

/// How many actors a token may name (RFC 8693 sets no bound; every level costs every reader).
const MAX_ACTORS: usize = 4;

/// What an issuer's tokens have to say.
#[derive(Debug)]
pub(crate) struct Rules {
    /// The issuer, compared byte for byte.
    pub(crate) issuer: Issuer,
    /// Whether this is the issuer that workload names without an issuer refer to.
    pub(crate) home: bool,
    /// What this service is called at this issuer: never empty.
    pub(crate) audiences: Vec<Audience>,
    /// How far the clocks may differ.
    pub(crate) leeway: Duration,
    /// The other issuers of the verifier: each speaks for its own workloads itself.
    pub(crate) others: Vec<Issuer>,
}

/// The token that the claims were opened from.
#[derive(Debug)]
pub(crate) struct Presented {
    /// The token as it was presented.
    pub(crate) token: SecretToken,
    /// Its payload's JSON.
    pub(crate) payload: Arc<[u8]>,
}

/// Judges the claims of a token whose signature was verified by a key of `rules.issuer`.
pub(crate) fn judge(
    claims: Claims,
    presented: Presented,
    rules: &Rules,
    now: Timestamp,
) -> Result<VerifiedTokenParts, Refusal> {
    let audience = addressed_to_us(claims.aud.required("aud", "aud")?.into_vec(), rules)?;
    let expires_at = in_its_time(claims.exp, claims.nbf, claims.iat, rules.leeway, now)?;
    bearer_only(&claims.cnf)?;

    let subject = claims.sub.required("claims", "sub")?;
    let client = claims.client_id.required("claims", "client_id")?;
    let token_id = claims.jti.required("claims", "jti")?;
    let actors = actors(claims.act, rules)?;
    let identity = identity(subject, client, actors.current(), rules)?;

    Ok(VerifiedTokenParts {
        token: presented.token,
        issuer: rules.issuer.clone(),
        home: rules.home,
        identity,
        actors,
        scopes: claims.scope.optional("claims", "scope")?.map(|scope| scope.0).unwrap_or_default(),
        audience,
        token_id: Some(token_id),
        transaction: claims.txn.optional("claims", "txn")?,
        authentication: AuthenticationContext {
            auth_time: claims.auth_time.optional("claims", "auth_time")?.map(NumericDate::timestamp),
            acr: claims.acr.optional("claims", "acr")?,
            amr: claims.amr.optional("claims", "amr")?.unwrap_or_default(),
            session: claims.sid.optional("claims", "sid")?,
        },
        attributes: Attributes::default(),
        expires_at,
        payload: presented.payload,
    })
}

/// RFC 9068 §4: `aud` holds an identifier that this service uses for itself.
fn addressed_to_us(audience: Vec<Audience>, rules: &Rules) -> Result<Vec<Audience>, Refusal> {
    if audience.iter().any(|one| rules.audiences.contains(one)) {
        return Ok(audience);
    }
    Err(refuse("aud", format!("expected one of {:?}, found {audience:?}", rules.audiences)))
}

/// RFC 7519 §4.1.4 to §4.1.6. A token ends *at* `exp`, and one that was issued in the future was not issued.
fn in_its_time(
    exp: Claim<NumericDate>,
    nbf: Claim<NumericDate>,
    iat: Claim<NumericDate>,
    leeway: Duration,
    now: Timestamp,
) -> Result<Timestamp, Refusal> {
    let exp = exp.required("exp", "exp")?.timestamp();
    let nbf = nbf.optional("nbf", "nbf")?.map(NumericDate::timestamp);
    let iat = iat.required("iat", "iat")?.timestamp();
    let latest_start = now.saturating_add(leeway);
    if now >= exp.saturating_add(leeway) {
        return Err(refuse("exp", format!("expired {:?} ago", now.since(exp))));
    }
    if let Some(nbf) = nbf.filter(|nbf| latest_start < *nbf) {
        return Err(refuse("nbf", format!("not valid for another {:?}", nbf.since(now))));
    }
    if latest_start < iat {
        return Err(refuse("iat", format!("issued {:?} in the future", iat.since(now))));
    }
    Ok(exp)
}

/// A token that is bound to a key is worth nothing without a proof by that key (RFC 9449 §7.1, RFC 8705 §3), and a
/// bearer request proves nothing.
fn bearer_only<T>(cnf: &Claim<T>) -> Result<(), Refusal> {
    match cnf {
        Claim::Absent => Ok(()),
        Claim::Is(_) | Claim::Wrong => Err(refuse("cnf", "a token that is bound to a key was sent as a bearer token")),
    }
}

/// The chain of `act`, outermost first (RFC 8693 §4.1).
fn actors(outermost: Claim<Object<ActorClaim>>, rules: &Rules) -> Result<ActorChain, Refusal> {
    let mut chain = Vec::new();
    let mut next = outermost.optional("act", "act")?.map(Box::new);
    while let Some(Object(actor)) = next.map(|actor| *actor) {
        if chain.len() == MAX_ACTORS {
            return Err(refuse("act", format!("more than {MAX_ACTORS} actors")));
        }
        chain.push(Actor {
            id: actor.sub.required("act", "sub of an actor")?,
            issuer: actor.iss.optional("act", "iss of an actor")?.unwrap_or_else(|| rules.issuer.clone()),
        });
        next = actor.act.optional("act", "act of an actor")?;
    }
    Ok(ActorChain::new(chain))
}

/// Who sent it, and for whom.
///
/// The caller is the current actor, else the client that the token was issued to. The subject is a user unless it is
/// the client itself: a client that may choose its own id must not become the user of that name (RFC 9068 §5).
fn identity(subject: Subject, client: Subject, actor: Option<&Actor>, rules: &Rules) -> Result<Identity, Refusal> {
    let user = (subject != client).then(|| User { id: subject, issuer: rules.issuer.clone(), tenant: None });
    let (workload, evidence) = match actor {
        None => (Workload { id: client, issuer: rules.issuer.clone() }, Evidence::IssuedTo),
        Some(actor) => {
            may_name(actor, &client, rules)?;
            (Workload { id: actor.id.clone(), issuer: actor.issuer.clone() }, Evidence::Actor)
        }
    };
    Ok(Identity { workload, evidence, user })
}

/// Whether this issuer may name that actor: one of its own only if the token was issued to it, and one of another
/// issuer only if the verifier does not trust that issuer itself.
fn may_name(actor: &Actor, client: &Subject, rules: &Rules) -> Result<(), Refusal> {
    if actor.issuer == rules.issuer && actor.id != *client {
        return Err(refuse("act", format!("the actor is {:?}, but the token was issued to {client:?}", actor.id)));
    }
    if rules.others.contains(&actor.issuer) {
        return Err(refuse("act", format!("the actor is of {:?}, which speaks for itself", actor.issuer)));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
