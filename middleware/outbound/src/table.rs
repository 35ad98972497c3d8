//! [`Table`]: the list of targets, checked and put together, and what of the one before it goes on.

use std::sync::Arc;

use http::{Method, Uri};
use tower_identity_core::{Clock, InvalidSetting};
use tower_identity_jose::SigningKey;
use tower_identity_oauth::{Http, TargetService, TokenClient, TokenEndpoint};

use crate::{
    Candidate, Strategies, Target, Unlisted,
    acting::Acting,
    builder::Listed,
    candidate::{Trial, Which},
    issued::Demands,
    row::{Row, Takes},
    source::{self, ClientCredentials, Recipe, TokenSource},
    strip::Strip,
    targets::{NoTarget, Targets},
};

/// The list of targets, as it is now.
#[derive(Debug)]
pub(crate) struct Table {
    targets: Targets<Row>,
    pub(crate) strip: Strip,
    unlisted: Unlisted,
    servers: Vec<Server>,
    made: Vec<Made>,
    pub(crate) generation: u64,
}

/// An authorization server, as it was described, and connected.
#[derive(Debug, Clone)]
struct Server {
    /// None of the default one.
    name: Option<String>,
    description: TokenEndpoint,
    client: TokenClient,
}

/// A row, and what it was made of.
#[derive(Debug)]
struct Made {
    target: Target,
    /// The servers that it names: its own, and its candidate's.
    servers: Vec<TokenEndpoint>,
    row: Row,
}

impl Table {
    /// Checks what was listed, and puts it together. Of the table before it, the clients go on whose server is described
    /// as it was, with what they know of it; and the rows that say what they said, with their actor tokens.
    pub(crate) fn of(
        listed: &Listed,
        before: Option<&Self>,
        http: &Http,
        clock: &Clock,
    ) -> Result<Self, InvalidSetting> {
        let Listed { default, servers: named, targets: rows, plaintext, unlisted, strip_also } = listed;
        // Nobody else says who the user is where a row does.
        let user_headers = rows.iter().filter_map(|row| Some(row.field()?.as_str().to_owned()));
        let strip = Strip::parse(&strip_also.iter().cloned().chain(user_headers).collect::<Vec<_>>())?;
        let connect = |name: Option<&String>, description: &TokenEndpoint| {
            let connected = before.into_iter().flat_map(|before| &before.servers);
            let same = connected.into_iter().find(|server| server.description == *description);
            let client = match same {
                None => description.connect(http)?,
                Some(server) => {
                    // What the description names may have changed.
                    server.client.read_credentials();
                    server.client.clone()
                }
            };
            Ok(Server { name: name.cloned(), description: description.clone(), client })
        };
        let first = connect(None, default).map_err(|wrong: InvalidSetting| wrong.within("default"))?;
        let mut servers = vec![first];
        for (name, description) in named {
            let server = connect(Some(name), description)
                .map_err(|wrong: InvalidSetting| wrong.within(&**name).within("server"))?;
            if servers.iter().any(|other| other.name == server.name) {
                return Err(InvalidSetting::new("server", format!("has two servers of the name {name:?}")));
            }
            let beside = servers.iter().try_for_each(|other| description.check_beside(&other.description));
            beside.map_err(|wrong| wrong.within(&**name).within("server"))?;
            servers.push(server);
        }
        let mut targets = Targets::new();
        let (mut made, mut in_the_clear, mut naming) = (Vec::new(), Vec::new(), Vec::new());
        for (index, target) in rows.iter().enumerate() {
            let within = |wrong: InvalidSetting| wrong.within(index).within("target");
            let named = descriptions(target, &servers).map_err(within)?;
            let row = match before.and_then(|before| before.row_of(target, &named)) {
                Some(row) => row.clone(),
                None => {
                    let row = row(target, Which::Current, &servers, clock).map_err(within)?;
                    naming.extend(target.plain_users().map(|plain| (plain, row.name.clone())));
                    row
                }
            };
            let plaintext = target.plaintext.unwrap_or(*plaintext);
            plaintext.check(&target.origin).map_err(within)?;
            if plaintext.trusts_the_network(&target.origin) {
                in_the_clear.push(row.name.clone());
            }
            targets
                .insert(&target.origin, target.path_prefix.clone(), target.when.clone(), row.clone())
                .map_err(|clash| within(InvalidSetting::new("origin", clash.rule())))?;
            made.push(Made { target: target.clone(), servers: named, row });
        }
        if !in_the_clear.is_empty() {
            tracing::warn!(
                targets = in_the_clear.join(", "),
                "tokens go out over http to these targets, which plaintext = \"sidecar-mtls\" takes for encrypted below us"
            );
        }
        naming.iter().for_each(|(plain, row)| plain.tell(row));
        let generation = before.map_or(1, |before| before.generation + 1);
        Ok(Self { targets, strip, unlisted: *unlisted, servers, made, generation })
    }

    /// Rows that no list describes, for tests with sources of their own.
    #[cfg(test)]
    pub(crate) fn of_targets(targets: Targets<Row>) -> Self {
        let (strip, unlisted) = (Strip::default(), Unlisted::default());
        Self { targets, strip, unlisted, servers: Vec::new(), made: Vec::new(), generation: 1 }
    }

