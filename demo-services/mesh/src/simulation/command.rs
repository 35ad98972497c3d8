//! `mesh simulate`: the figures of a fleet, and of those that differ from it in one thing.

use std::{fs, io, path::PathBuf};

use clap::Args;

use super::{Chart, Fleet, Table, sweeps};

/// Reckon how often a fleet asks its authorization server, and how much it remembers
///
/// Prints a table of this fleet and of those that have more or less of one thing: users, targets, replicas, or life of
/// their tokens. Nothing is started, and nothing is asked: time and requests are simulated.
#[derive(Debug, Args)]
pub struct Simulate {
    #[command(flatten)]
    fleet: Fleet,
    /// Write the figures as a picture, too
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

impl Simulate {
    /// Prints the table, and writes the picture where one is asked for.
    ///
    /// # Errors
    ///
    /// When the picture cannot be written.
    pub fn run(self) -> io::Result<()> {
        let sweeps = sweeps(&self.fleet);
        print!("{}", Table(&sweeps));
        self.svg.map_or(Ok(()), |path| fs::write(path, Chart { fleet: &self.fleet, sweeps: &sweeps }.to_string()))
    }
}
