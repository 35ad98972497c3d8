//! The `[inbound]` table: whose tokens are accepted, what clients are told of this service, and its rules.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use tower_identity_core::InvalidSetting;
use tower_identity_inbound::{AuthLayer, ResourceMetadata, ResourceSettings, Rule, danger};
use tower_identity_jose::Limits;
use tower_identity_refresh::system_clock;
use tower_identity_verify::{IssuerSettings, Verifier};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InboundTable {
    issuer: Vec<IssuerSettings>,
    realm: Option<String>,
    max_token_bytes: Option<usize>,
    max_json_depth: Option<u8>,
    resource: Option<ResourceSettings>,
    #[serde(default)]
    rule: BTreeMap<String, Rule>,
    #[serde(default)]
    development: bool,
}

/// What the table configures.
#[derive(Debug)]
pub(super) struct Inbound {
    pub(super) verifier: Verifier,
    pub(super) resource: Option<ResourceMetadata>,
    pub(super) rules: BTreeMap<String, Rule>,
    pub(super) layer: AuthLayer,
}

impl InboundTable {
    /// Files that the table names are looked for in this folder.
    pub(super) fn build(self, folder: &Path) -> Result<Inbound, InvalidSetting> {
        let limits = self.limits()?;
        let mut issuers = self.issuer.into_iter().enumerate().map(|(at, settings)| {
            settings.trusted_issuer(folder).map_err(|invalid| invalid.within(at).within("issuer"))
        });
        let home = issuers.next().unwrap_or_else(|| Err(InvalidSetting::new("issuer", "lists no issuer")))?;
        let builder = Verifier::builder(home).limits(limits);
        let verifier = issuers.try_fold(builder, |builder, issuer| Ok(builder.issuer(issuer?)))?.build()?;

        let resource = self.resource.map(|settings| settings.build(&verifier)).transpose();
        let resource = resource.map_err(|invalid| invalid.within("resource"))?;
        let mut layer = AuthLayer::new(verifier.clone());
        if let Some(resource) = &resource {
            layer = layer.resource(resource);
        }
        if let Some(realm) = self.realm {
            layer = layer.realm(realm);
        }
        if self.development {
            layer = danger::explain_refusals(layer)?;
        }
        let read = |(name, rule): (String, Rule)| match rule.read_files(folder, &system_clock()) {
            Ok(rule) => Ok((name, rule)),
            Err(invalid) => Err(invalid.within(name.as_str()).within("rule")),
        };
        let rules = self.rule.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Inbound { verifier, resource, rules, layer })
    }

    fn limits(&self) -> Result<Limits, InvalidSetting> {
        let of = |field: &'static str| move |wrong: InvalidSetting| InvalidSetting::new(field, wrong.rule());
        let mut limits = Limits::default();
        if let Some(bytes) = self.max_token_bytes {
            limits = limits.with_token_bytes(bytes).map_err(of("max_token_bytes"))?;
        }
        if let Some(depth) = self.max_json_depth {
            limits = limits.with_json_depth(depth).map_err(of("max_json_depth"))?;
        }
        Ok(limits)
    }
}