    /// The row of a request. For whom it is made is asked only where rows of its address are for some and not for others.
    /// None where no row lists the address, and it goes there bare.
    pub(crate) fn row(&self, method: &Method, uri: &Uri, acting: Option<&Acting>) -> Result<Option<&Row>, NoTarget> {
        match self.targets.resolve(method, uri, || Acting::whose(acting)) {
            Ok(row) => Ok(Some(row)),
            // What a request says of for whom it is would be lost.
            Err(none) if acting.is_none() && self.goes_bare(&none) => Ok(None),
            Err(none) => Err(none),
        }
    }

    /// Whether requests to an address are sent, if nothing else stands in the way.
    pub(crate) fn lists(&self, uri: &Uri) -> Result<(), NoTarget> {
        self.targets.lists(uri).or_else(|none| if self.goes_bare(&none) { Ok(()) } else { Err(none) })
    }

    /// The keys that its rows sign with, or will.
    pub(crate) fn signing_keys(&self) -> impl Iterator<Item = &SigningKey> {
        self.made.iter().flat_map(|made| made.target.signing_keys())
    }

    fn goes_bare(&self, none: &NoTarget) -> bool {
        self.unlisted == Unlisted::Bare && matches!(none, NoTarget::Origin { .. } | NoTarget::Path { .. })
    }

    /// The row that was made of this, at servers of these descriptions.
    fn row_of(&self, target: &Target, servers: &[TokenEndpoint]) -> Option<&Row> {
        let same = |made: &&Made| made.target == *target && made.servers == servers;
        self.made.iter().find(same).map(|made| &made.row)
    }
}

fn server_of<'s>(target: &Target, servers: &'s [Server]) -> Result<&'s Server, InvalidSetting> {
    let unknown = || {
        let name = target.server.as_deref().unwrap_or_default();
        InvalidSetting::new("server", format!("names {name:?}, and there is no such server"))
    };
    servers.iter().find(|server| server.name == target.server).ok_or_else(unknown)
}

/// The server that a target's strategy asks before its own, where it does.
fn first_of<'s>(target: &Target, servers: &'s [Server]) -> Result<Option<&'s Server>, InvalidSetting> {
    let strategies = target.strategy.iter().flat_map(Strategies::as_slice);
    let Some((strategy, through)) = strategies.filter_map(|one| Some((one, one.asks_first()?))).next() else {
        return Ok(None);
    };
    let unknown = || {
        let rule = format!("names {:?}, and there is no such server", through.unwrap_or_default());
        InvalidSetting::new("through", rule).within(strategy.name()).within("strategy")
    };
    servers.iter().find(|server| server.name.as_deref() == through).map(Some).ok_or_else(unknown)
}

/// How the servers are described that a target names, and its candidate.
fn descriptions(target: &Target, servers: &[Server]) -> Result<Vec<TokenEndpoint>, InvalidSetting> {
    let own = server_of(target, servers)?;
    let other = target.candidate.as_ref().map(|candidate| server_of(&candidate.over(target), servers)).transpose();
    let other = other.map_err(|wrong| wrong.within("candidate"))?;
    let first = first_of(target, servers)?;
    let others_first =
        target.candidate.as_ref().map(|candidate| first_of(&candidate.over(target), servers)).transpose();
    let others_first = others_first.map_err(|wrong| wrong.within("candidate"))?.flatten();
    let all = [Some(own), other, first, others_first];
    Ok(all.into_iter().flatten().map(|server| server.description.clone()).collect())
}

fn row(target: &Target, which: Which, servers: &[Server], clock: &Clock) -> Result<Row, InvalidSetting> {
    let strategies = target.check()?;
    let client = &server_of(target, servers)?.client;
    let first = first_of(target, servers)?.map(|server| &server.client);
    let terms = TargetService {
        audience: target.audience.clone(),
        resource: target.resource.clone(),
        scopes: target.scopes.clone(),
        tolerated: target.tolerated.clone(),
        parameters: target.parameters.clone(),
    };
    let name: Arc<str> = format!("{}{}{}", target.origin, target.path_prefix.as_str(), target.when).into();
    let demands = Demands::of(target, &terms, client.client_id())?;
    let recipe_of = |source: Box<dyn TokenSource>, terms: TargetService, demands: Demands| {
        Arc::new(Recipe::new((&name, which), source, terms, demands, clock.clone()))
    };
    let recipe = |source: Box<dyn TokenSource>| recipe_of(source, terms.clone(), demands.clone());
    let source = source::of(strategies, &source::Made { target, client, first, clock })?;
    let takes = if strategies.are_callers() {
        let own = recipe(Box::new(ClientCredentials { client: client.clone() }));
        let callers = match strategies.terms(&terms)? {
            // What the row says of its tokens is said of this service's own.
            Some(others) => recipe_of(source, others, Demands { readable: None, ..demands.clone() }),
            None => recipe(source),
        };
        Takes::Callers { of: target.on_behalf_of.unwrap_or_default(), callers, own }
    } else {
        Takes::Own { own: recipe(source) }
    };
    let trial = |candidate: &Candidate| {
        let row = row(&candidate.over(target), Which::Candidate, servers, clock)?;
        Ok(Trial::new(candidate.check()?, &target.scopes, row, clock))
    };
    let trial = target.candidate.as_ref().map(trial).transpose();
    let trial = trial.map_err(|wrong: InvalidSetting| wrong.within("candidate"))?;
    let (user_header, goes_alone) = (target.field(), strategies.go_alone());
    Ok(Row { name, takes, deadline: target.deadline, user_header, goes_alone, trial })
}
