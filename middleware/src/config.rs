//! Reads a service's settings from a file: who may call it, and where it calls on.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use tower_identity_core::InvalidSetting;
use tower_identity_inbound::{AtEdge, AuthLayer, ResourceMetadata, Rule, SecurityEvents};
use tower_identity_outbound::{HandOffs, Outbound};
use tower_identity_verify::Verifier;

#[cfg(feature = "edge")]
pub use self::edge::Edge;
use self::{
    document::Document,
    inbound::{Inbound, InboundTable},
    outbound::OutboundTable,
    spiffe::Workload,
    tls::OwnTls,
};
pub use self::{
    error::SettingsError,
    live::{LiveSettings, SettingsDigest},
};

mod document;
#[cfg(feature = "edge")]
mod edge;
mod error;
mod events;
mod inbound;
mod live;
mod outbound;
mod revocations;
mod spiffe;
mod tls;

/// A service's settings, read and checked as a whole.
///
/// ```toml
/// [[inbound.issuer]]                       # the first is home: workload names without an issuer are its
/// issuer = "https://login.example.com"
/// audience = "orders"
///
/// [outbound.server.login]                  # an authorization server, and who we are there
/// issuer = "https://login.example.com"
/// client_id = "orders"
/// client_secret_file = "orders.secret"
///
/// [[outbound.target]]
/// origin = "https://payments.internal"
/// audience = "payments"
/// scope = "payments:charge"
/// strategy = "token_exchange"
/// ```
///
/// The fields of each table: [`IssuerSettings`](crate::IssuerSettings), [`ServerSettings`](crate::ServerSettings),
/// [`TargetSettings`](crate::TargetSettings); and
/// where there is one, `[inbound.resource]` with [`ResourceSettings`](crate::ResourceSettings), and `[inbound.events]` with
/// the [endpoint](Self::events) of security events. `[inbound]` itself may
/// name the `realm` of every challenge, and set limits: `max_token_bytes` (default 8192) and `max_json_depth` (default
/// 16) of [`Limits`](crate::Limits). `[inbound.remember]` bounds how many verified tokens are
/// [remembered](crate::Remember): `tokens` (default 100,000, 0 for none) and `bytes` (default 67,108,864).
/// `[inbound.revocations]` says how much the list of what is [revoked](crate::Revocations) holds: `entries` of an issuer
/// (default 65,536), for tokens that live no longer than `retention_seconds` (default 86,400). The rest of
/// `[inbound]` is what the [`auth_layer`](Self::auth_layer) does:
///
/// | field | meaning |
/// |---|---|
/// | `sources` | where the caller's credential may be: `["authorization", { cookie = "__Host-session" }, { header = "x-token" }]` ([`AuthLayer::sources`]) |
/// | `user_source` | where the user's own may be, beside the caller's ([`AuthLayer::user_source`]) |
/// | `client_certificate` | `"required"` or `"optional"`: the caller's credential is its client certificate, of one of the `[[inbound.certificates]]` ([`AuthLayer::client_certificate`]) |
/// | `forwarded_certificate` | `{ header = "x-ssl-client-cert", form = "escaped_pem", peers = ["loopback"] }`: where a proxy of ours says which certificate the caller showed it ([`ForwardedCertificate`](crate::ForwardedCertificate)) |
/// | `allowed_origins` | whose pages may send requests with a cookie for a credential ([`AuthLayer::allowed_origins`]) |
/// | `edge` | `true` for the service that requests from outside reach first ([`AuthLayer::edge`]): it takes the [`edge_layer`](Self::edge_layer) |
/// | `edge_also` | further names of header fields that nobody outside may set ([`AuthLayer::edge_also`]) |
/// | `streams` | `"end"` (the default), `"end_if_revoked"` or `"finish"`: what becomes of a stream whose caller's credential ends ([`AuthLayer::streams`]) |
/// | `observe` | `true` to judge and enforce nothing ([`AuthLayer::observe`]) |
/// | `development` | `true` to tell the peer why a token is refused ([`danger`](crate::danger)) |
///
/// `[outbound.hand_off.billing]` with `issuer = "https://orders.internal"`, `audience = "billing"`, `key_file = "orders.pem"` is what
/// signs the records of work that is handed over: [`hand_offs`](Self::hand_offs).
///
/// `[outbound]` itself may say `plaintext = "loopback"` or `"sidecar-mtls"`: whether tokens may go without TLS to the targets
/// that say nothing of it ([`Plaintext`](crate::Plaintext), default `"never"`).
///
/// `[edge]`, of feature `edge`, is for the service at which credentials from outside stop: what it puts in their place,
/// `docs/edge.md`.
///
/// `[tls]` with `roots = "mesh.pem"` says whose servers this service trusts, issuers and authorization servers among them, and with
/// `certificate` and `key` who it is to them and to whom it listens: `client_tls` and `server_tls` (feature `tls`).
///
/// `[spiffe]` with `workload_api = "unix:/run/agent.sock"` says that certificates come from SPIFFE's Workload API, which is
/// awaited by `Settings::ready_from_path` (feature `spiffe`). A table of this name without that field is the service's own.
///
/// A file that breaks a rule is refused whole, and the error names the file, the line, the field and the rule. Tables
/// other than `inbound`, `outbound` and `edge`, and `tls` where it names roots, are the service's own, read by
/// [`section`](Self::section); a field of type
/// [`Rule`](crate::Rule) there says who may, as one of the table `[inbound.rule]` does by its [name](Self::rule).
///
/// A file that changes while the service runs is read by [`LiveSettings`].
///
/// Where a request has two credentials, the caller's and its user's, and where a workload has several names:
///
/// | in the file | in code |
/// |---|---|
/// | `[[inbound.user_issuer]]`, a table as those of `[[inbound.issuer]]` | [`VerifierBuilder::user_issuer`](crate::VerifierBuilder::user_issuer) |
/// | `[[inbound.certificates]]` with `trust_domain = "example.org"`, `roots = "bundle.pem"`: [`CertificateSettings`](crate::CertificateSettings) | [`VerifierBuilder::certificates`](crate::VerifierBuilder::certificates) |
/// | `[[inbound.workload]]` with `is = ["orders", { issuer = "spiffe://example.org", id = "spiffe://example.org/orders" }]` | [`VerifierBuilder::workload`](crate::VerifierBuilder::workload) |
/// | `[inbound]` with `accept_may_act = true` | [`VerifierBuilder::accept_may_act`](crate::VerifierBuilder::accept_may_act) |
/// | `[[inbound.trusted_caller]]` with `callers = ["gateway"]`, `users_of = ["https://login.example.com"]` | [`danger::trusted_caller`](crate::danger::trusted_caller) |
/// | `[[inbound.self_asserted]]` with `issuer = "https://orders.internal"`, `audience = "payments"`, `users_of = ["https://login.example.com"]`, `keys = { url = "https://orders.internal/keys" }`: [`SelfAssertedSettings`](crate::SelfAssertedSettings) | [`danger::self_asserted`](crate::danger::self_asserted) |
/// | `[[inbound.handed_off_by]]` with the same and `topics = ["invoices"]`: [`ProducerSettings`](crate::ProducerSettings) | [`VerifierBuilder::handed_off_by`](crate::VerifierBuilder::handed_off_by) |
///
/// ```
/// use tower_identity::Settings;
///
/// let settings = Settings::parse(
///     r#"
///     [[inbound.issuer]]
///     issuer = "https://login.example.com"
///     audience = "orders"
///     "#,
///     "orders.toml",
/// )?;
/// let verifier = settings.verifier()?;
///
/// let refused = Settings::parse("[[inbound.issuer]]\nissuer = 'https://login.example.com'\n", "orders.toml");
/// assert_eq!(
///     refused.unwrap_err().to_string(),
///     "orders.toml:1: inbound.issuer[0]: missing field `audience`",
/// );
/// # Ok::<(), tower_identity::SettingsError>(())
/// ```
#[derive(Debug)]
pub struct Settings {
    document: Document,
    inbound: Option<Inbound>,
    outbound: Option<Outbound>,
    hand_offs: BTreeMap<String, HandOffs>,
    #[cfg(feature = "edge")]
    edge: Option<Edge>,
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "then there is nothing in it"))]
    tls: OwnTls,
    workload: Workload,
}

