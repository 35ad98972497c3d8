//! A file with the keys that an issuer had, for a cold start.
//!
//! Read once, when the verifier is built, so that no request waits for a disk. A seed that is not there, or refused, is
//! a warning and not an error: a service starts, whatever the state of its files and issuers.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use tower_identity_core::{Issuer, Timestamp};
use tower_identity_jose::{KeySet, KeySetError, json};
use tower_identity_oauth::MAX_BODY_BYTES;
use tower_identity_refresh::open_regular;

use super::{USABLE, telemetry::TARGET};
use crate::{shown::Shown, source::Reading};

/// How far in the future a seed may have been fetched: clocks are set back now and then.
const MAX_AHEAD: Duration = Duration::from_secs(5 * 60);

/// Keys that an issuer had, and how long ago.
#[derive(Debug)]
pub(super) struct Seed {
    pub(super) keys: KeySet,
    pub(super) age: Duration,
}

/// Why a file is no seed.
#[derive(Debug, thiserror::Error)]
enum SeedError {
    #[error("the file cannot be read")]
    Unreadable(#[source] io::Error),
    #[error("the file is larger than {MAX_BODY_BYTES} bytes")]
    TooLarge,
    #[error("the file is not a usable key set")]
    NoKeys(#[source] KeySetError),
    #[error("issuer or fetched_at in the file is not of its type")]
    Members,
    #[error("the file is of issuer {}", Shown(.0))]
    OtherIssuer(String),
    #[error("the keys are said to have been fetched {} s from now", .0.as_secs())]
    Ahead(Duration),
    #[error("the keys were fetched {} s ago, which is too long", .0.as_secs())]
    TooOld(Duration),
}

/// The members of ours. A file that has both was written by us.
#[derive(Deserialize)]
struct Origin {
    #[serde(default, deserialize_with = "json::not_null")]
    issuer: Option<String>,
    #[serde(default, deserialize_with = "json::not_null")]
    fetched_at: Option<u64>,
}

/// The youngest usable seed among these files. A file that is not there yet, which is how one that we write begins, is
/// passed over in silence where `may_be_absent`.
pub(super) fn youngest(
    files: impl IntoIterator<Item = (PathBuf, MayBeAbsent)>,
    issuer: &Issuer,
    reading: &Reading,
    now: Timestamp,
) -> Option<Seed> {
    let usable = |(file, may_be_absent): (PathBuf, MayBeAbsent)| match read(&file, issuer, reading, now) {
        Ok(seed) => {
            let (file, age_seconds) = (file.display(), seed.age.as_secs());
            tracing::info!(target: TARGET, %issuer, %file, age_seconds, keys = seed.keys.len(), "keys seeded");
            Some(seed)
        }
        Err(SeedError::Unreadable(error)) if may_be_absent.0 && error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            let (file, error) = (file.display(), &error as &dyn std::error::Error);
            tracing::warn!(target: TARGET, %issuer, %file, error, "seed refused");
            None
        }
    };
    files.into_iter().filter_map(usable).min_by_key(|seed| seed.age)
}

/// Whether it is in order that a file is not there.
#[derive(Debug, Clone, Copy)]
pub(super) struct MayBeAbsent(pub(super) bool);

fn read(file: &Path, issuer: &Issuer, reading: &Reading, now: Timestamp) -> Result<Seed, SeedError> {
    let mut opened = open_regular(file).map_err(SeedError::Unreadable)?;
    let changed = opened.metadata().and_then(|metadata| metadata.modified()).map_err(SeedError::Unreadable)?;
    let mut document = Vec::new();
    let limit = MAX_BODY_BYTES as u64 + 1;
    (&mut opened).take(limit).read_to_end(&mut document).map_err(SeedError::Unreadable)?;
    if document.len() > MAX_BODY_BYTES {
        return Err(SeedError::TooLarge);
    }
    judge(&document, Timestamp::from_system(changed), issuer, reading, now)
}

/// Judges a document in a file that was changed then.
fn judge(
    document: &[u8],
    changed: Timestamp,
    issuer: &Issuer,
    reading: &Reading,
    now: Timestamp,
) -> Result<Seed, SeedError> {
    let keys = reading.read(document).map_err(SeedError::NoKeys)?;
    let origin: Origin = json::from_slice(document).map_err(|_| SeedError::Members)?;
    let fetched_at = match (origin.issuer, origin.fetched_at) {
        (Some(other), _) if *issuer != *other => return Err(SeedError::OtherIssuer(other)),
        (Some(_), Some(seconds)) => Timestamp::from_secs(seconds),
        (Some(_) | None, _) => changed,
    };
    let (age, ahead) = (now.since(fetched_at), fetched_at.since(now));
    if ahead > MAX_AHEAD {
        Err(SeedError::Ahead(ahead))
    } else if age >= USABLE {
        Err(SeedError::TooOld(age))
    } else {
        Ok(Seed { keys, age })
    }
}
