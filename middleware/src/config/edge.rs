//! The `[edge]` table: who a caller from outside is inside, and the keys that sign it.

mod users;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use tower_identity_core::{Audience, InvalidSetting, Issuer, Scope, Subject, settings::Step};
use tower_identity_edge::{Attribute, EdgeLayer, KeyRing, KeySetEndpoint, Mint, Rotation, TrustDomain};
use tower_identity_inbound::{AtEdge, AuthLayer};
use tower_identity_jose::{Algorithm, KeyedHash};
use tower_identity_refresh::{WatchedFile, system_clock};

use self::users::Users;
use super::{Settings, SettingsError, inbound::Inbound};

/// The edge that a settings file describes: [`Settings::edge`]. Cheap to clone; the clones are one edge.
#[derive(Debug, Clone)]
pub struct Edge {
    layer: EdgeLayer,
    mint: Mint,
}

impl Edge {
    /// What authenticates requests from outside as the table `[inbound]` has it, and puts an internal identity in the place
    /// of whoever they name.
    #[must_use]
    pub fn layer(&self) -> EdgeLayer {
        self.layer.clone()
    }

    /// What publishes the keys that sign, for the listener that services inside reach.
    #[must_use]
    pub fn key_set(&self) -> KeySetEndpoint {
        KeySetEndpoint::new(self.mint.keys().clone())
    }

    /// What makes the identities.
    #[must_use]
    pub fn mint(&self) -> &Mint {
        &self.mint
    }

    /// The same, with another layer of those that authenticate.
    pub(super) fn map_auth(self, change: impl FnOnce(AuthLayer<AtEdge>) -> AuthLayer<AtEdge>) -> Self {
        Self { layer: self.layer.map_auth(change), ..self }
    }
}

