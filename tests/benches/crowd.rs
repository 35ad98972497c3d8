//! What a downstream token costs where a million of them are remembered.
//!
//! Requests of the same thousand users, where the tokens of these are remembered and where those of a million are; and of
//! users at random among the million. Besides, how much memory a remembered token takes beside its own bytes.
//!
//! `cargo bench -p mesh-tests --bench crowd` fills the million, which takes minutes, prints the figures, and fails where
//! one is above its limit. Without `--bench` it runs with two thousand: that every token is there, and no figures.
#![expect(clippy::disallowed_methods, reason = "what is measured is real time")]

#[expect(dead_code, reason = "what is timed here needs no slow server")]
mod authority;

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    ops::Range,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::http::{HeaderValue, Request, Response, Uri, header::ACCEPT};
use futures_util::{FutureExt, StreamExt, stream};
use tokio::runtime::Runtime;
use tower::{Layer, Service, ServiceExt};
use tower_identity::{CallerContext, ClientAuth, Outbound, OutboundLayer, Target, TokenEndpoint, ambient};
use tower_identity_testkit::TestCaller;

use crate::authority::{Authority, TOKEN, resident};

/// The users that requests are of.
const BUSY: usize = 1_000;
/// How many users at random are tried.
const AT_RANDOM: usize = 50_000;
/// Exchanges at one time, while the tokens are fetched.
const AT_A_TIME: usize = 48;
const ROUNDS: usize = 200;

/// The most that a million may cost, as a multiple of a thousand.
const LIMIT: f64 = 1.3;
/// The most that a token may take beside its own bytes.
const ROOM: f64 = 300.0;

fn main() {
    let measured = std::env::args().any(|argument| argument == "--bench");
    let users = if measured { 1_000_000 } else { 2 * BUSY };
    let runtime = Runtime::new().expect("runtime");
    let authority = runtime.block_on(Authority::start(Duration::from_secs(86_400)));

    let few = Crowd::new(&authority, BUSY);
    runtime.block_on(few.fetch(0..BUSY));
    let many = Crowd::new(&authority, users);
    runtime.block_on(many.fetch(0..users / 2));
    let half = resident();
    runtime.block_on(many.fetch(users / 2..users));
    let bytes = (resident() as f64 - half as f64) / (users - users / 2) as f64;

    let asked = authority.asked();
    let busy: Vec<_> = (0..BUSY).map(|user| Some(many.caller(user))).collect();
    let step = (users / AT_RANDOM).max(1);
    let mut anybody: Vec<_> = (0..users).step_by(step).map(|user| Some(many.caller(user))).collect();
    shuffle(&mut anybody);
    let _in_runtime = runtime.enter();
    let (mut of_few, mut of_many) = (Duration::MAX, Duration::MAX);
    let mut callers = busy;
    for _ in 0..ROUNDS {
        of_few = of_few.min(few.call(&mut callers));
        of_many = of_many.min(many.call(&mut callers));
    }
    let of_anybody = many.call(&mut anybody);
    assert_eq!(authority.asked(), asked, "every call was a hit");

    if measured {
        let ratio = of_many.as_secs_f64() / of_few.as_secs_f64();
        let room = bytes - TOKEN as f64;
        println!("requests of {BUSY} users: {of_few:.0?} with {BUSY} tokens remembered, {of_many:.0?} with {users}");
        println!("ratio {ratio:.2}, at most {LIMIT}");
        println!("requests of users at random among {users}: {of_anybody:.0?}");
        println!("memory of a token beside its own {TOKEN} bytes: {room:.0} bytes, at most {ROOM}");
        assert!(ratio <= LIMIT, "a million remembered tokens cost those of a thousand users too much");
        assert!(room <= ROOM, "a remembered token takes too much memory");
    }
}

/// One outbound, and its users.
struct Crowd {
    layer: OutboundLayer,
    issuer: String,
    uri: Uri,
}

impl Crowd {
    fn new(authority: &Authority, users: usize) -> Self {
        let auth = ClientAuth::client_secret_post("orders", "secret").expect("valid");
        let server = TokenEndpoint::at(&authority.issuer, format!("{}/token", authority.issuer), auth);
        let target = Target::origin("https://payments.internal").expect("valid").audience("payments").token_exchange();
        let builder = Outbound::builder(server).target(target);
        // Users are not spread evenly over the parts of the map, of which each has its share of the room.
        let outbound = builder.cache_capacity(users + users / 4 + 512).cache_bytes(4 << 30).build().expect("valid");
        let uri = "https://payments.internal/charges".parse().expect("uri");
        Self { layer: outbound.layer(), issuer: authority.issuer.clone(), uri }
    }

    fn caller(&self, user: usize) -> CallerContext {
        TestCaller::workload("web")
            .user(format!("user-{user}"))
            .issuer(&self.issuer)
            .token_id(format!("{user}"))
            .context()
    }

    async fn fetch(&self, users: Range<usize>) {
        let one = |user| self.caller(user).scope(self.layer.layer(Inner).oneshot(self.request()));
        let mut all = stream::iter(users).map(one).buffer_unordered(AT_A_TIME);
        while let Some(sent) = all.next().await {
            sent.expect("a token");
        }
    }

    /// What a request of one of them takes.
    fn call(&self, callers: &mut [Option<CallerContext>]) -> Duration {
        let mut service = self.layer.layer(Inner);
        let requests: Vec<_> = callers.iter().map(|_| self.request()).collect();
        let begun = Instant::now();
        for (caller, request) in callers.iter_mut().zip(requests) {
            let response = ambient::enter(caller, || service.call(request));
            black_box(response.now_or_never().expect("a hit").expect("a token"));
        }
        begun.elapsed() / u32::try_from(callers.len()).expect("counted")
    }

    fn request(&self) -> Request<()> {
        let mut request = Request::new(());
        *request.uri_mut() = self.uri.clone();
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        request
    }
}

/// In an order that has nothing to do with that in which they came.
fn shuffle<T>(all: &mut [T]) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for at in (1..all.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        all.swap(at, (state >> 33) as usize % (at + 1));
    }
}

/// Answers at once, with nothing.
#[derive(Debug, Clone)]
struct Inner;

impl Service<Request<()>> for Inner {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        black_box(request);
        ready(Ok(Response::new(())))
    }
}
