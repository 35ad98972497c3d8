//! `mesh blast-radius`: the matrix of a thief.

use std::path::Path;

use clap::{Args, ValueEnum};

use super::{BlastRadiusError, Matrix, Table, blast_radius, json};
use crate::{Addresses, Mode, Variation};

/// Try everything that a service has seen everywhere, and print what that opens
///
/// The shop does its work; then each credential that a service was presented with, or has presented to others, is presented for
/// every action of every service, in each mode that there is, or in the one of --mode.
#[derive(Debug, Args)]
pub struct BlastRadius {
    /// Print every cell, as an array in JSON
    #[arg(long)]
    json: bool,
}

impl BlastRadius {
    /// Prints the matrix of this variation, or of every mode, one after the other.
    ///
    /// # Errors
    ///
    /// [`BlastRadiusError`].
    pub async fn run(
        self,
        directory: &Path,
        variation: Option<Variation>,
        addresses: Addresses,
        option: &'static str,
    ) -> Result<(), BlastRadiusError> {
        let every_mode = || Mode::value_variants().iter().map(|mode| Variation { mode: *mode, ..Variation::default() });
        let variations = variation.map_or_else(|| every_mode().collect(), |one| vec![one]);
        let mut matrices: Vec<Matrix> = Vec::new();
        for variation in variations {
            matrices.push(blast_radius(directory, variation, addresses, option).await?);
        }
        match self.json {
            true => print!("{}", json(&matrices)),
            false => print!("{}", Table(&matrices)),
        }
        Ok(())
    }
}
