//! What the operator is told of settings that are read again.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

use super::{SettingsError, state::Reloaded};

const TARGET: &str = "tower_identity::settings";

/// The gauge of the generation of settings that is at work, by file.
const GENERATION: &str = "tower_identity_settings_generation";

/// The counter of readings of a file, by file and outcome.
const RELOADS: &str = "tower_identity_settings_reloads_total";

/// Tells what came of a reading, and which settings are at work now.
pub(super) fn read(file: &str, outcome: &Result<Reloaded, SettingsError>, at_work: u64) {
    describe_counter!(RELOADS, Unit::Count, "readings of a settings file that said something else, by what came of it");
    let outcome = match outcome {
        Ok(Reloaded { generation, digest }) => {
            tracing::info!(target: TARGET, file, generation, %digest, "settings reloaded");
            "reloaded"
        }
        Err(error) => {
            let (error, generation) = (error as &dyn std::error::Error, at_work);
            tracing::warn!(target: TARGET, file, generation, error, "settings refused: those before them stay");
            "refused"
        }
    };
    counter!(RELOADS, "file" => file.to_owned(), "outcome" => outcome).increment(1);
    self::at_work(file, at_work);
}

/// Tells which generation of settings is at work.
pub(super) fn at_work(file: &str, generation: u64) {
    describe_gauge!(GENERATION, Unit::Count, "the generation of settings that is at work, counted from 1");
    #[expect(clippy::cast_precision_loss, reason = "there are not so many")]
    gauge!(GENERATION, "file" => file.to_owned()).set(generation as f64);
}
