//! What the operator is told: `docs/telemetry.md`.

use std::{path::Path, sync::Arc};

use metrics::{Unit, counter, describe_counter};
use tower_identity_core::{Audience, Refusal, TransactionId};
use tower_identity_jose::{SigningKey, SigningKeyError};
use tower_identity_refresh::Loaded;

use crate::{MintError, Minted, replaced::Replaced};

const TARGET: &str = "tower_identity::edge";

const MINTED: &str = "tower_identity_identities_minted_total";
const EXCHANGED: &str = "tower_identity_identities_exchanged_total";

/// Tells of an internal identity that was made, or of none: `source` says of what, where somebody asks.
pub(crate) fn minted(trust_domain: &Audience, minted: &Result<Minted, MintError>, source: impl FnOnce() -> String) {
    // A name from the configuration, or that of none which is there.
    let (known, outcome) = match minted {
        Ok(_) => (trust_domain.as_str(), "minted"),
        Err(error @ MintError::UnknownDomain(_)) => ("none", error.as_str()),
        Err(error) => (trust_domain.as_str(), error.as_str()),
    };
    describe_counter!(MINTED, Unit::Count, "internal identities that were asked for, by what came of it");
    counter!(MINTED, "trust_domain" => known.to_owned(), "outcome" => outcome).increment(1);
    if let Ok(minted) = minted {
        tracing::debug!(
            target: TARGET,
            trust_domain = known,
            transaction = minted.transaction().as_str(),
            source = source(),
            "internal identity made"
        );
    }
}

/// Tells of an internal identity that an authority was asked for.
pub(crate) fn exchanged(trust_domain: &Audience, exchanged: &Result<Loaded<Arc<Replaced>>, Refusal>) {
    let outcome = exchanged.as_ref().map_or_else(|refusal| refusal.kind().as_str(), |_| "exchanged");
    describe_counter!(
        EXCHANGED,
        Unit::Count,
        "internal identities that an authority was asked for, by what came of it"
    );
    counter!(EXCHANGED, "trust_domain" => trust_domain.as_str().to_owned(), "outcome" => outcome).increment(1);
    if let Ok(Loaded { value: replaced, lifetime }) = exchanged {
        tracing::debug!(
            target: TARGET,
            trust_domain = trust_domain.as_str(),
            transaction = replaced.within.token().transaction().map(TransactionId::as_str),
            seconds = lifetime.usable().as_secs(),
            "internal identity obtained"
        );
    }
}

/// Tells of keys that were published, began to sign, or are gone.
pub(crate) fn keys_changed(signed: &SigningKey, signs: &SigningKey, were: &[SigningKey], are: &[SigningKey]) {
    let is_in = |keys: &[SigningKey], key: &SigningKey| keys.iter().any(|other| other.key_id() == key.key_id());
    for key in are.iter().filter(|key| !is_in(were, key)) {
        tracing::info!(target: TARGET, key_id = key.key_id(), "key published");
    }
    if signed.key_id() != signs.key_id() {
        tracing::info!(target: TARGET, key_id = signs.key_id(), "key signs");
    }
    for key in were.iter().filter(|key| !is_in(are, key)) {
        tracing::info!(target: TARGET, key_id = key.key_id(), "key gone");
    }
}

/// Tells of a file that holds no key.
pub(crate) fn key_refused(file: &Path, error: &str) {
    tracing::warn!(target: TARGET, file = %file.display(), error, "key refused: those before it stay");
}

/// Tells that the next key could not be generated.
pub(crate) fn key_not_generated(error: &SigningKeyError) {
    tracing::warn!(target: TARGET, error = %error, "key not generated: those before it stay");
}
