//! A million requests at random, many at a time: the token that each is given was issued for exactly what it asked.
//!
//! The source writes into a token what it was asked for, so that whoever is given it can compare. Domains are small, so
//! that all that can happen to a token happens often: that is counted, and asserted. Of one key there are never two
//! flights.

use std::{
    collections::{BTreeMap, HashMap},
    future::poll_fn,
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
};

use fastrand::Rng;
use http::{HeaderMap, Method, Uri};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tower_identity_core::{Clock, Refusal, Revocation, Revocations, SecretToken, ambient};
use tower_identity_oauth::{ClientAuth, Http, TokenClient, TokenEndpoint};

pub(super) use self::people::{Time, person};
use self::{
    people::{PEOPLE, Person},
    recorder::{Recorded, Recorder, asked_for, row},
};
use super::Bounds;
use crate::{
    Outbound, Target, acting::Acting, outbound::Obtained, path::PathPrefix, table::Table, targets::Targets, when::When,
};

mod people;
mod recorder;

const SEED: u64 = 0x7067_6964_656e_7469;
const REQUESTS: usize = 1_000_000;
const TASKS: usize = 96;
/// How often each thing has to happen.
const OFTEN: usize = 10_000;

const ISSUER: &str = "https://as.test";
const ORIGIN: &str = "https://targets.test";

const AUDIENCES: [&str; 3] = ["payments", "ledger", "stock"];
const SCOPES: [&str; 2] = ["read", "write"];
const CLIENTS: [&str; 2] = ["orders", "orders-eu"];
const ROWS: usize = AUDIENCES.len() * SCOPES.len() * CLIENTS.len();

/// Less than there are keys of.
const ROOM: usize = 480;

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

#[test]
fn out_b2_of_a_million_requests_each_gets_the_token_of_its_tuple() {
    let telling = DebuggingRecorder::new();
    let snapshotter = telling.snapshotter();
    telling.install().expect("the only recorder of this binary");
    let recorder = Recorder::new(Time::default());
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
