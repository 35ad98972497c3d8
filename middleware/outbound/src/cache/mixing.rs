//! A million requests at random, many at a time: the token that each is given was issued for exactly what it asked.
//!
//! The source writes into a token what it was asked for, so that whoever is given it can compare. Domains are small, so
//! that all that can happen to a token happens often: that is counted, and asserted. Of one key there are never two
//! flights.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    future::poll_fn,
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use fastrand::Rng;
use http::{HeaderMap, Method, Uri};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tower_identity_core::{
    ActorChain, Attributes, AuthenticationContext, Binding, BoxFuture, CallerContext, CertificateThumbprint, Clock,
    Credential as Presented, Evidence, Fingerprint, Identity, Issuer, Moment, Refusal, RefusalKind, Revocation,
    Revocations, Scopes, SecretToken, TimeSource, Timestamp, User, VerifiedToken, VerifiedTokenParts, Workload,
    ambient,
};
use tower_identity_oauth::{ClientAuth, Http, IssuedToken, TargetService, TokenClient, TokenEndpoint};

use super::Bounds;
use crate::{
    OnBehalfOf, Outbound, Target,
    acting::Acting,
    candidate::Which,
    issued::Demands,
    outbound::Obtained,
    path::PathPrefix,
    row::{Row, Takes},
    source::{Ask, Brought, Recipe, TokenSource},
    table::Table,
    targets::Targets,
    when::When,
};

const SEED: u64 = 0x7067_6964_656e_7469;
const REQUESTS: usize = 1_000_000;
const TASKS: usize = 96;
/// How often each thing has to happen.
const OFTEN: usize = 10_000;

const ISSUER: &str = "https://as.test";
const ORIGIN: &str = "https://targets.test";
const START: u64 = 1_800_000_000;

const USERS: usize = 6;
const TENANTS: usize = 2;
const ACTORS: usize = 2;
const KEYS: usize = 2;
const PEOPLE: usize = USERS * TENANTS * ACTORS * KEYS;
const AUDIENCES: [&str; 3] = ["payments", "ledger", "stock"];
const SCOPES: [&str; 2] = ["read", "write"];
const CLIENTS: [&str; 2] = ["orders", "orders-eu"];
const ROWS: usize = AUDIENCES.len() * SCOPES.len() * CLIENTS.len();

/// Less than there are keys of.
const ROOM: usize = 480;

/// Milliseconds since the start.
#[derive(Clone, Default)]
pub(super) struct Time(Arc<AtomicU64>);

impl Time {
    fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(super) fn advance(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl TimeSource for Time {
    fn wall(&self) -> Timestamp {
        Timestamp::from_secs(START).saturating_add(Duration::from_millis(self.now()))
    }

    fn monotonic(&self) -> Moment {
        Moment::from_origin(Duration::from_millis(1_000_000 + self.now()))
    }

    fn sleep_until(&self, _: Moment) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// What a token is issued for, in words.
fn asked_for(subject: Option<&str>, audience: &str, scope: &str, client: &str) -> String {
    format!("{}/{audience}/{scope}/{client}", subject.unwrap_or("itself"))
}

/// A source that issues tokens of what it is asked for: `<number>/<end in ms>/<what>`.
#[derive(Debug, Clone)]
struct Recorder(Arc<Recorded>);

#[derive(Debug)]
struct Recorded {
    time: Time,
    issued: AtomicUsize,
    in_the_air: Mutex<HashSet<String>>,
    /// What was issued last, and until when it was fresh and usable at least.
    last: Mutex<HashMap<String, (u64, u64)>>,
    expired: AtomicUsize,
    evicted: AtomicUsize,
    refreshed: AtomicUsize,
    failed: AtomicUsize,
}

impl std::fmt::Debug for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Time")
    }
}

impl Recorder {
    async fn issue(self, what: String) -> Result<Brought, Refusal> {
        let Recorded { time, issued, in_the_air, last, .. } = &*self.0;
        assert!(in_the_air.lock().expect("unpoisoned").insert(what.clone()), "two flights for {what}");
        let number = issued.fetch_add(1, Ordering::Relaxed);
        let mut rng = Rng::with_seed(SEED ^ number as u64);
        let began = time.now();
        self.classify(&what, began);
        for _ in 0..rng.usize(0..12) {
            tokio::task::yield_now().await;
        }
        in_the_air.lock().expect("unpoisoned").remove(&what);
        if rng.u8(..) < 8 {
            self.0.failed.fetch_add(1, Ordering::Relaxed);
            last.lock().expect("unpoisoned").remove(&what);
            return Err(Refusal::new(RefusalKind::Unavailable { retry_after: Duration::from_secs(1) }, "recorded"));
        }
        let life = rng.u64(14..40);
        let usable = (life - 10) * 1000;
        last.lock().expect("unpoisoned").insert(what.clone(), (began + usable * 7 / 10, began + usable));
        let token = SecretToken::new(format!("{number}/{}/{what}", began + life * 1000));
        let token = IssuedToken::new(token, Scopes::default(), Some(Duration::from_secs(life)));
        Ok(Brought::found(token))
    }

