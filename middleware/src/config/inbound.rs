//! The `[inbound]` table: whose tokens are accepted, what clients are told of this service, and its rules.

use std::{collections::BTreeMap, mem::take, path::Path};

use serde::Deserialize;
use tower_identity_core::{CallerName, InvalidSetting};
use tower_identity_inbound::{
    AtEdge, AuthLayer, ClientCertificate, ForwardedCertificate, ResourceMetadata, ResourceSettings, Rule, RuleSet,
    SecurityEvents, Source, Streams, danger,
};
use tower_identity_jose::Limits;
use tower_identity_refresh::system_clock;
#[cfg(feature = "transaction-tokens")]
use tower_identity_verify::TransactionTokenSettings;
use tower_identity_verify::{
    CertificateSettings, IssuerSettings, ProducerSettings, Remember, SelfAssertedSettings, TrustedIssuer, Verifier,
    VerifierBuilder,
    danger::{id_tokens, plain_users, trusted_caller},
};

use super::{events::EventsTable, revocations::RevocationsTable, spiffe::Workload, tls::OwnTls};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InboundTable {
    issuer: Vec<IssuerSettings>,
    #[serde(default)]
    user_issuer: Vec<IssuerSettings>,
    #[cfg(feature = "transaction-tokens")]
    #[serde(default)]
    transaction_tokens: Vec<TransactionTokenSettings>,
    #[serde(default)]
    certificates: Vec<CertificateSettings>,
    client_certificate: Option<ClientCertificate>,
    forwarded_certificate: Option<ForwardedCertificate>,
    #[serde(default)]
    workload: Vec<WorkloadTable>,
    #[serde(default)]
    accept_may_act: bool,
    #[serde(default)]
    trusted_caller: Vec<TrustedCallerTable>,
    #[serde(default)]
    plain_user: Vec<PlainUserTable>,
    plain_user_header: Option<String>,
    #[serde(default)]
    id_token: Vec<IdTokenTable>,
    id_token_header: Option<String>,
    #[serde(default)]
    self_asserted: Vec<SelfAssertedSettings>,
    #[serde(default)]
    handed_off_by: Vec<ProducerSettings>,
    realm: Option<String>,
    max_token_bytes: Option<usize>,
    max_json_depth: Option<u8>,
    #[serde(default)]
    remember: Remember,
    resource: Option<ResourceSettings>,
    events: Option<EventsTable>,
    #[serde(default)]
    revocations: RevocationsTable,
    sources: Option<Vec<Source>>,
    user_source: Option<Source>,
    #[serde(default)]
    allowed_origins: Vec<String>,
    edge: Option<bool>,
    #[serde(default)]
    edge_also: Vec<String>,
    streams: Option<Streams>,
    #[serde(default)]
    observe: bool,
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

/// Who names users that have no credential.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlainUserTable {
    callers: Vec<CallerName>,
    users_of: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IdTokenTable {
    callers: Vec<CallerName>,
    issuer: IssuerSettings,
}

/// What the table configures.
#[derive(Debug)]
pub(super) struct Inbound {
    pub(super) verifier: Verifier,
    pub(super) resource: Option<ResourceMetadata>,
    pub(super) events: Option<SecurityEvents>,
    pub(super) rules: RuleSet,
    /// For a service that stands further in.
    pub(super) layer: AuthLayer,
    /// For one that may stand at the edge, as the table says.
    pub(super) edge_layer: AuthLayer<AtEdge>,
    /// None where the table does not say.
    pub(super) is_edge: Option<bool>,
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
    pub(super) fn build(mut self, folder: &Path, workload: &Workload, tls: &OwnTls) -> Result<Inbound, InvalidSetting> {
        let (verifier, rules) = self.live(folder, workload)?;
        let rules = RuleSet::new(rules)?;
        let verifier = tls.to_issuers(verifier).beside(rules.clone()).build()?;
        let resource = self.resource.take().map(|settings| settings.build(&verifier)).transpose();
        let resource = resource.map_err(|invalid| invalid.within("resource"))?;
        let events = self.events.take().map(|table| table.build(&verifier, folder)).transpose();
        let events = events.map_err(|invalid| invalid.within("events"))?;
        let (is_edge, edge_also) = (self.edge, take(&mut self.edge_also));
        let at_edge = is_edge == Some(true);
        if !at_edge && !edge_also.is_empty() {
            return Err(InvalidSetting::new("edge_also", "needs edge = true"));
        }
        #[cfg(feature = "transaction-tokens")]
        if at_edge && !self.transaction_tokens.is_empty() {
            return Err(InvalidSetting::new("transaction_tokens", "stands beside edge = true: nobody outside has any"));
        }
        let layer = self.layer(&verifier, resource.as_ref())?;
        let mut edge_layer = layer.clone().edge_if(at_edge);
        if at_edge {
            edge_layer = edge_layer.edge_also(edge_also)?;
        }
        Ok(Inbound { verifier, resource, events, rules, layer, edge_layer, is_edge })
    }

    /// What takes effect while the service runs: what a verifier is made of, and the rules. `live::restart` lists the fields.
    pub(super) fn live(
        &mut self,
        folder: &Path,
        workload: &Workload,
    ) -> Result<(VerifierBuilder, BTreeMap<String, Rule>), InvalidSetting> {
        let verifier = self.verifier(folder, workload)?;
        let read = |(name, rule): (String, Rule)| match rule.read_files(folder, &system_clock()) {
            Ok(rule) => Ok((name, rule)),
            Err(invalid) => Err(invalid.within(name.as_str()).within("rule")),
        };
        let rules = take(&mut self.rule).into_iter().map(read).collect::<Result<_, _>>()?;
        Ok((verifier, rules))
    }

    /// What is said of users' own credentials says nothing while none is looked for.
    fn users_are_looked_for(&self) -> Result<(), InvalidSetting> {
        let of_users = [
            ("user_issuer", !self.user_issuer.is_empty()),
            ("trusted_caller", !self.trusted_caller.is_empty()),
            ("accept_may_act", self.accept_may_act),
        ];
        let is_looked_for = self.user_source.is_some() || self.client_certificate.is_some();
        match of_users.into_iter().find(|(_, is_there)| *is_there && !is_looked_for) {
            Some((field, _)) => Err(InvalidSetting::new(field, "needs user_source: where a user's credential is")),
            None => Ok(()),
        }
    }

    /// The same of users who are named in plain text, whom nobody names at the edge.
    fn names_are_looked_for(&self) -> Result<(), InvalidSetting> {
        match (&self.plain_user_header, &self.plain_user[..]) {
            (None, [_, ..]) => Err(InvalidSetting::new("plain_user", "needs plain_user_header: where a user is named")),
            (Some(_), []) => Err(InvalidSetting::new("plain_user_header", "needs plain_user: whose word is taken")),
            (Some(_), _) if self.edge == Some(true) => {
                Err(InvalidSetting::new("plain_user_header", "goes without edge: nobody outside says who is calling"))
            }
            _ => self.id_tokens_are_looked_for(),
        }
    }

    /// The same of users whose ID tokens are presented.
    fn id_tokens_are_looked_for(&self) -> Result<(), InvalidSetting> {
        match (&self.id_token_header, &self.id_token[..]) {
            (None, [_, ..]) => Err(InvalidSetting::new("id_token", "needs id_token_header: where an ID token is")),
            (Some(_), []) => Err(InvalidSetting::new("id_token_header", "needs id_token: whose are taken of whom")),
            (Some(_), _) if self.edge == Some(true) => {
                Err(InvalidSetting::new("id_token_header", "goes without edge: nobody outside says who is calling"))
            }
            _ => Ok(()),
        }
    }

    /// The same of certificates, by which a proxy may be known whatever callers have.
    fn certificates_are_looked_for(&self) -> Result<(), InvalidSetting> {
        match (self.client_certificate, &self.certificates[..]) {
            (None, [_, ..]) if self.forwarded_certificate.is_none() => {
                Err(InvalidSetting::new("certificates", "needs client_certificate: required or optional"))
            }
            (Some(_), []) => Err(InvalidSetting::new("client_certificate", "needs certificates: whose are trusted")),
            (None, _) | (Some(_), [_, ..]) => Ok(()),
        }
    }

    /// Takes from the table what it is made of.
    fn verifier(&mut self, folder: &Path, workload: &Workload) -> Result<VerifierBuilder, InvalidSetting> {
        self.users_are_looked_for()?;
        self.certificates_are_looked_for()?;
        self.names_are_looked_for()?;
        let limits = self.limits()?;
        let mut issuers = trusted(take(&mut self.issuer), "issuer", folder);
        let home = issuers.next().unwrap_or_else(|| Err(InvalidSetting::new("issuer", "lists no issuer")))?;
        let revocations = self.revocations.build().map_err(|invalid| invalid.within("revocations"))?;
        let mut builder = Verifier::builder(home).limits(limits).remember(self.remember).revocations(revocations);
        for issuer in issuers {
            builder = builder.issuer(issuer?);
        }
        for issuer in trusted(take(&mut self.user_issuer), "user_issuer", folder) {
            builder = builder.user_issuer(issuer?);
        }
        #[cfg(feature = "transaction-tokens")]
        for (at, settings) in self.transaction_tokens.iter().cloned().enumerate() {
            let tokens = settings.transaction_tokens(folder);
            let tokens = tokens.map_err(|invalid| invalid.within(at).within("transaction_tokens"))?;
            builder = builder.transaction_tokens(tokens);
        }
        for (at, settings) in take(&mut self.certificates).into_iter().enumerate() {
            let anchor = match settings.domain_without_roots().and_then(|domain| workload.bundle(domain)) {
                Some(bundle) => bundle.and_then(|bundle| settings.anchor_posted(&bundle)),
                None => settings.anchor(folder),
            };
            builder = builder.certificates(anchor.map_err(|invalid| invalid.within(at).within("certificates"))?);
        }
        for (at, service) in take(&mut self.self_asserted).into_iter().enumerate() {
            let added = service.add_to(builder, folder);
            builder = added.map_err(|invalid| invalid.within(at).within("self_asserted"))?;
        }
        for (at, producer) in take(&mut self.handed_off_by).into_iter().enumerate() {
            let added = producer.add_to(builder, folder);
            builder = added.map_err(|invalid| invalid.within(at).within("handed_off_by"))?;
        }
        builder = take(&mut self.workload).into_iter().fold(builder, |builder, row| builder.workload(row.is));
        if self.accept_may_act {
            builder = builder.accept_may_act();
        }
        let trusting = |builder, row: TrustedCallerTable| trusted_caller(builder, row.callers, row.users_of);
        let builder = take(&mut self.trusted_caller).into_iter().fold(builder, trusting);
        let mut builder = builder;
        for (at, row) in take(&mut self.id_token).into_iter().enumerate() {
            let issuer = row.issuer.trusted_issuer(folder);
            let issuer = issuer.map_err(|invalid| invalid.within("issuer").within(at).within("id_token"))?;
            builder = id_tokens(builder, row.callers, issuer);
        }
        let naming = |builder, row: PlainUserTable| plain_users(builder, row.callers, row.users_of);
        Ok(take(&mut self.plain_user).into_iter().fold(builder, naming))
    }

    fn layer(self, verifier: &Verifier, resource: Option<&ResourceMetadata>) -> Result<AuthLayer, InvalidSetting> {
        let mut layer = AuthLayer::new(verifier.clone()).allowed_origins(self.allowed_origins)?;
        if let Some(sources) = self.sources {
            layer = layer.sources(sources)?;
        }
        if let Some(source) = self.user_source {
            layer = layer.user_source(source)?;
        }
        if let Some(wanted) = self.client_certificate {
            layer = layer.client_certificate(wanted)?;
        }
        if let Some(forwarded) = self.forwarded_certificate {
            layer = layer.forwarded_certificate(forwarded)?;
        }
        #[cfg(feature = "transaction-tokens")]
        if !self.transaction_tokens.is_empty() {
            layer = layer.transaction_tokens()?;
        }
        if let Some(field) = self.plain_user_header {
            layer = danger::plain_user(layer, field)?;
        }
        if let Some(field) = self.id_token_header {
            layer = danger::id_token(layer, field)?;
        }
        if let Some(resource) = resource {
            layer = layer.resource(resource);
        }
        if let Some(realm) = self.realm {
            layer = layer.realm(realm);
        }
        if let Some(streams) = self.streams {
            layer = layer.streams(streams);
        }
        if self.development {
            layer = danger::explain_refusals(layer)?;
        }
        Ok(if self.observe { layer.observe() } else { layer })
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