impl Settings {
    /// The edge, where this service is it: the table `[edge]`, of which the layer authenticates by the table `[inbound]`.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use tower_identity::{KeySetEndpoint, Settings};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # std::fs::write(folder.path().join("edge.secret"), "a line of `openssl rand -base64 48`, and nobody else's")?;
    /// # let beside = folder.path().join("storefront.toml").display().to_string();
    /// let settings = Settings::parse(
    ///     r#"
    ///     [inbound]
    ///     edge = true
    ///
    ///     [[inbound.issuer]]
    ///     issuer = "https://login.example.com"
    ///     audience = "storefront"
    ///
    ///     [edge]
    ///     trust_domain = "shop.internal"
    ///     requesting_workload = "storefront"
    ///     users = "pairwise"
    ///     secret_file = "edge.secret"
    ///     generated_key = "ES256"
    ///
    ///     [[edge.scope]]
    ///     outside = "orders:write"
    ///     inside = "orders:place"
    ///     "#,
    ///     beside,
    /// )?;
    /// let edge = settings.edge()?;
    /// let outside: Router = Router::new().route("/", get(|| async { "welcome" })).layer(edge.layer());
    /// let inside: Router = Router::new().route_service(KeySetEndpoint::PATH, edge.key_set());
    /// # let _ = (outside, inside);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SettingsError`] when the file has no such table.
    pub fn edge(&self) -> Result<Edge, SettingsError> {
        self.edge.clone().ok_or_else(|| self.document.missing("edge"))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EdgeTable {
    trust_domain: Audience,
    requesting_workload: Subject,
    issuer: Option<Issuer>,
    users: Users,
    #[serde(default)]
    scope: Vec<ScopeTable>,
    #[serde(default)]
    attributes: Vec<Attribute>,
    secret_file: PathBuf,
    key_files: Option<Vec<PathBuf>>,
    generated_key: Option<Algorithm>,
    #[serde(default)]
    rotation: RotationTable,
    lifetime_seconds: Option<u64>,
    #[serde(default)]
    forwarding: bool,
    #[serde(default)]
    answering: bool,
    remember: Option<usize>,
}

/// Which scope outside is which inside, of whose tokens.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScopeTable {
    issuer: Option<Issuer>,
    outside: Scope,
    inside: Scope,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RotationTable {
    every_seconds: Option<u64>,
    max_age_seconds: Option<u64>,
    oldest_seconds: Option<u64>,
}

impl EdgeTable {
    /// Files that the table names are looked for in this folder. Errors name fields of the whole file.
    pub(super) fn build(self, inbound: Option<&Inbound>, folder: &Path) -> Result<Edge, InvalidSetting> {
        let Some(Inbound { edge_layer, .. }) = inbound.filter(|inbound| inbound.is_edge == Some(true)) else {
            let rule = "needs edge = true in the table inbound: whom requests from outside name";
            return Err(InvalidSetting::new("edge", rule));
        };
        self.edge(edge_layer.clone(), folder).map_err(|invalid| invalid.within("edge"))
    }

    fn edge(self, auth: AuthLayer<AtEdge>, folder: &Path) -> Result<Edge, InvalidSetting> {
        let secret = secret(&folder.join(&self.secret_file))?;
        let keys = self.keys(folder)?;
        let users = self.users.names(&self.requesting_workload, &secret).map_err(|invalid| invalid.within("users"))?;
        let mut domain = TrustDomain::new(self.trust_domain.as_str(), users);
        for ScopeTable { issuer, outside, inside } in &self.scope {
            domain = match issuer {
                Some(issuer) => domain.scope_of(issuer.as_str(), outside.as_str(), inside.as_str()),
                None => domain.scope(outside.as_str(), inside.as_str()),
            };
        }
        let domain = self.attributes.into_iter().fold(domain, TrustDomain::attribute);
        let mut mint = Mint::builder(self.requesting_workload.as_str(), keys, secret).trust_domain(domain);
        if let Some(issuer) = &self.issuer {
            mint = mint.issuer(issuer.as_str());
        }
        if let Some(seconds) = self.lifetime_seconds {
            mint = mint.lifetime(Duration::from_secs(seconds));
        }
        let mint = mint.build().map_err(in_seconds)?;
        let mut layer = EdgeLayer::new(auth, mint.clone(), &self.trust_domain)?;
        if let Some(identities) = self.remember {
            layer = layer.remember(identities);
        }
        layer = if self.forwarding { layer.forwarding() } else { layer };
        layer = if self.answering { layer.answering() } else { layer };
        Ok(Edge { layer, mint })
    }

    fn keys(&self, folder: &Path) -> Result<KeyRing, InvalidSetting> {
        let RotationTable { every_seconds, max_age_seconds, oldest_seconds } = self.rotation;
        let seconds = |field: Option<u64>| field.map(Duration::from_secs);
        let mut rotation = Rotation::default();
        rotation = seconds(every_seconds).map_or(rotation, |every| rotation.every(every));
        rotation = seconds(max_age_seconds).map_or(rotation, |max_age| rotation.max_age(max_age));
        rotation = seconds(oldest_seconds).map_or(rotation, |oldest| rotation.oldest(oldest));
        let in_rotation = |invalid: InvalidSetting| in_seconds(invalid).within("rotation");
        match (&self.key_files, self.generated_key) {
            (Some(_), None) if every_seconds.is_some() => {
                let rule = "is for a key that is generated; those in files are replaced by whoever writes them";
                Err(in_rotation(InvalidSetting::new("every", rule)))
            }
            (Some(files), None) => KeyRing::files(files.iter().map(|file| folder.join(file)), rotation, system_clock())
                .map_err(|invalid| if is_of(&invalid, "key_files") { invalid } else { in_rotation(invalid) }),
            (None, Some(algorithm)) => KeyRing::generated(algorithm, rotation, system_clock()).map_err(|invalid| {
                match is_of(&invalid, "algorithm") {
                    true => InvalidSetting::new("generated_key", invalid.rule()),
                    false => in_rotation(invalid),
                }
            }),
            (None, None) | (Some(_), Some(_)) => {
                let rule = "exactly one of key_files and generated_key has to be there: what signs";
                Err(InvalidSetting::new("key_files", rule))
            }
        }
    }
}

/// Whether a field is the first of a path.
fn is_of(invalid: &InvalidSetting, field: &str) -> bool {
    matches!(invalid.path().first(), Some(Step::Field(first)) if first == field)
}

/// A duration, under its name in a file.
fn in_seconds(invalid: InvalidSetting) -> InvalidSetting {
    match invalid.path() {
        [Step::Field(duration)] => InvalidSetting::new(format!("{duration}_seconds").as_str(), invalid.rule()),
        _ => invalid,
    }
}

/// The largest secret that is read, in bytes: far beyond any.
const MAX_SECRET_BYTES: usize = 64 * 1024;

/// The key of `src` and of pairwise names, without the white space around it that editors and templates leave.
fn secret(file: &Path) -> Result<KeyedHash, InvalidSetting> {
    let wrong = |rule: String| InvalidSetting::new("secret_file", format!("{} {rule}", file.display()));
    let text = WatchedFile::new(file, MAX_SECRET_BYTES, system_clock()).read().text;
    let text = text.map_err(|error| wrong(format!("cannot be read: {error}")))?;
    if text.len() > MAX_SECRET_BYTES {
        return Err(wrong(format!("is larger than {MAX_SECRET_BYTES} bytes")));
    }
    let least = KeyedHash::MIN_KEY_BYTES;
    KeyedHash::new(text.trim_ascii())
        .map_err(|_| wrong(format!("holds less than {least} bytes: put what `openssl rand -base64 48` prints there")))
}
