//! The `[inbound]` table: whose tokens are accepted, and what clients are told of this service.

use serde::Deserialize;
use tower_identity_core::InvalidSetting;
use tower_identity_inbound::{ResourceMetadata, ResourceSettings};
use tower_identity_verify::{IssuerSettings, TrustedIssuer, Verifier};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InboundTable {
    issuer: Vec<IssuerSettings>,
    resource: Option<ResourceSettings>,
}

/// What the table configures.
#[derive(Debug)]
pub(super) struct Inbound {
    pub(super) verifier: Verifier,
    pub(super) resource: Option<ResourceMetadata>,
}

impl InboundTable {
    pub(super) fn build(self) -> Result<Inbound, InvalidSetting> {
        let verifier = verifier(self.issuer)?;
        let resource = self.resource.map(|settings| settings.build(&verifier)).transpose();
        Ok(Inbound { resource: resource.map_err(|invalid| invalid.within("resource"))?, verifier })
    }
}

fn verifier(issuers: Vec<IssuerSettings>) -> Result<Verifier, InvalidSetting> {
    let mut issuers = issuers
        .into_iter()
        .enumerate()
        .map(|(at, settings)| TrustedIssuer::try_from(settings).map_err(|invalid| invalid.within(at).within("issuer")));
    let home = issuers.next().unwrap_or_else(|| Err(InvalidSetting::new("issuer", "lists no issuer")))?;
    issuers.try_fold(Verifier::builder(home), |builder, issuer| Ok(builder.issuer(issuer?)))?.build()
}
