//! What is said of an issuer's keys: where they are, and how they are kept.

use std::{path::PathBuf, time::Duration};

use tower_identity_core::InvalidSetting;
use tower_identity_jose::{KeySet, Thumbprint};
use tower_identity_oauth::{Authorities, DiscoveryOrder, Endpoint, TargetService, TokenEndpoint, TokenFile};

use super::{
    plan::{Keeping, KeyPlan, KeyServer, KeysFrom, TokenFrom},
    row::{self, Found, FoundBy, Kept, Row},
};
use crate::{TrustedIssuer, anchor::Anchor};

/// The longest time for which a key may go on verifying after its issuer took it away: as long as any key may without
/// being seen at its issuer.
const MAX_REMOVAL_GRACE: Duration = super::USABLE;

const UNNEEDED: &str = "goes with answers that are signed, or stand for JWTs";

/// Where an issuer's keys come from.
#[derive(Debug, Clone)]
pub(crate) enum KeyLocation {
    /// Where the issuer's metadata says.
    Metadata,
    /// A key set at this URL.
    At(String),
    /// The bundle of a SPIFFE trust domain at this URL.
    TrustBundle(String),
    /// Nowhere: they are given, and never fetched.
    Given(KeySet),
    /// Nowhere: nothing of the issuer is signed.
    Unneeded,
}

/// What a [`TrustedIssuer`] was told of its keys.
#[derive(Debug, Clone)]
pub(crate) struct KeyOptions {
    location: KeyLocation,
    /// In the place of what metadata says.
    url: Option<String>,
    discovery: Option<DiscoveryOrder>,
    seed: Option<PathBuf>,
    save: Option<PathBuf>,
    removal_grace: Duration,
    pins: Option<Vec<Thumbprint>>,
    allow_private: bool,
    server: Option<Box<KeyServer>>,
    token_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
}

/// How its keys are kept. Each says what the field of the same name in a file says, in the table
/// [`keys`](crate::KeySettings).
impl TrustedIssuer {
    /// A key set in a file that serves a cold start: from the first request on, while the first fetch is under way, and
    /// while the issuer is out of reach. Read once, when the verifier is built, and never written. See
    /// [`keys_save`](Self::keys_save) for what is refused.
    #[must_use]
    pub fn keys_seed(mut self, file: impl Into<PathBuf>) -> Self {
        self.keys.seed = Some(file.into());
        self
    }

    /// A file that keeps the issuer's keys across restarts: written after each fetch, as a whole or not at all, and
    /// read as a [seed](Self::keys_seed) when the verifier is built. A file that cannot be written is a warning in the
    /// log and no failure.
    ///
    /// It holds a key set with two more members: `issuer`, and `fetched_at` in seconds since 1970. A seed of another
    /// issuer is refused, and so is one that was fetched 24 h ago or more, or later than in five minutes; one without
    /// these members was fetched when its file was last changed. A refused seed is a warning in the log: the verifier
    /// then starts without.
    ///
    /// On Unix the file is for its owner alone (mode 0600). There is no secret in it. But whoever may write it, or put
    /// another in its place, decides whose signatures are believed after the next start: keep it in a folder that only
    /// this service may write. No other issuer of the verifier may save there, nor have it as its seed.
    #[must_use]
    pub fn keys_save(mut self, file: impl Into<PathBuf>) -> Self {
        self.keys.save = Some(file.into());
        self
    }

    /// How long a key goes on verifying after the issuer's key set no longer has it: zero by default, 24 h at most.
    /// For issuers that take a key away while tokens that it signed are still good.
    #[must_use]
    pub fn keys_removal_grace(mut self, grace: Duration) -> Self {
        self.keys.removal_grace = grace;
        self
    }

    /// Accepts these keys of the issuer and no others, whatever its key set says. A key set with none of them is as
    /// good as none.
    #[must_use]
    pub fn keys_pin(mut self, keys: impl IntoIterator<Item = Thumbprint>) -> Self {
        self.keys.pins.get_or_insert_default().extend(keys);
        self
    }

