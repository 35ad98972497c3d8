//! What a slow authorization server costs those whose tokens are at hand, under a steady load in real time.
//!
//! First with a server that takes two seconds, while every token is refreshed: what the slowest hundredth of the requests
//! takes, beside the same with a server that answers at once. Then with one that takes ten, and thousands of new users
//! each second, whose tokens are not to be had: the same for those whose token is at hand, and what memory the crowd takes.
//!
//! `cargo bench -p mesh-tests --bench slow` takes two minutes, prints the figures, and fails where one is above its limit.
//! Without `--bench` it is shorter, and says only that nobody was refused whose token is at hand.
#![expect(clippy::disallowed_methods, reason = "what is measured is real time")]

mod authority;

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use axum::http::{Request, Response, Uri};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_identity::{CallerContext, ClientAuth, Outbound, OutboundLayer, Target, TokenEndpoint};
use tower_identity_testkit::TestCaller;

use crate::authority::{Authority, resident};

/// The users whose tokens are at hand. All of them can be refreshed by a server that takes two seconds, before they end.
const USERS: usize = 100;
/// Requests of these users, each millisecond.
const EACH_TICK: usize = 2;

/// What tokens are good for that are refreshed while it is measured. The last ten seconds are not used, and the refresh
/// begins after seven tenths of the others.
const LIFE: Duration = Duration::from_secs(40);
const SHORT_LIFE: Duration = Duration::from_secs(12);
/// What tokens are good for that are not refreshed meanwhile.
const LONG_LIFE: Duration = Duration::from_secs(3600);

/// New users a second, each of whom calls once.
const CROWD: usize = 5_000;

/// The most that a slow server may add to the slowest hundredth of the requests.
const ADDED: Duration = Duration::from_millis(1);
/// The most that memory may grow while the crowd comes, once the first have come: less than a tenth of what it would take
/// to have all of them wait.
const GROWN: usize = 16 * 1024 * 1024;

#[tokio::main]
async fn main() {
    let measured = std::env::args().any(|argument| argument == "--bench");
    refreshed(measured).await;
    crowded(measured).await;
}

/// With a server that takes two seconds.
async fn refreshed(measured: bool) {
    let (life, takes) = if measured { (LIFE, 2_000) } else { (SHORT_LIFE, 100) };
    let authority = Authority::start(life).await;
    let shop = Shop::new(&authority);
    let callers: Vec<_> = (0..USERS).map(|user| shop.caller(user)).collect();
    shop.fetch(&callers).await;
    let begun = authority.asked();
    // So long that every token ends, were it not refreshed.
    let time = if measured { life } else { life / 4 };
    let fast = shop.load(&callers, time).await;
    let between = authority.asked();
    authority.takes(Duration::from_millis(takes));
    let slow = shop.load(&callers, time).await;
    let (fast_asked, slow_asked) = (between - begun, authority.asked() - between);
    assert!(fast_asked >= USERS && slow_asked >= USERS, "{fast_asked}, {slow_asked}");
    if measured {
        let (fast, slow) = (fast.slowest_hundredth(), slow.slowest_hundredth());
        println!("p99 while {fast_asked} tokens are refreshed by a server that answers at once: {fast:.1?}");
        println!(
            "p99 while {slow_asked} tokens are refreshed by a server that takes 2 s: {slow:.1?}, {ADDED:.1?} more at most"
        );
        assert!(slow <= fast + ADDED, "a slow server is felt by those whose tokens are at hand");
    }
}

