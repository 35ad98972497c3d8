//! Who acts (RFC 8693 §4.1), and so who sent it.

use tower_identity_core::{Actor, ActorChain, Evidence, Identity, Issuer, Refusal, Subject, User, Workload};

use super::Rules;
use crate::{
    anchor::Named,
    check,
    claim::{Object, refuse},
    claims::{Claims, parsed},
    profile::CallerShape,
};

/// How many actors a token may name (RFC 8693 sets no bound; every level costs every reader).
const MAX_ACTORS: usize = 4;

/// The chain of `act`, outermost first.
pub(crate) fn actors(
    claims: &Claims<'_>,
    client: &Subject,
    named: &Named,
    rules: &Rules,
) -> Result<ActorChain, Refusal> {
    let account = match &rules.table.caller {
        CallerShape::Client { account, .. } => Some(*account),
        CallerShape::SpiffeId
        | CallerShape::ServiceAccount
        | CallerShape::Asserting { .. }
        | CallerShape::SignedIn { .. } => None,
        #[cfg(feature = "transaction-tokens")]
        CallerShape::Transaction => None,
    };
    let mut chain = Vec::new();
    let mut next = claims.act.as_ref().optional(check::ACT, "act")?;
    while let Some(Object(actor)) = next {
        if chain.len() == MAX_ACTORS {
            return Err(refuse(check::ACT, format!("more than {MAX_ACTORS} actors")));
        }
        let iss = actor.iss.as_ref().optional(check::ACT, "iss of an actor")?;
        let issuer = match iss {
            Some(iss) if named.issuer != **iss => parsed::<Issuer>(iss, check::ACT, "iss of an actor")?,
            Some(_) | None => named.issuer.clone(),
        };
        let sub = actor.sub.as_ref().required(check::ACT, "sub of an actor")?;
        let id = match account {
            _ if *client == **sub => client.clone(),
            Some(account) if issuer == named.issuer && account.is_around(client.as_str(), sub) => client.clone(),
            _ => parsed(sub, check::ACT, "sub of an actor")?,
        };
        chain.push(Actor { id, issuer });
        next = actor.act.as_ref().optional(check::ACT, "act of an actor")?.map(|earlier| &**earlier);
    }
    Ok(ActorChain::new(chain))
}

/// Who sent it, and for whom: the caller is the current actor, else the workload that the token is about, else the one
/// that it was issued to, which need not be who sent it.
pub(crate) fn identity(
    client: Subject,
    user: Option<User>,
    actors: &ActorChain,
    named: &Named,
    rules: &Rules,
) -> Result<Identity, Refusal> {
    #[cfg(feature = "transaction-tokens")]
    if rules.table.is_of_transactions() {
        return Ok(super::transaction::identity(client, user, named, rules));
    }
    let is_asserting = matches!(rules.table.caller, CallerShape::Asserting { .. });
    let (workload, evidence) = match actors.current() {
        None if is_asserting => return Err(refuse(check::ACT, "act is missing: who says so acts itself")),
        Some(actor) if is_asserting && actor.issuer != named.issuer => {
            return Err(refuse(check::ACT, "the actor is another than the service that says so"));
        }
        None => {
            let evidence = match user {
                None => Evidence::Subject,
                Some(_) if rules.issued_to_is_sender => Evidence::DirectClient,
                Some(_) => Evidence::IssuedTo,
            };
            (Workload { id: client, issuer: named.issuer.clone() }, evidence)
        }
        Some(actor) => {
            may_name(actor, &client, named, rules)?;
            (Workload { id: actor.id.clone(), issuer: actor.issuer.clone() }, Evidence::Actor)
        }
    };
    Ok(Identity { workload, evidence, user })
}

/// Whether this issuer may name that actor: one of its own only if the token was issued to it, and one of another
/// issuer only if the verifier does not trust that issuer itself.
fn may_name(actor: &Actor, client: &Subject, named: &Named, rules: &Rules) -> Result<(), Refusal> {
    if actor.issuer == named.issuer {
        // No name: whom the token calls an actor may be a person.
        return if actor.id == *client {
            Ok(())
        } else {
            Err(refuse(check::ACT, "the actor is another than the client that the token was issued to"))
        };
    }
    if rules.trusted.contains(&actor.issuer) {
        return Err(refuse(check::ACT, format!("the actor is of {:?}, which speaks for itself", actor.issuer)));
    }
    Ok(())
}
