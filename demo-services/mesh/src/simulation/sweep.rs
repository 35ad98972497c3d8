//! The same fleet, where one thing of it differs.

use super::{Figures, Fleet, simulate};

/// What differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// How many users there are.
    Users,
    /// How many targets.
    Targets,
    /// How many replicas.
    Replicas,
    /// How long a target's token lives.
    TokenSeconds,
    /// How much room there is for tokens in a replica.
    Room,
}

/// One fleet, and what it comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The fleet.
    pub fleet: Fleet,
    /// Its figures.
    pub figures: Figures,
}

/// Fleets that differ in one thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    /// In what.
    pub axis: Axis,
    /// In the order of how much there is of it.
    pub rows: Vec<Row>,
}

impl Axis {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Users, Self::Targets, Self::Replicas, Self::TokenSeconds, Self::Room];

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Targets => "targets",
            Self::Replicas => "replicas",
            Self::TokenSeconds => "token life, s",
            Self::Room => "room, MiB",
        }
    }

    /// How much of it a fleet has.
    #[must_use]
    pub const fn of(self, fleet: &Fleet) -> u32 {
        match self {
            Self::Users => fleet.users,
            Self::Targets => fleet.targets,
            Self::Replicas => fleet.replicas,
            Self::TokenSeconds => fleet.token_seconds,
            Self::Room => fleet.cache_mebibytes,
        }
    }

    const fn values(self) -> [u32; 5] {
        match self {
            Self::Users => [1_000, 3_000, 10_000, 30_000, 100_000],
            Self::Targets => [1, 2, 3, 6, 12],
            Self::Replicas => [1, 2, 4, 8, 16],
            Self::TokenSeconds => [60, 120, 300, 900, 3_600],
            Self::Room => [4, 16, 64, 128, 256],
        }
    }

    /// The same fleet with so much of it.
    fn with(self, fleet: &Fleet, value: u32) -> Fleet {
        let mut changed = fleet.clone();
        let place = match self {
            Self::Users => &mut changed.users,
            Self::Targets => &mut changed.targets,
            Self::Replicas => &mut changed.replicas,
            Self::TokenSeconds => &mut changed.token_seconds,
            Self::Room => &mut changed.cache_mebibytes,
        };
        *place = value;
        changed
    }
}

/// This fleet, and the ones that differ from it in one thing.
#[must_use]
pub fn sweeps(fleet: &Fleet) -> Vec<Sweep> {
    let common = Row { fleet: fleet.clone(), figures: simulate(fleet) };
    Axis::ALL.map(|axis| Sweep { axis, rows: rows(axis, &common) }).into()
}

fn rows(axis: Axis, common: &Row) -> Vec<Row> {
    let own = axis.of(&common.fleet);
    let mut values = axis.values().to_vec();
    values.push(own);
    values.sort_unstable();
    values.dedup();
    let row = |value| match value {
        value if value == own => common.clone(),
        value => {
            let fleet = axis.with(&common.fleet, value);
            Row { figures: simulate(&fleet), fleet }
        }
    };
    values.into_iter().map(row).collect()
}
