//! Every check of the claims, each made whatever came of those before it.

use tower_identity_core::{Refusal, Timestamp};

use crate::{
    anchor::Named,
    check,
    claims::Claims,
    judge::{self, Rules},
};

/// What is wrong with claims, and which of their checks were not made.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// In the order in which [`judge`](judge::judge) looks for them: what it refuses the token for is the first.
    pub(super) refusals: Vec<Refusal>,
    pub(super) unreached: Vec<&'static str>,
}

impl Faults {
    pub(super) fn of(claims: &Claims<'_>, named: &Named, rules: &Rules, now: Timestamp) -> Self {
        let made = [
            judge::kind(claims, rules).err(),
            judge::audience(claims, rules).err(),
            judge::not_ended(claims, rules, now).err(),
            judge::begun(claims, rules, now).err(),
            judge::issued(claims, rules, now).err(),
            judge::confirmation(claims).err(),
            judge::token_id(claims, rules).err(),
            judge::transaction(claims, rules).err(),
            judge::scopes(claims, rules).err(),
            judge::authentication(claims, rules).err(),
            judge::attributes(claims, rules).err(),
        ];
        let mut faults = Self { refusals: made.into_iter().flatten().collect(), unreached: Vec::new() };
        faults.names(claims, named, rules);
        faults
    }

    /// Whom the token names: a question of its client first.
    fn names(&mut self, claims: &Claims<'_>, named: &Named, rules: &Rules) {
        let client = match judge::client(claims, rules) {
            Ok(client) => client,
            Err(refusal) => {
                self.refusals.push(refusal);
                self.unreached.extend([check::SUBJECT, check::ACT]);
                return;
            }
        };
        if let Err(refusal) = judge::user(claims, &client, named, rules) {
            self.unreached.extend((refusal.check() != check::SUBJECT).then_some(check::SUBJECT));
            self.refusals.push(refusal);
        }
        let identity = judge::actors(claims, &client, named, rules)
            .and_then(|actors| judge::identity(client, None, &actors, named, rules));
        self.refusals.extend(identity.err());
    }
}