impl Settings {
    /// Reads a file. Files that it names are looked for beside it.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] when the file cannot be read or breaks a rule.
    pub fn from_path(path: impl AsRef<Path>) -> Result<Self, SettingsError> {
        Self::of(Document::read(path.as_ref())?, Workload::default())
    }

    /// Reads the text of a file that goes by this name. Files that it names are looked for beside it, as if the text
    /// had been read from there.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] when the text breaks a rule.
    pub fn parse(text: &str, name: impl Into<String>) -> Result<Self, SettingsError> {
        Self::of(Document::parse(text, name.into())?, Workload::default())
    }

    fn of(document: Document, workload: Workload) -> Result<Self, SettingsError> {
        workload.is_of(&document)?;
        let beside = document.directory();
        let tls = OwnTls::read(&document)?;
        let inbound =
            document.table::<InboundTable>("inbound")?.map(|table| table.build(beside, &workload, &tls)).transpose();
        let mut outbound = document.table::<OutboundTable>("outbound")?;
        let hand_offs = outbound.as_mut().map(|table| table.hand_offs(beside)).transpose();
        let outbound = outbound.map(|table| table.build(beside, &workload, &tls)).transpose();
        let placed = |table: &str, invalid: InvalidSetting| document.locate(&invalid.within(table));
        let inbound = inbound.map_err(|invalid| placed("inbound", invalid))?;
        let outbound = outbound.map_err(|invalid| placed("outbound", invalid))?;
        let hand_offs = hand_offs.map_err(|invalid| placed("outbound", invalid))?.unwrap_or_default();
        #[cfg(not(feature = "edge"))]
        document.needs_feature("edge")?;
        #[cfg(feature = "edge")]
        let edge = document.table::<edge::EdgeTable>("edge")?.map(|table| table.build(inbound.as_ref(), beside));
        Ok(Self {
            inbound,
            outbound,
            hand_offs,
            #[cfg(feature = "edge")]
            edge: edge.transpose().map_err(|invalid| document.locate(&invalid))?,
            tls,
            workload,
            document,
        })
    }