    /// Lets the issuer's metadata name a key set at a private address, also by a name that leads to one. Not needed for
    /// a key set at the issuer's own host, nor for an issuer that is itself named by such an address, nor for a key set
    /// whose URL is [configured](Self::keys_at).
    #[must_use]
    pub fn keys_allow_private(mut self) -> Self {
        self.keys.allow_private = true;
        self
    }

    /// The URL of the key set, in the place of the one that the issuer's metadata names: as
    /// [`keys_at`](Self::keys_at), for an issuer whose tokens are [opaque](Self::opaque) or [split](Self::split).
    #[must_use]
    pub fn keys_url(mut self, jwks_uri: impl Into<String>) -> Self {
        self.keys.url = Some(jwks_uri.into());
        self
    }

    /// Where the issuer's metadata is looked for, and in which order.
    #[must_use]
    pub fn keys_discovery(mut self, order: DiscoveryOrder) -> Self {
        self.keys.discovery = Some(order);
        self
    }

    /// Fetches the key set with a token of our own, by client credentials at this server. Only for a key set
    /// [at a URL](Self::keys_at): our token goes to no address that metadata chooses.
    #[must_use]
    pub fn keys_server(mut self, server: TokenEndpoint, target: TargetService) -> Self {
        self.keys.server = Some(Box::new(KeyServer { endpoint: server, target }));
        self
    }

    /// Fetches the key set with a bearer token that somebody else keeps fresh in this file, as Kubernetes does with a
    /// pod's service account token. The file is read for each fetch. As for [`keys_server`](Self::keys_server), only for
    /// a key set [at a URL](Self::keys_at), which is https, or http on this machine; no redirect is followed with it.
    #[must_use]
    pub fn keys_token_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.keys.token_file = Some(file.into());
        self
    }

    /// Connects for this issuer to servers whose certificates are of the authorities in this file (PEM), and to no
    /// others: not of those that the system trusts, which could vouch for somebody else by a name that means a server
    /// inside. The file is read once, when the verifier is built.
    ///
    /// That holds for every connection on the issuer's behalf: metadata, key set, [introspection](Self::opaque), and the
    /// [server](Self::keys_server) of the token that a key set demands. Where these have certificates of several
    /// authorities, the file holds them all.
    #[must_use]
    pub fn keys_ca_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.keys.ca_file = Some(file.into());
        self
    }
}

impl KeyOptions {
    pub(crate) fn new(location: KeyLocation) -> Self {
        Self {
            location,
            url: None,
            discovery: None,
            seed: None,
            save: None,
            removal_grace: Duration::ZERO,
            pins: None,
            allow_private: false,
            server: None,
            token_file: None,
            ca_file: None,
        }
    }

