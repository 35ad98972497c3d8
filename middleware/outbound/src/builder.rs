//! [`OutboundBuilder`]: everything about targets and servers, checked and put together.

use std::{collections::BTreeMap, sync::Arc};

use tower_identity_core::{Clock, InvalidSetting};
use tower_identity_oauth::{Http, TargetService, TokenClient, TokenEndpoint};

use crate::{
    Candidate, Outbound, Plaintext, Strategy, Target,
    cache::Bounds,
    candidate::{Trial, Which},
    issued::Demands,
    outbound::Table,
    row::{Row, Takes},
    source::{ActorTokens, ClientCredentials, Exchange, Recipe},
    strip::Strip,
    targets::Targets,
};

/// How much is remembered by default.
const REMEMBERED: Bounds = Bounds { entries: 100_000, bytes: 64 * 1024 * 1024 };

/// Builds an [`Outbound`].
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct OutboundBuilder {
    default: TokenEndpoint,
    servers: Vec<(String, TokenEndpoint)>,
    targets: Vec<Target>,
    plaintext: Plaintext,
    clock: Clock,
    remembered: Bounds,
    strip_also: Vec<String>,
}

impl OutboundBuilder {
    pub(crate) fn new(default: TokenEndpoint) -> Self {
        Self {
            default,
            servers: Vec::new(),
            targets: Vec::new(),
            plaintext: Plaintext::default(),
            clock: tower_identity_refresh::system_clock(),
            remembered: REMEMBERED,
            strip_also: Vec::new(),
        }
    }

    /// Another authorization server, which [targets name](Target::server).
    pub fn server(mut self, name: impl Into<String>, server: TokenEndpoint) -> Self {
        self.servers.push((name.into(), server));
        self
    }

    /// Lists a target. Requests to anywhere else are refused.
    pub fn target(mut self, target: Target) -> Self {
        self.targets.push(target);
        self
    }

    /// Whether tokens may go without TLS to the targets that [say nothing](Target::plaintext) of it. Default:
    /// [`Plaintext::Never`].
    pub fn plaintext(mut self, plaintext: Plaintext) -> Self {
        self.plaintext = plaintext;
        self
    }

    /// Where time comes from. Default: the system.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How many tokens are remembered at most, over all users and targets. Default: 100,000. What is used least makes
    /// room, and a flood of users who come once pushes out nobody who comes again.
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
        self.strip_also.extend(names.into_iter().map(Into::into));
        self
    }

    /// Checks everything and builds. Needs no runtime, and no authorization server that is up.
    ///
    /// # Errors
    ///
    /// Names the first field that breaks a rule: `default`, `server.<name>`, or `target[<index>]`.
    pub fn build(self) -> Result<Outbound, InvalidSetting> {
        let Self { default, servers, targets: rows, plaintext, clock, remembered, strip_also } = self;
        for (field, bound) in [("cache_capacity", remembered.entries as u64), ("cache_bytes", remembered.bytes)] {
            if bound == 0 {
                return Err(InvalidSetting::new(field, "is zero; without remembering, every request asks"));
            }
        }
        let strip = Strip::parse(&strip_also)?;
        let http = Http::new(clock.clone()).map_err(|error| InvalidSetting::new("http", error.to_string()))?;
        let connect = |server: &TokenEndpoint| server.connect(&http);
        let mut clients =
            Clients { default: connect(&default).map_err(|wrong| wrong.within("default"))?, named: BTreeMap::new() };
        for (name, server) in servers {
            let within = |wrong: InvalidSetting| wrong.within(&*name).within("server");
            let client = connect(&server).map_err(within)?;
            if clients.named.insert(name.clone(), client).is_some() {
                return Err(InvalidSetting::new("server", format!("has two servers of the name {name:?}")));
            }
        }
        let mut targets = Targets::new();
        let mut in_the_clear = Vec::new();
        for (index, target) in rows.into_iter().enumerate() {
            let within = |wrong: InvalidSetting| wrong.within(index).within("target");
            let row = clients.row(&target, Which::Current, &clock).map_err(within)?;
            let plaintext = target.plaintext.unwrap_or(plaintext);
            plaintext.check(&target.origin).map_err(within)?;
            if plaintext.trusts_the_network(&target.origin) {
                in_the_clear.push(row.name.clone());
            }
            targets
                .insert(&target.origin, target.path_prefix, target.when, row)
                .map_err(|clash| within(InvalidSetting::new("origin", clash.rule())))?;
        }
        if !in_the_clear.is_empty() {
            tracing::warn!(
                targets = in_the_clear.join(", "),
                "tokens go out over http to these targets, which plaintext = \"sidecar-mtls\" takes for encrypted below us"
            );
        }
        Ok(Outbound::new(Table { targets, strip }, remembered, clock))
    }
}

/// The authorization servers, connected.
struct Clients {
    default: TokenClient,
    named: BTreeMap<String, TokenClient>,
}

impl Clients {
    fn row(&self, target: &Target, which: Which, clock: &Clock) -> Result<Row, InvalidSetting> {
        let strategy = target.check()?;
        let client = match &target.server {
            None => &self.default,
            Some(name) => self
                .named
                .get(name)
                .ok_or_else(|| InvalidSetting::new("server", format!("names {name:?}, and there is no such server")))?,
        };
        let terms = TargetService {
            audience: target.audience.clone(),
            resource: target.resource.clone(),
            scopes: target.scopes.clone(),
            tolerated: target.tolerated.clone(),
        };
        let name = format!("{}{}{}", target.origin, target.path_prefix.as_str(), target.when).into();
        let demands = Demands::of(target, &terms, client.client_id())?;
        let own = Recipe::new(
            (&name, which),
            ClientCredentials,
            client.clone(),
            terms.clone(),
            demands.clone(),
            clock.clone(),
        );
        let own = Arc::new(own);
        let takes = match strategy {
            Strategy::ClientCredentials => Takes::Services { own },
            Strategy::TokenExchange => {
                let actor = target.actor_token.then(|| ActorTokens::new(clock.clone()));
                let exchange =
                    Recipe::new((&name, which), Exchange { actor }, client.clone(), terms, demands, clock.clone());
                Takes::Exchanged { of: target.on_behalf_of.unwrap_or_default(), exchange: Arc::new(exchange), own }
            }
        };
        let trial = target.candidate.as_ref().map(|candidate| self.trial(candidate, target, clock)).transpose();
        let trial = trial.map_err(|wrong| wrong.within("candidate"))?;
        Ok(Row { name, takes, deadline: target.deadline, trial })
    }

    fn trial(&self, candidate: &Candidate, target: &Target, clock: &Clock) -> Result<Trial, InvalidSetting> {
        let row = self.row(&candidate.over(target), Which::Candidate, clock)?;
        Ok(Trial::new(candidate.check()?, &target.scopes, row, clock))
    }
}
