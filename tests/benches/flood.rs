//! What a flood of unknown key ids costs those who present good tokens.
//!
//! Two floods of the same rate, each against a service and an issuer of its own: tokens that are refused before any key
//! is looked up, and tokens of random key ids. Meanwhile another thread calls with a good token as fast as it can, and
//! in the middle the issuer begins to sign with a new key. The 99th percentiles of the good token are compared. It is
//! asserted that the issuer is asked at most twice, that no good token of either key is ever answered 401, and that one
//! of the new key is answered 200 as soon as the issuer may be asked again. The clock is moved by hand.
//!
//! `cargo bench -p mesh-tests --bench flood` runs five seconds of each flood, three times in turn, which takes 35 seconds,
//! prints the ratio, and fails where it is above its limit. Without `--bench` it runs a fraction of a second of each: what
//! is asserted, and no figures.
#![expect(clippy::disallowed_methods, reason = "a flood has a rate in real time, and a percentile is one of real time")]

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::{Ready, ready},
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

use axum::http::{HeaderValue, Request, Response, StatusCode, header::AUTHORIZATION};
use futures_util::FutureExt;
use tokio::{runtime::Runtime, task::JoinSet};
use tower::{Layer, Service, ServiceExt};
use tower_identity::{AuthLayer, Remember, TrustedIssuer, Verifier};
use tower_identity_testkit::{Endpoint, ManualClock, TestIssuer, TokenBuilder};

/// Tokens of the flood in a second, sent ten at a time.
const RATE: u32 = 10_000;
const BURST: u32 = 10;
const ROUNDS: usize = 3;

/// How often made-up key ids may cost the issuer a fetch.
const RELOAD_WINDOW: Duration = Duration::from_secs(30);

/// The most that a flood of unknown key ids may cost, as a multiple of what one costs that is refused before keys.
const LIMIT: f64 = 1.2;

fn main() {
    let measured = std::env::args().any(|argument| argument == "--bench");
    let duration = if measured { Duration::from_secs(5) } else { Duration::from_millis(300) };
    let rounds = if measured { ROUNDS } else { 1 };

    let mut ratios = Vec::new();
    for round in 1..=rounds {
        let before_keys = flood(duration, |token| token.header("alg", "HS256"));
        assert_eq!(before_keys.refused, BTreeMap::from([(StatusCode::UNAUTHORIZED, before_keys.sent)]));
        assert_eq!(before_keys.new_key.keys().copied().collect::<Vec<_>>(), [StatusCode::OK], "the control's rotation");

        let unknown_keys = flood(duration, |token| token);
        assert!(unknown_keys.fetches <= 2, "the issuer was asked {} times", unknown_keys.fetches);
        let refused: usize = unknown_keys.refused.values().sum();
        assert_eq!(refused, unknown_keys.sent, "none of the flood passes: {:?}", unknown_keys.refused);
        assert_eq!(unknown_keys.refused.get(&StatusCode::OK), None);
        let of_new_key = &unknown_keys.new_key;
        assert!(!of_new_key.is_empty(), "the rotation was tried");
        assert_eq!(of_new_key.get(&StatusCode::UNAUTHORIZED), None, "a rotation is no bad token: {of_new_key:?}");
        for outcome in [&before_keys, &unknown_keys] {
            assert_eq!(outcome.new_key_afterwards, StatusCode::OK, "the new key's, once the issuer may be asked again");
        }

        let ratio = unknown_keys.p99.as_secs_f64() / before_keys.p99.as_secs_f64();
        ratios.push(ratio);
        if measured {
            println!(
                "round {round}: p99 of a good token {:.1?} under unknown key ids, {:.1?} under tokens refused before \
                 keys: {ratio:.2}; key set fetched {} times; tokens of the new key {of_new_key:?}",
                unknown_keys.p99, before_keys.p99, unknown_keys.fetches,
            );
        }
    }
    if measured {
        ratios.sort_by(f64::total_cmp);
        let median = ratios[ratios.len() / 2];
        println!("median ratio {median:.2}, at most {LIMIT}");
        assert!(median <= LIMIT, "a flood of unknown key ids costs good tokens too much");
    }
}

type Guarded = <AuthLayer as Layer<Inner>>::Service;

