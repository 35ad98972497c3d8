//! What came of everything that was tried, and its JSON.

use std::collections::BTreeSet;

use clap::ValueEnum;
use serde::Serialize;

use super::{ACTIONS, Action};
use crate::{Mode, Part};

/// What came of everything that was tried in one mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matrix {
    /// The mode.
    pub mode: Mode,
    /// By where it was stolen.
    pub rows: Vec<Row>,
}

/// What came of one credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Who has seen it.
    pub stolen_at: Part,
    /// Whom it is about: `alice`.
    pub whose: String,
    /// What of hers it is: `token for orders (storefront acts)`.
    pub what: String,
    /// One for each of the [`ACTIONS`].
    pub outcomes: Vec<Outcome>,
}

/// What came of presenting a credential for an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Reachable,
    /// It was not.
    Refused {
        /// The check that refused, by the service's own word.
        check: String,
    },
}

/// What came of presenting one credential for one action, as it is told in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cell {
    mode: String,
    stolen_at: &'static str,
    credential: String,
    replayed_at: &'static str,
    action: String,
    outcome: &'static str,
    /// `None` where it was done.
    check: Option<String>,
}

impl Row {
    /// The credential in words.
    #[must_use]
    pub fn credential(&self) -> String {
        format!("{} {}", genitive(&self.whose), self.what)
    }

    /// Where it opens something.
    #[must_use]
    pub fn opens(&self) -> BTreeSet<&'static str> {
        self.reached().map(|action| action.at.name()).collect()
    }

    /// What it opens.
    pub(super) fn reached(&self) -> impl Iterator<Item = &'static Action> {
        let reached = |(action, outcome): (_, &Outcome)| (*outcome == Outcome::Reachable).then_some(action);
        ACTIONS.iter().zip(&self.outcomes).filter_map(reached)
    }
}

impl Matrix {
    /// How many requests it took.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.rows.iter().map(|row| row.outcomes.len()).sum()
    }

    /// What came of each of them, one by one.
    pub fn cells(&self) -> impl Iterator<Item = Cell> {
        self.rows.iter().flat_map(|row| {
            ACTIONS.iter().zip(&row.outcomes).map(|(action, outcome)| {
                let (outcome, check) = match outcome {
                    Outcome::Reachable => ("reachable", None),
                    Outcome::Refused { check } => ("refused", Some(check.clone())),
                };
                Cell {
                    mode: name_of(self.mode),
                    stolen_at: row.stolen_at.name(),
                    credential: row.credential(),
                    replayed_at: action.at.name(),
                    action: action.name(),
                    outcome,
                    check,
                }
            })
        })
    }
}

/// All cells of all modes, as an array in JSON with a cell a line.
#[must_use]
pub fn json(matrices: &[Matrix]) -> String {
    let line = |cell| serde_json::to_string(&cell).expect("a cell is texts");
    let lines: Vec<String> = matrices.iter().flat_map(Matrix::cells).map(line).collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

/// What a mode is called on the command line.
pub(super) fn name_of(mode: Mode) -> String {
    mode.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// `alice's`, `orders'`
pub(super) fn genitive(name: &str) -> String {
    if name.ends_with('s') { format!("{name}'") } else { format!("{name}'s") }
}
