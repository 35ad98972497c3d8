//! The `[inbound]` table: whose tokens are accepted, what clients are told of this service, and its rules.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use tower_identity_core::{CallerName, InvalidSetting};
use tower_identity_inbound::{AuthLayer, ResourceMetadata, ResourceSettings, Rule, danger};
use tower_identity_jose::Limits;
use tower_identity_refresh::system_clock;
use tower_identity_verify::{IssuerSettings, TrustedIssuer, Verifier, danger::trusted_caller};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InboundTable {
    issuer: Vec<IssuerSettings>,
    #[serde(default)]
    user_issuer: Vec<IssuerSettings>,
    #[serde(default)]
    workload: Vec<WorkloadTable>,
    #[serde(default)]
    accept_may_act: bool,
    #[serde(default)]
    trusted_caller: Vec<TrustedCallerTable>,
    realm: Option<String>,
    max_token_bytes: Option<usize>,
    max_json_depth: Option<u8>,
    resource: Option<ResourceSettings>,
    #[serde(default)]
    rule: BTreeMap<String, Rule>,
    #[serde(default)]
    development: bool,
}

/// The names of one workload, its canonical one first.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkloadTable {
    is: Vec<CallerName>,
}

/// Whose word is taken for whom they call.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TrustedCallerTable {
    callers: Vec<CallerName>,
    users_of: Vec<String>,
}

/// What the table configures.
#[derive(Debug)]
pub(super) struct Inbound {
    pub(super) verifier: Verifier,
    pub(super) resource: Option<ResourceMetadata>,
    pub(super) rules: BTreeMap<String, Rule>,
    pub(super) layer: AuthLayer,
}

/// The issuers of a list of tables.
fn trusted(
    tables: Vec<IssuerSettings>,
    field: &'static str,
    folder: &Path,
) -> impl Iterator<Item = Result<TrustedIssuer, InvalidSetting>> {
    tables
        .into_iter()
        .enumerate()
        .map(move |(at, settings)| settings.trusted_issuer(folder).map_err(|invalid| invalid.within(at).within(field)))
}

impl InboundTable {
    /// Files that the table names are looked for in this folder.
    pub(super) fn build(self, folder: &Path) -> Result<Inbound, InvalidSetting> {
        let limits = self.limits()?;
        let mut issuers = trusted(self.issuer, "issuer", folder);
        let home = issuers.next().unwrap_or_else(|| Err(InvalidSetting::new("issuer", "lists no issuer")))?;
        let mut builder = Verifier::builder(home).limits(limits);
        for issuer in issuers {
            builder = builder.issuer(issuer?);
        }
        for issuer in trusted(self.user_issuer, "user_issuer", folder) {
            builder = builder.user_issuer(issuer?);
        }
        builder = self.workload.into_iter().fold(builder, |builder, row| builder.workload(row.is));
        if self.accept_may_act {
            builder = builder.accept_may_act();
        }
        let trusting = |builder, row: TrustedCallerTable| trusted_caller(builder, row.callers, row.users_of);
        let verifier = self.trusted_caller.into_iter().fold(builder, trusting).build()?;

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
