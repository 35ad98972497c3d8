//! The data behind the profiles.

use tower_identity_jose::{Algorithm, MediaType};

/// What an issuer may sign with unless its algorithms are named: at least 128 bits of strength, in common use.
const COMMON: &[Algorithm] =
    &[Algorithm::Es256, Algorithm::Rs256, Algorithm::Ps256, Algorithm::EdDsa, Algorithm::Ed25519];

/// What tokens of one profile have to say.
#[derive(Debug)]
pub(crate) struct Table {
    /// The accepted `typ`s.
    pub(crate) types: &'static [MediaType],
    /// Whether `typ` may be absent.
    pub(crate) untyped: bool,
    /// The algorithms of an issuer that names none.
    pub(crate) algorithms: &'static [Algorithm],
}

pub(super) const RFC9068: Table = Table { types: &[MediaType::ACCESS_TOKEN], untyped: false, algorithms: COMMON };

pub(super) const PLAIN: Table =
    Table { types: &[MediaType::ACCESS_TOKEN, MediaType::JWT], untyped: true, algorithms: COMMON };