    /// Why it is asked for again.
    fn classify(&self, what: &str, now: u64) {
        let count = match self.0.last.lock().expect("unpoisoned").get(what) {
            None => return,
            Some((_, usable)) if *usable <= now => &self.0.expired,
            Some((fresh, _)) if *fresh <= now => &self.0.refreshed,
            Some(_) => &self.0.evicted,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// One of those who call, with the token of the time.
pub(super) struct Person {
    number: usize,
    generation: usize,
    pub(super) caller: CallerContext,
}

struct World {
    time: Time,
    outbound: Outbound,
    revocations: Revocations,
    people: Vec<RwLock<Arc<Person>>>,
    /// What there is to be asked for, and an address for each.
    rows: Vec<(Uri, [&'static str; 3])>,
    clients: HashMap<&'static str, TokenClient>,
    recorder: Recorder,
    clock: Clock,
    /// By how many rows the table is turned that is at work: so many after its own is the one that an address leads to.
    turned: RwLock<usize>,
    replaced: AtomicUsize,
    done: AtomicUsize,
    cancelled: AtomicUsize,
    revoked: AtomicUsize,
    refused: Mutex<BTreeMap<&'static str, usize>>,
}

impl World {
    fn new(recorder: &Recorder) -> Self {
        let time = recorder.0.time.clone();
        let clock = Clock::new(time.clone());
        let http = Http::new(clock.clone()).expect("a client");
        let client = |id| {
            let auth = ClientAuth::client_secret_post(id, SecretToken::new("secret")).expect("a client");
            (id, TokenEndpoint::at(ISSUER, format!("{ISSUER}/token"), auth).connect(&http).expect("a server"))
        };
        let clients = CLIENTS.map(client).into();
        let mut rows = Vec::new();
        for audience in AUDIENCES {
            for scope in SCOPES {
                for id in CLIENTS {
                    let uri = format!("{ORIGIN}/{}/7", rows.len()).parse().expect("an address");
                    rows.push((uri, [audience, scope, id]));
                }
            }
        }
        let bounds = Bounds { entries: ROOM, bytes: 1 << 30 };
        let outbound = Outbound::new(Table::of_targets(Targets::new()), bounds, http, clock.clone());
        let revocations = Revocations::new(clock.clone());
        let people = (0..PEOPLE).map(|number| RwLock::new(Arc::new(person(number, 0, &time, &revocations)))).collect();
        let world = Self {
            time,
            outbound,
            revocations,
            people,
            rows,
            clients,
            recorder: recorder.clone(),
            clock,
            turned: RwLock::new(0),
            replaced: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            cancelled: AtomicUsize::new(0),
            revoked: AtomicUsize::new(0),
            refused: Mutex::default(),
        };
        world.turn(0);
        world
    }

    /// Puts another table in the place of the one at work: all its rows are made anew, and each address leads to another.
    fn turn(&self, by: usize) {
        let mut turned = self.turned.write().expect("unpoisoned");
        *turned += by;
        let mut targets = Targets::new();
        for number in 0..ROWS {
            let [audience, scope, id] = self.rows[(number + *turned) % ROWS].1;
            let path = format!("/{number}");
            let row = row(&path, audience, scope, &self.clients[id], &self.recorder, &self.clock);
            let origin = Target::origin(ORIGIN).expect("an origin").origin;
            let prefix = PathPrefix::parse(&path).expect("a path");
            targets.insert(&origin, prefix, When::default(), row).expect("one of each");
        }
        self.outbound.shared().table.store(Arc::new(Table::of_targets(targets)));
        self.replaced.fetch_add(1, Ordering::Relaxed);
    }

    fn person(&self, number: usize) -> Arc<Person> {
        self.people[number].read().expect("unpoisoned").clone()
    }

    /// The same with a new token.
    fn renew(&self, old: &Person) {
        let mut place = self.people[old.number].write().expect("unpoisoned");
        if place.generation == old.generation {
            *place = Arc::new(person(old.number, old.generation + 1, &self.time, &self.revocations));
        }
    }

    async fn request(&self, rng: &mut Rng) {
        // Half of the requests are of few.
        let number = if rng.bool() { rng.usize(..4) } else { rng.usize(..PEOPLE) };
        let person = self.person(number);
        let number = rng.usize(..ROWS);
        let as_service = rng.u8(..) < 8;
        let subject = (!as_service).then(|| person.caller.caller_token().token().expect("a token").expose());
        let acting = as_service.then_some(Acting::AsService);
        let headers = HeaderMap::new();
        let mut scope = Some(person.caller.clone());
        let uri = &self.rows[number].0;
        let (what, before, obtained) = {
            // By which table this request goes is decided here.
            let turned = self.turned.read().expect("unpoisoned");
            let [audience, scopes, client] = self.rows[(number + *turned) % ROWS].1;
            let before = self.time.now();
            let obtain = || self.outbound.obtain(&Method::GET, uri, &headers, acting.as_ref());
            (asked_for(subject, audience, scopes, client), before, ambient::enter(&mut scope, obtain))
        };
        let credential = match obtained {
            Ok(Obtained::Now(credential)) => Ok(credential),
            Ok(Obtained::Later(mut pending)) => {
                if rng.u8(..) < 48 {
                    let left = poll_fn(|cx| Poll::Ready(pending.as_mut().poll(cx).is_pending())).await;
                    self.cancelled.fetch_add(usize::from(left), Ordering::Relaxed);
                    return;
                }
                pending.await
            }
            Err(error) => Err(error),
        };
        match credential {
            Ok(credential) => {
                let mut headers = HeaderMap::new();
                credential.attach(&mut headers);
                let sent = headers["authorization"].to_str().expect("ascii").strip_prefix("Bearer ").expect("a bearer");
                let mut parts = sent.splitn(3, '/');
                let end = parts.by_ref().nth(1).and_then(|end| end.parse::<u64>().ok()).expect("its end");
                assert_eq!(parts.next(), Some(&*what), "a token of another");
                assert!(before < end, "it had ended");
            }
            Err(error) => self.is_refused_rightly(error.refusal(), &person, before),
        }
    }

    fn is_refused_rightly(&self, refusal: &Refusal, person: &Person, before: u64) {
        let check = refusal.check();
        *self.refused.lock().expect("unpoisoned").entry(check).or_default() += 1;
        match check {
            "revoked" => assert!(person.caller.is_revoked()),
            "exp" => {
                assert!(before > 0);
                self.renew(person);
            }
            "recorded" => {}
            other => panic!("refused for {other}"),
        }
    }

    /// Revokes the token of the time, whose entries are of no use from then on, and gives its owner another.
    async fn revoke(&self, rng: &mut Rng) {
        let person = self.person(rng.usize(..PEOPLE));
        let token = person.caller.caller_token();
        let id = token.token_id().expect("every token has one").clone();
        if !self.revocations.revoke(Revocation::token(token.issuer().clone(), id)) {
            return;
        }
        self.revoked.fetch_add(1, Ordering::Relaxed);
        let headers = HeaderMap::new();
        for _ in 0..2 {
            let (uri, _) = &self.rows[rng.usize(..ROWS)];
            let acting = Acting::OnBehalfOf(person.caller.clone());
            let refused = self
                .outbound
                .obtain(&Method::GET, uri, &headers, Some(&acting))
                .map(drop)
                .expect_err("of whom was revoked");
            assert!(["revoked", "exp"].contains(&refused.refusal().check()), "{refused}");
        }
        self.renew(&person);
    }

    async fn work(self: Arc<Self>, mut rng: Rng) {
        while self.done.fetch_add(1, Ordering::Relaxed) < REQUESTS {
            self.request(&mut rng).await;
            match rng.u16(..4000) {
                0 => self.time.advance(9000),
                1..100 => self.time.advance(20),
                100..150 => self.revoke(&mut rng).await,
                150 => self.turn(rng.usize(1..ROWS)),
                151..400 => tokio::task::yield_now().await,
                _ => {}
            }
        }
    }
}

fn row(path: &str, audience: &str, scope: &str, client: &TokenClient, recorder: &Recorder, clock: &Clock) -> Row {
    let name: Arc<str> = format!("{ORIGIN}{path}").into();
    let target = Target::origin(ORIGIN).expect("an origin").audience(audience).scope(scope);
    let terms =
        TargetService { audience: target.audience.clone(), scopes: target.scopes.clone(), ..Default::default() };
    let demands = Demands::of(&target, &terms, client.client_id()).expect("none");
    let recipe = |source: &'static str| {
        let source = Box::new(Named { name: source, client: client.clone(), recorder: recorder.clone() });
        Arc::new(Recipe::new((&name, Which::Current), source, terms.clone(), demands.clone(), clock.clone()))
    };
    let takes = Takes::Callers { of: OnBehalfOf::User, callers: recipe("for users"), own: recipe("for itself") };
    Row { name: name.clone(), takes, deadline: None, user_header: None, goes_alone: false, trial: None }
}

/// The source of a row.
#[derive(Debug)]
struct Named {
    name: &'static str,
    client: TokenClient,
    recorder: Recorder,
}

impl TokenSource for Named {
    fn name(&self) -> &'static str {
        self.name
    }

    fn fingerprint(&self) -> Fingerprint {
        self.client.fingerprint()
    }

    fn obtain(&self, ask: &Ask) -> BoxFuture<'static, Result<Brought, Refusal>> {
        let Ask { recipe, subject, .. } = ask;
        let subject = subject.as_ref().map(|subject| subject.token().expect("a token").expose());
        let audience = recipe.terms.audience.as_ref().expect("an audience").as_str();
        let what = asked_for(subject, audience, &recipe.terms.scopes.to_string(), self.client.client_id().as_str());
        Box::pin(self.recorder.clone().issue(what))
    }
}

/// Of a number made of all that tells people's tokens apart.
#[expect(clippy::disallowed_methods, reason = "these tests stand where verification stands")]
pub(super) fn person(number: usize, generation: usize, time: &Time, revocations: &Revocations) -> Person {
    let issuer: Issuer = ISSUER.parse().expect("an issuer");
    let (user, rest) = (number % USERS, number / USERS);
    let (tenant, rest) = (rest % TENANTS, rest / TENANTS);
    let (actor, key) = (rest % ACTORS, rest / ACTORS);
    let text = format!("u{user}-t{tenant}-a{actor}-k{key}-g{generation}");
    let now = time.wall();
    let token = VerifiedToken::assertion(VerifiedTokenParts {
        credential: Presented::Token { token: SecretToken::new(&*text), payload: Arc::from(*b"{}") },
        issuer: issuer.clone(),
        home: true,
        identity: Identity {
            workload: Workload { id: format!("actor-{actor}").parse().expect("an id"), issuer: issuer.clone() },
            evidence: Evidence::IssuedTo,
            user: Some(User {
                id: format!("user-{user}").parse().expect("an id"),
                issuer,
                tenant: Some(format!("tenant-{tenant}").parse().expect("a tenant")),
            }),
        },
        actors: ActorChain::default(),
        scopes: Scopes::default(),
        audience: vec!["orders".parse().expect("an audience")],
        token_id: Some(text.parse().expect("an id")),
        transaction: None,
        trust_domain: None,
        authentication: AuthenticationContext::default(),
        attributes: Attributes::default(),
        issued_at: Some(now),
        // Of some the end comes before that of their tokens.
        expires_at: now.saturating_add(Duration::from_secs(if key == 0 { 120 } else { 20 })),
        // Each is bound to its sender's key.
        certificate: Some(CertificateThumbprint::of(format!("key-{key}").as_bytes())),
        revocations: revocations.clone(),
    });
    let caller = CallerContext::assertion(Arc::new(token), None, Binding::SameToken, now);
    Person { number, generation, caller }
}

#[test]
fn out_b2_of_a_million_requests_each_gets_the_token_of_its_tuple() {
    let telling = DebuggingRecorder::new();
    let snapshotter = telling.snapshotter();
    telling.install().expect("the only recorder of this binary");
    let recorder = Recorder(Arc::new(Recorded {
        time: Time::default(),
        issued: AtomicUsize::new(0),
        in_the_air: Mutex::default(),
        last: Mutex::default(),
        expired: AtomicUsize::new(0),
        evicted: AtomicUsize::new(0),
        refreshed: AtomicUsize::new(0),
        failed: AtomicUsize::new(0),
    }));
    println!("seed {SEED:#x}");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    let world = Arc::new({
        let _entered = runtime.enter();
        World::new(&recorder)
    });
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..TASKS {
            tasks.spawn(world.clone().work(Rng::with_seed(SEED + task as u64)));
        }
        while let Some(done) = tasks.join_next().await {
            done.expect("no assertion failed");
        }
    });

