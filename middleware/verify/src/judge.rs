//! Is a token for us, now, and whom does it name: pure functions of its claims, its issuer's rules and the time.

mod actors;
mod attributes;
mod audience;
mod confirmation;
mod issuer;
mod kind;
mod subject;
#[cfg(test)]
mod tests;
mod time;
#[cfg(feature = "transaction-tokens")]
mod transaction;

use std::{sync::Arc, time::Duration};

use tower_identity_core::{
    Audience, AuthenticationContext, Credential, Evidence, Issuer, Refusal, Revocations, Scope, Scopes, SecretToken,
    Timestamp, TokenId, Topic, TransactionId, VerifiedTokenParts,
};
use tower_identity_jose::DecryptionKey;

pub(crate) use self::{
    actors::{actors, identity},
    attributes::{attributes, scopes_of_roles},
    audience::audience,
    confirmation::confirmation,
    issuer::{issuer, key},
    kind::kind,
    subject::{client, user},
    time::{begun, issued, not_ended},
};
use crate::{
    anchor::Anchor,
    check,
    claim::{refuse, wrong},
    claims::{Claims, parsed},
    profile::{ScopeClaim, Table},
    text::{Text, Texts},
};

/// What an issuer's tokens have to say.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// Whose tokens they are.
    pub(crate) anchor: Anchor,
    /// Whether this is the issuer that workload names without an issuer refer to.
    pub(crate) home: bool,
    /// What they look like.
    pub(crate) table: &'static Table,
    /// What this service is called at this issuer: never empty.
    pub(crate) audiences: Vec<Audience>,
    /// How far the clocks may differ.
    pub(crate) leeway: Duration,
    /// For how long a token may live, where there is a bound.
    pub(crate) longest: Option<Duration>,
    /// The issuers that speak for their own workloads themselves. None where the token is a user's own beside its
    /// caller's: whichever workload it names has to be there itself.
    pub(crate) trusted: Arc<[Issuer]>,
    /// Whether users' tokens come straight from the client that they were issued to.
    pub(crate) issued_to_is_sender: bool,
    /// The issuers whose users it may say that it calls for. None of whoever issues tokens: those are of its own users.
    pub(crate) users_of: Arc<[Issuer]>,
    /// What it may hand over. None of whoever hands nothing over.
    pub(crate) topics: Arc<[Topic]>,
    /// What its tokens are encrypted to, where they are.
    pub(crate) encrypted_to: Option<Arc<[DecryptionKey]>>,
    /// What is revoked.
    pub(crate) revocations: Revocations,
}

/// The token that the claims were opened from.
#[derive(Debug)]
pub(crate) struct Presented<'k> {
    /// The token as it was presented.
    pub(crate) token: SecretToken,
    /// Its payload's JSON.
    pub(crate) payload: Arc<[u8]>,
    /// The issuer that the key which verified it says that it is for, if it says one.
    pub(crate) key_issuer: Option<&'k str>,
}

/// Judges the claims of a token that `rules.anchor` vouches for: by a signature of one of its keys, or by its own answer.
///
/// Each check is a function of its own, pure, over borrowed claims, and gives what it found out. Their order is that of
/// [`check::ALL`] and fixed: the first that refuses decides.
pub(crate) fn judge(
    claims: &Claims<'_>,
    presented: Presented<'_>,
    rules: &Rules,
    now: Timestamp,
) -> Result<VerifiedTokenParts, Refusal> {
    let named = issuer(claims, rules)?;
    key(presented.key_issuer, named, rules)?;
    kind(claims, rules)?;
    let audience = audience(claims, rules)?;
    let expires_at = not_ended(claims, rules, now)?;
    begun(claims, rules, now)?;
    let issued_at = issued(claims, rules, now)?;
    let certificate = confirmation(claims)?;
    let token_id = token_id(claims, rules)?;
    let transaction = transaction(claims, rules)?;
    let scopes = scopes(claims, rules)?;
    let authentication = authentication(claims, rules)?;
    let attributes = attributes(claims, rules)?;
    let client = client(claims, rules)?;
    let user = user(claims, &client, named, rules)?;
    let actors = actors(claims, &client, named, rules)?;
    let mut identity = identity(client, user, &actors, named, rules)?;
    if certificate.is_some() && identity.workload.issuer == named.issuer {
        // It is good in the hands of nobody but the client that it was issued to, who proves that it is its sender.
        identity.evidence = Evidence::Proven;
    }

    let trust_domain = audience.first().filter(|_| rules.table.is_of_transactions()).cloned();
    Ok(VerifiedTokenParts {
        credential: Credential::Token { token: presented.token, payload: presented.payload },
        issuer: named.issuer.clone(),
        home: rules.home,
        identity,
        actors,
        scopes,
        audience,
        token_id,
        transaction,
        trust_domain,
        authentication,
        attributes,
        issued_at,
        expires_at,
        certificate,
        revocations: rules.revocations.clone(),
    })
}

