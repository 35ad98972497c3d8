//! Whether two credentials of one request belong together: by the stated relations, or not at all.
//!
//! That both are valid says nothing. A user's token that was observed or stolen is as valid in another workload's hands,
//! and a caller's is as valid beside the token of a user who never called it. So caller and user count together only
//! where the user's issuer names the caller:
//!
//! | relation | the user's token | where |
//! |---|---|---|
//! | R1 | names the caller as its current actor, the outermost `act` | always |
//! | R2 | was issued to the caller (`azp`, `client_id`), and nobody acts | always: the first hop |
//! | R3 | names the caller as who may act (`may_act`, RFC 8693 §4.4) | where [accepted](crate::VerifierBuilder::accept_may_act) |
//! | R4 | is bound to the certificate that the caller has proven (`cnf`, RFC 8705 §3): the caller's own, or that of its token | always |
//!
//! A transaction token is carried, and relates by who may carry it (`transactions`).
//!
//! A [service's own word](crate::danger::self_asserted) for its user counts beside a credential of that service, and remains
//! its own word.
//!
//! Names are compared whole, issuer and id, by way of the configured [aliases](crate::VerifierBuilder::workload). Inner
//! actors are history and relate nobody.

use std::sync::Arc;

use serde::Deserialize;
use tower_identity_core::{
    Binding, Evidence, Issuer, Refusal, RefusalKind, Standing, Subject, VerifiedToken, Workload,
};

#[cfg(feature = "transaction-tokens")]
use crate::transactions::Carriers;
use crate::{aliases::AliasTable, check, shown::Shown};

/// What relates two credentials, as it is configured.
#[derive(Debug, Default)]
pub(crate) struct Relations {
    pub(crate) aliases: Arc<AliasTable>,
    /// Whether `may_act` relates, too.
    pub(crate) may_act: bool,
    pub(crate) trusted: Box<[Trust]>,
    #[cfg(feature = "transaction-tokens")]
    pub(crate) carriers: Box<[Carriers]>,
    /// Who names users that have no credential: each of one issuer.
    pub(crate) naming: Box<[Trust]>,
}

/// Callers that are trusted to say for whom they call.
#[derive(Debug, PartialEq)]
pub(crate) struct Trust {
    /// By their canonical names.
    pub(crate) callers: Box<[Workload]>,
    pub(crate) users_of: Box<[Issuer]>,
}

impl Trust {
    /// Tells of the rows that were not there before.
    fn tell(rows: &[Self], before: &[Self], what: &'static str) {
        for Self { callers, users_of } in rows.iter().filter(|row| !before.contains(row)) {
            let callers: Vec<_> = callers.iter().map(|caller| format!("{} of {}", caller.id, caller.issuer)).collect();
            let users_of: Vec<_> = users_of.iter().map(Issuer::as_str).collect();
            tracing::warn!(
                target: "tower_identity::binding",
                callers = callers.join(", "),
                users_of = users_of.join(", "),
                "{what}",
            );
        }
    }
}

impl Relations {
    /// Tells whose word is taken, where anybody's is, and was not before.
    pub(crate) fn tell(&self, before: Option<&Self>) {
        let before = |rows: fn(&Self) -> &[Trust]| before.map_or(&[][..], rows);
        Trust::tell(&self.naming, before(|former| &former.naming), "callers name their users in plain text");
        Trust::tell(&self.trusted, before(|former| &former.trusted), "callers are trusted to say for whom they call");
    }

    /// How the caller stands beside this user. A pure function of the two tokens, asked for each request.
    ///
    /// # Errors
    ///
    /// [`RefusalKind::UnrelatedCredentials`], where nothing ties them.
    pub(crate) fn relate(&self, caller: &VerifiedToken, user: &VerifiedToken) -> Result<Standing, Refusal> {
        self.standing(caller, user)
            .map(|standing| self.aliases.name(standing, caller))
            .map_err(|refusal| refusal.issuer(caller.issuer().clone()))
    }

    /// How the workload of a certificate stands with the token beside it: that of its user, or one of its own.
    ///
    /// # Errors
    ///
    /// [`RefusalKind::UnrelatedCredentials`], where nothing ties them.
    pub(crate) fn relate_to_certificate(
        &self,
        certificate: &VerifiedToken,
        token: &VerifiedToken,
    ) -> Result<Standing, Refusal> {
        if token.identity().user.is_some() {
            return self.relate(certificate, token);
        }
        if share_a_key(certificate, token) {
            return Ok(self.aliases.name(Binding::SharedKey.into(), certificate));
        }
        self.is_one_sender(certificate, token)
            .map(|()| self.aliases.name(Binding::SameToken.into(), certificate))
            .map_err(|refusal| refusal.issuer(certificate.issuer().clone()))
    }