/// What came of one flood.
struct Outcome {
    /// Of a good token's verification.
    p99: Duration,
    /// How often the issuer was asked for its keys, from the start of the service to the end of the flood.
    fetches: usize,
    sent: usize,
    /// What the flood was answered.
    refused: BTreeMap<StatusCode, usize>,
    /// What good tokens of the key that was new in the middle were answered.
    new_key: BTreeMap<StatusCode, usize>,
    /// What one of them is answered after the flood, when the next window has begun.
    new_key_afterwards: StatusCode,
}

fn flood(duration: Duration, of: impl Fn(TokenBuilder) -> TokenBuilder) -> Outcome {
    let clock = ManualClock::new();
    let issuer = TestIssuer::builder().clock(clock.clock()).start();
    let trusted = TrustedIssuer::discover(issuer.issuer().as_str()).audience("orders");
    // A token that is remembered would tell nothing of what verifying one costs.
    let verifier =
        Verifier::builder(trusted).clock(clock.clock()).remember(Remember::nothing()).build().expect("valid");
    let service = AuthLayer::new(verifier).layer(Inner);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runtime");

    let good = issuer.token().audience("orders");
    let old = good.clone().bearer();
    assert_eq!(runtime.block_on(status(service.clone(), old.clone())), StatusCode::OK, "the keys are at hand");

    let count = RATE * u32::try_from(duration.as_millis()).expect("seconds") / 1000;
    let junk = |n| of(good.clone().header("kid", format!("junk-{n}")).signature([0x5a; 64])).bearer();
    let tokens: Vec<HeaderValue> = (0..count).map(junk).collect();

    let flooding = AtomicBool::new(true);
    thread::scope(|scope| {
        let flood = scope.spawn(|| {
            let refused = send(&runtime, &service, tokens);
            flooding.store(false, Ordering::Release);
            refused
        });

        let mut service = service.clone();
        let (mut times, mut new_key) = (Vec::with_capacity(1 << 18), BTreeMap::new());
        let mut new_token = None;
        let begun = Instant::now();
        while flooding.load(Ordering::Acquire) {
            let called = Instant::now();
            let answer = service.call(presenting(&old)).now_or_never().expect("the key is at hand");
            let Ok(response) = answer;
            times.push(called.elapsed());
            assert_eq!(response.status(), StatusCode::OK);

            if begun.elapsed() > duration / 2 && times.len() % 64 == 0 {
                let token = new_token.get_or_insert_with(|| {
                    issuer.rotate_key();
                    issuer.token().audience("orders").bearer()
                });
                *new_key.entry(runtime.block_on(status(service.clone(), token.clone()))).or_default() += 1;
            }
        }
        let refused = flood.join().expect("the flood ends");
        times.sort_unstable();
        let p99 = times[times.len() * 99 / 100];
        let fetches = issuer.calls(Endpoint::Keys);
        clock.advance(RELOAD_WINDOW);
        let new_token = new_token.expect("the flood is longer than its half");
        let new_key_afterwards = runtime.block_on(status(service, new_token));
        Outcome { p99, fetches, sent: count as usize, refused, new_key, new_key_afterwards }
    })
}

/// Sends tokens at the rate of the flood, whatever becomes of those before.
fn send(runtime: &Runtime, service: &Guarded, tokens: Vec<HeaderValue>) -> BTreeMap<StatusCode, usize> {
    let pause = Duration::from_secs(1) * BURST / RATE;
    let mut sent = JoinSet::new();
    let mut due = Instant::now();
    for (n, token) in tokens.into_iter().enumerate() {
        if n % BURST as usize == 0 {
            due += pause;
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        sent.spawn_on(status(service.clone(), token), runtime.handle());
    }
    let answers = runtime.block_on(sent.join_all());
    answers.into_iter().fold(BTreeMap::new(), |mut counts, status| {
        *counts.entry(status).or_default() += 1;
        counts
    })
}

async fn status(service: Guarded, bearer: HeaderValue) -> StatusCode {
    let Ok(response) = service.oneshot(presenting(&bearer)).await;
    response.status()
}

fn presenting(bearer: &HeaderValue) -> Request<()> {
    let mut request = Request::new(());
    request.headers_mut().insert(AUTHORIZATION, bearer.clone());
    request
}

/// Answers at once, with nothing.
#[derive(Debug, Clone)]
struct Inner;

impl Service<Request<()>> for Inner {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(String::new())))
    }
}
