//! The workloads that go by several names: a configured statement, nothing is guessed.

use std::{collections::HashMap, sync::Arc};

use tower_identity_core::{Aliases, CallerName, InvalidSetting, Issuer, Standing, VerifiedToken, Workload};

/// The rows of a configuration, by each of their names.
#[derive(Debug, Default)]
pub(crate) struct AliasTable(HashMap<Workload, Arc<Aliases>>);

/// What names are resolved by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Namespace<'a> {
    /// The issuer that plain names refer to, where home is one.
    pub(crate) home: Option<&'a Issuer>,
    pub(crate) trusted: &'a [Issuer],
}

impl AliasTable {
    /// Reads the rows: each lists the names of one workload, the canonical one first.
    pub(crate) fn build(rows: Vec<Vec<CallerName>>, of: Namespace<'_>) -> Result<Self, InvalidSetting> {
        let mut table = Self::default();
        for (at, row) in rows.into_iter().enumerate() {
            table.add(&row, of).map_err(|invalid| invalid.within(at).within("workload"))?;
        }
        Ok(table)
    }

    fn add(&mut self, row: &[CallerName], of: Namespace<'_>) -> Result<(), InvalidSetting> {
        let mut names = Vec::with_capacity(row.len());
        for (at, workload) in of.workloads(row).enumerate() {
            let workload = workload.map_err(|invalid| invalid.within("is"))?;
            if self.0.contains_key(&workload) || names.contains(&workload) {
                return Err(InvalidSetting::new(at, "is listed twice").within("is"));
            }
            names.push(workload);
        }
        let [canonical, others @ ..] = names.as_slice() else {
            return Err(InvalidSetting::new("is", "names nobody"));
        };
        if others.is_empty() {
            return Err(InvalidSetting::new("is", "lists one name, which needs no row"));
        }
        let aliases = Arc::new(Aliases::new(canonical.clone(), others.iter().cloned(), of.home.cloned()));
        self.0.extend(names.into_iter().map(|name| (name, Arc::clone(&aliases))));
        Ok(())
    }

    /// The name that a workload is called by: its own, where it has no other.
    pub(crate) fn canonical<'a>(&'a self, workload: &'a Workload) -> &'a Workload {
        self.0.get(workload).map_or(workload, |aliases| aliases.canonical())
    }

    /// The standing of whoever sent this token, with its names. An issuer speaks for its own workloads only: the actor of
    /// another issuer that it names goes by no name but that.
    pub(crate) fn name(&self, standing: Standing, token: &VerifiedToken) -> Standing {
        let workload = &token.identity().workload;
        match self.0.get(workload) {
            Some(aliases) if workload.issuer == *token.issuer() => standing.known_as(Arc::clone(aliases)),
            _ => standing,
        }
    }
}

impl Namespace<'_> {
    /// The workloads that names stand for, each of an issuer that is trusted.
    pub(crate) fn workloads(self, names: &[CallerName]) -> impl Iterator<Item = Result<Workload, InvalidSetting>> {
        names.iter().enumerate().map(move |(at, name)| match name.workload(self.home) {
            Some(workload) if self.trusted.contains(&workload.issuer) => Ok(workload),
            Some(_) => Err(InvalidSetting::new(at, "is of an issuer that is not trusted")),
            None => Err(InvalidSetting::new(at, "is a plain name, and the home issuer is several tenants")),
        })
    }
}