    fn is_one_sender(&self, certificate: &VerifiedToken, token: &VerifiedToken) -> Result<(), Refusal> {
        let (sender, named) = (self.sender(certificate)?, self.sender(token)?);
        if sender == named {
            return Ok(());
        }
        let (sender, named) = (told(sender), told(named));
        Err(unrelated(format!("the certificate is of {sender}, and the token beside it is of {named}")))
    }

    fn standing(&self, caller: &VerifiedToken, user: &VerifiedToken) -> Result<Standing, Refusal> {
        let sender = self.sender(caller)?;
        if user.identity().user.is_none() {
            return Err(unrelated("the user's credential names no user"));
        }
        of_one_transaction(caller, user)?;
        let named = self.aliases.canonical(&user.identity().workload);
        if user.is_self_asserted() {
            // Nobody but that service: whatever else is trusted here is about tokens of the user's issuer.
            return if named == sender { Ok(Binding::SelfAsserted.into()) } else { Err(of_another(sender, named)) };
        }
        if named == sender || (self.may_act && self.may_act(sender, user)) {
            return Ok(Binding::IssuerNamed.into());
        }
        if share_a_key(caller, user) {
            return Ok(Binding::SharedKey.into());
        }
        if self.trusts(sender, user.issuer()) {
            return Ok(Standing::on_trust());
        }
        let caller = format!("the caller is {}", told(sender));
        Err(unrelated(match user.identity().evidence {
            // No name: whom the token calls an actor may be a person.
            Evidence::Actor => format!("{caller}, and another acts for the user"),
            _ => format!("{caller}, and the user's token was issued to {}", told(named)),
        }))
    }

    /// Who sent the request, by a token of its own, and by the word of its own issuer.
    pub(crate) fn sender<'a>(&'a self, caller: &'a VerifiedToken) -> Result<&'a Workload, Refusal> {
        let identity = caller.identity();
        if identity.user.is_some() {
            return Err(unrelated("the caller's credential names a user itself"));
        }
        let is_its_own = matches!(identity.evidence, Evidence::Proven | Evidence::Subject | Evidence::Actor);
        if !is_its_own || identity.workload.issuer != *caller.issuer() {
            return Err(unrelated("the caller's credential is not the caller's own"));
        }
        Ok(self.aliases.canonical(&identity.workload))
    }

    fn trusts(&self, sender: &Workload, users_of: &Issuer) -> bool {
        self.trusted.iter().any(|trust| trust.callers.contains(sender) && trust.users_of.contains(users_of))
    }

    /// Every member that is given has to match, so a claim with a member that is not compared here does not count.
    ///
    /// Read from the payload only where it is accepted and nothing else relates the two: tokens pay nothing for it.
    fn may_act(&self, sender: &Workload, user: &VerifiedToken) -> bool {
        let Ok(Claims { may_act: Some(MayAct { sub, iss, client_id }) }) = user.claims() else { return false };
        let issuer = iss.unwrap_or_else(|| user.issuer().clone());
        let is_sender = |id: Subject| {
            let named = Workload { id, issuer: issuer.clone() };
            self.aliases.canonical(&named) == sender
        };
        (sub.is_some() || client_id.is_some()) && sub.into_iter().chain(client_id).all(is_sender)
    }
}

#[derive(Deserialize)]
struct Claims {
    may_act: Option<MayAct>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MayAct {
    sub: Option<Subject>,
    iss: Option<Issuer>,
    client_id: Option<Subject>,
}

/// Whether the token beside the caller's credential is bound to the key that the caller has proven. Each was accepted on
/// this request, which proves one certificate: so the issuer of the token bound it to this sender.
fn share_a_key(caller: &VerifiedToken, beside: &VerifiedToken) -> bool {
    beside.is_bound() && caller.bound_to() == beside.bound_to()
}

/// The context of one transaction does not count beside the user of another (RFC 8417 §2.2).
pub(crate) fn of_one_transaction(caller: &VerifiedToken, user: &VerifiedToken) -> Result<(), Refusal> {
    match (caller.transaction(), user.transaction()) {
        (Some(one), Some(other)) if one != other => Err(unrelated("the two are of different transactions")),
        _ => Ok(()),
    }
}

fn of_another(sender: &Workload, asserting: &Workload) -> Refusal {
    unrelated(format!("the caller is {}, and it is {} who says for which user it calls", told(sender), told(asserting)))
}

pub(crate) fn told(workload: &Workload) -> String {
    format!("{} of {}", Shown(&workload.id), workload.issuer)
}

pub(crate) fn unrelated(detail: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(RefusalKind::UnrelatedCredentials, check::BINDING).detail(detail.into())
}
