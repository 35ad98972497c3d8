//! What a transaction token has and no other token needs (draft-ietf-oauth-transaction-tokens-11 §4.2).

use tower_identity_core::{AuthenticationContext, Evidence, Identity, Refusal, Subject, User, Workload};

use super::{Rules, owned};
use crate::{
    anchor::{Anchor, Named},
    check,
    claim::{Object, refuse},
    claims::{Claims, parsed},
};

/// Each claim that has to be there is, and what the transaction is about is an object, if it is said: data, and no right.
pub(super) fn is_whole(claims: &Claims<'_>) -> Result<(), Refusal> {
    claims.txn.as_ref().required(check::CLAIMS, "txn")?;
    claims.scope.as_ref().required(check::CLAIMS, "scope")?;
    claims.tctx.as_ref().optional(check::CLAIMS, "tctx")?;
    Ok(())
}

/// How the user signed in: `acr`, `amr` and `auth_time` (RFC 9068 §2.2.1) among the environment of the transaction, of which
/// nothing else is read.
pub(super) fn authentication(claims: &Claims<'_>) -> Result<AuthenticationContext, Refusal> {
    let Some(Object(said)) = claims.rctx.as_ref().optional(check::CLAIMS, "rctx")? else {
        return Ok(AuthenticationContext::default());
    };
    Ok(AuthenticationContext {
        auth_time: said.auth_time.as_ref().optional(check::CLAIMS, "rctx.auth_time")?.map(|time| time.timestamp()),
        acr: said.acr.as_ref().optional(check::CLAIMS, "rctx.acr")?.map(|acr| acr.to_string()),
        amr: said.amr.as_ref().optional(check::CLAIMS, "rctx.amr")?.map_or_else(Vec::new, |amr| owned(&amr.0)),
        session: None,
    })
}

/// The workload that asked for it: a string. The list that early drafts had is none.
pub(super) fn requester<'c>(claims: &'c Claims<'_>) -> Result<&'c str, Refusal> {
    claims.req_wl.as_ref().required(check::CLAIMS, "req_wl").map(|req_wl| &**req_wl)
}

/// The user: by its name within the trust domain, and so another than whoever has the same at an issuer.
pub(super) fn user(claims: &Claims<'_>, requester: &Subject, named: &Named) -> Result<User, Refusal> {
    let sub = claims.sub.as_ref().required(check::CLAIMS, "sub")?;
    if *requester == **sub {
        return Err(refuse(check::SUBJECT, "sub is the workload that asked for it, which is no user"));
    }
    Ok(User { id: parsed(sub, check::CLAIMS, "sub")?, issuer: named.issuer.clone(), tenant: None })
}

/// Whom it names: nobody as its sender. Whoever is in `act` came before.
pub(super) fn identity(requester: Subject, user: Option<User>, named: &Named, rules: &Rules) -> Identity {
    let issuer = match &rules.anchor {
        Anchor::Transactions { workloads_of: Some(issuer), .. } => issuer,
        _ => &named.issuer,
    };
    let workload = Workload { id: requester, issuer: issuer.clone() };
    Identity { workload, evidence: Evidence::IssuedTo, user }
}
