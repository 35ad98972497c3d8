//! Callers that are trusted to say for whom they call, as a builder is told of them.

use tower_identity_core::{CallerName, InvalidSetting, Issuer};

use crate::{
    aliases::{AliasTable, Namespace},
    relation::Trust,
};

/// Whose word is taken, and about which issuers' users.
#[derive(Debug)]
pub(crate) struct TrustedCallers {
    pub(crate) callers: Result<Vec<CallerName>, InvalidSetting>,
    pub(crate) users_of: Vec<String>,
}

impl TrustedCallers {
    pub(crate) fn check(
        self,
        aliases: &AliasTable,
        names: Namespace<'_>,
        of_users: &[Issuer],
    ) -> Result<Trust, InvalidSetting> {
        let callers = self.callers.map_err(|invalid| invalid.within("callers"))?;
        let callers: Box<[_]> = names
            .workloads(&callers)
            .map(|workload| workload.map(|workload| aliases.canonical(&workload).clone()))
            .collect::<Result<_, _>>()
            .map_err(|invalid| invalid.within("callers"))?;
        let of_user = |(at, issuer): (usize, String)| match of_users.iter().find(|trusted| **trusted == *issuer) {
            Some(issuer) => Ok(issuer.clone()),
            None => {
                Err(InvalidSetting::new(at, "is no issuer whose users' credentials are accepted").within("users_of"))
            }
        };
        let users_of: Box<[_]> = self.users_of.into_iter().enumerate().map(of_user).collect::<Result<_, _>>()?;
        if callers.is_empty() {
            return Err(InvalidSetting::new("callers", "names nobody"));
        }
        if users_of.is_empty() {
            return Err(InvalidSetting::new("users_of", "names no issuer"));
        }
        Ok(Trust { callers, users_of })
    }
}
