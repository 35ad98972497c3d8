//! What is said of an issuer's keys: where they are, and how they are kept.

use std::{
    path::{self, Path, PathBuf},
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use tower_identity_core::{InvalidSetting, Issuer};
use tower_identity_jose::{KeySet, Thumbprint};
use tower_identity_oauth::{
    Authorities, Discovery, DiscoveryOptions, DiscoveryOrder, Endpoint, Http, OwnToken, TargetService, TokenEndpoint,
    TokenFile,
};

use super::{
    Keys,
    loader::{AtHand, Loader},
    row::{self, Found, FoundBy, Kept, Row},
    save::Saver,
    seed::{self, MayBeAbsent},
    snapshot::{Bequest, Snapshot},
};
use crate::{
    TrustedIssuer,
    anchor::Anchor,
    source::{Form, KeyToken, Place, Reading, Source},
};

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

/// Which server a key set's token is of, and for what.
#[derive(Debug, Clone)]
struct KeyServer {
    endpoint: TokenEndpoint,
    target: TargetService,
}

/// [`KeyOptions`] that keep the rules.
#[derive(Debug)]
pub(crate) struct KeyPlan {
    from: KeysFrom,
    authorities: Option<Authorities>,
    keeping: Keeping,
    row: Row,
}

/// Where keys come from, checked.
#[derive(Debug)]
enum KeysFrom {
    Metadata { order: DiscoveryOrder, allow_private: bool },
    At { url: Endpoint, token: Option<TokenFrom> },
    TrustBundle { url: Endpoint },
    Given(KeySet),
    Unneeded,
}

/// Where the token is from that a key set demands.
#[derive(Debug)]
enum TokenFrom {
    Server(Box<KeyServer>),
    File(TokenFile),
}

/// How keys that are fetched are kept.
#[derive(Debug)]
struct Keeping {
    seed: Option<PathBuf>,
    save: Option<PathBuf>,
    removal_grace: Duration,
    pins: Option<Vec<Thumbprint>>,
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

impl KeyPlan {
    /// The field by which a file is named here that is another issuer's too, where one of the two writes it.
    pub(crate) fn shares_a_file(&self, other: &Self) -> Option<&'static str> {
        let (own, other) = (&self.keeping, &other.keeping);
        let same = |one: &Option<PathBuf>, other: &Option<PathBuf>| match (one, other) {
            (Some(one), Some(other)) => in_full(one) == in_full(other),
            _ => false,
        };
        if same(&own.save, &other.save) || same(&own.save, &other.seed) {
            Some("save")
        } else if same(&own.seed, &other.save) {
            Some("seed")
        } else {
            None
        }
    }

    /// The client for every connection on the issuer's behalf: one that trusts its own authorities, where it has such.
    pub(crate) fn http(&self, http: &Http) -> Result<Http, InvalidSetting> {
        let Some(authorities) = &self.authorities else { return Ok(http.clone()) };
        let trusting = http.trusting(authorities.clone());
        trusting.map_err(|_| InvalidSetting::new("ca_file", "holds no authority's certificate").within("keys"))
    }

    /// What is said of the keys, to be compared with what is said of others.
    pub(crate) fn row(&self) -> &Row {
        &self.row
    }

    /// The keys of the issuer that goes by this name, whose clock may differ from ours by the leeway, by its own
    /// [client](Self::http). Fetches nothing yet: what `former` keys have at hand is as good here; else reads seeds. Its
    /// metadata may be `found_at` another issuer's URL, and must have this name in it all the same.
    pub(crate) fn connect(
        self,
        name: &Issuer,
        found_at: Option<Issuer>,
        leeway: Duration,
        http: &Http,
        former: Option<&Keys>,
    ) -> Result<Keys, InvalidSetting> {
        let row = self.row;
        let Keeping { seed, save, removal_grace, pins } = self.keeping;
        let (place, form, token) = match self.from {
            KeysFrom::Given(keys) => return Ok(Keys::given(keys)),
            KeysFrom::Unneeded => return Ok(Keys::none(row)),
            KeysFrom::At { url, token } => (Place::At(url), Form::KeySet, token),
            KeysFrom::TrustBundle { url } => (Place::At(url), Form::TrustBundle, None),
            KeysFrom::Metadata { order, allow_private } => {
                let mut options = DiscoveryOptions::default().order(order);
                if let Some(base) = found_at {
                    options = options.found_at(base);
                }
                if allow_private {
                    options = options.allow_private();
                }
                (Place::Metadata(Discovery::with(&options, name.clone(), http.clone())?), Form::KeySet, None)
            }
        };
        let token = token.map(|token| token.connect(http)).transpose()?;
        let reading = Reading { form, pins: pins.map(Arc::from) };

        let clock = http.clock().clone();
        let now = clock.monotonic();
        let at_hand = match former.and_then(|former| former.bequeathed(now)) {
            Some(Bequest::Keys(snapshot)) => Some(snapshot),
            Some(Bequest::Withdrawn) => None,
            None => {
                let files = [(seed, MayBeAbsent(false)), (save.clone(), MayBeAbsent(true))];
                let files = files.into_iter().filter_map(|(file, may_be_absent)| Some((file?, may_be_absent)));
                let seed = seed::youngest(files, name, &reading, clock.wall());
                seed.map(|seed| Snapshot::seed(seed.keys, seed.age, now))
            }
        };
        let at_hand = at_hand.map(Arc::new);
        let loader = Loader {
            issuer: name.clone(),
            source: Source { place, reading, http: http.clone(), token },
            clock,
            at_hand: Arc::new(AtHand::new(at_hand)),
            removal_grace,
            leeway,
            fetches: AtomicU64::new(0),
            saver: save.map(|file| Arc::new(Saver::new(name.clone(), file))),
        };
        Ok(Keys::fetched(row, loader))
    }
}

/// The path from the root, as it is written: links are not followed.
fn in_full(file: &Path) -> PathBuf {
    path::absolute(file).unwrap_or_else(|_| file.to_owned())
}

impl TokenFrom {
    fn connect(self, http: &Http) -> Result<KeyToken, InvalidSetting> {
        match self {
            Self::File(file) => Ok(KeyToken::File(file)),
            Self::Server(server) => {
                let client = server.endpoint.connect(http).map_err(|wrong| wrong.within("server").within("keys"))?;
                Ok(KeyToken::Own(OwnToken::new(client, server.target)))
            }
        }
    }
}