    /// What verifies the tokens of requests to this service: the `[inbound]` table.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] when the file has no such table.
    pub fn verifier(&self) -> Result<Verifier, SettingsError> {
        self.inbound.as_ref().map(|it| it.verifier.clone()).ok_or_else(|| self.document.missing("inbound"))
    }

    /// What authenticates requests to this service, as the `[inbound]` table has it: a layer over the
    /// [`verifier`](Self::verifier) that names the realm and the [`resource`](Self::resource), where there are some.
    ///
    /// With `development = true` it [explains its refusals](crate::danger::explain_refusals), and a release build
    /// refuses the file.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] when the file has no such table, or says `edge = true`: then it is for a service that takes the
    /// [`edge_layer`](Self::edge_layer).
    pub fn auth_layer(&self) -> Result<AuthLayer, SettingsError> {
        let inbound = self.inbound.as_ref().ok_or_else(|| self.document.missing("inbound"))?;
        if inbound.is_edge == Some(true) {
            let not_here = InvalidSetting::new(
                "edge",
                "is for a service that takes the edge_layer of its settings, and this one does not",
            );
            return Err(self.document.locate(&not_here.within("inbound")));
        }
        Ok(inbound.layer.clone())
    }

    /// The same for a service that may stand at the [edge](AuthLayer::edge): whether it does is the file's to say, by
    /// `edge = true` or `edge = false`. It hands on the bodies of requests as [`EdgeBody`](crate::EdgeBody) either way.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use tower_identity::Settings;
    ///
    /// let settings = Settings::parse(
    ///     r#"
    ///     [inbound]
    ///     sources = ["authorization", { cookie = "__Host-session" }]
    ///     edge = true
    ///
    ///     [[inbound.issuer]]
    ///     issuer = "https://login.example.com"
    ///     audience = "storefront"
    ///     "#,
    ///     "storefront.toml",
    /// )?;
    /// let app: Router = Router::new().route("/", get(|| async { "welcome" })).layer(settings.edge_layer()?);
    /// # Ok::<(), tower_identity::SettingsError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SettingsError`] when the file has no such table, or does not say: what is left out must not leave the headers of
    /// strangers in. So it is where the file has a table `[edge]`: that is for a service that takes the edge of its settings.
    pub fn edge_layer(&self) -> Result<AuthLayer<AtEdge>, SettingsError> {
        #[cfg(feature = "edge")]
        if self.edge.is_some() {
            let not_here = "is for a service that takes the edge of its settings, and this one does not";
            return Err(self.document.locate(&InvalidSetting::new("edge", not_here)));
        }
        let inbound = self.inbound.as_ref().ok_or_else(|| self.document.missing("inbound"))?;
        if inbound.is_edge.is_none() {
            let unsaid = InvalidSetting::new("edge", "has to be true or false: this service may stand at the edge");
            return Err(self.document.locate(&unsaid.within("inbound")));
        }
        Ok(inbound.edge_layer.clone())
    }

    /// What clients may know of this service: the `[inbound.resource]` table.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] when the file has no such table.
    pub fn resource(&self) -> Result<ResourceMetadata, SettingsError> {
        let resource = self.inbound.as_ref().and_then(|it| it.resource.clone());
        resource.ok_or_else(|| self.document.missing("inbound.resource"))
    }

