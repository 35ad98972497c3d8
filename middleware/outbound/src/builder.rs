//! [`OutboundBuilder`]: everything about targets and servers, checked and put together.

use std::sync::Arc;

use rustls::ClientConfig;
use tower_identity_core::{Clock, InvalidSetting};
use tower_identity_oauth::{Http, TokenEndpoint};

use crate::{Outbound, Plaintext, Target, Unlisted, cache::Bounds, table::Table};

/// How much is remembered by default.
const REMEMBERED: Bounds = Bounds { entries: 100_000, bytes: 64 * 1024 * 1024 };

/// Builds an [`Outbound`].
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct OutboundBuilder {
    pub(crate) listed: Listed,
    tls: Option<Arc<ClientConfig>>,
    clock: Clock,
    remembered: Bounds,
}

/// What a table is made of, as it was given.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) default: TokenEndpoint,
    pub(crate) servers: Vec<(String, TokenEndpoint)>,
    pub(crate) targets: Vec<Target>,
    pub(crate) plaintext: Plaintext,
    pub(crate) unlisted: Unlisted,
    pub(crate) strip_also: Vec<String>,
}

impl OutboundBuilder {
    pub(crate) fn new(default: TokenEndpoint) -> Self {
        let listed = Listed {
            default,
            servers: Vec::new(),
            targets: Vec::new(),
            plaintext: Plaintext::default(),
            unlisted: Unlisted::default(),
            strip_also: Vec::new(),
        };
        Self { listed, tls: None, clock: tower_identity_refresh::system_clock(), remembered: REMEMBERED }
    }

    /// Another authorization server, which [targets name](Target::server).
    pub fn server(mut self, name: impl Into<String>, server: TokenEndpoint) -> Self {
        self.listed.servers.push((name.into(), server));
        self
    }

    /// Lists a target. Requests to anywhere else are refused, unless the builder says [otherwise](Self::unlisted).
    pub fn target(mut self, target: Target) -> Self {
        self.listed.targets.push(target);
        self
    }

    /// Whether tokens may go without TLS to the targets that [say nothing](Target::plaintext) of it. Default:
    /// [`Plaintext::Never`].
    pub fn plaintext(mut self, plaintext: Plaintext) -> Self {
        self.listed.plaintext = plaintext;
        self
    }

    /// What becomes of requests to addresses that no target lists. Default: [`Unlisted::Refuse`].
    pub fn unlisted(mut self, unlisted: Unlisted) -> Self {
        self.listed.unlisted = unlisted;
        self
    }

    /// Calls authorization servers by this TLS, all of them: it says whose certificates theirs have to be, and which is shown to
    /// those that ask for one, in place of what the system trusts and of none. A server that knows us by a certificate of its
    /// own table ([`ClientAuth::tls_client_auth`](tower_identity_oauth::ClientAuth::tls_client_auth)) is shown that one.
    ///
    /// It is not what requests to targets are sent by: that is the client's of this service. Once it is built, an
    /// [`Outbound`] keeps it, whatever its list is [replaced](Outbound::replace) by.
    pub fn tls(mut self, config: impl Into<Arc<ClientConfig>>) -> Self {
        self.tls = Some(config.into());
        self
    }

    /// Where time comes from. Default: the system.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How many tokens are remembered at most, over all users and targets. Default: 100,000. What is used least makes
    /// room, and a flood of users who come once pushes out nobody who comes again. Each thread that sends has up to eight at
    /// hand, which may be beyond these.
    pub fn cache_capacity(mut self, entries: usize) -> Self {
        self.remembered.entries = entries;
        self
    }

    /// How many bytes the remembered tokens take at most, with what belongs to them: some 300 bytes each beside the
    /// token. Default: 67,108,864 (64 MiB).
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.remembered.bytes = bytes;
        self
    }

    /// Takes these header fields away from every request too; a `*` at the end of a name stands for all that begin so.
    ///
    /// Always taken away, in every spelling, are those that credentials come in (`Authorization`, `Proxy-Authorization`,
    /// `Cookie`, `DPoP`) and those that speak of an identity ([`fields`](tower_identity_core::fields)): name here what
    /// this service itself is told of its callers by.
    pub fn strip_also<I>(mut self, names: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        self.listed.strip_also.extend(names.into_iter().map(Into::into));
        self
    }

    /// Checks everything and builds. Needs no runtime, and no authorization server that is up.
    ///
    /// # Errors
    ///
    /// Names the first field that breaks a rule: `default`, `server.<name>`, or `target[<index>]`.
    pub fn build(self) -> Result<Outbound, InvalidSetting> {
        let Self { listed, tls, clock, remembered } = self.checked()?;
        let http = match tls {
            Some(tls) => Http::with_tls(tls, clock.clone()),
            None => Http::new(clock.clone()),
        };
        let http = http.map_err(|error| InvalidSetting::new("http", error.to_string()))?;
        Ok(Outbound::new(Table::of(&listed, None, &http, &clock)?, remembered, http, clock))
    }

    /// What concerns no list of targets.
    pub(crate) fn checked(self) -> Result<Self, InvalidSetting> {
        let Bounds { entries, bytes } = self.remembered;
        for (field, is_zero) in [("cache_capacity", entries == 0), ("cache_bytes", bytes == 0)] {
            if is_zero {
                return Err(InvalidSetting::new(field, "is zero; without remembering, every request asks"));
            }
        }
        Ok(self)
    }
}
