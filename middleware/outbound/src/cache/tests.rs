//! What is on its way is never lost.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::sync::Semaphore;
use tower_identity_core::{BoxFuture, Fingerprint, RefusalKind, Revocations, Scopes, SecretToken};
use tower_identity_oauth::{IssuedToken, TargetService};

use super::{
    mixing::{Time, person},
    *,
};
use crate::{
    Target,
    candidate::Which,
    issued::Demands,
    source::{Brought, Recipe, TokenSource},
};

/// Gives one who asks a token, when it is let, and refuses as many before as a map has room for, and all after.
#[derive(Debug, Clone)]
struct Slow(Arc<(AtomicUsize, Semaphore)>);

impl TokenSource for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("slow").finish()
    }

    fn obtain(&self, _: &Ask) -> BoxFuture<'static, Result<Brought, Refusal>> {
        let Self(shared) = self.clone();
        Box::pin(async move {
            if shared.0.fetch_add(1, Ordering::Relaxed) != FAILURES {
                return Err(Refusal::new(RefusalKind::Denied, "slow"));
            }
            shared.1.acquire().await.expect("never closed").forget();
            Ok(Brought::found(IssuedToken::new(SecretToken::new("token"), Scopes::default(), None)))
        })
    }
}

/// Is out of order, and says each time that it will be over at once.
#[derive(Debug, Clone, Default)]
struct Down(Arc<AtomicUsize>);

impl TokenSource for Down {
    fn name(&self) -> &'static str {
        "down"
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("down").finish()
    }

    fn obtain(&self, _: &Ask) -> BoxFuture<'static, Result<Brought, Refusal>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let refusal = Refusal::new(RefusalKind::Unavailable { retry_after: Duration::ZERO }, "down");
        Box::pin(async move {
            tokio::task::yield_now().await;
            Err(refusal)
        })
    }
}

fn recipe(source: impl TokenSource + 'static, clock: &Clock) -> Arc<Recipe> {
    let target = Target::origin("https://payments.test").expect("an origin").audience("payments");
    let terms = TargetService { audience: target.audience.clone(), ..TargetService::default() };
    let demands = Demands::of(&target, &terms, &"orders".parse().expect("an id")).expect("none");
    Arc::new(Recipe::new((&"payments".into(), Which::Current), Box::new(source), terms, demands, clock.clone()))
}

#[tokio::test]
async fn out_b4_whatever_fails_meanwhile_one_flight_of_a_key_is_in_the_air() {
    let time = Time::default();
    let clock = Clock::new(time.clone());
    let slow = Slow(Arc::new((AtomicUsize::new(0), Semaphore::new(0))));
    let recipe = recipe(slow.clone(), &clock);
    let cache = TokenCache::new(Bounds { entries: 100, bytes: 1 << 20 }, clock.clone());
    let revocations = Revocations::new(clock);
    let ask = |generation| {
        let subject = person(0, generation, &time, &revocations).caller.caller_token().clone();
        Ask { recipe: recipe.clone(), subject: Some(subject), about: None, ahead: false }
    };
    let asking = |generation| {
        let (cache, ask) = (cache.clone(), ask(generation));
        tokio::spawn(async move { cache.ask(&ask).await })
    };
    let fail = async |generations: std::ops::RangeInclusive<usize>| {
        for generation in generations {
            let (came, result) = cache.ask(&ask(generation)).await;
            assert_eq!((came, result.expect_err("refused").check()), (Came::Miss, "slow"));
        }
    };
    // The map is full when it comes, and is filled anew while it is in the air.
    fail(1..=FAILURES).await;
    let first = asking(0);
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.expect_err("it has left").is_cancelled());
    fail(FAILURES + 1..=2 * FAILURES).await;
    assert!(cache.asked.len() <= FAILURES + 1, "{}", cache.asked.len());
    let (came, result) = cache.ask(&ask(2 * FAILURES)).await;
    assert_eq!((came, result.expect_err("remembered").check()), (Came::Negative, "slow"));

    let again = asking(0);
    tokio::task::yield_now().await;
    slow.0.1.add_permits(1);
    let (came, result) = again.await.expect("joined");
    assert_eq!((came, result.is_ok()), (Came::Coalesced, true));
    assert_eq!(slow.0.0.load(Ordering::Relaxed), 1 + 2 * FAILURES, "none of them twice");
    assert_eq!(cache.ask(&ask(0)).await.0, Came::Hit);
}

#[tokio::test]
async fn out_b4_what_came_meanwhile_is_not_asked_for_again_until_it_is_stale() {
    let time = Time::default();
    let clock = Clock::new(time.clone());
    // Everything before this one was refused.
    let slow = Slow(Arc::new((AtomicUsize::new(FAILURES), Semaphore::new(1))));
    let recipe = recipe(slow.clone(), &clock);
    let cache = TokenCache::new(Bounds { entries: 100, bytes: 1 << 20 }, clock.clone());
    let subject = person(0, 0, &time, &Revocations::new(clock)).caller.caller_token().clone();
    let ask = |ahead| Ask { recipe: recipe.clone(), subject: Some(subject.clone()), about: None, ahead };
    let asked = async || {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        slow.0.0.load(Ordering::Relaxed) - FAILURES
    };
    assert_eq!(cache.ask(&ask(false)).await.0, Came::Miss);
    // Whoever found it stale, and comes when another is there.
    cache.refresh(ask(true));
    assert_eq!((asked().await, cache.ask(&ask(false)).await.0), (1, Came::Hit));
    time.advance(59_000);
    cache.refresh(ask(true));
    assert_eq!((asked().await, cache.ask(&ask(false)).await.0), (2, Came::Hit));
}

/// Unlike what came of a flight that nobody waited for when it began.
#[tokio::test]
async fn out_b4_a_failure_that_is_not_remembered_is_the_answer_to_whoever_asked_first() {
    let time = Time::default();
    let clock = Clock::new(time.clone());
    let down = Down::default();
    let recipe = recipe(down.clone(), &clock);
    let cache = TokenCache::new(Bounds { entries: 100, bytes: 1 << 20 }, clock.clone());
    let subject = person(0, 0, &time, &Revocations::new(clock)).caller.caller_token().clone();
    let ask = |ahead| Ask { recipe: recipe.clone(), subject: Some(subject.clone()), about: None, ahead };
    let (came, result) = cache.ask(&ask(false)).await;
    assert_eq!((came, result.expect_err("down").check(), down.0.load(Ordering::Relaxed)), (Came::Miss, "down", 1));

    cache.refresh(ask(true));
    let (came, result) = cache.ask(&ask(false)).await;
    assert_eq!((came, result.expect_err("down").check(), down.0.load(Ordering::Relaxed)), (Came::Miss, "down", 3));
}