    /// The endpoint that issuers push security events to: the `[inbound.events]` table. Mounted beside what the layer guards,
    /// by `.route_service(events.path(), events.clone())`.
    ///
    /// ```
    /// use tower_identity::Settings;
    ///
    /// let settings = Settings::parse(
    ///     r#"
    ///     [[inbound.issuer]]
    ///     issuer = "https://login.example.com"
    ///     audience = "orders"
    ///
    ///     [inbound.events]
    ///     audience = "https://orders.example.com/events"
    ///     path = "/events"
    ///
    ///     [[inbound.events.transmitter]]
    ///     issuer = { issuer = "https://signals.example.com", audience = "https://orders.example.com/events" }
    ///     revokes = ["https://login.example.com"]
    ///     "#,
    ///     "orders.toml",
    /// )?;
    /// assert_eq!(settings.events()?.path(), "/events");
    /// # Ok::<(), tower_identity::SettingsError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SettingsError`] when the file has no such table.
    pub fn events(&self) -> Result<SecurityEvents, SettingsError> {
        let events = self.inbound.as_ref().and_then(|it| it.events.clone());
        events.ok_or_else(|| self.document.missing("inbound.events"))
    }

    /// The rule of this name in the `[inbound.rule]` table: for a [`RequireLayer`](crate::RequireLayer), or for a
    /// [`RuleHandle`](crate::RuleHandle), whose rule can be replaced by that of the same file read anew. [`LiveSettings`] does
    /// that by themselves.
    ///
    /// The lists of callers that it [takes from files](crate::rule::callers_file) are read, from beside this file.
    ///
    /// ```
    /// use tower_identity::{RequireLayer, RuleHandle, Settings};
    ///
    /// let read = |rule: &str| {
    ///     let issuer = "[[inbound.issuer]]\nissuer = 'https://login.example.com'\naudience = 'orders'";
    ///     Settings::parse(&format!("[inbound.rule]\nplace_order = {rule}\n{issuer}"), "orders.toml")
    /// };
    /// let who_may = RuleHandle::new(read("{ all = [{ scope = 'orders:write' }, 'user'] }")?.rule("place_order")?);
    /// let layer = RequireLayer::new(who_may.clone());
    /// # let _ = layer;
    ///
    /// // Later, when the file says something else.
    /// who_may.replace(read("{ all = [{ scope_or_wider = { scope = 'orders:write', separator = ':' } }, 'user'] }")?.rule("place_order")?)?;
    /// assert_eq!(who_may.current().to_string(), "scope orders:write or wider by ':' and a user");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SettingsError`] when the file has no such rule.
    pub fn rule(&self, name: &str) -> Result<Rule, SettingsError> {
        let rule = self.inbound.as_ref().and_then(|it| it.rules.get(name)).map(|rule| Rule::clone(rule));
        rule.ok_or_else(|| self.document.no_rule(name))
    }

    /// What attaches tokens to requests from this service: the `[outbound]` table.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] when the file has no such table.
    pub fn outbound(&self) -> Result<Outbound, SettingsError> {
        self.outbound.clone().ok_or_else(|| self.document.missing("outbound"))
    }

    /// What signs the records of work that is handed over: the table of this name in `[outbound.hand_off]`
    /// ([`HandOffSettings`](crate::HandOffSettings)).
    ///
    /// # Errors
    ///
    /// [`SettingsError`] when the file has no such table.
    pub fn hand_offs(&self, name: &str) -> Result<HandOffs, SettingsError> {
        let hand_offs = self.hand_offs.get(name).cloned();
        hand_offs.ok_or_else(|| self.document.missing(&format!("outbound.hand_off.{name}")))
    }

    /// A table of the service's own.
    ///
    /// A [`Rule`](crate::Rule) in it is whole as it stands. One that takes its callers from a
    /// [file](crate::rule::callers_file) belongs in the table `[inbound.rule]`: [`rule`](Self::rule) reads the files.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] when the file has no such table, when the table is not of this type, and for
    /// `{ callers_file = ".." }` anywhere in it: nobody would read that file, and the rule would refuse everybody.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T, SettingsError> {
        self.document.whole_rules(name)?;
        self.document.table(name)?.ok_or_else(|| self.document.missing(name))
    }

    /// Where a file is that a [section](Self::section) names: beside this one, unless its path is absolute.
    #[must_use]
    pub fn beside(&self, file: impl AsRef<Path>) -> PathBuf {
        self.document.directory().join(file)
    }

    /// Refuses a value of [a section](Self::section), naming its line.
    #[must_use]
    pub fn refuse(&self, invalid: &InvalidSetting) -> SettingsError {
        self.document.locate(invalid)
    }
}

#[cfg(test)]
mod tests;