    /// Reads the strings and keeps the rules, for an issuer whose clock may differ from ours by the leeway; a broken one is
    /// named by the field of [`IssuerSettings`](crate::IssuerSettings).
    pub(crate) fn check(mut self, anchor: &Anchor, leeway: Duration) -> Result<KeyPlan, InvalidSetting> {
        let issuer = anchor.name();
        let broken = |field: &str, rule: &str| Err(InvalidSetting::new(field, rule).within("keys"));
        let endpoint = |url: &str| {
            Endpoint::parse(url).map_err(|wrong| InvalidSetting::new("url", wrong.to_string()).within("keys"))
        };
        if let Some(url) = self.url.take() {
            self.location = match self.location {
                KeyLocation::Metadata => KeyLocation::At(url),
                KeyLocation::Unneeded => return broken("url", UNNEEDED),
                _ => return broken("url", "goes with keys that are found by metadata"),
            };
        }
        let mut row = self.row(anchor, leeway);
        if matches!(self.location, KeyLocation::Unneeded) {
            let said = [("seed", self.seed.is_some()), ("save", self.save.is_some()), ("pin", self.pins.is_some())];
            if let Some((field, _)) = said.iter().find(|(_, is_said)| *is_said) {
                return broken(field, UNNEEDED);
            }
        }
        let token = match (self.server, self.token_file) {
            (None, None) => None,
            (Some(server), None) => Some(("server", TokenFrom::Server(server))),
            (None, Some(file)) => Some(("token_file", TokenFrom::File(TokenFile::new(file)))),
            (Some(_), Some(_)) => return broken("token_file", "stands beside a server"),
        };
        if let (Some((field, _)), false) = (&token, matches!(self.location, KeyLocation::At(_))) {
            return broken(field, "goes with url only: our token goes to no address that metadata chooses");
        }
        if !matches!(self.location, KeyLocation::Metadata) {
            if self.allow_private {
                return broken("allow_private", "goes with keys that are found by metadata");
            }
            if self.discovery.is_some() {
                return broken("discovery", "goes with keys that are found by metadata");
            }
        }
        if self.pins.as_ref().is_some_and(Vec::is_empty) {
            return broken("pin", "names no key");
        }
        if self.removal_grace > MAX_REMOVAL_GRACE {
            return broken("removal_grace_seconds", &format!("more than {} s", MAX_REMOVAL_GRACE.as_secs()));
        }
        let from = match self.location {
            KeyLocation::Metadata => {
                Endpoint::parse(issuer.as_str()).map_err(|wrong| InvalidSetting::new("issuer", wrong.to_string()))?;
                let order = self.discovery.unwrap_or_default();
                KeysFrom::Metadata { order, allow_private: self.allow_private }
            }
            KeyLocation::At(url) => KeysFrom::At { url: endpoint(&url)?, token: token.map(|(_, token)| token) },
            KeyLocation::TrustBundle(url) => KeysFrom::TrustBundle { url: endpoint(&url)? },
            KeyLocation::Unneeded => KeysFrom::Unneeded,
            KeyLocation::Given(_) if self.seed.is_some() => return broken("seed", "goes with keys that are fetched"),
            KeyLocation::Given(_) if self.save.is_some() => return broken("save", "goes with keys that are fetched"),
            KeyLocation::Given(_) if self.ca_file.is_some() => {
                return broken("ca_file", "goes with keys that are fetched");
            }
            KeyLocation::Given(keys) => KeysFrom::Given(match &self.pins {
                None => keys,
                Some(pins) => {
                    keys.pinned_to(pins).map_err(|none| InvalidSetting::new("pin", none.to_string()).within("keys"))?
                }
            }),
        };
        let Self { seed, save, removal_grace, pins, .. } = self;
        let authorities = self.ca_file.as_ref().map(|file| Authorities::from_file("ca_file", file)).transpose();
        let authorities = authorities.map_err(|wrong| wrong.within("keys"))?;
        if self.ca_file.as_deref().and_then(row::content) != row.authorities() {
            // Another was put in its place meanwhile: who knows which of the two was read.
            row = Row::unlike_any();
        }
        Ok(KeyPlan { from, authorities, keeping: Keeping { seed, save, removal_grace, pins }, row })
    }

    /// What is said here, to be compared.
    fn row(&self, anchor: &Anchor, leeway: Duration) -> Row {
        let by = match &self.location {
            KeyLocation::Metadata => {
                let order = self.discovery.unwrap_or_default();
                FoundBy::Metadata { order, allow_private: self.allow_private }
            }
            KeyLocation::At(url) => FoundBy::Url(url.clone()),
            KeyLocation::TrustBundle(url) => FoundBy::TrustBundle(url.clone()),
            KeyLocation::Unneeded => FoundBy::Nothing,
            KeyLocation::Given(_) => return Row::unlike_any(),
        };
        let found = Found {
            issuer: anchor.name().clone(),
            found_at: anchor.found_at(),
            by,
            authorities: self.ca_file.as_deref().and_then(row::content),
            pins: self.pins.clone(),
        };
        // A server's row holds a secret or a key, which nobody compares.
        let kept = self.server.is_none().then(|| Kept {
            token_file: self.token_file.clone(),
            seed: self.seed.clone(),
            save: self.save.clone(),
            removal_grace: self.removal_grace,
            leeway,
        });
        Row { found: Some(found), kept }
    }
}
