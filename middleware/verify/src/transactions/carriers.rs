//! Who may carry the transaction tokens of a trust domain.
//!
//! That a token is genuine says nothing of who presents it: every service along the way has seen it. What ties the caller to
//! it is one of these, by configured [names](crate::VerifierBuilder::workload):
//!
//! | relation | |
//! |---|---|
//! | `req_wl` | the caller is the workload that asked for it |
//! | carrier | the configuration names the caller, or its issuer, as one that carries the trust domain's tokens |

use tower_identity_core::{Binding, CallerName, InvalidSetting, Issuer, Refusal, Standing, VerifiedToken, Workload};

use crate::{
    aliases::{AliasTable, Namespace},
    relation::{Relations, of_one_transaction, told, unrelated},
};

/// The carriers of one trust domain's tokens.
#[derive(Debug)]
pub(crate) struct Carriers {
    trust_domain: Issuer,
    /// By their canonical names.
    workloads: Box<[Workload]>,
    issuers: Box<[Issuer]>,
}

impl Carriers {
    pub(super) fn build(
        trust_domain: &Issuer,
        names: &[CallerName],
        issuers: &[String],
        aliases: &AliasTable,
        callers: Namespace<'_>,
    ) -> Result<Self, InvalidSetting> {
        let canonical = |workload: Workload| aliases.canonical(&workload).clone();
        let workloads = callers.workloads(names).map(|workload| workload.map(canonical)).collect::<Result<_, _>>();
        let issuer = |(at, issuer): (usize, &String)| match callers.trusted.iter().find(|known| **known == **issuer) {
            Some(known) => Ok(known.clone()),
            None => Err(InvalidSetting::new(at, "is no issuer of callers that is trusted").within("carriers_of")),
        };
        Ok(Self {
            trust_domain: trust_domain.clone(),
            workloads: workloads.map_err(|wrong| wrong.within("carriers"))?,
            issuers: issuers.iter().enumerate().map(issuer).collect::<Result<_, _>>()?,
        })
    }

    fn has(&self, sender: &Workload, vouched_by: &Issuer) -> bool {
        self.workloads.contains(sender) || self.issuers.contains(vouched_by)
    }
}

impl Relations {
    /// How the caller stands with a transaction token beside its credential. A pure function of the two, asked for each
    /// request.
    ///
    /// # Errors
    ///
    /// [`UnrelatedCredentials`](tower_identity_core::RefusalKind::UnrelatedCredentials), where it may not carry it.
    pub(super) fn carries(&self, caller: &VerifiedToken, token: &VerifiedToken) -> Result<Standing, Refusal> {
        self.carried_by(caller, token)
            .map(|()| self.aliases.name(Binding::Transaction.into(), caller))
            .map_err(|refusal| refusal.issuer(caller.issuer().clone()))
    }

    fn carried_by(&self, caller: &VerifiedToken, token: &VerifiedToken) -> Result<(), Refusal> {
        let sender = self.sender(caller)?;
        of_one_transaction(caller, token)?;
        let requester = self.aliases.canonical(&token.identity().workload);
        let is_carrier =
            |carriers: &Carriers| carriers.trust_domain == *token.issuer() && carriers.has(sender, caller.issuer());
        if requester == sender || self.carriers.iter().any(is_carrier) {
            return Ok(());
        }
        let (sender, requester, domain) = (told(sender), told(requester), token.issuer());
        Err(unrelated(format!("the caller is {sender}, no carrier of {domain}, and {requester} asked for the token")))
    }
}