    let mut results = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let key = key.key();
        let is_ours = key.labels().any(|label| label.key() == "target" && label.value().starts_with(ORIGIN));
        if let (true, "tower_identity_token_requests_total", DebugValue::Counter(count)) = (is_ours, key.name(), value)
        {
            let result = key.labels().find(|label| label.key() == "result").expect("a result").value().to_owned();
            *results.entry(result).or_default() += usize::try_from(count).expect("counted");
        }
    }
    let Recorded { expired, evicted, refreshed, failed, .. } = &*recorder.0;
    for (what, count) in [
        ("expired", expired),
        ("evicted", evicted),
        ("refreshed", refreshed),
        ("failed", failed),
        ("cancelled", &world.cancelled),
        ("revoked", &world.revoked),
        ("replaced", &world.replaced),
    ] {
        results.insert(what.to_owned(), count.load(Ordering::Relaxed));
    }
    println!(
        "{results:?}\nrefused {:?}, {} s passed",
        world.refused.lock().expect("unpoisoned"),
        world.time.now() / 1000
    );
    for what in ["hit", "miss", "coalesced", "expired", "evicted", "cancelled", "revoked"] {
        assert!(results.get(what).is_some_and(|count| *count >= OFTEN), "{what}: {results:?}");
    }
    assert!(results["replaced"] >= OFTEN / 100, "{results:?}");
    for what in ["stale", "negative"] {
        assert!(results.contains_key(what), "{what}: {results:?}");
    }
}