/// With a server that takes ten, and a crowd.
async fn crowded(measured: bool) {
    let authority = Authority::start(LONG_LIFE).await;
    let shop = Shop::new(&authority);
    let callers: Vec<_> = (0..USERS).map(|user| shop.caller(user)).collect();
    shop.fetch(&callers).await;
    let second = Duration::from_secs(1);
    let alone = shop.load(&callers, if measured { 10 * second } else { second }).await;
    authority.takes(10 * second);
    let crowd = tokio::spawn(shop.clone().crowd(if measured { 25 * CROWD } else { CROWD }));
    // Those who are the first to come fill the line, and the buffers of a connection each.
    shop.load(&callers, if measured { 5 * second } else { second / 2 }).await;
    let before = resident();
    let beside = shop.load(&callers, if measured { 20 * second } else { second / 2 }).await;
    let grown = resident().saturating_sub(before);
    let refused = crowd.await.expect("a crowd");
    assert!(refused > 0, "the line is bounded");
    if measured {
        let (alone, beside) = (alone.slowest_hundredth(), beside.slowest_hundredth());
        println!("p99 of {USERS} users whose tokens are at hand: {alone:.1?}");
        println!(
            "p99 beside {CROWD} new users a second and a server that takes 10 s: {beside:.1?}, {ADDED:.1?} more at most"
        );
        println!(
            "memory grew by {grown} bytes in 20 s of it, {GROWN} at most; {refused} new users were told to come later"
        );
        assert!(beside <= alone + ADDED, "a crowd at a slow server is felt by those whose tokens are at hand");
        assert!(grown <= GROWN, "a crowd at a slow server takes memory");
    }
}

/// A service that calls another for its users.
#[derive(Clone)]
struct Shop {
    layer: OutboundLayer,
    issuer: String,
    uri: Uri,
}

impl Shop {
    fn new(authority: &Authority) -> Self {
        let auth = ClientAuth::client_secret_post("orders", "secret").expect("valid");
        let server = TokenEndpoint::at(&authority.issuer, format!("{}/token", authority.issuer), auth);
        let target = Target::origin("https://payments.internal").expect("valid").audience("payments").token_exchange();
        let outbound = Outbound::builder(server).target(target).build().expect("valid");
        let uri = "https://payments.internal/charges".parse().expect("uri");
        Self { layer: outbound.layer(), issuer: authority.issuer.clone(), uri }
    }

    fn caller(&self, user: usize) -> CallerContext {
        let user = format!("user-{user}");
        TestCaller::workload("web").user(&user).issuer(&self.issuer).token_id(&user).context()
    }

    async fn fetch(&self, callers: &[CallerContext]) {
        for caller in callers {
            assert!(self.send(caller).await, "a token");
        }
    }

    /// Whether a request of this caller was sent.
    async fn send(&self, caller: &CallerContext) -> bool {
        let target = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(())));
        let mut request = Request::new(());
        *request.uri_mut() = self.uri.clone();
        let mut service = self.layer.layer(target);
        let ready = service.ready().await.expect("infallible");
        caller.scope(async { ready.call(request).await.is_ok() }).await
    }

    /// What requests of these callers take, at a steady rate for so long. None of them is refused.
    async fn load(&self, callers: &[CallerContext], time: Duration) -> Taken {
        let mut taken = Vec::new();
        let mut ticks = interval(Duration::from_millis(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let ends = Instant::now() + time;
        for caller in callers.iter().cycle() {
            if taken.len() % EACH_TICK == 0 {
                ticks.tick().await;
            }
            let begun = Instant::now();
            if begun >= ends {
                break;
            }
            assert!(self.send(caller).await, "a token is at hand");
            taken.push(begun.elapsed());
        }
        Taken(taken)
    }

    /// New users, each of whom calls once; how many of them were refused meanwhile.
    async fn crowd(self, users: usize) -> usize {
        let mut ticks = interval(Duration::from_millis(10));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (mut sent, mut refused) = (JoinSet::new(), 0);
        for user in 0..users {
            if user % (CROWD / 100) == 0 {
                ticks.tick().await;
            }
            let (shop, caller) = (self.clone(), self.caller(USERS + user));
            sent.spawn(async move { shop.send(&caller).await });
            while let Some(ended) = sent.try_join_next() {
                refused += usize::from(!ended.expect("no panic"));
            }
        }
        refused
    }
}

/// What each of many requests took.
struct Taken(Vec<Duration>);

impl Taken {
    fn slowest_hundredth(mut self) -> Duration {
        self.0.sort_unstable();
        self.0[self.0.len() - 1 - self.0.len() / 100]
    }
}
