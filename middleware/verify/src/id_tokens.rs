//! Users whose caller presents the ID token of their sign-in, in the place of a name.
//!
//! An ID token says that a user has signed in at a client. It is for that client, and whoever has it, the client's log files
//! included, could present it: so it is no credential here, and counts as a [name](crate::danger::plain_users) does, of listed
//! callers that have proven themselves. But whom it names its issuer has said.

use std::{fmt, sync::Arc};

use tower_identity_core::{CallerName, InvalidSetting, Issuer, Workload};

use crate::{
    TrustedIssuer, VerifierBuilder,
    aliases::{AliasTable, Namespace},
    builder::{TrustedCallers, read},
    issuer::Checked,
    trusted::Trusted,
};

/// The list of a configuration that they stand in.
pub(crate) const ID_TOKEN: &str = "id_token";

/// Callers, and whose ID tokens they may present.
#[derive(Debug)]
pub(crate) struct Presenting {
    callers: Result<Vec<CallerName>, InvalidSetting>,
    issuer: TrustedIssuer,
}

/// The same, where it keeps the rules.
pub(crate) struct Ready {
    pub(crate) callers: Box<[Workload]>,
    pub(crate) issuer: Checked,
}

/// The same at work.
#[derive(Debug)]
pub(crate) struct IdTokens {
    /// By their canonical names.
    pub(crate) callers: Box<[Workload]>,
    pub(crate) issuer: Arc<Trusted>,
}

impl VerifierBuilder {
    /// What [`danger::id_tokens`](crate::danger::id_tokens) allows.
    pub(crate) fn presenting<C>(mut self, callers: C, issuer: TrustedIssuer) -> Self
    where
        C: IntoIterator<Item: TryInto<CallerName, Error: fmt::Display>>,
    {
        self.id_tokens.push(Presenting { callers: read(callers), issuer });
        self
    }
}

/// Of each row, in order, who may, and by which rules.
pub(crate) fn checked(
    rows: Vec<Presenting>,
    aliases: &AliasTable,
    names: Namespace<'_>,
) -> Result<Vec<Ready>, InvalidSetting> {
    let rows = rows.into_iter().enumerate();
    rows.map(|(at, row)| row.check(aliases, names).map_err(|wrong| wrong.within(at).within(ID_TOKEN))).collect()
}

impl Presenting {
    fn check(self, aliases: &AliasTable, names: Namespace<'_>) -> Result<Ready, InvalidSetting> {
        let Self { callers, issuer } = self;
        let of_issuer = |wrong: InvalidSetting| wrong.within("issuer");
        if issuer.redeeming.is_some() {
            return Err(of_issuer(InvalidSetting::new(
                "introspection",
                "is of opaque tokens, and an ID token is a JWT",
            )));
        }
        let none = || of_issuer(InvalidSetting::new("profile", "is one whose ID tokens are not known"));
        let table = issuer.profile.id_tokens().ok_or_else(none)?;
        let issuer = issuer.check_by(table).map_err(of_issuer)?;
        let users_of: Vec<Issuer> = issuer.anchor.issuers().cloned().collect();
        let names_of = users_of.iter().map(|issuer| issuer.as_str().to_owned()).collect();
        let trust = TrustedCallers { callers, users_of: names_of }.check(aliases, names, &users_of)?;
        Ok(Ready { callers: trust.callers, issuer })
    }
}

/// Tells of the rows that were not there before.
pub(crate) fn tell(rows: &[IdTokens], before: &[IdTokens]) {
    let is_as = |row: &IdTokens, other: &IdTokens| {
        let said = |row: &IdTokens| (row.issuer.rules.anchor.name().clone(), row.issuer.rules.audiences.clone());
        row.callers == other.callers && said(row) == said(other)
    };
    for row in rows.iter().filter(|row| !before.iter().any(|other| is_as(row, other))) {
        let callers: Vec<_> = row.callers.iter().map(|caller| format!("{} of {}", caller.id, caller.issuer)).collect();
        tracing::warn!(
            target: "tower_identity::binding",
            callers = callers.join(", "),
            users_of = row.issuer.rules.anchor.name().as_str(),
            "callers present ID tokens of their users",
        );
    }
}
