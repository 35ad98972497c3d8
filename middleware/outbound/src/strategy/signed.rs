//! A token about the caller's user that this service signs itself.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use tower_identity_core::{InvalidSetting, Issuer};
use tower_identity_jose::SigningKey;

use crate::{
    Target,
    key_file::{self, KeyFiles},
};

/// For how long a token is good, in seconds, where the row does not say.
const SECONDS: u64 = 60;

/// This service signs a short token about its caller's user itself: for a mesh without a server that would exchange tokens.
///
/// It is a JWT of the type `self-asserted+jwt`, for the row's [audience](Target::audience) alone, and says for whom this
/// service calls: the user by id and issuer (`sub_id`, RFC 9493 §3.2.4), the actors before this one, how the user signed in.
/// Its scopes are the row's, which the caller's token has to have, all of them; and it ends with the caller's token, if not
/// before. No server is asked for it. A request for nobody is not made by it.
///
/// It is this service's word and nothing more. The target takes it only where it lists this service by `issuer`, its keys and
/// the issuers of its users; a service of ours does by `danger::self_asserted`. The keys are published by this service: see
/// [`Outbound::key_set`](crate::Outbound::key_set).
///
/// ```
/// use tower_identity_jose::{Algorithm, SigningKey};
/// use tower_identity_outbound::{Signed, Target};
///
/// let key = SigningKey::generate(Algorithm::Es256)?;
/// let payments = Target::origin("https://payments.internal")?
///     .audience("payments")
///     .scope("payments:charge")
///     .strategy(Signed::new("https://orders.internal", key));
/// # let _ = payments;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use = "it does nothing until a target has it"]
pub struct Signed {
    issuer: String,
    #[serde(rename = "key_file")]
    keys: Keys,
    seconds: Option<u64>,
    #[serde(default)]
    pass_on: bool,
}

/// What signs, and what else is published.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "KeyFiles")]
enum Keys {
    /// Files that were not read yet.
    Files(Vec<PathBuf>),
    /// The first signs.
    Read(Vec<SigningKey>),
}

impl From<KeyFiles> for Keys {
    fn from(files: KeyFiles) -> Self {
        Self::Files(files.into())
    }
}

/// Of keys, whether they are the same; nothing of them is compared that is secret.
impl PartialEq for Keys {
    fn eq(&self, other: &Self) -> bool {
        let said = |key: &SigningKey| (key.thumbprint(), key.algorithm(), key.key_id().to_owned());
        match (self, other) {
            (Self::Files(one), Self::Files(other)) => one == other,
            (Self::Read(one), Self::Read(other)) => one.iter().map(said).eq(other.iter().map(said)),
            (Self::Files(_), Self::Read(_)) | (Self::Read(_), Self::Files(_)) => false,
        }
    }
}

impl Eq for Keys {}

impl Signed {
    /// By this key, under the name that the targets know this service by: the URL that its keys are published under, or its
    /// SPIFFE ID.
    pub fn new(issuer: impl Into<String>, key: SigningKey) -> Self {
        Self { issuer: issuer.into(), keys: Keys::Read(vec![key]), seconds: None, pass_on: false }
    }

    /// A key that is published beside the one that signs: the next one, until every target has seen it; or the last one, until
    /// what it signed has ended.
    pub fn also_published(mut self, key: SigningKey) -> Self {
        if let Keys::Read(keys) = &mut self.keys {
            keys.push(key);
        }
        self
    }

    /// For how long a token is good: 60 s by default, from 20 s to 300 s.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.seconds = Some(lifetime.as_secs());
        self
    }

    /// Signs about users, too, of whom the caller itself says that it calls for them
    /// ([`Binding::SelfAsserted`](tower_identity_core::Binding::SelfAsserted)): then the target learns from this service what
    /// this service was told by another. Default: not for such callers.
    pub fn pass_on(mut self) -> Self {
        self.pass_on = true;
        self
    }

    /// The files are in this folder, unless their paths are absolute.
    pub(super) fn move_to(&mut self, folder: &Path) {
        if let Keys::Files(files) = &mut self.keys {
            files.iter_mut().for_each(|file| *file = folder.join(&*file));
        }
    }

    /// Reads the keys, where they are in files.
    pub(super) fn read_files(&mut self) -> Result<(), InvalidSetting> {
        if let Keys::Files(files) = &self.keys {
            self.keys = Keys::Read(key_file::read(files)?);
        }
        Ok(())
    }

    /// Checks what the row has to say for it.
    pub(super) fn check(&self, row: &Target) -> Result<(), InvalidSetting> {
        let refused = |field, rule| Err(InvalidSetting::new(field, rule));
        if row.audience.is_none() {
            return refused("audience", "is missing: whom this service tells for whom it calls");
        }
        if row.resource.is_some() {
            return refused("resource", "is no name that a signed token is for; name the target by audience alone");
        }
        if !row.tolerated.is_empty() {
            return refused("tolerate_scope", "belongs to tokens that a server issues; signed asks none");
        }
        self.terms().map(drop).map_err(|wrong| wrong.within("signed").within("strategy"))
    }

    pub(crate) fn passes_on(&self) -> bool {
        self.pass_on
    }

    /// Those that sign or are published, once they were read.
    pub(crate) fn keys(&self) -> &[SigningKey] {
        match &self.keys {
            Keys::Read(keys) => keys,
            Keys::Files(_) => &[],
        }
    }

    /// In whose name, by which key, and for how long it signs.
    pub(crate) fn terms(&self) -> Result<(Issuer, &SigningKey, Duration), InvalidSetting> {
        let issuer = Issuer::parse(&self.issuer).map_err(|wrong| InvalidSetting::new("issuer", wrong.to_string()))?;
        let Some(key) = self.keys().first() else {
            return Err(InvalidSetting::new("key_file", "names no key that was read"));
        };
        let seconds = self.seconds.unwrap_or(SECONDS);
        if !(20..=300).contains(&seconds) {
            return Err(InvalidSetting::new("seconds", "is not from 20 to 300"));
        }
        Ok((issuer, key, Duration::from_secs(seconds)))
    }
}
