//! What is to be done for an issuer's keys: what was said of them, checked, and carried out.

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
    at_hand::AtHand,
    loader::Loader,
    row::Row,
    save::Saver,
    seed::{self, MayBeAbsent},
    snapshot::{Bequest, Snapshot},
};
use crate::source::{Form, KeyToken, Place, Reading, Source};

/// Which server a key set's token is of, and for what.
#[derive(Debug, Clone)]
pub(super) struct KeyServer {
    pub(super) endpoint: TokenEndpoint,
    pub(super) target: TargetService,
}

/// [`KeyOptions`](super::KeyOptions) that keep the rules.
#[derive(Debug)]
pub(crate) struct KeyPlan {
    pub(super) from: KeysFrom,
    pub(super) authorities: Option<Authorities>,
    pub(super) keeping: Keeping,
    pub(super) row: Row,
}

/// Where keys come from, checked.
#[derive(Debug)]
pub(super) enum KeysFrom {
    Metadata { order: DiscoveryOrder, allow_private: bool },
    At { url: Endpoint, token: Option<TokenFrom> },
    TrustBundle { url: Endpoint },
    Given(KeySet),
    Unneeded,
}

/// Where the token is from that a key set demands.
#[derive(Debug)]
pub(super) enum TokenFrom {
    Server(Box<KeyServer>),
    File(TokenFile),
}

/// How keys that are fetched are kept.
#[derive(Debug)]
pub(super) struct Keeping {
    pub(super) seed: Option<PathBuf>,
    pub(super) save: Option<PathBuf>,
    pub(super) removal_grace: Duration,
    pub(super) pins: Option<Vec<Thumbprint>>,
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
            Some(Bequest::Keys(snapshot)) => Some(*snapshot),
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
