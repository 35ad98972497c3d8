//! A trusted issuer, from a file.

use serde::Deserialize;
use tower_identity_core::InvalidSetting;

use crate::TrustedIssuer;

/// A trusted issuer as a table of a file; becomes a [`TrustedIssuer`] by `try_from`, which names the wrong field.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerSettings {
    issuer: String,
}

impl TryFrom<IssuerSettings> for TrustedIssuer {
    type Error = InvalidSetting;

    fn try_from(settings: IssuerSettings) -> Result<Self, InvalidSetting> {
        unimplemented!("{}", settings.issuer)
    }
}
