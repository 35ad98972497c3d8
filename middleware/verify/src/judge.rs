//! Is a token for us, now, and whom does it name: a pure function of its claims, its issuer's rules and the time.

use std::{sync::Arc, time::Duration};

use tower_identity_core::{
    Actor, ActorChain, Attributes, Audience, AuthenticationContext, Evidence, Identity, Issuer, Refusal, Scopes,
    SecretToken, Subject, Timestamp, TokenId, TransactionId, User, VerifiedTokenParts, Workload,
};

use crate::{
    check,
    claim::{Claim, Object, refuse},
    claims::Claims,
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
///
/// Each check is a function of its own, pure, over borrowed claims. Their order is that of [`check::ALL`] and fixed:
/// the first that refuses decides.
pub(crate) fn judge(
    claims: &Claims,
    presented: Presented,
    rules: &Rules,
    now: Timestamp,
) -> Result<VerifiedTokenParts, Refusal> {
    let issuer = issuer(claims, rules)?;
    let audience = audience(claims, rules)?;
    let expires_at = not_ended(claims, rules, now)?;
    begun(claims, rules, now)?;
    issued(claims, rules, now)?;
    bearer_only(claims)?;
    let token_id = token_id(claims)?;
    let transaction = transaction(claims)?;
    let scopes = scopes(claims)?;
    let authentication = authentication(claims)?;
    let subject = subject(claims)?;
    let client = client(claims)?;
    let actors = actors(claims, rules)?;
    let identity = identity(subject, client, actors.current(), rules)?;

    Ok(VerifiedTokenParts {
        token: presented.token,
        issuer,
        home: rules.home,
        identity,
        actors,
        scopes,
        audience,
        token_id: Some(token_id),
        transaction,
        authentication,
        attributes: Attributes::default(),
        expires_at,
        payload: presented.payload,
    })
}

/// RFC 9068 §4: `iss` is the issuer, byte for byte.
pub(crate) fn issuer(claims: &Claims, rules: &Rules) -> Result<Issuer, Refusal> {
    let iss = claims.iss.as_ref().required(check::ISS, "iss")?;
    if *iss == rules.issuer {
        return Ok(rules.issuer.clone());
    }
    Err(refuse(check::ISS, format!("expected {:?}, found {iss:?}", rules.issuer)))
}

/// RFC 9068 §4: `aud` holds an identifier that this service uses for itself.
fn audience(claims: &Claims, rules: &Rules) -> Result<Vec<Audience>, Refusal> {
    let audience = claims.aud.as_ref().required(check::AUD, "aud")?.as_slice();
    if audience.iter().any(|one| rules.audiences.contains(one)) {
        return Ok(audience.to_vec());
    }
    Err(refuse(check::AUD, format!("expected one of {:?}, found {audience:?}", rules.audiences)))
}

/// RFC 7519 §4.1.4: a token ends *at* `exp`.
fn not_ended(claims: &Claims, rules: &Rules, now: Timestamp) -> Result<Timestamp, Refusal> {
    let exp = claims.exp.as_ref().required(check::EXP, "exp")?.timestamp();
    if now >= exp.saturating_add(rules.leeway) {
        return Err(refuse(check::EXP, format!("expired {:?} ago", now.since(exp))));
    }
    Ok(exp)
}

/// RFC 7519 §4.1.5.
fn begun(claims: &Claims, rules: &Rules, now: Timestamp) -> Result<(), Refusal> {
    match claims.nbf.as_ref().optional(check::NBF, "nbf")?.map(|nbf| nbf.timestamp()) {
        Some(nbf) if now.saturating_add(rules.leeway) < nbf => {
            Err(refuse(check::NBF, format!("not valid for another {:?}", nbf.since(now))))
        }
        Some(_) | None => Ok(()),
    }
}

/// RFC 7519 §4.1.6. A token that was issued in the future was not issued.
fn issued(claims: &Claims, rules: &Rules, now: Timestamp) -> Result<(), Refusal> {
    let iat = claims.iat.as_ref().required(check::IAT, "iat")?.timestamp();
    if now.saturating_add(rules.leeway) < iat {
        return Err(refuse(check::IAT, format!("issued {:?} in the future", iat.since(now))));
    }
    Ok(())
}

/// A token that is bound to a key is worth nothing without a proof by that key (RFC 9449 §7.1, RFC 8705 §3), and a
/// bearer request proves nothing.
fn bearer_only(claims: &Claims) -> Result<(), Refusal> {
    match claims.cnf {
        Claim::Absent => Ok(()),
        Claim::Is(_) | Claim::Wrong => {
            Err(refuse(check::CNF, "a token that is bound to a key was sent as a bearer token"))
        }
    }
}

fn token_id(claims: &Claims) -> Result<TokenId, Refusal> {
    claims.jti.as_ref().required(check::CLAIMS, "jti").cloned()
}

fn transaction(claims: &Claims) -> Result<Option<TransactionId>, Refusal> {
    claims.txn.as_ref().optional(check::CLAIMS, "txn").map(Option::<&_>::cloned)
}

/// RFC 9068 §2.2.3.
fn scopes(claims: &Claims) -> Result<Scopes, Refusal> {
    let scope = claims.scope.as_ref().optional(check::CLAIMS, "scope")?;
    Ok(scope.map(|scope| scope.0.clone()).unwrap_or_default())
}

/// RFC 9068 §2.2.1.
fn authentication(claims: &Claims) -> Result<AuthenticationContext, Refusal> {
    Ok(AuthenticationContext {
        auth_time: claims.auth_time.as_ref().optional(check::CLAIMS, "auth_time")?.map(|time| time.timestamp()),
        acr: claims.acr.as_ref().optional(check::CLAIMS, "acr")?.cloned(),
        amr: claims.amr.as_ref().optional(check::CLAIMS, "amr")?.cloned().unwrap_or_default(),
        session: claims.sid.as_ref().optional(check::CLAIMS, "sid")?.cloned(),
    })
}

fn subject(claims: &Claims) -> Result<Subject, Refusal> {
    claims.sub.as_ref().required(check::CLAIMS, "sub").cloned()
}

/// RFC 9068 §2.2: the client that the token was issued to.
fn client(claims: &Claims) -> Result<Subject, Refusal> {
    claims.client_id.as_ref().required(check::CLAIMS, "client_id").cloned()
}

/// The chain of `act`, outermost first (RFC 8693 §4.1).
fn actors(claims: &Claims, rules: &Rules) -> Result<ActorChain, Refusal> {
    let mut chain = Vec::new();
    let mut next = claims.act.as_ref().optional(check::ACT, "act")?;
    while let Some(Object(actor)) = next {
        if chain.len() == MAX_ACTORS {
            return Err(refuse(check::ACT, format!("more than {MAX_ACTORS} actors")));
        }
        let issuer = actor.iss.as_ref().optional(check::ACT, "iss of an actor")?.unwrap_or(&rules.issuer);
        chain.push(Actor {
            id: actor.sub.as_ref().required(check::ACT, "sub of an actor")?.clone(),
            issuer: issuer.clone(),
        });
        next = actor.act.as_ref().optional(check::ACT, "act of an actor")?.map(|earlier| &**earlier);
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
        return Err(refuse(check::ACT, format!("the actor is {:?}, but the token was issued to {client:?}", actor.id)));
    }
    if rules.others.contains(&actor.issuer) {
        return Err(refuse(check::ACT, format!("the actor is of {:?}, which speaks for itself", actor.issuer)));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
