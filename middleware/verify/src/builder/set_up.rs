//! One generation of settings, made of what was collected and of the generation before it.

use std::sync::Arc;

use tower_identity_core::{InvalidSetting, Issuer, Revocations};
use tower_identity_oauth::Http;
use tower_identity_refresh::system_clock;

use super::{VerifierBuilder, connect::Connect};
#[cfg(feature = "transaction-tokens")]
use crate::transactions::{self, TrustDomains};
use crate::{
    TrustedIssuer,
    aliases::{AliasTable, Namespace},
    asserting,
    certificate::Certificates,
    encrypted,
    events::telemetry,
    feed::Pulls,
    hand_off,
    id_tokens::{self, IdTokens},
    inner::Inner,
    issuer::Checked,
    naming,
    profile::SELF_ASSERTED,
    relation::Relations,
    remembered::{Memory, Remember, Whose},
};

impl VerifierBuilder {
    pub(super) fn set_up(self, former: Option<&Inner>) -> Result<Inner, InvalidSetting> {
        // One clock for all generations: moments of two could not be compared.
        let clock = former.map(|former| former.clock.clone()).or(self.clock).unwrap_or_else(system_clock);
        // And one list: what was revoked stays so, and whoever fills the list goes on.
        let revocations = former.map(|former| former.revocations().clone()).or(self.revocations);
        let revocations = revocations.unwrap_or_else(|| Revocations::new(clock.clone()));
        revocations.tell(telemetry::changed);
        let callers = checked(self.issuers, "issuer", &[])?;
        let users = checked(self.user_issuers, "user_issuer", &callers)?;
        let home = callers[0].anchor.is_one_issuer().then(|| callers[0].anchor.name().clone());

        let of = |all: &[Checked]| -> Vec<Issuer> {
            all.iter().flat_map(|issuer| issuer.anchor.issuers().cloned()).collect()
        };
        let (mut of_callers, of_users) = (of(&callers), of(if users.is_empty() { &callers } else { &users }));
        let of_tokens = [&*of_callers, &*of_users].concat();
        let certificates =
            Certificates::build(self.certificates, &of_tokens, home.as_ref(), &revocations, !users.is_empty(), &clock)?;
        of_callers.extend(certificates.issuers().cloned());
        let known = [&*of_callers, &*of_users].concat();
        let asserting = asserting::checked(self.asserting, &SELF_ASSERTED, asserting::SELF_ASSERTED, &known)?;
        let producers = hand_off::checked(self.producers, &known)?;
        of_callers.extend(of(&asserting).into_iter().chain(of(&producers)));
        let trusted = [&*of_callers, &*of_users].concat();
        #[cfg(feature = "transaction-tokens")]
        let transactions = transactions::checked(self.transactions, &trusted, [&callers, &users])?;
        #[cfg(feature = "transaction-tokens")]
        let trusted = [trusted, transactions.iter().map(|domain| domain.name().clone()).collect()].concat();
        let names = Namespace { home: home.as_ref(), trusted: &trusted };
        let rows = self
            .workloads
            .into_iter()
            .enumerate()
            .map(|(at, row)| row.map_err(|invalid| invalid.within("is").within(at).within("workload")));
        let aliases = Arc::new(AliasTable::build(rows.collect::<Result<_, _>>()?, names)?);
        // Who is trusted for users alone is no caller.
        let names_of_callers = Namespace { home: home.as_ref(), trusted: &of_callers };
        let trusts = self.trusted_callers.into_iter().enumerate().map(|(at, row)| {
            row.check(&aliases, names_of_callers, &of_users)
                .map_err(|invalid| invalid.within(at).within("trusted_caller"))
        });
        let trusts = trusts.collect::<Result<_, _>>()?;
        #[cfg(feature = "transaction-tokens")]
        let (domains, carriers) = transactions::carried(transactions, &aliases, names_of_callers)?;
        let id_tokens = id_tokens::checked(self.id_tokens, &aliases, names_of_callers)?;
        let (presenting, of_id_tokens): (Vec<_>, Vec<_>) =
            id_tokens.into_iter().map(|row| (row.callers, row.issuer)).unzip();
        let naming = self.naming.into_iter().enumerate().map(|(at, row)| {
            row.check(&aliases, names_of_callers, &of_users).map_err(|invalid| naming::of_row(invalid, at))
        });
        let naming = naming.collect::<Result<Box<_>, _>>()?;
        naming::checked(&naming)?;
        let relations = Relations {
            may_act: self.may_act,
            trusted: trusts,
            naming,
            #[cfg(feature = "transaction-tokens")]
            carriers,
            aliases,
        };

        let http = match former {
            Some(former) => former.http.clone(),
            None => match self.tls {
                Some(tls) => Http::with_tls(tls, clock.clone()),
                None => Http::new(clock.clone()),
            }
            .map_err(|error| InvalidSetting::new("issuer", error.to_string()))?,
        };
        let headers = Arc::default();
        let connect = Connect {
            home: home.as_ref(),
            http: &http,
            limits: &self.limits,
            headers: &headers,
            aliases: &relations.aliases,
            revocations: &revocations,
        };
        let before = former.map(|former| (&*former.trusted, former.opaque.as_ref()));
        let of_callers = of_callers.into();
        let (trusted, opaque) = connect.all(callers, "issuer", &of_callers, before)?;
        let (asserting, _) = connect.all(asserting, asserting::SELF_ASSERTED, &of_callers, before)?;
        asserting::tell(&asserting, former.map(|former| &*former.trusted));
        #[cfg(feature = "transaction-tokens")]
        let domains = {
            let before = former.map(|former| (&*former.trust_domains.all, None));
            connect.all(domains, "transaction_tokens", &Arc::from([]), before)?.0
        };
        let before = former.map(|former| (&*former.producers, None));
        let (producers, _) = connect.all(producers, asserting::HANDED_OFF_BY, &of_callers, before)?;
        let before = former.map(|former| (&*former.users, former.users_opaque.as_ref()));
        let (users, users_opaque) = if users.is_empty() {
            let users = trusted.iter().map(|issuer| Arc::new(issuer.for_users())).collect();
            let former = before.and_then(|(_, opaque)| opaque);
            (
                users,
                opaque.as_ref().map(|opaque| Arc::new(opaque.for_users().succeeding(former.map(|former| &**former)))),
            )
        } else {
            connect.all(users, "user_issuer", &Arc::from([]), before)?
        };
        let users: Box<[_]> =
            users.into_iter().chain(asserting.iter().map(|service| Arc::new(service.for_users()))).collect();
        let trusted: Box<[_]> = trusted.into_iter().chain(asserting).collect();
        // Of an issuer whose keys are there already they are not fetched twice.
        let id_tokens_before = former.map(|former| former.id_tokens.iter().map(|row| Arc::clone(&row.issuer)));
        let at_hand: Vec<_> =
            trusted.iter().chain(&users).cloned().chain(id_tokens_before.into_iter().flatten()).collect();
        let (of_id_tokens, _) =
            connect.all(of_id_tokens, id_tokens::ID_TOKEN, &Arc::from([]), Some((&at_hand, None)))?;
        let rows = presenting.into_iter().zip(of_id_tokens.iter().cloned());
        let id_tokens: Box<[_]> = rows.map(|(callers, issuer)| IdTokens { callers, issuer }).collect();
        id_tokens::tell(&id_tokens, former.map_or(&[], |former| &*former.id_tokens));
        let memory = |whose| Arc::new(Memory::new(self.remember, whose));
        relations.tell(former.map(|former| &former.relations));
        // And one feed, which goes on from where it is.
        let pulls = match former {
            Some(former) => former.pulls.clone(),
            None => self.feed.map(|(feed, comes_first)| Arc::new(Pulls::new(feed, revocations, comes_first))),
        };
        let encrypting = trusted.iter().chain(&users);
        #[cfg(feature = "transaction-tokens")]
        let encrypting = encrypting.chain(&domains);
        let decryption = encrypted::keys(encrypting);
        Ok(Inner {
            trusted,
            decryption,
            users,
            producers,
            id_tokens,
            id_tokens_remembered: Arc::new(Memory::new(Remember::nothing(), Whose::Users)),
            opaque,
            users_opaque,
            remembered: memory(Whose::Callers),
            users_remembered: memory(Whose::Users),
            #[cfg(feature = "transaction-tokens")]
            trust_domains: TrustDomains { all: domains, remembered: memory(Whose::Transactions) },
            certificates,
            relations,
            limits: self.limits,
            headers,
            clock,
            http,
            generation: former.map_or(1, |former| former.generation + 1),
            beside: self.beside,
            pulls,
        })
    }
}

/// The issuers, of which none is there twice, and none shares a file with another.
fn checked(issuers: Vec<TrustedIssuer>, field: &str, before: &[Checked]) -> Result<Vec<Checked>, InvalidSetting> {
    let of = |index: usize| move |wrong: InvalidSetting| wrong.within(index).within(field);
    let mut checked: Vec<Checked> = Vec::with_capacity(issuers.len());
    for (index, issuer) in issuers.into_iter().enumerate() {
        let issuer = issuer.check().map_err(of(index))?;
        let twice = |other: &Checked| other.anchor.issuers().any(|one| issuer.anchor.issuers().any(|own| own == one));
        if checked.iter().any(twice) {
            return Err(of(index)(InvalidSetting::new("issuer", "is trusted twice")));
        }
        let shared = before.iter().chain(&checked).find_map(|other| issuer.keys.shares_a_file(&other.keys));
        if let Some(field) = shared {
            let rule = "is a file of another issuer too, which one of them writes";
            return Err(of(index)(InvalidSetting::new(field, rule).within("keys")));
        }
        checked.push(issuer);
    }
    Ok(checked)
}
