//! What the simulation says becomes of requests is what becomes of them: the same requests, made of the cache itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    time::Duration,
};

use axum::http::{Request, Response};
use demo_mesh::simulation::{Arrival, Arrivals, Fleet, Outcome, Tally, tally};
use metrics_util::{
    CompositeKey,
    debugging::{DebugValue, DebuggingRecorder, Snapshotter},
};
use tower::{Layer, ServiceExt, service_fn};
use tower_identity::{CallerContext, ClientAuth, Outbound, RequestExt, Target, TokenEndpoint};
use tower_identity_testkit::{Endpoint, ManualClock, TestCaller, TestIssuer};

const REQUESTS: &str = "tower_identity_token_requests_total";

/// How often a test lets others run while it waits for what has to come.
const PATIENCE: usize = 1_000_000;

/// The services of a fleet, for real, before an authorization server that answers at once.
struct Real {
    issuer: TestIssuer,
    clock: ManualClock,
    replicas: Vec<Outbound>,
    callers: BTreeMap<(u32, u32, u32), CallerContext>,
    told: Snapshotter,
    now: u64,
}

impl Real {
    fn new(fleet: &Fleet, told: Snapshotter) -> Self {
        let clock = ManualClock::new();
        let issuer = TestIssuer::builder().clock(clock.clock()).start();
        issuer.token_lifetime(Duration::from_secs(fleet.token_seconds.into()));
        let replica = |_| {
            let auth = ClientAuth::client_secret_basic("orders", "secret").expect("a client");
            let endpoint = TokenEndpoint::discover(issuer.issuer().as_str(), auth);
            let builder = Outbound::builder(endpoint).clock(clock.clock());
            let mut builder = builder
                .cache_capacity(fleet.cache_capacity as usize)
                .cache_bytes(u64::from(fleet.cache_mebibytes) << 20);
            for target in 0..fleet.targets {
                let named = Target::origin(&origin(target)).expect("an origin").audience(&format!("target-{target}"));
                builder = builder.target(named.token_exchange());
            }
            builder.build().expect("good")
        };
        let replicas = (0..fleet.replicas).map(replica).collect();
        Self { issuer, clock, replicas, callers: BTreeMap::new(), told, now: 0 }
    }

    /// Makes a request, and gives what became of it.
    async fn ask(&mut self, arrival: &Arrival) -> Outcome {
        let Arrival { at, replica, user, caller, presented, presented_ends, target } = *arrival;
        self.clock.advance(Duration::from_millis(at - self.now));
        self.now = at;
        let ends = self.clock.clock().wall().saturating_add(Duration::from_millis(presented_ends - at));
        let context = self.callers.entry((user, caller, presented)).or_insert_with(|| {
            let caller = TestCaller::workload(format!("caller-{caller}")).user(format!("user-{user}"));
            caller.token_id(format!("{presented}")).expires_at(ends).signed_by(&self.issuer).context()
        });
        let context = context.clone();
        let outcome = self.send(replica, target, &context).await;
        if outcome == Outcome::Stale {
            // Time goes on when the next token is there: then a request finds it fresh.
            for _ in 0..PATIENCE {
                if self.send(replica, target, &context).await == Outcome::Hit {
                    return outcome;
                }
                tokio::task::yield_now().await;
            }
            panic!("no token came");
        }
        outcome
    }

    async fn send(&self, replica: u32, target: u32, context: &CallerContext) -> Outcome {
        let request = Request::get(format!("{}/", origin(target))).body(()).expect("a request").on_behalf_of(context);
        let service = self.replicas[replica as usize].layer().layer(service_fn(answer));
        service.oneshot(request).await.expect("sent");
        let counted = self.counted();
        Outcome::ALL.into_iter().find(|outcome| counted.contains(outcome.name())).expect("it was counted")
    }

    /// What the counter of requests that needed a token has counted since it was last looked at.
    fn counted(&self) -> BTreeSet<String> {
        let counted = |(key, _, _, value): (CompositeKey, _, _, DebugValue)| {
            let result = key.key().labels().find(|label| label.key() == "result")?.value().to_owned();
            let is_told = key.key().name() == REQUESTS && value != DebugValue::Counter(0);
            is_told.then_some(result)
        };
        self.told.snapshot().into_vec().into_iter().filter_map(counted).collect()
    }
}

fn origin(target: u32) -> String {
    format!("https://target-{target}.internal")
}

async fn answer(_: Request<()>) -> Result<Response<()>, Infallible> {
    Ok(Response::new(()))
}

/// What the simulation and the cache itself make of the same requests, whose times are these many seconds or a multiple.
fn both(fleet: &Fleet, until: u64, seconds: u64) -> (Tally, Tally) {
    let step = seconds * 1000;
    let whole = |arrival: Arrival| {
        let presented_ends = arrival.presented_ends / step * step;
        Arrival { at: arrival.at / step * step, presented_ends, ..arrival }
    };
    let arrivals = Arrivals::new(fleet, fleet.users, until * 1000).map(whole);
    let arrivals: Vec<_> = arrivals.filter(|arrival| arrival.at < arrival.presented_ends).collect();
    let simulated = tally(fleet, 1.0, 0, arrivals.iter().copied());

    let recorder = DebuggingRecorder::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let real = metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let mut real = Real::new(fleet, recorder.snapshotter());
            let mut tally = Tally::default();
            for arrival in &arrivals {
                let outcome = real.ask(arrival).await;
                tally.outcomes[outcome as usize] += 1;
            }
            tally.calls = real.issuer.calls(Endpoint::Token) as u64;
            tally
        })
    });
    (simulated, real)
}

/// By whole minutes chance has no part in it: a token is not asked for again where it may or may not be due.
#[test]
fn the_simulation_says_of_every_request_what_becomes_of_it() {
    let small =
        Fleet { users: 8, targets: 2, replicas: 2, calls_per_minute: 8, answer_milliseconds: 0, ..Fleet::default() };
    let of_tokens = |token_seconds| Fleet { token_seconds, ..small.clone() };
    let several = Fleet { callers: 3, seed: 2, ..small.clone() };
    for fleet in [of_tokens(300), of_tokens(60), of_tokens(7200), several] {
        let (simulated, real) = both(&fleet, 1800, 60);
        let counts = |tally: &Tally| (tally.outcomes, tally.calls);
        assert_eq!(counts(&simulated), counts(&real), "{fleet:?}");
    }
}

/// Which of the tokens that are not in use makes room is a matter of hashes, which differ each time, and a thread has a few at
/// hand beyond those that are kept.
#[test]
fn where_there_is_not_room_enough_the_two_differ_by_less_than_a_tenth() {
    let fleet =
        Fleet { users: 80, targets: 2, replicas: 1, calls_per_minute: 3, answer_milliseconds: 0, ..Fleet::default() };
    let fleet = Fleet { cache_capacity: 80, ..fleet };
    let (simulated, real) = both(&fleet, 1800, 60);
    let ample = tally(&Fleet { cache_capacity: 1000, ..fleet.clone() }, 1.0, 0, Arrivals::new(&fleet, 80, 1_800_000));
    assert!(simulated.calls > 2 * ample.calls, "{simulated:?} {ample:?}");
    let ratio = real.calls as f64 / simulated.calls as f64;
    assert!((0.9..1.1).contains(&ratio), "{simulated:?} {real:?}");
}