pub(crate) fn token_id(claims: &Claims<'_>, rules: &Rules) -> Result<Option<TokenId>, Refusal> {
    let name = rules.table.token_id.claim;
    match claims.text(name)? {
        Some(id) => parsed(id, check::CLAIMS, name.as_str()).map(Some),
        None if rules.table.token_id.required => Err(refuse(check::CLAIMS, format!("{} is missing", name.as_str()))),
        None => Ok(None),
    }
}

#[cfg_attr(
    not(feature = "transaction-tokens"),
    expect(unused_variables, reason = "only transaction tokens need a txn")
)]
pub(crate) fn transaction(claims: &Claims<'_>, rules: &Rules) -> Result<Option<TransactionId>, Refusal> {
    #[cfg(feature = "transaction-tokens")]
    if rules.table.is_of_transactions() {
        transaction::is_whole(claims)?;
    }
    let txn = claims.txn.as_ref().optional(check::CLAIMS, "txn")?;
    txn.map(|txn| parsed(txn, check::CLAIMS, "txn")).transpose()
}

/// RFC 9068 §2.2.3, or the form that the profile has in its place.
pub(crate) fn scopes(claims: &Claims<'_>, rules: &Rules) -> Result<Scopes, Refusal> {
    let scp = || claims.scp.as_ref().optional(check::CLAIMS, "scp");
    match rules.table.scopes {
        ScopeClaim::None => Ok(Scopes::default()),
        ScopeClaim::Scope => match claims.scope.as_ref().optional(check::CLAIMS, "scope")? {
            Some(scopes) => Scopes::parse(scopes).map_err(|_| wrong(check::CLAIMS, "scope")),
            None => Ok(Scopes::default()),
        },
        ScopeClaim::ScpStringOrRoles => match scp()? {
            Some(Texts::One(scopes)) => Scopes::parse(scopes).map_err(|_| wrong(check::CLAIMS, "scp")),
            Some(Texts::Many(_)) => Err(wrong(check::CLAIMS, "scp")),
            None => scopes_of_roles(claims),
        },
        ScopeClaim::ScpList => match scp()? {
            Some(Texts::Many(scopes)) => scopes
                .iter()
                .map(|scope| Scope::parse(&**scope))
                .collect::<Result<_, _>>()
                .map_err(|_| wrong(check::CLAIMS, "scp")),
            Some(Texts::One(_)) => Err(wrong(check::CLAIMS, "scp")),
            None => Ok(Scopes::default()),
        },
    }
}

/// RFC 9068 §2.2.1.
#[cfg_attr(not(feature = "transaction-tokens"), expect(unused_variables, reason = "only transaction tokens differ"))]
pub(crate) fn authentication(claims: &Claims<'_>, rules: &Rules) -> Result<AuthenticationContext, Refusal> {
    #[cfg(feature = "transaction-tokens")]
    if rules.table.is_of_transactions() {
        return transaction::authentication(claims);
    }
    let session = claims.sid.as_ref().optional(check::CLAIMS, "sid")?;
    Ok(AuthenticationContext {
        auth_time: claims.auth_time.as_ref().optional(check::CLAIMS, "auth_time")?.map(|time| time.timestamp()),
        acr: claims.acr.as_ref().optional(check::CLAIMS, "acr")?.map(|acr| acr.to_string()),
        amr: claims.amr.as_ref().optional(check::CLAIMS, "amr")?.map_or_else(Vec::new, |amr| owned(&amr.0)),
        session: session.map(|sid| parsed(sid, check::CLAIMS, "sid")).transpose()?,
    })
}

fn owned(texts: &[Text<'_>]) -> Vec<String> {
    texts.iter().map(|text| text.to_string()).collect()
}
